//! An instant selector over streaming samples: at each step the newest value, unless it is too old or stale.

use super::grid::Grid;
use super::series::{ABSENT, StepColumn, is_present};

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
    newest: Option<(i64, f64)>,
    lookback_ms: i64,
    wanted: LookupColumn,
    pub(super) values: StepColumn,
}

impl StepLookup {
    pub(super) fn new(times: Grid, lookback_ms: i64, wanted: LookupColumn) -> Self {
        Self { times, next: 0, newest: None, lookback_ms, wanted, values: vec![ABSENT; times.steps] }
    }

    /// Takes the next samples. A coarse one counts for as long as its bucket is.
    pub(super) fn push(&mut self, timestamps: &[i64], values: &[f64], granularity_ms: i64) {
        self.lookback_ms = self.lookback_ms.max(granularity_ms);
        for (time, value) in timestamps.iter().zip(values) {
            self.fill_before(*time);
            self.newest = Some((*time, *value));
        }
    }

    pub(super) fn finish(mut self) -> StepColumn {
        self.fill_before(i64::MAX);
        self.values
    }

    /// Fills the steps that lie before the next sample.
    fn fill_before(&mut self, time_ms: i64) {
        while self.next < self.times.steps {
            let step_ms = self.times.time(self.next);
            if step_ms >= time_ms {
                return;
            }
            if let Some((found_ms, value)) = self.newest
                && found_ms > step_ms - self.lookback_ms
                && is_present(value)
            {
                self.values[self.next] = match self.wanted {
                    LookupColumn::Value => value,
                    LookupColumn::Time => found_ms as f64 / 1000.0,
                };
            }
            self.next += 1;
        }
    }
}
