//! A series over the steps of a grid.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use saker_model::{STALE_MARKER, is_stale};

use super::QueryError;
use crate::labels::Labels;

/// Stands for a step without a value. No evaluation yields these bits: a selector passes over them, and arithmetic makes
/// quiet NaNs only.
pub(super) const ABSENT: f64 = STALE_MARKER;

pub(super) fn is_present(value: f64) -> bool {
    !is_stale(value)
}

/// A value for each step.
pub(super) type StepColumn = Vec<f64>;

#[derive(Clone, Debug)]
pub(super) struct StepSeries {
    pub(super) labels: Labels,
    pub(super) values: StepColumn,
}

impl StepSeries {
    pub(super) fn is_empty(&self) -> bool {
        !self.values.iter().any(|value| is_present(*value))
    }

    pub(super) fn bytes(&self) -> u64 {
        (size_of::<Self>() + self.values.capacity() * size_of::<f64>()) as u64
    }
}

/// Series whose labels have changed: those that have become the same are one, unless both have a value at a step.
pub(super) fn merged(series: Vec<StepSeries>) -> Result<Vec<StepSeries>, QueryError> {
    let mut merger = Merger::default();
    for series in series {
        merger.add(series)?;
    }
    Ok(merger.series)
}

/// Series whose labels have changed, and that must all be different still.
pub(super) fn distinct(series: Vec<StepSeries>) -> Result<Vec<StepSeries>, QueryError> {
    let mut seen = HashMap::with_capacity(series.len());
    for (place, one) in series.iter().enumerate() {
        if seen.insert(&one.labels, place).is_some() {
            return Err(QueryError::SameLabels { labels: one.labels.to_string() });
        }
    }
    Ok(series)
}

#[derive(Default)]
pub(super) struct Merger {
    pub(super) series: Vec<StepSeries>,
    places: HashMap<Labels, usize>,
}

impl Merger {
    pub(super) fn add(&mut self, series: StepSeries) -> Result<(), QueryError> {
        match self.places.entry(series.labels.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(self.series.len());
                self.series.push(series);
            }
            Entry::Occupied(occupied) => {
                let into = &mut self.series[*occupied.get()];
                for (old, new) in into.values.iter_mut().zip(series.values) {
                    if is_present(new) && is_present(*old) {
                        return Err(QueryError::SameLabels { labels: series.labels.to_string() });
                    }
                    if is_present(new) {
                        *old = new;
                    }
                }
            }
        }
        Ok(())
    }
}
