//! The thread that a call runs on: waited for within bounds, held to the call's deadline, given up when it hangs.
//!
//! ```text
//! caller                                     thread
//! waits for a place, then for a thread
//!                                            begins: the call's time runs from here
//! deadline: drops what the call waits for
//! GRACE later: gives the thread up ........... hangs; its place goes to others, its version is not called
//!                                            comes back: its version may be called again
//! ```

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::oneshot;

use super::InstanceSpec;
use crate::convert;
use crate::custom_metrics::Meters;
use crate::engine::Sandbox;
use crate::failure::{CallError, Kill};
use crate::hang::{Hang, Hangs, STUCK_CALLS_MAX};
use crate::threads::{ThreadPermit, Threads};

/// How long after a deadline a call is given up for stuck: enough for a guest that computes to reach its next epoch.
const GRACE: Duration = Duration::from_millis(30);
/// How long a call waits for a thread. It is none of the plugin's time, and its end is none of the plugin's fault.
const THREAD_WAIT: Duration = Duration::from_secs(5);
/// Less than this is no time to wait for: timers are as coarse.
const MOMENT: Duration = Duration::from_millis(1);

/// Runs the calls of an instance on the sandbox's threads.
pub(super) struct Runner {
    pub(super) sandbox: Sandbox,
    meters: Arc<Meters>,
    hangs: Hangs,
}

impl Runner {
    pub(super) fn new(sandbox: &Sandbox, spec: &InstanceSpec) -> Self {
        Self { sandbox: sandbox.clone(), meters: spec.meters.clone(), hangs: spec.hangs.clone() }
    }

    /// Runs `work` on a thread of the sandbox, which the guest may block, and counts what it costs. `work` also answers
    /// the guest's memory in bytes.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        export: &'static str,
        deadline: Duration,
        work: impl Future<Output = Result<(T, usize), CallError>> + Send + 'static,
    ) -> Result<T, CallError> {
        self.may_begin()?;
        let place = self.place().await?;
        let ticking = self.sandbox.ticker().run();
        let handle = self.sandbox.handle();
        self.meters.begin();
        let turn = Arc::new(Turn::new(self, place));
        let mine = turn.clone();
        // The clock is the caller's: one on the guest's thread would wake the reactor in every call. Dropping `caller`
        // ends the work, so a caller that is itself dropped leaves none behind.
        let (caller, caller_gone) = oneshot::channel::<()>();
        let mut job = self.sandbox.handle().spawn_blocking(move || {
            let _ticking = ticking;
            if !mine.begin() {
                return None;
            }
            let (wall, cpu) = (Instant::now(), thread_cpu());
            // Boxed in here and dropped in here: a guest's memory is given back on this thread, not the caller's.
            let mut work = std::pin::pin!(async {
                tokio::select! {
                    biased;
                    result = work => Some(result),
                    _ = caller_gone => None,
                }
            });
            // Most calls never wait: they are done before there is anybody to wake.
            let entered = handle.enter();
            let first = work.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            drop(entered);
            let result = match first {
                Poll::Ready(result) => result,
                Poll::Pending => handle.block_on(work),
            };
            let memory = result.as_ref().map_or(0, |done| done.as_ref().map_or(0, |(_, memory)| *memory));
            mine.meters.end(thread_cpu().saturating_sub(cpu), wall.elapsed(), memory);
            mine.back();
            result
        });
        let mut ended = tokio::time::timeout(deadline, &mut job).await;
        while ended.is_err()
            && let Some(left) = turn.left(deadline)
        {
            ended = tokio::time::timeout(left, &mut job).await;
        }
        if ended.is_err() {
            if turn.withdraw() {
                job.abort();
                return Err(Hang::NoThread { waited: THREAD_WAIT }.into());
            }
            drop(caller);
            ended = tokio::time::timeout(GRACE, job).await;
        }
        let killed = || CallError::from(Kill::Deadline { export, limit: deadline });
        match ended {
            Ok(Ok(Some(done))) => done.map(|(value, _)| value),
            Ok(Ok(None)) => Err(killed()),
            Ok(Err(error)) => {
                Err(CallError::Host(convert::words(&format!("a call ended the thread it ran on: {error}"))))
            }
            Err(_) => match turn.give_up() {
                Some(wait) => Err(Hang::Call { export, limit: deadline, wait }.into()),
                None => Err(killed()),
            },
        }
    }

    /// Whether no earlier call is in the way.
    fn may_begin(&self) -> Result<(), Hang> {
        if let Some(stuck) = self.hangs.stuck() {
            return Err(Hang::Earlier(stuck));
        }
        if self.meters.stuck_threads() >= STUCK_CALLS_MAX { Err(Hang::Many) } else { Ok(()) }
    }

    async fn place(&self) -> Result<ThreadPermit, Hang> {
        let threads = self.sandbox.threads();
        if let Some(place) = threads.try_place() {
            return Ok(place);
        }
        let place = tokio::time::timeout(THREAD_WAIT, threads.place()).await;
        place.map_err(|_| Hang::NoThread { waited: THREAD_WAIT })
    }
}

/// What caller and thread of a call know of each other.
struct Turn {
    meters: Arc<Meters>,
    hangs: Hangs,
    threads: Arc<Threads>,
    asked: Instant,
    state: Mutex<TurnState>,
}

enum TurnState {
    /// There is no thread for it yet.
    Waiting(ThreadPermit),
    /// It runs, since then, on this thread.
    Running { place: ThreadPermit, since: Instant, thread: i32 },
    /// The caller has given it up; it holds its place if too many others hang as well.
    GivenUp(Option<ThreadPermit>),
    /// It is back, or was never begun.
    Over,
}

impl Turn {
    fn new(runner: &Runner, place: ThreadPermit) -> Self {
        Self {
            meters: runner.meters.clone(),
            hangs: runner.hangs.clone(),
            threads: runner.sandbox.threads().clone(),
            asked: Instant::now(),
            state: Mutex::new(TurnState::Waiting(place)),
        }
    }

    /// The thread begins; false, if its caller has gone.
    fn begin(&self) -> bool {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, TurnState::Over) {
            TurnState::Waiting(place) => {
                *state = TurnState::Running { place, since: Instant::now(), thread: this_thread() };
                true
            }
            _ => false,
        }
    }

    /// The time that the call, or the wait for its thread, has left.
    fn left(&self, deadline: Duration) -> Option<Duration> {
        let left = match &*self.state.lock() {
            TurnState::Waiting(_) => THREAD_WAIT.saturating_sub(self.asked.elapsed()),
            TurnState::Running { since, .. } => deadline.saturating_sub(since.elapsed()),
            TurnState::GivenUp(_) | TurnState::Over => return None,
        };
        (left >= MOMENT).then_some(left)
    }

    /// Takes the call back, if it was not begun.
    fn withdraw(&self) -> bool {
        let mut state = self.state.lock();
        let waiting = matches!(*state, TurnState::Waiting(_));
        if waiting {
            *state = TurnState::Over;
        }
        waiting
    }

    /// Counts the thread as stuck until it comes back, and answers what it waits for in the system.
    fn give_up(&self) -> Option<String> {
        let thread = match &*self.state.lock() {
            TurnState::Running { thread, .. } => *thread,
            _ => return None,
        };
        let wait = self.hangs.waits_for(thread);
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, TurnState::Over) {
            TurnState::Running { place, .. } => {
                self.meters.stuck(1);
                self.hangs.given_up(wait.clone());
                *state = TurnState::GivenUp(self.threads.lose(place));
                wait
            }
            // It came back meanwhile, only too late.
            _ => None,
        }
    }

    /// The thread is back.
    fn back(&self) {
        let mut state = self.state.lock();
        if let TurnState::GivenUp(place) = std::mem::replace(&mut *state, TurnState::Over) {
            self.meters.stuck(-1);
            self.hangs.back();
            self.threads.found(place);
        }
    }
}

/// A call whose thread ends without a word, as by a panic of the host's, is back as well.
impl Drop for Turn {
    fn drop(&mut self) {
        self.back();
    }
}

/// The number of this thread, asked for once.
fn this_thread() -> i32 {
    thread_local! {
        static THREAD: i32 = rustix::thread::gettid().as_raw_nonzero().get();
    }
    THREAD.with(|thread| *thread)
}

/// Processor time of this thread.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
