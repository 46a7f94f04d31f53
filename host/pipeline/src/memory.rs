//! The bytes that the agent may hold for points on their way, queues and requests together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One for the whole agent. Requests ask before they are read; queues tell what they hold, and hold less when it is over.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: AtomicUsize,
    used: AtomicUsize,
}

/// Bytes of a budget, given back when it is dropped.
#[derive(Debug)]
pub struct MemoryPermit {
    budget: Arc<MemoryBudget>,
    bytes: usize,
}

impl MemoryBudget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit: AtomicUsize::new(limit), used: AtomicUsize::new(0) }
    }

    /// Changes the limit; what is in use stays so.
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The limit in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// The bytes in use.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes bytes, if there are so many left.
    #[must_use]
    pub fn take(self: &Arc<Self>, bytes: usize) -> Option<MemoryPermit> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let share = MemoryPermit { budget: self.clone(), bytes };
        // Dropping the share gives back what was too much.
        (before.saturating_add(bytes) <= self.limit()).then_some(share)
    }

    /// Whether more is in use than three quarters: the rest is for requests, which cannot be put on disk.
    pub fn is_over(&self) -> bool {
        self.used() > self.limit() / 4 * 3
    }

    /// Says that somebody who held `charged` bytes holds `now` bytes.
    pub fn set(&self, charged: &mut usize, now: usize) {
        if now >= *charged {
            self.used.fetch_add(now - *charged, Ordering::Relaxed);
        } else {
            self.used.fetch_sub(*charged - now, Ordering::Relaxed);
        }
        *charged = now;
    }
}

impl MemoryPermit {
    /// Takes more bytes, if there are so many left, and `spare` ones for others.
    #[must_use]
    pub fn grow(&mut self, bytes: usize, spare: usize) -> bool {
        let before = self.budget.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes).saturating_add(spare) <= self.budget.limit();
        if fits {
            self.bytes += bytes;
        } else {
            self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// The bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for MemoryPermit {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_given_only_while_there_are_some_and_come_back() {
        let budget = Arc::new(MemoryBudget::new(100));
        let share = budget.take(60).expect("there are 100");
        assert!(budget.take(60).is_none());
        assert_eq!(budget.used(), 60, "what was not given is not in use");
        drop(share);
        assert!(budget.take(100).is_some());
    }

    #[test]
    fn a_share_grows_as_long_as_something_is_left_for_others() {
        let budget = Arc::new(MemoryBudget::new(100));
        let mut share = budget.take(0).expect("nothing is always to be had");
        assert!(share.grow(80, 20));
        assert!(!share.grow(1, 20));
        assert!(share.grow(20, 0));
        assert_eq!((share.bytes(), budget.used()), (100, 100));
        drop(share);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_queue_says_what_it_holds() {
        let (budget, mut charged) = (Arc::new(MemoryBudget::new(100)), 0);
        budget.set(&mut charged, 80);
        assert!(budget.is_over() && budget.take(30).is_none());
        budget.set(&mut charged, 10);
        assert!(!budget.is_over());
        assert_eq!(budget.used(), 10);
    }
}
