//! What reading may cost, and who may end it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::StoreReadError;

/// Limits of one question, over all its calls.
pub struct Budget<'a> {
    /// Samples that may be looked at.
    pub samples: u64,
    /// Bytes that may be held at once.
    pub memory: u64,
    /// How long it may take.
    pub time: Duration,
    /// Set by whoever asked when they do not want the answer any more.
    pub cancelled: Option<&'a AtomicBool>,
    began: Instant,
    used_samples: AtomicU64,
    total_samples: AtomicU64,
}

impl<'a> Budget<'a> {
    /// A budget from now on.
    #[must_use]
    pub fn new(samples: u64, memory: u64, time: Duration, cancelled: Option<&'a AtomicBool>) -> Self {
        let (used_samples, total_samples) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { samples, memory, time, cancelled, began: Instant::now(), used_samples, total_samples }
    }

    /// No limit at all: for what the store does itself.
    #[must_use]
    pub fn unlimited() -> Budget<'static> {
        Budget::new(u64::MAX, u64::MAX, Duration::MAX, None)
    }

    /// Fails if the time is over or nobody waits any more.
    pub(crate) fn check(&self) -> Result<(), StoreReadError> {
        if self.cancelled.is_some_and(|cancelled| cancelled.load(Ordering::Relaxed)) {
            return Err(StoreReadError::Cancelled);
        }
        if self.time == Duration::MAX {
            return Ok(());
        }
        let took = self.began.elapsed();
        if took > self.time {
            let done = self.used_samples.load(Ordering::Relaxed).max(1);
            let all = self.total_samples.load(Ordering::Relaxed).max(done);
            let needed = took.as_millis() as f64 * all as f64 / done as f64;
            return Err(StoreReadError::Time { needed_ms: needed as u64 + 1, budget_ms: self.time.as_millis() as u64 });
        }
        Ok(())
    }

    /// Fails if so many samples more are too many.
    pub(crate) fn plan(&self, samples: u64) -> Result<(), StoreReadError> {
        let needed = self.total_samples.fetch_add(samples, Ordering::Relaxed).saturating_add(samples);
        if needed > self.samples {
            return Err(StoreReadError::Samples { needed, budget: self.samples });
        }
        Ok(())
    }

    pub(crate) fn used(&self, samples: u64) {
        self.used_samples.fetch_add(samples, Ordering::Relaxed);
    }

    /// Fails if so many bytes at once are too many.
    pub(crate) fn hold(&self, bytes: u64) -> Result<(), StoreReadError> {
        if bytes > self.memory {
            return Err(StoreReadError::Memory { needed: bytes, budget: self.memory });
        }
        Ok(())
    }
}
