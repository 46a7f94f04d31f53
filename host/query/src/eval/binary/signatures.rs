//! Which series of two vectors belong together: those whose matching labels are the same.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::ast::Matching;
use crate::eval::series::StepSeries;
use crate::labels::{Labels, METRIC_NAME};
use crate::names::NamingMode;

/// For each series of both sides the number of its group.
pub(super) struct Signatures {
    pub(super) left: Vec<usize>,
    pub(super) right: Vec<usize>,
    /// What the series of each group share.
    pub(super) groups: Vec<Labels>,
}

/// The matching's labels as results have them.
pub(super) fn names(matching: &Matching, naming: NamingMode) -> Vec<Cow<'_, str>> {
    matching.labels.iter().map(|label| naming.query_label(label)).collect()
}

pub(super) fn split(
    matching: &Matching,
    naming: NamingMode,
    left: Vec<StepSeries>,
    right: Vec<StepSeries>,
) -> (Vec<StepSeries>, Vec<StepSeries>, Signatures) {
    let names = names(matching, naming);
    let signature = |labels: &Labels| {
        let named = |name: &str| names.iter().any(|label| label == name);
        labels.filtered(|name| if matching.on { named(name) } else { name != METRIC_NAME && !named(name) })
    };
    let mut places: HashMap<Labels, usize> = HashMap::new();
    let mut groups = Vec::new();
    let mut number = |series: &StepSeries| {
        *places.entry(signature(&series.labels)).or_insert_with_key(|labels| {
            groups.push(labels.clone());
            groups.len() - 1
        })
    };
    let numbers = [&left, &right].map(|side| side.iter().map(&mut number).collect::<Vec<usize>>());
    let [left_numbers, right_numbers] = numbers;
    (left, right, Signatures { left: left_numbers, right: right_numbers, groups })
}

/// The places of a side's series, by group.
pub(super) fn members(numbers: &[usize], groups: usize) -> Vec<Vec<usize>> {
    let mut members = vec![Vec::new(); groups];
    for (place, number) in numbers.iter().enumerate() {
        members[*number].push(place);
    }
    members
}
