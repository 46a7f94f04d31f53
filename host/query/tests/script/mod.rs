//! A language for tables of queries: series are loaded, queries are evaluated, results are expected.
//!
//! ```text
//! clear
//! load 10s
//!   requests_total{core="0"} 0+10x30 _ stale 5
//! eval instant at 5m rate(requests_total[1m])
//!   {core="0"} 1
//! eval range from 0 to 1m step 30s requests_total
//!   requests_total{core="0"} 0 30 60
//! eval instant at 1m sum(1)
//!   expect fail expected type instant vector
//! ```
//!
//! A line `expect` can be `ordered`, `fail [TEXT]`, `warn [TEXT]`, `info [TEXT]`, `no_warn`, `no_info` or
//! `string "TEXT"`. Values are numbers, `_` for none, `stale`, or runs: `1x3`, `0+10x5`, `_x3`. It is near enough to the
//! language of Prometheus' own tests to run those too.

mod check;
mod parse;
mod spy;

use saker_pipeline::reader::{Cancel, ReadBudget, ReadLimits};
use saker_query::names::NamingMode;
use saker_query::{EvalSettings, Query, QueryAnswer, QueryError, QueryValue};

pub(crate) use parse::{Expected, Line};

/// What became of a script's queries.
#[derive(Default)]
pub(crate) struct Report {
    /// So many answered as expected.
    pub(crate) passed: usize,
    /// So many are about what is not there: native histograms.
    pub(crate) skipped: usize,
    /// The others: where, which, and why.
    pub(crate) failures: Vec<String>,
}

#[derive(Clone, Copy)]
pub(crate) enum When {
    At(i64),
    Range { start_ms: i64, end_ms: i64, step_ms: i64 },
}

pub(crate) struct Evaluation {
    pub(crate) place: String,
    pub(crate) when: When,
    pub(crate) query: String,
    pub(crate) expected: Expected,
}

/// Runs a script.
pub(crate) fn run(name: &str, text: &str) -> Report {
    let mut report = Report::default();
    let mut reader = spy::Spy::default();
    for line in parse::script(name, text) {
        match line {
            Line::Clear => {
                reader = spy::Spy::default();
            }
            Line::Load { identity, samples } => {
                for (time_ms, value) in samples {
                    reader.samples.push(&identity, time_ms, value);
                }
            }
            Line::Native(identity) => reader.native.push(&identity, 0, 0.0),
            Line::Eval(evaluation) => {
                let found = evaluate(&reader, &evaluation);
                if reader.met_native() || evaluation.expected.native {
                    report.skipped += 1;
                    continue;
                }
                match check::check(&evaluation, found) {
                    Ok(()) => report.passed += 1,
                    Err(why) => report.failures.push(format!("{}: {}\n    {why}", evaluation.place, evaluation.query)),
                }
            }
        }
    }
    report
}

fn evaluate(reader: &spy::Spy, evaluation: &Evaluation) -> Result<QueryAnswer, QueryError> {
    let expr = saker_query::parse(&evaluation.query)?;
    let printed = saker_query::parse(&expr.to_string())?;
    assert_eq!(format!("{expr:?}"), format!("{printed:?}"), "printed and parsed again");
    let query = Query { text: &evaluation.query, expr: &expr };
    let settings = EvalSettings { naming: NamingMode::Verbatim, ..EvalSettings::default() };
    let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
    match evaluation.when {
        When::At(time_ms) => saker_query::instant(reader, query, time_ms, &settings, &budget),
        When::Range { start_ms, end_ms, step_ms } => {
            saker_query::range(reader, query, (start_ms, end_ms), step_ms, &settings, &budget)
        }
    }
}

/// Labels and values of a result, in its order; a scalar has none.
fn rows(value: &QueryValue) -> Vec<(String, Vec<(i64, f64)>)> {
    match value {
        QueryValue::Scalar(point) => vec![("{}".into(), vec![(point.time_ms, point.value)])],
        QueryValue::Text(..) => Vec::new(),
        QueryValue::Vector(samples) => samples
            .iter()
            .map(|sample| (sample.labels.to_string(), vec![(sample.point.time_ms, sample.point.value)]))
            .collect(),
        QueryValue::Matrix(series) => series
            .iter()
            .map(|series| {
                let points = series.points.iter().map(|point| (point.time_ms, point.value));
                (series.labels.to_string(), points.collect())
            })
            .collect(),
    }
}
