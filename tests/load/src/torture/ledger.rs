//! What became of every point: whether it was acknowledged, and how often it arrived.
//!
//! A point is its value, a whole number that no other point has, so that it is known again under whatever name and time
//! it arrives.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde::Serialize;

/// What a client was told of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing yet, or the connection broke off: it may have been taken. It is never sent again.
    Unknown,
    /// It was taken: 2xx.
    Acknowledged,
    /// It was not: any other status.
    Refused,
}

#[derive(Clone, Copy)]
struct Entry {
    outcome: Outcome,
    /// How often a receiver took it and said so.
    answered: u8,
}

/// All points of a run.
#[derive(Default)]
pub(crate) struct Ledger {
    entries: Mutex<Vec<Entry>>,
    /// Repeats by the life of the agent in which they came.
    repeats: Mutex<Vec<u64>>,
    life: AtomicUsize,
}

/// Sums over all points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Points that were acknowledged.
    pub acknowledged: u64,
    /// Points of bodies that were refused.
    pub refused: u64,
    /// Points of bodies whose end is not known.
    pub unknown: u64,
    /// Acknowledged points that no receiver has.
    pub missing: u64,
    /// The first of these, by their values.
    pub missing_examples: Vec<u64>,
    /// Points of refused bodies that arrived all the same.
    pub refused_but_kept: u64,
    /// How often a point came that had been taken before.
    pub repeated: u64,
    /// The most of them in one life of the agent.
    pub repeated_most_in_a_life: u64,
}

/// As many of the missing are named.
const EXAMPLES: usize = 5;

impl Ledger {
    /// New points.
    pub(crate) fn take(&self, points: usize) -> Range<u64> {
        let mut entries = self.entries.lock();
        let first = entries.len();
        entries.resize(first + points, Entry { outcome: Outcome::Unknown, answered: 0 });
        first as u64..(first + points) as u64
    }

    /// A client was told what became of points.
    pub(crate) fn settle(&self, points: &Range<u64>, outcome: Outcome) {
        let mut entries = self.entries.lock();
        entries[points.start as usize..points.end as usize].iter_mut().for_each(|entry| entry.outcome = outcome);
    }

    /// A receiver took points and said so.
    pub(crate) fn arrived(&self, points: &[u64]) {
        let mut entries = self.entries.lock();
        let mut repeated = 0;
        for point in points {
            if let Some(entry) = usize::try_from(*point).ok().and_then(|point| entries.get_mut(point)) {
                repeated += u64::from(entry.answered > 0);
                entry.answered = entry.answered.saturating_add(1);
            }
        }
        drop(entries);
        if repeated > 0 {
            let life = self.life.load(Ordering::Relaxed);
            let mut repeats = self.repeats.lock();
            if repeats.len() <= life {
                repeats.resize(life + 1, 0);
            }
            repeats[life] += repeated;
        }
    }

    /// The agent has been started once more.
    pub(crate) fn next_life(&self) {
        self.life.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.entries.lock().iter().filter(|entry| entry.outcome == Outcome::Acknowledged).count() as u64
    }

    pub(crate) fn missing(&self) -> u64 {
        self.entries.lock().iter().filter(|entry| entry.is_missing()).count() as u64
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (point, entry) in self.entries.lock().iter().enumerate() {
            match entry.outcome {
                Outcome::Acknowledged => counts.acknowledged += 1,
                Outcome::Refused => counts.refused += 1,
                Outcome::Unknown => counts.unknown += 1,
            }
            if entry.is_missing() {
                counts.missing += 1;
                if counts.missing_examples.len() < EXAMPLES {
                    counts.missing_examples.push(point as u64);
                }
            }
            counts.refused_but_kept += u64::from(entry.outcome == Outcome::Refused && entry.answered > 0);
        }
        let repeats = self.repeats.lock();
        counts.repeated = repeats.iter().sum();
        counts.repeated_most_in_a_life = repeats.iter().copied().max().unwrap_or(0);
        counts
    }
}

impl Entry {
    fn is_missing(self) -> bool {
        self.outcome == Outcome::Acknowledged && self.answered == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_counted_by_what_was_said_of_it_and_by_how_often_it_came() {
        let ledger = Ledger::default();
        let (acknowledged, refused, unknown) = (ledger.take(10), ledger.take(5), ledger.take(3));
        assert_eq!((acknowledged.clone(), refused.clone(), unknown), (0..10, 10..15, 15..18));
        ledger.settle(&acknowledged, Outcome::Acknowledged);
        ledger.settle(&refused, Outcome::Refused);
        ledger.arrived(&[0, 1, 2, 10, 16, 1 << 40]);
        ledger.next_life();
        ledger.arrived(&[1, 2]);
        let expected = Counts {
            acknowledged: 10,
            refused: 5,
            unknown: 3,
            missing: 7,
            missing_examples: vec![3, 4, 5, 6, 7],
            refused_but_kept: 1,
            repeated: 2,
            repeated_most_in_a_life: 2,
        };
        assert_eq!(ledger.counts(), expected);
        assert_eq!((ledger.acknowledged(), ledger.missing()), (10, 7));
    }
}
