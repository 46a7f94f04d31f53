//! `and`, `or` and `unless`: which series are there decides, not what their values are.

use super::signatures::{Signatures, members};
use super::{any_present, retain_steps};
use crate::eval::QueryError;
use crate::eval::series::{StepSeries, merged};

/// For each group, at which steps the side has a series of it.
fn present(side: &[StepSeries], numbers: &[usize], groups: usize, steps: usize) -> Vec<Option<Vec<bool>>> {
    let members = members(numbers, groups);
    let column = |members: Vec<usize>| {
        (!members.is_empty()).then(|| any_present(members.iter().map(|place| &side[*place].values), steps))
    };
    members.into_iter().map(column).collect()
}

fn filtered(
    side: Vec<StepSeries>,
    numbers: &[usize],
    present: &[Option<Vec<bool>>],
    wanted: impl Fn(bool) -> bool,
) -> Vec<StepSeries> {
    let mut side = side;
    for (series, number) in side.iter_mut().zip(numbers) {
        let present = &present[*number];
        retain_steps(&mut series.values, |step| wanted(present.as_ref().is_some_and(|present| present[step])));
    }
    side.retain(|series| !series.is_empty());
    side
}

pub(super) fn and(
    left: Vec<StepSeries>,
    right: &[StepSeries],
    signatures: Signatures,
    steps: usize,
) -> Vec<StepSeries> {
    let present = present(right, &signatures.right, signatures.groups.len(), steps);
    filtered(left, &signatures.left, &present, |present| present)
}

pub(super) fn unless(
    left: Vec<StepSeries>,
    right: &[StepSeries],
    signatures: Signatures,
    steps: usize,
) -> Vec<StepSeries> {
    let present = present(right, &signatures.right, signatures.groups.len(), steps);
    filtered(left, &signatures.left, &present, |present| !present)
}

pub(super) fn or(
    left: Vec<StepSeries>,
    right: Vec<StepSeries>,
    signatures: Signatures,
    steps: usize,
) -> Result<Vec<StepSeries>, QueryError> {
    let present = present(&left, &signatures.left, signatures.groups.len(), steps);
    let right = filtered(right, &signatures.right, &present, |present| !present);
    merged(left.into_iter().chain(right).collect())
}
