//! How the sandbox's threads are shared out: to calls, to calls that hang, and to what is asked of the system aside.
//!
//! Each of the three has a number of its own and the pool has room for all of them, so whoever has a place gets a
//! thread at once, whatever the others do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::custom_metrics::Meters;

/// Calls that run at the same time. An instance has one, so these are as many instances; more take turns.
const CALLS_MAX: usize = 256;
/// Calls that hang in the system and have left their place to others. Those beyond keep it.
const STUCK_MAX: usize = 256;
/// Questions to the system under way. Beyond, an instance gets one that has none under way.
const ASKING_MAX: usize = 64;
/// Threads in all: what the numbers above come to, and for each of so many instances one question and one store that is
/// let go of.
pub(crate) const THREADS_MAX: usize = CALLS_MAX + STUCK_MAX + ASKING_MAX + 2 * CALLS_MAX;

/// Who has a thread, and who may have one.
pub(crate) struct Threads {
    calls: Arc<Semaphore>,
    stuck: AtomicUsize,
    asking: AtomicUsize,
}

/// A place for a call that runs, given back when it is dropped.
pub(crate) struct ThreadPermit {
    _permit: OwnedSemaphorePermit,
}

impl Threads {
    pub(crate) fn new() -> Arc<Self> {
        let (stuck, asking) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { calls: Arc::new(Semaphore::new(CALLS_MAX)), stuck, asking })
    }

    pub(crate) fn try_place(&self) -> Option<ThreadPermit> {
        self.calls.clone().try_acquire_owned().ok().map(|_permit| ThreadPermit { _permit })
    }

    pub(crate) async fn place(&self) -> ThreadPermit {
        ThreadPermit { _permit: self.calls.clone().acquire_owned().await.expect("nobody closes it") }
    }

    /// A call hangs: its place goes to others. If so many hang that there is no room, it keeps it.
    pub(crate) fn lose(&self, place: ThreadPermit) -> Option<ThreadPermit> {
        let lost = self
            .stuck
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |stuck| (stuck < STUCK_MAX).then_some(stuck + 1));
        lost.is_err().then_some(place)
    }

    /// A call that hung is back, with the place that it has kept.
    pub(crate) fn found(&self, place: Option<ThreadPermit>) {
        if place.is_none() {
            self.stuck.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Has `ask` run aside, on an instance's charge, as long as it may take. False, if that instance has `most` under
    /// way already, or all of them together too many.
    pub(crate) fn ask(
        self: &Arc<Self>,
        handle: &Handle,
        meters: &Arc<Meters>,
        most: usize,
        ask: impl FnOnce() + Send + 'static,
    ) -> bool {
        let Some(charge) = ThreadCharge::take(self, meters, most) else { return false };
        handle.spawn_blocking(move || {
            let _charge = charge;
            ask();
        });
        true
    }
}

/// A question under way, and whose it is.
struct ThreadCharge {
    threads: Arc<Threads>,
    meters: Arc<Meters>,
}

impl ThreadCharge {
    fn take(threads: &Arc<Threads>, meters: &Arc<Meters>, most: usize) -> Option<Self> {
        let own = meters.asking.fetch_add(1, Ordering::Relaxed);
        let all = threads.asking.fetch_add(1, Ordering::Relaxed);
        let charge = Self { threads: threads.clone(), meters: meters.clone() };
        let room = own < most && (own == 0 || all < ASKING_MAX) && all < ASKING_MAX + CALLS_MAX;
        room.then_some(charge)
    }
}

impl Drop for ThreadCharge {
    fn drop(&mut self) {
        self.threads.asking.fetch_sub(1, Ordering::Relaxed);
        self.meters.asking.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_hangs_leaves_its_place_while_there_is_room() {
        let threads = Threads::new();
        for _ in 0..STUCK_MAX {
            assert!(threads.lose(threads.try_place().unwrap()).is_none());
        }
        let kept = threads.lose(threads.try_place().unwrap());
        assert!(kept.is_some());
        assert_eq!(threads.calls.available_permits(), CALLS_MAX - 1);
        threads.found(kept);
        (0..STUCK_MAX).for_each(|_| threads.found(None));
        assert_eq!((threads.calls.available_permits(), threads.stuck.load(Ordering::Relaxed)), (CALLS_MAX, 0));
    }

    #[test]
    fn an_instance_that_asks_nothing_yet_may_always_ask() {
        let (threads, greedy) = (Threads::new(), Arc::new(Meters::default()));
        let mut held: Vec<_> = (0..3).filter_map(|_| ThreadCharge::take(&threads, &greedy, 2)).collect();
        assert_eq!(held.len(), 2, "its own bound");
        for _ in 0..ASKING_MAX {
            held.extend((0..2).filter_map(|_| ThreadCharge::take(&threads, &Arc::new(Meters::default()), 2)));
        }
        assert!(ThreadCharge::take(&threads, &greedy, 9).is_none(), "the bound of all");
        let late = Arc::new(Meters::default());
        held.push(ThreadCharge::take(&threads, &late, 9).unwrap());
        assert!(ThreadCharge::take(&threads, &late, 9).is_none());
        held.clear();
        assert_eq!((threads.asking.load(Ordering::Relaxed), greedy.asking.load(Ordering::Relaxed)), (0, 0));
    }
}
