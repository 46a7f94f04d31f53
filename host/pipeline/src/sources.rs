//! What is counted of each source.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use saker_model::{RejectCounts, SeriesId};

/// Where values come from, as it is counted.
pub type SourceName = Arc<str>;

/// What became of a source's values. Received = accepted + rejected.
#[derive(Clone, Debug, Default)]
pub struct SourceCounts {
    /// Values that came in.
    pub received: u64,
    /// Of these, those that were taken.
    pub accepted: u64,
    /// And those that were not, by reason.
    pub rejected: RejectCounts,
}

/// Counted for one source.
#[derive(Debug, Default)]
pub struct SourceCounters {
    /// All of one time.
    pub(crate) counts: Mutex<SourceCounts>,
    /// The series that this source was the first to bring, for as long as they are known.
    pub(crate) series: Mutex<HashSet<SeriesId>>,
    /// Whether it is a collector that has brought them.
    pub(crate) collects: AtomicBool,
}

impl SourceCounters {
    /// What became of its values so far.
    #[must_use]
    pub fn counts(&self) -> SourceCounts {
        self.counts.lock().clone()
    }

    /// How many were rejected for a reason.
    #[cfg(test)]
    pub(crate) fn rejected(&self, reason: saker_model::RejectReason) -> u64 {
        self.counts.lock().rejected.of(reason)
    }

    /// How many series it was the first to bring.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series.lock().len()
    }

    /// Counts values, of which some were taken.
    pub(crate) fn count(&self, received: usize, accepted: usize, rejected: &RejectCounts) {
        let mut counts = self.counts.lock();
        counts.received += received as u64;
        counts.accepted += accepted as u64;
        counts.rejected.add_all(rejected);
    }
}
