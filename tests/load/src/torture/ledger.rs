//! What became of every point: whether it was acknowledged, and how often it arrived.
//!
//! A point is its value, a whole number that no other point has, so that it is known again under whatever name and time
//! it arrives.

use std::ops::Range;
use std::time::Instant;

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
    Rejected,
}

#[derive(Clone, Copy)]
struct Entry {
    outcome: Outcome,
    /// How often a receiver took it and said so.
    answered: u8,
    /// When a client was told, in milliseconds since the beginning.
    told_ms: u32,
}

/// All points of a run.
pub(crate) struct Ledger {
    entries: Mutex<Vec<Entry>>,
    lives: Mutex<Vec<Life>>,
    began: Instant,
}

/// From one start of the agent to the next.
#[derive(Clone, Copy, Default)]
struct Life {
    start_ms: u32,
    /// Repeats that came in it.
    repeats: u64,
}

/// A point that is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its value.
    pub point: u64,
    /// When it was acknowledged, in milliseconds since the beginning,
    pub acknowledged_ms: u32,
    /// and how old the agent was then.
    pub agent_age_ms: u32,
}

/// Sums over all points.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Points that were acknowledged.
    pub acknowledged: u64,
    /// Points of bodies that were rejected.
    pub rejected: u64,
    /// Points of bodies whose end is not known.
    pub unknown: u64,
    /// Acknowledged points that no receiver has.
    pub missing: u64,
    /// Those of them that were acknowledged within a second of the agent's start.
    pub missing_at_starts: u64,
    /// The first of each thousand of the missing, some of them.
    pub missing_examples: Vec<Missing>,
    /// Points of rejected bodies that arrived all the same.
    pub rejected_but_kept: u64,
    /// How often a point came that had been taken before.
    pub repeated: u64,
    /// The most of them in one life of the agent.
    pub repeated_most_in_a_life: u64,
}

/// As many of the missing are named,
const EXAMPLES: usize = 10;
/// each so many after the one before.
const EXAMPLES_APART: u64 = 1000;
/// An agent is starting for so long.
const STARTING_MS: u32 = 1000;

impl Default for Ledger {
    fn default() -> Self {
        Self { entries: Mutex::default(), lives: Mutex::default(), began: Instant::now() }
    }
}

impl Ledger {
    fn now_ms(&self) -> u32 {
        u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX)
    }

    /// New points.
    pub(crate) fn take(&self, points: usize) -> Range<u64> {
        let mut entries = self.entries.lock();
        let first = entries.len();
        entries.resize(first + points, Entry { outcome: Outcome::Unknown, answered: 0, told_ms: 0 });
        first as u64..(first + points) as u64
    }

    /// A client was told what became of points.
    pub(crate) fn settle(&self, points: &Range<u64>, outcome: Outcome) {
        let (mut entries, told_ms) = (self.entries.lock(), self.now_ms());
        for entry in &mut entries[points.start as usize..points.end as usize] {
            (entry.outcome, entry.told_ms) = (outcome, told_ms);
        }
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
        if let Some(life) = self.lives.lock().last_mut() {
            life.repeats += repeated;
        }
    }

    /// The agent is started once more.
    pub(crate) fn next_life(&self) {
        self.lives.lock().push(Life { start_ms: self.now_ms(), repeats: 0 });
    }

    pub(crate) fn acknowledged(&self) -> u64 {
        self.entries.lock().iter().filter(|entry| entry.outcome == Outcome::Acknowledged).count() as u64
    }

    pub(crate) fn missing(&self) -> u64 {
        self.entries.lock().iter().filter(|entry| entry.is_missing()).count() as u64
    }

    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        let lives = self.lives.lock().clone();
        for (point, entry) in self.entries.lock().iter().enumerate() {
            match entry.outcome {
                Outcome::Acknowledged => counts.acknowledged += 1,
                Outcome::Rejected => counts.rejected += 1,
                Outcome::Unknown => counts.unknown += 1,
            }
            if entry.is_missing() {
                counts.add_missing(point as u64, entry.told_ms, &lives);
            }
            counts.rejected_but_kept += u64::from(entry.outcome == Outcome::Rejected && entry.answered > 0);
        }
        counts.repeated = lives.iter().map(|life| life.repeats).sum();
        counts.repeated_most_in_a_life = lives.iter().map(|life| life.repeats).max().unwrap_or(0);
        counts
    }
}

impl Counts {
    fn add_missing(&mut self, point: u64, acknowledged_ms: u32, lives: &[Life]) {
        let life = lives.iter().rev().find(|life| life.start_ms <= acknowledged_ms);
        let agent_age_ms = acknowledged_ms - life.map_or(0, |life| life.start_ms);
        if self.missing.is_multiple_of(EXAMPLES_APART) && self.missing_examples.len() < EXAMPLES {
            self.missing_examples.push(Missing { point, acknowledged_ms, agent_age_ms });
        }
        self.missing += 1;
        self.missing_at_starts += u64::from(agent_age_ms < STARTING_MS);
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
        ledger.next_life();
        let (acknowledged, rejected, unknown) = (ledger.take(10), ledger.take(5), ledger.take(3));
        assert_eq!((acknowledged.clone(), rejected.clone(), unknown), (0..10, 10..15, 15..18));
        ledger.settle(&acknowledged, Outcome::Acknowledged);
        ledger.settle(&rejected, Outcome::Rejected);
        ledger.arrived(&[0, 1, 2, 10, 16, 1 << 40]);
        ledger.next_life();
        ledger.arrived(&[1, 2]);
        let expected = Counts {
            acknowledged: 10,
            rejected: 5,
            unknown: 3,
            missing: 7,
            missing_at_starts: 7,
            missing_examples: Vec::new(),
            rejected_but_kept: 1,
            repeated: 2,
            repeated_most_in_a_life: 2,
        };
        let found = ledger.counts();
        assert_eq!(found.missing_examples[0].point, 3);
        assert_eq!(Counts { missing_examples: Vec::new(), ..found }, expected);
        assert_eq!((ledger.acknowledged(), ledger.missing()), (10, 7));
    }
}
