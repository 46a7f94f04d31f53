//! The fill of file systems, asked for aside: a mount whose server hangs costs a thread and a moment, not the call.
//!
//! While a question hangs, the same instance gets no second thread for the same path, and is told at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::runtime::Handle;

use crate::custom_metrics::Meters;
use crate::files::StatfsRoots;
use crate::system::{FileSystemStats, Measure};
use crate::threads::Threads;

/// How long an answer is waited for. A mount that answers does so within milliseconds.
const TIME: Duration = Duration::from_secs(1);
/// The part of what a call has left that is waited for one answer: so many mounts may hang, and the others be asked.
const PART: u32 = 6;
/// Questions of one instance that may hang. A server that is gone often has several mounts.
const HANGING_MAX: usize = 16;
/// The longest path that the system takes.
const PATH_BYTES_MAX: usize = 4096;

/// Asks for the fill of file systems.
#[derive(Clone)]
pub(crate) struct StatfsCalls {
    /// Asked in place of the file systems themselves, in tests.
    pub(crate) measure: Option<Arc<Measure>>,
    pub(crate) threads: Arc<Threads>,
    pub(crate) handle: Handle,
}

/// Where the thread that asks puts the answer.
#[derive(Default)]
struct StatfsSlot {
    answer: Mutex<StatfsAnswer>,
    changed: Condvar,
}

#[derive(Default)]
enum StatfsAnswer {
    #[default]
    Awaited,
    /// Nobody waits for it any more.
    GivenUp,
    Here(Result<FileSystemStats, String>),
}

impl StatfsCalls {
    /// The fill of the file system at a path below a granted place, for an instance whose call has so much time left. Blocks the thread.
    ///
    /// # Errors
    /// Why it is not known, as the guest is told.
    pub(crate) fn ask(
        &self,
        path: &str,
        roots: &StatfsRoots,
        meters: &Arc<Meters>,
        left: Duration,
    ) -> Result<FileSystemStats, String> {
        if path.len() > PATH_BYTES_MAX {
            return Err("the path is too long".into());
        }
        if meters.hanging.lock().contains(path) {
            return Err("it hangs in the system, and did not answer before either".into());
        }
        let slot = Arc::new(StatfsSlot::default());
        let (ask, asking) = (self.asking(path, roots, meters, &slot), self.threads.clone());
        if !asking.ask(&self.handle, meters, HANGING_MAX, ask) {
            return Err("not asked: too many others hang in the system".into());
        }
        slot.wait(path, meters, TIME.min(left / PART))
    }

    fn asking(
        &self,
        path: &str,
        roots: &StatfsRoots,
        meters: &Arc<Meters>,
        slot: &Arc<StatfsSlot>,
    ) -> impl FnOnce() + Send + use<> {
        let (measure, roots) = (self.measure.clone(), roots.clone());
        let (path, meters, slot) = (path.to_owned(), meters.clone(), slot.clone());
        move || {
            let found = match measure {
                Some(measure) => measure(&path).map_err(|error| error.to_string()),
                None => roots.stat(&path),
            };
            let mut answer = slot.answer.lock();
            if matches!(*answer, StatfsAnswer::GivenUp) {
                meters.hanging.lock().remove(&path);
            }
            *answer = StatfsAnswer::Here(found);
            slot.changed.notify_one();
        }
    }
}

impl StatfsSlot {
    fn wait(&self, path: &str, meters: &Meters, time: Duration) -> Result<FileSystemStats, String> {
        let until = Instant::now() + time;
        let mut answer = self.answer.lock();
        loop {
            if let StatfsAnswer::Here(found) = std::mem::take(&mut *answer) {
                return found;
            }
            if self.changed.wait_until(&mut answer, until).timed_out() && !matches!(*answer, StatfsAnswer::Here(_)) {
                *answer = StatfsAnswer::GivenUp;
                meters.hanging.lock().insert(path.to_owned());
                return Err(format!("timed out: it has not answered within {time:.1?}"));
            }
        }
    }
}
