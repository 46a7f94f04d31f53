//! How long things of one kind take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets in nanoseconds, both ends included: from a call that does nothing to one that meets its
/// deadline, three in a factor of ten.
const BOUNDS_NS: [u64; 16] = [
    10_000,
    30_000,
    100_000,
    300_000,
    1_000_000,
    3_000_000,
    10_000_000,
    30_000_000,
    100_000_000,
    300_000_000,
    1_000_000_000,
    3_000_000_000,
    10_000_000_000,
    30_000_000_000,
    100_000_000_000,
    u64::MAX,
];

/// Counts durations by bucket. Anybody may add to it at any time, for the cost of two additions.
#[derive(Debug, Default)]
pub struct DurationHistogram {
    counts: [AtomicU64; BOUNDS_NS.len()],
    sum_ns: AtomicU64,
}

impl DurationHistogram {
    /// Adds one.
    pub fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NS.partition_point(|bound| *bound < nanos);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(nanos, Ordering::Relaxed);
    }

    /// All durations together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_ns.load(Ordering::Relaxed))
    }

    /// The upper bound of each bucket in seconds, the last one infinite, and how many durations are in it alone.
    #[must_use]
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let seconds = |bound| if bound == u64::MAX { f64::INFINITY } else { bound as f64 / 1e9 };
        BOUNDS_NS
            .iter()
            .zip(&self.counts)
            .map(|(&bound, count)| (seconds(bound), count.load(Ordering::Relaxed)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_is_in_the_first_bucket_that_holds_it() {
        let histogram = DurationHistogram::default();
        for micros in [0, 10, 11, 1_000, 200_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let buckets = histogram.buckets();
        let filled: Vec<_> = buckets.iter().filter(|(_, count)| *count > 0).copied().collect();
        assert_eq!(filled, [(0.000_01, 2), (0.000_03, 1), (0.001, 1), (f64::INFINITY, 1)]);
        assert_eq!(histogram.sum(), Duration::from_micros(200_001_021));
    }
}
