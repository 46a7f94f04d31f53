//! Arithmetic and comparisons between the series of two vectors that match.

use std::collections::HashMap;

use saker_pipeline::reader::ReadBudget;

use super::any_present;
use super::arithmetic::StepOperation;
use super::signatures::{Signatures, members, names};
use crate::ast::{Binary, Matching};
use crate::eval::QueryError;
use crate::eval::error::MatchError;
use crate::eval::series::{ABSENT, Merger, StepColumn, StepSeries, is_present};
use crate::labels::Labels;
use crate::names::NamingMode;

/// A join: the side that may have many series of a group, and the side that has one.
struct Join<'a> {
    matching: &'a Matching,
    naming: NamingMode,
    operation: StepOperation,
    /// Whether the side with one is the left one.
    swapped: bool,
    many: &'a [StepSeries],
    one: &'a [StepSeries],
    steps: usize,
    budget: &'a ReadBudget,
    /// At which steps both sides have anything: at others nothing is looked at, so nothing is wrong.
    looked: Vec<bool>,
}

#[expect(clippy::too_many_arguments, reason = "both sides, and what is to be done with them")]
pub(super) fn apply(
    binary: &Binary,
    naming: NamingMode,
    operation: StepOperation,
    left: Vec<StepSeries>,
    right: Vec<StepSeries>,
    signatures: Signatures,
    steps: usize,
    budget: &ReadBudget,
) -> Result<Vec<StepSeries>, QueryError> {
    let any = [&left, &right].map(|side| any_present(side.iter().map(|series| &series.values), steps));
    let looked = any[0].iter().zip(&any[1]).map(|(left, right)| *left && *right).collect();
    let swapped = binary.matching.group.as_ref().is_some_and(|group| !group.left);
    let groups = signatures.groups.len();
    let [left_members, right_members] = [&signatures.left, &signatures.right].map(|side| members(side, groups));
    let (many, one) = if swapped { (&right, &left) } else { (&left, &right) };
    let (many_members, one_members) =
        if swapped { (right_members, left_members) } else { (left_members, right_members) };
    let join = Join { matching: &binary.matching, naming, operation, swapped, many, one, steps, budget, looked };
    let mut results = Merger::default();
    for (group, (many, one)) in many_members.iter().zip(&one_members).enumerate() {
        join.check_one(one, &signatures.groups[group])?;
        join.group(many, one, &mut results)?;
    }
    let mut series = results.series;
    series.retain(|series| !series.is_empty());
    Ok(series)
}

impl Join<'_> {
    /// The side that must have one series a group has no more at any step.
    fn check_one(&self, one: &[usize], group: &Labels) -> Result<(), MatchError> {
        if one.len() < 2 {
            return Ok(());
        }
        for step in (0..self.steps).filter(|step| self.looked[*step]) {
            let mut present = one.iter().filter(|place| is_present(self.one[**place].values[step]));
            if let (Some(first), Some(second)) = (present.next(), present.next()) {
                let mut named = [first, second].map(|place| self.one[*place].labels.to_string());
                named.sort();
                let [first, second] = named;
                let side = if self.swapped { "left" } else { "right" };
                return Err(MatchError::ManyToMany { group: group.to_string(), side, first, second });
            }
        }
        Ok(())
    }

    fn group(&self, many: &[usize], one: &[usize], results: &mut Merger) -> Result<(), QueryError> {
        // For each result's labels, at which steps they have been given away.
        let mut given: HashMap<Labels, Vec<bool>> = HashMap::new();
        let several = many.len() > 1;
        for many in many.iter().map(|place| &self.many[*place]) {
            self.budget.check()?;
            for one in one.iter().map(|place| &self.one[*place]) {
                let labels = self.labels(&many.labels, &one.labels);
                if several {
                    let key = if self.matching.group.is_some() { labels.clone() } else { Labels::default() };
                    let taken = given.entry(key).or_insert_with(|| vec![false; self.steps]);
                    self.take(&many.values, &one.values, taken)?;
                }
                let values = self.column(&many.values, &one.values);
                let series = StepSeries { labels, values };
                if !series.is_empty() {
                    results.add(series)?;
                }
            }
        }
        Ok(())
    }

    /// Takes the steps at which two series meet, unless others have met there with the same result.
    fn take(&self, many: &StepColumn, one: &StepColumn, taken: &mut [bool]) -> Result<(), MatchError> {
        for ((taken, many), one) in taken.iter_mut().zip(many).zip(one) {
            if is_present(*many) && is_present(*one) && std::mem::replace(taken, true) {
                return Err(if self.matching.group.is_some() { MatchError::NotUnique } else { MatchError::ManyToOne });
            }
        }
        Ok(())
    }

    fn column(&self, many: &StepColumn, one: &StepColumn) -> StepColumn {
        let apply = |many: f64, one: f64| match (is_present(many) && is_present(one), self.swapped) {
            (false, _) => ABSENT,
            (true, false) => self.operation.keep(many, one),
            (true, true) => self.operation.keep(one, many),
        };
        many.iter().zip(one).map(|(many, one)| apply(*many, *one)).collect()
    }

    fn labels(&self, many: &Labels, one: &Labels) -> Labels {
        let mut labels = if self.operation.drops_name() { many.without_name() } else { many.clone() };
        let Some(group) = &self.matching.group else {
            let names = names(self.matching, self.naming);
            let named = |name: &str| names.iter().any(|label| label == name);
            return labels.filtered(|name| named(name) == self.matching.on);
        };
        for label in &group.include {
            let label = self.naming.query_label(label);
            labels = labels.with(&label, one.get(&label));
        }
        labels
    }
}
