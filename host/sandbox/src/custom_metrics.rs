//! Numbers about an instance: what it cost, and what it says of itself.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use saker_model::DurationHistogram;
use saker_model::text::is_clean;

/// What the instances of one name have used. Shared by those that follow each other.
#[derive(Debug, Default)]
pub struct Meters {
    calls: AtomicU64,
    cpu_ns: AtomicU64,
    durations: DurationHistogram,
    memory_bytes: AtomicU64,
    fuel: AtomicU64,
    log_lines_dropped: AtomicU64,
    stuck_threads: AtomicU64,
    /// Questions to the system under way: look-ups, and fills of file systems.
    pub(crate) asking: AtomicUsize,
    /// Paths whose file systems did not answer in time, until they do.
    pub(crate) hanging: Mutex<HashSet<String>>,
}

impl Meters {
    /// Calls that were begun.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Processor time of all calls: guest and host code alike.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed))
    }

    /// Real time of calls.
    #[must_use]
    pub fn durations(&self) -> &DurationHistogram {
        &self.durations
    }

    /// Linear memory after the last call, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes.load(Ordering::Relaxed)
    }

    /// Instructions of all calls that returned, as wasmtime weighs them; 0 where the sandbox does not count them.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.fuel.load(Ordering::Relaxed)
    }

    /// Log lines that went over the rate.
    #[must_use]
    pub fn log_lines_dropped(&self) -> u64 {
        self.log_lines_dropped.load(Ordering::Relaxed)
    }

    /// Calls that hang in the operating system beyond their deadline, each holding a thread.
    #[must_use]
    pub fn stuck_threads(&self) -> u64 {
        self.stuck_threads.load(Ordering::Relaxed)
    }

    /// Questions to the system under way, each holding a thread: look-ups, and fills of file systems.
    #[must_use]
    pub fn asking_threads(&self) -> u64 {
        self.asking.load(Ordering::Relaxed) as u64
    }

    pub(crate) fn begin(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn end(&self, cpu: Duration, wall: Duration, memory_bytes: usize) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.cpu_ns.fetch_add(nanos(cpu), Ordering::Relaxed);
        self.durations.observe(wall);
        self.memory_bytes.store(memory_bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn burn(&self, fuel: u64) {
        self.fuel.fetch_add(fuel, Ordering::Relaxed);
    }

    pub(crate) fn drop_log_line(&self) {
        self.log_lines_dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stuck(&self, change: i64) {
        self.stuck_threads.fetch_add(change as u64, Ordering::Relaxed);
    }
}

/// A metric of a plugin's own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CustomMetric {
    /// Only grows.
    Counter(f64),
    /// A level.
    Gauge(f64),
}

/// The metrics of a plugin's own, by name. Bounded in their number.
#[derive(Clone, Debug, Default)]
pub struct CustomMetrics(Arc<Mutex<NamedMetrics>>);

#[derive(Debug, Default)]
struct NamedMetrics {
    by_name: BTreeMap<String, CustomMetric>,
    rejected: u64,
}

/// Bytes of a name.
const NAME_BYTES_MAX: usize = 100;

impl CustomMetrics {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, CustomMetric> {
        self.0.lock().by_name.clone()
    }

    /// How often a new name found no room, or was none that can be shown.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.0.lock().rejected
    }

    pub(crate) fn add(&self, name: String, amount: f64, limit: usize) {
        if amount.is_finite() && amount >= 0.0 {
            self.change(name, limit, CustomMetric::Counter(0.0), |metric| match metric {
                // Two large amounts would add up to infinity, which is no total.
                CustomMetric::Counter(total) => *total = (*total + amount).min(f64::MAX),
                CustomMetric::Gauge(_) => *metric = CustomMetric::Counter(amount),
            });
        }
    }

    pub(crate) fn set(&self, name: String, value: f64, limit: usize) {
        if value.is_finite() {
            self.change(name, limit, CustomMetric::Gauge(value), |metric| *metric = CustomMetric::Gauge(value));
        }
    }

    fn change(&self, name: String, limit: usize, first: CustomMetric, change: impl FnOnce(&mut CustomMetric)) {
        let mut named = self.0.lock();
        let room = named.by_name.len() < limit;
        match named.by_name.get_mut(&name) {
            Some(metric) => change(metric),
            None if room && is_name(&name) => change(named.by_name.entry(name).or_insert(first)),
            None => named.rejected += 1,
        }
    }
}

/// Whether a name can be shown.
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && is_clean(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_add_up_and_stay_within_their_number() {
        let custom_metrics = CustomMetrics::default();
        custom_metrics.add("a".into(), 1.0, 2);
        custom_metrics.add("a".into(), 2.0, 2);
        custom_metrics.add("a".into(), -5.0, 2);
        custom_metrics.add("a".into(), f64::NAN, 2);
        custom_metrics.set("b".into(), 7.0, 2);
        custom_metrics.set("c".into(), 7.0, 2);
        custom_metrics.set("n".repeat(101), 7.0, 9);
        custom_metrics.set("forged\nsaker_up 0".into(), 7.0, 9);
        custom_metrics.set("b".into(), f64::INFINITY, 2);
        custom_metrics.add("a".into(), f64::MAX, 2);
        custom_metrics.add("a".into(), f64::MAX, 2);
        let all = custom_metrics.all();
        assert_eq!(all.get("a"), Some(&CustomMetric::Counter(f64::MAX)));
        assert_eq!(all.get("b"), Some(&CustomMetric::Gauge(7.0)));
        assert_eq!((all.len(), custom_metrics.rejected()), (2, 3));
    }
}
