//! Threads that take one job after the other.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::{Condvar, Mutex};

pub(super) type ThreadJob = Box<dyn FnOnce() + Send>;

/// How deep an expression nests is bounded by the parser; this is several times what the deepest needs.
const STACK_BYTES: usize = 8 << 20;

/// The threads and what waits for them. How many may wait is the caller's to decide.
pub(super) struct QueryThreads {
    shared: Arc<ThreadsShared>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct ThreadsShared {
    state: Mutex<ThreadsState>,
    changed: Condvar,
}

#[derive(Default)]
struct ThreadsState {
    /// Each with the number that it is taken back by.
    jobs: VecDeque<(u64, ThreadJob)>,
    running: usize,
    wanted: usize,
}

impl QueryThreads {
    pub(super) fn new(count: usize) -> Self {
        let threads = Self { shared: Arc::default(), handles: Mutex::default() };
        threads.set(count);
        threads
    }

    /// Wants another number of them. Those that are too many end when they have nothing to do.
    pub(super) fn set(&self, count: usize) {
        let mut state = self.shared.state.lock();
        state.wanted = count;
        while state.running < count {
            let shared = self.shared.clone();
            let named = std::thread::Builder::new().name("saker-query".into()).stack_size(STACK_BYTES);
            match named.spawn(move || work(&shared)) {
                Ok(handle) => self.handles.lock().push(handle),
                Err(error) => {
                    tracing::warn!(target: "saker::query", "{} of {count} query threads: {error}", state.running);
                    break;
                }
            }
            state.running += 1;
        }
        drop(state);
        self.handles.lock().retain(|handle| !handle.is_finished());
        self.shared.changed.notify_all();
    }

    /// Hands a job in. After [`close`](Self::close) it is dropped.
    pub(super) fn submit(&self, number: u64, job: ThreadJob) -> bool {
        let mut state = self.shared.state.lock();
        if state.wanted == 0 {
            return false;
        }
        state.jobs.push_back((number, job));
        drop(state);
        self.shared.changed.notify_one();
        true
    }

    /// Takes a job back that no thread has begun with; answers whether there was one. So what nobody waits for any more
    /// takes no place from others.
    pub(super) fn take_back(&self, number: u64) -> bool {
        let mut state = self.shared.state.lock();
        let place = state.jobs.iter().position(|(waiting, _)| *waiting == number);
        let job = place.and_then(|place| state.jobs.remove(place));
        drop(state);
        job.is_some()
    }

    /// No more jobs; those that wait are dropped.
    pub(super) fn close(&self) {
        let mut state = self.shared.state.lock();
        state.wanted = 0;
        let dropped = std::mem::take(&mut state.jobs);
        drop(state);
        self.shared.changed.notify_all();
        drop(dropped);
    }

    /// Waits until the threads have ended.
    pub(super) fn join(&self) {
        let handles = std::mem::take(&mut *self.handles.lock());
        for handle in handles {
            // A panic is caught where it happens.
            let _ = handle.join();
        }
    }
}

fn work(shared: &ThreadsShared) {
    loop {
        let mut state = shared.state.lock();
        let job = loop {
            if state.running > state.wanted {
                state.running -= 1;
                return;
            }
            if let Some((_, job)) = state.jobs.pop_front() {
                break job;
            }
            shared.changed.wait(&mut state);
        };
        drop(state);
        // A query that panics has no answer; the thread goes on with the next.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!(target: "saker::query", "a query panicked");
        }
    }
}
