//! Operators between two expressions.

mod arithmetic;
mod matched;
mod sets;
mod signatures;

use super::QueryError;
use super::evaluator::{Evaluated, Evaluator};
use super::grid::Grid;
use super::series::{ABSENT, StepColumn, StepSeries, is_present, merged};
use crate::ast::{Binary, BinaryOp};
use arithmetic::StepOperation;

impl Evaluator<'_> {
    pub(super) fn binary(&mut self, binary: &Binary, grid: Grid) -> Result<Evaluated, QueryError> {
        let left = self.eval(&binary.left, grid)?;
        let right = self.eval(&binary.right, grid)?;
        let operation = StepOperation::new(binary.op, binary.bool);
        match (left, right) {
            (Evaluated::Scalar(left), Evaluated::Scalar(right)) => {
                let values = left.into_iter().zip(right).map(|(left, right)| operation.scalar(left, right));
                Ok(Evaluated::Scalar(values.collect()))
            }
            (Evaluated::Vector(left), Evaluated::Vector(right)) => {
                self.vectors(binary, operation, left, right, grid).map(Evaluated::Vector)
            }
            (Evaluated::Vector(series), Evaluated::Scalar(scalar)) => {
                with_scalar(operation, series, |value, step| operation.keep(value, scalar[step])).map(Evaluated::Vector)
            }
            (Evaluated::Scalar(scalar), Evaluated::Vector(series)) => {
                let apply = |value: f64, step: usize| operation.keep_right(scalar[step], value);
                with_scalar(operation, series, apply).map(Evaluated::Vector)
            }
            // The types have been checked.
            _ => Ok(Evaluated::Vector(Vec::new())),
        }
    }

    fn vectors(
        &mut self,
        binary: &Binary,
        operation: StepOperation,
        left: Vec<StepSeries>,
        right: Vec<StepSeries>,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let naming = self.settings.naming;
        let (left, right, signatures) = signatures::split(&binary.matching, naming, left, right);
        match binary.op {
            BinaryOp::And => Ok(sets::and(left, &right, signatures, grid.steps)),
            BinaryOp::Unless => Ok(sets::unless(left, &right, signatures, grid.steps)),
            BinaryOp::Or => sets::or(left, right, signatures, grid.steps),
            _ => {
                self.hold_columns(left.len().max(right.len()), grid.steps)?;
                matched::apply(binary, naming, operation, left, right, signatures, grid.steps, self.budget)
            }
        }
    }
}

fn with_scalar(
    operation: StepOperation,
    mut series: Vec<StepSeries>,
    apply: impl Fn(f64, usize) -> f64,
) -> Result<Vec<StepSeries>, QueryError> {
    for series in &mut series {
        for (step, value) in series.values.iter_mut().enumerate().filter(|(_, value)| is_present(**value)) {
            *value = apply(*value, step);
        }
        if operation.drops_name() {
            series.labels = series.labels.without_name();
        }
    }
    series.retain(|series| !series.is_empty());
    merged(series)
}

/// At which steps any of the series has a value.
fn any_present<'a>(series: impl Iterator<Item = &'a StepColumn>, steps: usize) -> Vec<bool> {
    let mut any = vec![false; steps];
    for values in series {
        any.iter_mut().zip(values).for_each(|(any, value)| *any |= is_present(*value));
    }
    any
}

/// Takes the values away at the steps where they are not wanted.
fn retain_steps(values: &mut StepColumn, wanted: impl Fn(usize) -> bool) {
    for (_, value) in values.iter_mut().enumerate().filter(|(step, _)| !wanted(*step)) {
        *value = ABSENT;
    }
}
