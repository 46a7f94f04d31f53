//! The part of a queue that is on disk: one thread owns the destination's journal, and does whatever may block.
//!
//! It appends what is pushed, many at a time if many wait, and only then puts the points into the fresh lane and answers.
//! Once a second, while there is something to do, it syncs, gives back what was delivered, and lets go of what is too old
//! or too much. It knows no backends.

mod age;
mod appending;
pub(super) mod backlog;
mod dir;
mod housekeeping;
mod marker;
pub(in crate::queue) mod operating;
pub(crate) mod orphan;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use saker_journal::{Marks, Position};
use saker_model::{Point, SeriesTable};
use saker_pipeline::{Overload, OverloadCause};
use tokio::sync::{oneshot, watch};

use crate::queue::room::{self, Reservation};
pub(crate) use crate::queue::spool::backlog::BacklogReader;
pub use crate::queue::spool::dir::{SpoolDir, SpoolFolder};
use crate::queue::spool::marker::Marker;
use crate::queue::spool::writer::SpoolWriter;
use crate::queue::{QueueShared, RETRY_AFTER, WhenFull};

/// Pushes that may wait for the thread. Each source waits for its own, so there are hardly ever as many.
const JOBS_MAX: usize = 1024;
/// How long a push waits for the disk. Its source is rejected then, so that what else it has to do is done.
const APPEND_MAX: Duration = Duration::from_secs(5);
/// How long the end of a queue waits for its thread: one that is stuck in a disk that hangs is left behind.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// How long all wait for a queue that is being opened; then it rejects under its own name, and others go on.
const OPEN_MAX: Duration = Duration::from_secs(10);

const HANGS: &str = "the disk of its queue does not answer";

/// What the thread is asked to do.
pub(super) enum SpoolJob {
    /// Keep these, which room was promised for.
    Append(SpoolPush),
    /// Promise room for so many bytes.
    MakeRoom(u64, Reservation, oneshot::Sender<Result<Reservation, String>>),
    /// Keep these aside, for this reason.
    KeepDeadLetters(Vec<Point>, String, oneshot::Sender<Result<(), String>>),
    /// Read from a place on.
    Read(Position, Arc<SeriesTable>, oneshot::Sender<Result<BacklogReader, String>>),
    /// Everything was delivered: see what can be given back.
    LookAround,
    /// Sync now.
    Flush(oneshot::Sender<Result<(), String>>),
    /// Something that an operator wants.
    Operate(QueueCommand, oneshot::Sender<Result<QueueCommandOutcome, String>>),
}

/// Points on their way to the disk.
pub(super) struct SpoolPush {
    pub(super) points: Vec<Point>,
    pub(super) reservation: Reservation,
    pub(super) reply: oneshot::Sender<Result<(), String>>,
}

/// What an operator can do with a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueCommand {
    /// Show the oldest points, at most so many.
    InspectQueue(usize),
    /// Show the oldest rejected points, at most so many.
    InspectDeadLetters(usize),
    /// Throw away what waits on disk.
    DropQueue,
    /// Throw away what was rejected.
    DropDeadLetters,
    /// Put what was rejected into the queue again.
    ReplayDeadLetters,
}

/// What became of a [`QueueCommand`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueueCommandOutcome {
    /// Points that it was about.
    pub points: u64,
    /// What was asked to be shown.
    pub shown: Vec<QueuedPoint>,
}

/// A point as it stands on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct QueuedPoint {
    /// Whose.
    pub series: Arc<saker_model::Series>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// The value.
    pub value: f64,
    /// Why it was rejected, if it was.
    pub reason: Option<Arc<str>>,
}

/// What a queue holds on disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpoolStats {
    /// Bytes of its segments.
    pub bytes: u64,
    /// Its segments.
    pub segments: u64,
    /// Rejected points that are kept.
    pub dead_letter_points: u64,
    /// Bytes of their segments.
    pub dead_letter_bytes: u64,
    /// Rejected points that had to go for newer ones.
    pub dead_letter_dropped: u64,
    /// Files that were found damaged and set aside, and are still there.
    pub damaged: u64,
    /// Bytes of theirs.
    pub damaged_bytes: u64,
    /// Bytes that a death in the middle of a write has left, of which nobody knows how many points they were.
    pub torn_bytes: u64,
    /// Why it takes nothing now, if so.
    pub rejection: Option<String>,
}

/// What the thread lets others see.
#[derive(Default)]
pub(super) struct SpoolState {
    pub(super) bytes: AtomicU64,
    pub(super) segments: AtomicU64,
    pub(super) dead_letter_points: AtomicU64,
    pub(super) dead_letter_bytes: AtomicU64,
    pub(super) dead_letter_dropped: AtomicU64,
    pub(super) damaged: AtomicU64,
    pub(super) damaged_bytes: AtomicU64,
    pub(super) torn_bytes: AtomicU64,
    /// The disk has let a push wait for too long, and has not answered since.
    pub(super) hangs: AtomicBool,
    /// Whether the journal was opened, or could not be, for the first time.
    pub(super) tried: watch::Sender<bool>,
    /// Set while nothing can be appended.
    pub(super) rejection: Mutex<Option<String>>,
    /// Where it is written down what was delivered. Not held while that is done.
    pub(super) marks: Mutex<Option<Arc<Marks>>>,
}

impl SpoolState {
    /// Why nothing can be appended now.
    fn rejection(&self) -> Option<String> {
        let hangs = self.hangs.load(Ordering::Relaxed).then(|| HANGS.to_owned());
        hangs.or_else(|| self.rejection.lock().clone())
    }

    /// Writes down what is still to be delivered. Waits for the disk: only threads of the queue may.
    pub(super) fn commit(&self, destination: &str, shared: &QueueShared) {
        let marks = self.marks.lock().clone();
        if let Some(marks) = marks
            && let Err(error) = marks.write_with(|| shared.lanes.lock().mark().encode())
        {
            // The worst of it: after a crash some points are sent twice.
            tracing::warn!(destination, "cannot write down what was delivered: {error}");
        }
    }
}

/// A handle to the threads.
pub(crate) struct Spool {
    name: String,
    shared: Arc<QueueShared>,
    started: Instant,
    state: Arc<SpoolState>,
    jobs: Option<SyncSender<SpoolJob>>,
    marker: Option<Marker>,
    /// Closed when the threads have ended.
    ended: Mutex<Receiver<()>>,
}

impl Spool {
    /// Starts the thread, which opens the journal in the destination's folder.
    pub(super) fn start(name: &str, dir: &SpoolDir, shared: Arc<QueueShared>, table: Arc<SeriesTable>) -> Self {
        let (jobs, queue) = sync_channel(JOBS_MAX);
        let state = Arc::new(SpoolState::default());
        let (end, ended) = sync_channel::<()>(0);
        let writer = SpoolWriter::new(name, dir.clone(), shared.clone(), table, queue, state.clone());
        let end_too = end.clone();
        let run = move || {
            writer.run();
            drop(end);
        };
        let thread = std::thread::Builder::new().name("saker-queue".into()).spawn(run);
        let marker = thread.and_then(|_| Marker::start(name, shared.clone(), state.clone(), end_too));
        let (marker, jobs) = match marker {
            Ok(marker) => (Some(marker), Some(jobs)),
            Err(error) => {
                *state.rejection.lock() = Some(format!("no thread for its queue: {error}"));
                state.tried.send_replace(true);
                (None, None)
            }
        };
        Self { name: name.into(), shared, started: Instant::now(), state, jobs, marker, ended: Mutex::new(ended) }
    }

    /// Whether it is not known yet if the journal can be opened.
    pub(super) fn is_opening(&self) -> bool {
        !*self.state.tried.borrow() && self.started.elapsed() < OPEN_MAX
    }

    /// Waits until that is known.
    pub(super) async fn opened(&self) {
        let mut tried = self.state.tried.subscribe();
        let left = OPEN_MAX.saturating_sub(self.started.elapsed());
        // The sender is there as long as this is; beyond the time it rejects.
        drop(tokio::time::timeout(left, tried.wait_for(|tried| *tried)).await);
    }

    /// Promises room for points. Where there is plenty, by a look at two numbers; else by a look at the points, and by
    /// what the thread can let go of.
    pub(super) async fn reserve(
        &self,
        mut reservation: Reservation,
        points: &[Point],
        table: &SeriesTable,
    ) -> Result<Reservation, Overload> {
        if let Some(rejection) = self.rejection() {
            return Err(rejection);
        }
        let config = self.shared.lanes.lock().config;
        if config.when_full != WhenFull::Block {
            return Ok(reservation);
        }
        let used = || self.state.bytes.load(Ordering::SeqCst);
        let (bytes, spare) = room::bytes_in_plenty(points.len());
        if reservation.grow_within(bytes, spare, config.bytes, used) {
            return Ok(reservation);
        }
        let needed = room::bytes_of(points, table);
        if needed > config.bytes {
            let (count, bytes) = (points.len(), config.bytes);
            let reason = format!("{count} points at once may need {needed} bytes, and its queue has {bytes} in all");
            return Err(self.overload(OverloadCause::TooLarge, reason));
        }
        if reservation.grow(needed, config.bytes, used) {
            return Ok(reservation);
        }
        let made =
            tokio::time::timeout(APPEND_MAX, self.ask(|reply| SpoolJob::MakeRoom(needed, reservation, reply))).await;
        match made {
            Ok(made) => made.map_err(|reason| self.overload(OverloadCause::Full, reason)),
            Err(_) => {
                self.state.hangs.store(true, Ordering::Relaxed);
                Err(self.overload(OverloadCause::Failing, HANGS.to_owned()))
            }
        }
    }

    /// Takes points; they are as safe as the queue is durable when it returns.
    pub(super) async fn append(&self, points: Vec<Point>, reservation: Reservation) -> Result<(), Overload> {
        let fate = reservation.fate().clone();
        let asked = self.ask(|reply| SpoolJob::Append(SpoolPush { points, reservation, reply }));
        tokio::pin!(asked);
        let appended = match tokio::time::timeout(APPEND_MAX, &mut asked).await {
            Ok(appended) => appended,
            Err(_) if fate.give_up() => {
                self.state.hangs.store(true, Ordering::Relaxed);
                Err(HANGS.to_owned())
            }
            // They are on the disk, and are being put into memory: the answer is on its way.
            Err(_) => asked.await,
        };
        appended.map_err(|reason| self.overload(OverloadCause::Failing, reason))
    }

    /// Why it would reject points now.
    pub(super) fn rejection(&self) -> Option<Overload> {
        if let Some(reason) = self.state.rejection() {
            return Some(self.overload(OverloadCause::Failing, reason));
        }
        let untried = !*self.state.tried.borrow();
        untried.then(|| self.overload(OverloadCause::Absent, "its queue is being opened".into()))
    }

    fn overload(&self, cause: OverloadCause, reason: String) -> Overload {
        Overload { destination: self.name.clone(), reason, retry_after: RETRY_AFTER, cause }
    }

    /// Waits until everything that was appended is on the disk.
    pub(super) async fn flush(&self) {
        if let Err(error) = self.ask(SpoolJob::Flush).await {
            tracing::warn!(destination = self.name, "the queue does not get to the disk: {error}");
        }
    }

    /// Keeps points aside that will never be delivered.
    pub(crate) async fn keep_dead_letters(&self, points: Vec<Point>, reason: &str) -> Result<(), String> {
        self.ask(|reply| SpoolJob::KeepDeadLetters(points, reason.to_owned(), reply)).await
    }

    /// A reader that begins at a place.
    pub(crate) async fn reader(&self, from: Position, table: Arc<SeriesTable>) -> Result<BacklogReader, String> {
        self.ask(|reply| SpoolJob::Read(from, table, reply)).await
    }

    /// Does what an operator wants.
    pub(crate) async fn operate(&self, order: QueueCommand) -> Result<QueueCommandOutcome, String> {
        self.ask(|reply| SpoolJob::Operate(order, reply)).await
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T, String>>) -> SpoolJob) -> Result<T, String> {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or("its queue has no thread")?;
        jobs.try_send(job(reply)).map_err(|error| match error {
            TrySendError::Full(_) => "its journal does not keep up".to_owned(),
            TrySendError::Disconnected(_) => "its queue has ended".to_owned(),
        })?;
        answer.await.map_err(|_| "its queue has ended".to_owned())?
    }

    /// Lets it be written down what is still to be delivered.
    pub(super) fn commit(&self, is_empty: bool) {
        if let Some(marker) = &self.marker {
            marker.ask();
        }
        if is_empty && let Some(jobs) = &self.jobs {
            // If it has other things to do it looks around anyway.
            let _ = jobs.try_send(SpoolJob::LookAround);
        }
    }

    /// Waits until what was asked for by [`commit`](Self::commit) is written down.
    pub(super) async fn marked(&self) {
        if let Some(marker) = &self.marker {
            marker.written().await;
        }
    }

    pub(crate) fn stats(&self) -> SpoolStats {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        SpoolStats {
            bytes: read(&self.state.bytes),
            segments: read(&self.state.segments),
            dead_letter_points: read(&self.state.dead_letter_points),
            dead_letter_bytes: read(&self.state.dead_letter_bytes),
            dead_letter_dropped: read(&self.state.dead_letter_dropped),
            damaged: read(&self.state.damaged),
            damaged_bytes: read(&self.state.damaged_bytes),
            torn_bytes: read(&self.state.torn_bytes),
            rejection: self.state.rejection(),
        }
    }
}

impl Drop for Spool {
    /// Ends the threads after what they have been asked to do, so that the journal can be opened again.
    fn drop(&mut self) {
        self.marker = None;
        // Without jobs to come the thread ends, unless there never was one.
        let hangs = |ended: &mut Receiver<()>| ended.recv_timeout(CLOSE_MAX) == Err(RecvTimeoutError::Timeout);
        if self.jobs.take().is_some() && hangs(self.ended.get_mut()) {
            tracing::error!(destination = self.name, "the disk of its queue hangs; its thread is left behind");
        }
    }
}
