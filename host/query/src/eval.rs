//! Evaluates a tree over a reader. Columns all the way: a vector is a list of series, each with one value for every step
//! of the query, so that what is done a series (finding labels, matching, grouping) is done once and not once a step.
//! Samples stream: of what is read, only the windows that the next step needs are kept.

mod aggregate;
mod binary;
mod call;
mod coarse;
mod error;
mod evaluator;
mod functions;
mod grid;
mod lookup;
mod part;
mod range_call;
mod select;
mod series;
mod window;

use saker_pipeline::reader::{ReadBudget, SeriesReader};

use crate::ast::{Expr, ExprKind};
use crate::names::NamingMode;
use crate::types::ValueType;
use crate::value::{InstantSample, QueryAnswer, QueryValue, RangeSeries, TimedNumber};
use evaluator::{Evaluated, Evaluator};
use grid::Grid;
use series::is_present;

pub use error::{MatchError, QueryError};
pub(crate) use functions::date::{days as days_to_month, rfc3339};

/// Steps of a range query beyond the first: Prometheus' own limit, which Grafana knows.
pub const STEPS_MAX: i64 = 11_000;

/// How queries are evaluated.
#[derive(Clone, Copy, Debug)]
pub struct EvalSettings {
    /// How stored names become names in a query.
    pub naming: NamingMode,
    /// How far back a selector looks for a value.
    pub lookback_ms: i64,
    /// The step of subqueries that name none.
    pub subquery_step_ms: i64,
    /// How many series one selector may find.
    pub series_max: usize,
}

impl Default for EvalSettings {
    fn default() -> Self {
        Self { naming: NamingMode::Prometheus, lookback_ms: 300_000, subquery_step_ms: 60_000, series_max: 100_000 }
    }
}

/// A query that is ready to be evaluated: its text, for places in annotations, and its tree.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// As it was written.
    pub text: &'a str,
    /// As it was parsed.
    pub expr: &'a Expr,
}

/// Evaluates a query at one time.
///
/// # Errors
/// [`QueryError`]
pub fn instant(
    reader: &dyn SeriesReader,
    query: Query<'_>,
    time_ms: i64,
    settings: &EvalSettings,
    budget: &ReadBudget,
) -> Result<QueryAnswer, QueryError> {
    let grid = Grid::at(time_ms);
    let mut evaluator = Evaluator::new(reader, query.text, settings, budget, grid);
    let value = match &query.expr.unwrapped().kind {
        ExprKind::Range { selector, range_ms } => QueryValue::Matrix(evaluator.raw_range(selector, *range_ms, grid)?),
        ExprKind::Subquery(subquery) => QueryValue::Matrix(evaluator.raw_subquery(subquery, grid)?),
        _ => match evaluator.eval(query.expr, grid)? {
            Evaluated::Scalar(column) => QueryValue::Scalar(TimedNumber { time_ms, value: column[0] }),
            Evaluated::Text(text) => QueryValue::Text(time_ms, text),
            Evaluated::Vector(series) => QueryValue::Vector(
                series
                    .into_iter()
                    .filter(|series| is_present(series.values[0]))
                    .map(|series| InstantSample {
                        labels: series.labels,
                        point: TimedNumber { time_ms, value: series.values[0] },
                    })
                    .collect(),
            ),
        },
    };
    Ok(QueryAnswer { value, annotations: evaluator.annotations, samples: budget.samples() })
}

/// Evaluates a query at each step from `start_ms` to `end_ms`, both included.
///
/// # Errors
/// [`QueryError`]
pub fn range(
    reader: &dyn SeriesReader,
    query: Query<'_>,
    (start_ms, end_ms): (i64, i64),
    step_ms: i64,
    settings: &EvalSettings,
    budget: &ReadBudget,
) -> Result<QueryAnswer, QueryError> {
    let found = query.expr.value_type();
    if !matches!(found, ValueType::Scalar | ValueType::Vector) {
        return Err(QueryError::NotForRange { found });
    }
    let grid = range_grid(start_ms, end_ms, step_ms)?;
    let mut evaluator = Evaluator::new(reader, query.text, settings, budget, grid);
    // `end()` is what was asked for, which need not be a step.
    evaluator.query_end_ms = end_ms;
    let mut matrix = match evaluator.eval(query.expr, grid)? {
        Evaluated::Scalar(values) => vec![RangeSeries { labels: Default::default(), points: points(&values, grid) }],
        Evaluated::Vector(series) => series
            .into_iter()
            .map(|series| RangeSeries { points: points(&series.values, grid), labels: series.labels })
            .filter(|series| !series.points.is_empty())
            .collect(),
        Evaluated::Text(_) => Vec::new(),
    };
    matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
    Ok(QueryAnswer { value: QueryValue::Matrix(matrix), annotations: evaluator.annotations, samples: budget.samples() })
}

fn range_grid(start_ms: i64, end_ms: i64, step_ms: i64) -> Result<Grid, QueryError> {
    if step_ms <= 0 {
        return Err(QueryError::Step);
    }
    if end_ms < start_ms {
        return Err(QueryError::EndBeforeStart);
    }
    let span = end_ms.saturating_sub(start_ms);
    let steps = span / step_ms + 1;
    // As many steps as Prometheus takes: the first does not count.
    if steps - 1 > STEPS_MAX {
        let least_ms = (span / (STEPS_MAX + 1)).saturating_add(1);
        return Err(QueryError::Steps { steps, step_s: (least_ms + 999) / 1000 });
    }
    Ok(Grid { start_ms, step_ms, steps: steps as usize })
}

fn points(values: &[f64], grid: Grid) -> Vec<TimedNumber> {
    let present = values.iter().enumerate().filter(|(_, value)| is_present(**value));
    present.map(|(step, value)| TimedNumber { time_ms: grid.time(step), value: *value }).collect()
}
