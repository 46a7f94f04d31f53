//! What is counted of queries, for `/metrics`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use saker_pipeline::reader::ReadError;
use saker_telemetry::{Metrics, Out, by, one};

use crate::eval::QueryError;
use crate::log::QueryLog;

/// Ways in which a query ends.
const RESULTS: [&str; 7] = ["answered", "wrong", "budget", "timeout", "cancelled", "storage", "rejected"];

/// What has been asked so far.
#[derive(Debug, Default)]
pub struct Counts {
    results: [AtomicU64; RESULTS.len()],
    samples: AtomicU64,
    micros: AtomicU64,
    /// Of Open-Falcon's own counters, in their order.
    pub(crate) falcon: crate::falcon::FalconCounts,
    /// Series that an exposition left out, for another has the same name and labels.
    pub(crate) left_out: AtomicU64,
}

impl Counts {
    pub(super) fn ended(&self, error: Option<&QueryError>, samples: u64, took: Duration) {
        let result = match error {
            None => 0,
            Some(QueryError::Read(error)) => match error {
                ReadError::Samples { .. } | ReadError::Memory { .. } => 2,
                ReadError::Timeout { .. } => 3,
                ReadError::Cancelled => 4,
                ReadError::Storage { .. } => 5,
            },
            Some(QueryError::SeriesLimit { .. }) => 2,
            Some(_) => 1,
        };
        self.results[result].fetch_add(1, Relaxed);
        self.samples.fetch_add(samples, Relaxed);
        self.micros.fetch_add(took.as_micros() as u64, Relaxed);
    }

    /// A query was not even begun.
    pub(super) fn rejected(&self) {
        self.results[6].fetch_add(1, Relaxed);
    }

    /// Queries that have ended: all of them, in order of [`RESULTS`].
    #[cfg(test)]
    pub(crate) fn results(&self) -> Vec<(&'static str, u64)> {
        RESULTS.iter().zip(&self.results).map(|(name, count)| (*name, count.load(Relaxed))).collect()
    }
}

/// The metrics of queries.
pub struct QueryMetrics {
    counts: Arc<Counts>,
    log: Arc<QueryLog>,
}

impl QueryMetrics {
    pub(super) fn new(counts: Arc<Counts>, log: Arc<QueryLog>) -> Self {
        Self { counts, log }
    }
}

impl Metrics for QueryMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let counts = &self.counts;
        out.gauge("saker_query_active", "Queries that run or wait for a thread", one(self.log.active().len() as f64))?;
        let results = RESULTS.iter().zip(&counts.results).map(|(name, count)| (*name, count.load(Relaxed)));
        out.counter("saker_query_ended", "Queries that have ended, by result", by("result", results))?;
        out.counter("saker_query_samples", "Samples that queries have read", one(counts.samples.load(Relaxed) as f64))?;
        let seconds = counts.micros.load(Relaxed) as f64 / 1e6;
        out.counter("saker_query_seconds", "Time that queries took, waiting included", one(seconds))?;
        out.counter(
            "saker_host_exposition_left_out_series",
            "Series that /metrics/host left out, for another has their name and labels",
            one(counts.left_out.load(Relaxed) as f64),
        )
    }
}
