//! A reader that notices when a query meets series of native histograms, which are not loaded.

use std::sync::atomic::{AtomicBool, Ordering};

use saker_pipeline::reader::{AggregateSet, Chunk, Matcher, ReadBudget, ReadError, SeriesReader, SeriesRef, TimeRange};
use saker_query::MemoryReader;

#[derive(Default)]
pub(crate) struct Spy {
    pub(crate) samples: MemoryReader,
    /// One sample for each of them.
    pub(crate) native: MemoryReader,
    met: AtomicBool,
}

impl Spy {
    /// Whether the last query met one.
    pub(crate) fn met_native(&self) -> bool {
        self.met.swap(false, Ordering::Relaxed)
    }
}

impl SeriesReader for Spy {
    fn select(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<SeriesRef>, ReadError> {
        let always = TimeRange { start_ms: i64::MIN, end_ms: i64::MAX };
        if !self.native.select(matchers, always, 1)?.is_empty() {
            self.met.store(true, Ordering::Relaxed);
        }
        self.samples.select(matchers, range, limit)
    }

    fn read(
        &self,
        series: &[SeriesRef],
        range: TimeRange,
        columns: AggregateSet,
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        self.samples.read(series, range, columns, budget, visit)
    }
}
