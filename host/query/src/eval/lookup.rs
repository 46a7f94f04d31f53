//! An instant selector over streaming samples: at each step the newest value, unless it is too old or stale.

use super::coarse::{Coarse, Strictness};
use super::grid::Grid;
use super::part::Part;
use super::series::{ABSENT, StepColumn, is_present};
use super::window::first_after;

/// What a step gets of the sample that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LookupColumn {
    Value,
    /// Its time, in seconds.
    Time,
}

pub(super) struct StepLookup {
    times: Grid,
    next: usize,
    newest: Option<Newest>,
    lookback_ms: i64,
    wanted: LookupColumn,
    pub(super) values: StepColumn,
    /// How often the series is measured.
    step_ms: i64,
    coarse: Coarse,
}

/// The newest sample that was pushed.
#[derive(Clone, Copy)]
struct Newest {
    time_ms: i64,
    value: f64,
    /// Its bucket, if it is the newest sample of one.
    part: Option<Part>,
}

impl StepLookup {
    pub(super) fn new(
        times: Grid,
        lookback_ms: i64,
        wanted: LookupColumn,
        step_s: u32,
        strictness: Strictness,
    ) -> Self {
        Self {
            times,
            next: 0,
            newest: None,
            lookback_ms,
            wanted,
            values: vec![ABSENT; times.steps],
            step_ms: i64::from(step_s) * 1000,
            coarse: Coarse::new(strictness),
        }
    }

    /// What buckets made of its answers.
    pub(super) fn coarse(&mut self) -> &mut Coarse {
        &mut self.coarse
    }

    /// Takes the next samples.
    pub(super) fn push(&mut self, timestamps: &[i64], values: &[f64]) {
        let mut at = 0;
        // Between two steps there are many samples, and only the last of them counts.
        while self.next < self.times.steps {
            at += first_after(&timestamps[at..], self.times.time(self.next));
            if at == timestamps.len() {
                break;
            }
            self.newest = self.sample(timestamps, values, at).or(self.newest);
            self.fill();
        }
        self.newest = self.sample(timestamps, values, timestamps.len()).or(self.newest);
    }

    fn sample(&self, timestamps: &[i64], values: &[f64], before: usize) -> Option<Newest> {
        let at = before.checked_sub(1)?;
        Some(Newest { time_ms: timestamps[at], value: values[at], part: None })
    }

    /// Takes the next buckets. The newest sample of one counts for as long as the bucket is, at its own time.
    pub(super) fn push_parts(&mut self, parts: impl Iterator<Item = Part>) {
        for part in parts {
            self.fill_before(part.first_ms);
            let before = self.newest.replace(Newest { time_ms: part.first_ms, value: part.first, part: None });
            self.fill_before(part.first_ms + 1);
            if part.count > 2.0 {
                self.newest = before;
                if self.next < self.times.steps && self.times.time(self.next) < part.last_ms {
                    // What its samples between the first and the last were is not known.
                    self.coarse.inexact(&part);
                }
            }
            self.fill_before(part.last_ms);
            self.newest = Some(Newest { time_ms: part.last_ms, value: part.last, part: Some(part) });
        }
    }

    /// Fills what is left.
    pub(super) fn end(&mut self) {
        self.fill_before(i64::MAX);
    }

    /// Fills the steps that lie before the next sample.
    fn fill_before(&mut self, time_ms: i64) {
        while self.next < self.times.steps && self.times.time(self.next) < time_ms {
            self.fill();
        }
    }

    /// Fills the next step.
    fn fill(&mut self) {
        let step_ms = self.times.time(self.next);
        if let Some(newest) = self.newest
            && newest.time_ms > step_ms - self.reach_ms(&newest)
            && is_present(newest.value)
        {
            self.note(&newest, step_ms - newest.time_ms);
            self.values[self.next] = match self.wanted {
                LookupColumn::Value => newest.value,
                LookupColumn::Time => newest.time_ms as f64 / 1000.0,
            };
        }
        self.next += 1;
    }

    fn reach_ms(&self, newest: &Newest) -> i64 {
        newest.part.map_or(self.lookback_ms, |part| part.granularity_ms.max(self.lookback_ms))
    }

    /// Buckets do not know when a series has ended, and their newest samples count for longer than others do.
    fn note(&mut self, newest: &Newest, age_ms: i64) {
        if let Some(part) = newest.part.filter(|_| age_ms > self.step_ms.min(self.lookback_ms - 1)) {
            self.coarse.inexact(&part);
        }
    }
}
