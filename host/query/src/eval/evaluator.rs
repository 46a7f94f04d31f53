//! Walks the tree. What each kind of node does stands in the modules beside.

use saker_pipeline::reader::{ReadBudget, SeriesReader};

use super::coarse::Strictness;
use super::grid::Grid;
use super::lookup::LookupColumn;
use super::series::{StepColumn, StepSeries, is_present, merged};
use super::window::{RangeFn, Reach, Slide};
use super::{EvalSettings, QueryError};
use crate::annotations::Annotations;
use crate::ast::{Expr, ExprKind, Subquery};
use crate::value::{RangeSeries, TimedNumber};

/// The value of an expression over a grid.
pub(super) enum Evaluated {
    Scalar(StepColumn),
    Vector(Vec<StepSeries>),
    Text(String),
}

impl Evaluated {
    fn bytes(&self) -> u64 {
        match self {
            Self::Scalar(column) => (column.capacity() * size_of::<f64>()) as u64,
            Self::Vector(series) => series.iter().map(StepSeries::bytes).sum(),
            Self::Text(text) => text.len() as u64,
        }
    }
}

pub(super) struct Evaluator<'a> {
    pub(super) reader: &'a dyn SeriesReader,
    pub(super) text: &'a str,
    pub(super) settings: &'a EvalSettings,
    pub(super) budget: &'a ReadBudget,
    pub(super) query_start_ms: i64,
    pub(super) query_end_ms: i64,
    pub(super) query_step_ms: i64,
    pub(super) annotations: Annotations,
    /// Bytes charged to the budget that are not given back yet.
    held: u64,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(
        reader: &'a dyn SeriesReader,
        text: &'a str,
        settings: &'a EvalSettings,
        budget: &'a ReadBudget,
        grid: Grid,
    ) -> Self {
        Self {
            reader,
            text,
            settings,
            budget,
            query_start_ms: grid.start_ms,
            query_end_ms: grid.end_ms(),
            query_step_ms: if grid.is_instant() { 0 } else { grid.step_ms },
            annotations: Annotations::default(),
            held: 0,
        }
    }

    pub(super) fn eval(&mut self, expr: &Expr, grid: Grid) -> Result<Evaluated, QueryError> {
        self.budget.check()?;
        let before = self.held;
        let value = self.eval_kind(expr, grid)?;
        // What led to the value is gone; only the value is held.
        self.hold_exactly(before + value.bytes())?;
        Ok(value)
    }

    fn eval_kind(&mut self, expr: &Expr, grid: Grid) -> Result<Evaluated, QueryError> {
        Ok(match &expr.kind {
            ExprKind::Number { value, .. } => Evaluated::Scalar(vec![*value; grid.steps]),
            ExprKind::Text(text) => Evaluated::Text(text.clone()),
            ExprKind::Selector(selector) => {
                Evaluated::Vector(self.instant_selector((selector, expr.span), LookupColumn::Value, grid)?)
            }
            ExprKind::Paren(inner) => return self.eval_kind(inner, grid),
            ExprKind::Unary { negative, operand } => return self.unary(*negative, operand, grid),
            ExprKind::Binary(binary) => return self.binary(binary, grid),
            ExprKind::Aggregate(aggregate) => Evaluated::Vector(self.aggregate(aggregate, expr.span, grid)?),
            ExprKind::Call { function, arguments } => return self.call(function, arguments, expr.span, grid),
            // Only functions take ranges, and they do not come here.
            ExprKind::Range { .. } | ExprKind::Subquery(_) => Evaluated::Vector(Vec::new()),
        })
    }

    /// The vector that an expression of that type gives.
    pub(super) fn vector(&mut self, expr: &Expr, grid: Grid) -> Result<Vec<StepSeries>, QueryError> {
        match self.eval(expr, grid)? {
            Evaluated::Vector(series) => Ok(series),
            _ => Ok(Vec::new()),
        }
    }

    /// The scalar that an expression of that type gives.
    pub(super) fn scalar(&mut self, expr: &Expr, grid: Grid) -> Result<StepColumn, QueryError> {
        match self.eval(expr, grid)? {
            Evaluated::Scalar(column) => Ok(column),
            _ => Ok(vec![f64::NAN; grid.steps]),
        }
    }

    fn unary(&mut self, negative: bool, operand: &Expr, grid: Grid) -> Result<Evaluated, QueryError> {
        let mut value = self.eval(operand, grid)?;
        if !negative {
            return Ok(value);
        }
        let negate = |values: &mut StepColumn| {
            values.iter_mut().filter(|value| is_present(**value)).for_each(|value| *value = -*value);
        };
        match &mut value {
            Evaluated::Scalar(column) => negate(column),
            Evaluated::Vector(series) => {
                for series in series.iter_mut() {
                    series.labels = series.labels.without_name();
                    negate(&mut series.values);
                }
                return Ok(Evaluated::Vector(merged(std::mem::take(series))?));
            }
            Evaluated::Text(_) => {}
        }
        Ok(value)
    }

    /// The grid of a subquery that serves all steps: times that are whole multiples of its step.
    fn subquery_grid(&self, subquery: &Subquery, ends: Grid) -> Option<Grid> {
        let step_ms = subquery.step_ms.unwrap_or(self.settings.subquery_step_ms).max(1);
        let after_ms = ends.start_ms - subquery.range_ms;
        let start_ms = (after_ms.div_euclid(step_ms) + 1) * step_ms;
        let last_ms = ends.end_ms();
        let steps = usize::try_from((last_ms - start_ms).div_euclid(step_ms) + 1).unwrap_or_default();
        (steps > 0).then_some(Grid { start_ms, step_ms, steps })
    }

    fn subquery_series(&mut self, subquery: &Subquery, ends: Grid) -> Result<(Grid, Vec<StepSeries>), QueryError> {
        let Some(inner) = self.subquery_grid(subquery, ends) else { return Ok((ends, Vec::new())) };
        self.hold_columns(1, inner.steps)?;
        Ok((inner, self.vector(&subquery.operand, inner)?))
    }

    /// A function over the windows of a subquery.
    pub(super) fn range_subquery(
        &mut self,
        subquery: &Subquery,
        function: &RangeFn<'_>,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let ends = self.shifted(&subquery.time, grid);
        let (inner, series) = self.subquery_series(subquery, ends)?;
        let reach = Reach { grid, ends, range_ms: subquery.range_ms };
        self.hold_columns(series.len(), grid.steps)?;
        let timestamps: Vec<i64> = (0..inner.steps).map(|step| inner.time(step)).collect();
        let mut results = Vec::with_capacity(series.len());
        for series in series {
            let mut slide = Slide::new(reach, function, self.budget, Strictness::Lenient);
            slide.push(&timestamps, &series.values);
            results.push(StepSeries { labels: series.labels, values: slide.finish() });
            self.budget.check()?;
        }
        results.retain(|series| !series.is_empty());
        Ok(results)
    }

    /// The values of a subquery as they are.
    pub(super) fn raw_subquery(&mut self, subquery: &Subquery, grid: Grid) -> Result<Vec<RangeSeries>, QueryError> {
        let ends = self.shifted(&subquery.time, grid);
        let (inner, series) = self.subquery_series(subquery, ends)?;
        let points = |values: &StepColumn| {
            let present = values.iter().enumerate().filter(|(_, value)| is_present(**value));
            present.map(|(step, value)| TimedNumber { time_ms: inner.time(step), value: *value }).collect()
        };
        let mut matrix: Vec<RangeSeries> = series
            .into_iter()
            .map(|series| RangeSeries { points: points(&series.values), labels: series.labels })
            .collect();
        matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(matrix)
    }

    /// Charges columns before they are made.
    pub(super) fn hold_columns(&mut self, columns: usize, steps: usize) -> Result<(), QueryError> {
        let bytes = (columns as u64).saturating_mul((steps * size_of::<f64>() + size_of::<StepSeries>()) as u64);
        self.budget.charge_memory(bytes)?;
        self.held += bytes;
        Ok(())
    }

    fn hold_exactly(&mut self, bytes: u64) -> Result<(), QueryError> {
        if bytes > self.held {
            self.budget.charge_memory(bytes - self.held)?;
        } else {
            self.budget.release_memory(self.held - bytes);
        }
        self.held = bytes;
        Ok(())
    }
}
