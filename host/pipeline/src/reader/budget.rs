//! What a question may cost: samples, memory and time, and the flag that ends it early.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::ReadError;

/// A flag that ends a query. Clones are the same flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the query at its next look.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was ended.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The limits of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Samples that it may read. At about 5 ns each the default is a quarter of a second of one core.
    pub samples: u64,
    /// Bytes that it may hold at once, of results and of what they are made from.
    pub memory_bytes: u64,
    /// How long it may take.
    pub time: Duration,
}

impl Default for BudgetLimits {
    fn default() -> Self {
        Self { samples: 50_000_000, memory_bytes: 32 << 20, time: Duration::from_secs(30) }
    }
}

/// What one query may still spend. Counters are atomic, so that a reader may use several threads.
#[derive(Debug)]
pub struct Budget {
    limits: BudgetLimits,
    started: Instant,
    cancel: Cancel,
    samples: AtomicU64,
    memory: AtomicU64,
    memory_peak: AtomicU64,
}

impl Budget {
    /// A whole budget, whose time begins now.
    #[must_use]
    pub fn new(limits: BudgetLimits, cancel: Cancel) -> Self {
        Self {
            limits,
            started: Instant::now(),
            cancel,
            samples: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            memory_peak: AtomicU64::new(0),
        }
    }

    /// Ends the query unless it may go on. A look at the clock, so once a chunk or a column and not once a sample.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`] and [`ReadError::Timeout`].
    pub fn check(&self) -> Result<(), ReadError> {
        if self.cancel.is_cancelled() {
            return Err(ReadError::Cancelled);
        }
        if self.started.elapsed() > self.limits.time {
            return Err(ReadError::Timeout { limit_ms: self.limits.time.as_millis() as u64 });
        }
        Ok(())
    }

    /// Spends samples.
    ///
    /// # Errors
    /// [`ReadError::Samples`] if there are not so many left, and those of [`check`](Self::check).
    pub fn charge_samples(&self, count: u64) -> Result<(), ReadError> {
        let wanted = self.samples.fetch_add(count, Ordering::Relaxed) + count;
        self.fit_samples(wanted)?;
        self.check()
    }

    /// Refuses what is known beforehand to need more samples than are left.
    ///
    /// # Errors
    /// [`ReadError::Samples`], with the number that would do.
    pub fn foresee_samples(&self, count: u64) -> Result<(), ReadError> {
        self.fit_samples(self.samples.load(Ordering::Relaxed).saturating_add(count))
    }

    fn fit_samples(&self, wanted: u64) -> Result<(), ReadError> {
        let limit = self.limits.samples;
        if wanted <= limit {
            return Ok(());
        }
        let share = (limit as f64 / wanted as f64 * 100.0).floor();
        let limit_hint = if share < 1.0 {
            format!("ask for less than a hundredth of the range or of the series, or allow {wanted} samples")
        } else {
            format!("ask for {share} % of the range or of the series, or allow {wanted} samples")
        };
        Err(ReadError::Samples { wanted, limit, limit_hint })
    }

    /// Takes memory, until [`release_memory`](Self::release_memory) gives it back.
    ///
    /// # Errors
    /// [`ReadError::Memory`] if there is not so much left; then nothing was taken.
    pub fn charge_memory(&self, bytes: u64) -> Result<(), ReadError> {
        let wanted = self.memory.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if wanted > self.limits.memory_bytes {
            self.memory.fetch_sub(bytes, Ordering::Relaxed);
            return Err(ReadError::Memory { wanted, limit: self.limits.memory_bytes });
        }
        self.memory_peak.fetch_max(wanted, Ordering::Relaxed);
        Ok(())
    }

    /// Gives memory back.
    pub fn release_memory(&self, bytes: u64) {
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Samples that were spent.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// The most memory that was held at once, in bytes.
    #[must_use]
    pub fn memory_peak(&self) -> u64 {
        self.memory_peak.load(Ordering::Relaxed)
    }

    /// How long it has taken.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The flag that ends it.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The limits that it began with.
    #[must_use]
    pub fn limits(&self) -> BudgetLimits {
        self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_the_number_that_would_do() {
        let limits = BudgetLimits { samples: 100, memory_bytes: 10, ..BudgetLimits::default() };
        let budget = Budget::new(limits, Cancel::default());
        budget.charge_samples(60).unwrap();
        let error = budget.foresee_samples(140).unwrap_err().to_string();
        assert!(error.contains("50 % of the range") && error.contains("allow 200 samples"), "{error}");
        budget.charge_samples(40).unwrap();
        assert!(budget.charge_samples(1).is_err());
        budget.charge_memory(10).unwrap();
        assert_eq!(budget.charge_memory(5), Err(ReadError::Memory { wanted: 15, limit: 10 }));
        budget.release_memory(5);
        budget.charge_memory(5).unwrap();
    }

    #[test]
    fn a_cancelled_or_late_query_ends_at_its_next_look() {
        let cancel = Cancel::default();
        let budget = Budget::new(BudgetLimits::default(), cancel.clone());
        budget.check().unwrap();
        cancel.cancel();
        assert_eq!(budget.check(), Err(ReadError::Cancelled));
        let late = Budget::new(BudgetLimits { time: Duration::ZERO, ..BudgetLimits::default() }, Cancel::default());
        while late.elapsed().is_zero() {}
        assert_eq!(late.charge_samples(1), Err(ReadError::Timeout { limit_ms: 0 }));
    }
}
