//! The thread that owns a destination's journal.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use saker_journal::{Disk, Journal, JournalConfig, Marks, Position, Recovery, SavedMark as MarkFile};
use saker_model::{Changed, Point, SeriesTable};
use tokio::sync::oneshot;

use crate::codec::RecordEncoder;
use crate::queue::dead_letters::DeadLetters;
use crate::queue::span::{DeliveryMark, Span};
use crate::queue::spool::age::Age;
use crate::queue::spool::backlog::said;
use crate::queue::spool::dir::{DEAD, QUEUE};
use crate::queue::spool::{BacklogReader, SpoolDir, SpoolJob, SpoolState};
use crate::queue::{QueueConfig, QueueShared};

/// The size of a segment, where an eighth of the queue is more.
const SEGMENT_BYTES: u64 = 32 << 20;
/// How often it looks around while there is something to do.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// The file beside the mark that the age of what there is is written down in.
const CLOCK: &str = "clock";

pub(super) struct SpoolWriter {
    pub(super) destination: String,
    pub(super) dir: SpoolDir,
    pub(super) shared: Arc<QueueShared>,
    pub(super) table: Arc<SeriesTable>,
    pub(super) jobs: Receiver<SpoolJob>,
    pub(super) state: Arc<SpoolState>,
    pub(super) open: Option<OpenJournal>,
    pub(super) looked: Instant,
    /// Where the journal goes on whose folder was removed.
    pub(super) goes_on: Option<Position>,
}

/// What is there once the journal is open.
pub(super) struct OpenJournal {
    pub(super) journal: Journal,
    /// What tells its folder from another by the same name, where the disk knows.
    pub(super) folder: Option<(u64, u64)>,
    pub(super) age: Age,
    /// Where that is written down.
    pub(super) clock: Option<Marks>,
    pub(super) encoder: RecordEncoder,
    /// How many changes of the table's series the encoder knows of.
    pub(super) changes: u64,
    pub(super) dead: Option<DeadLetters>,
    pub(super) buffer: Vec<u8>,
    /// Appended since the last sync.
    pub(super) dirty: bool,
}

impl OpenJournal {
    /// Has series defined again whose type or step has changed since they were.
    pub(super) fn note_changes(&mut self, table: &SeriesTable) {
        if table.changes() == self.changes {
            return;
        }
        let (changes, changed) = table.changed_since(self.changes);
        self.changes = changes;
        match changed {
            Changed::These(ids) => self.encoder.forget(&ids),
            Changed::Any => self.encoder.forget_all(),
        }
    }
}

impl SpoolWriter {
    pub(super) fn new(
        destination: &str,
        dir: SpoolDir,
        shared: Arc<QueueShared>,
        table: Arc<SeriesTable>,
        jobs: Receiver<SpoolJob>,
        state: Arc<SpoolState>,
    ) -> Self {
        Self {
            destination: destination.into(),
            dir,
            shared,
            table,
            jobs,
            state,
            open: None,
            looked: Instant::now(),
            goes_on: None,
        }
    }

    /// Works until nobody can ask for anything any more.
    pub(super) fn run(mut self) {
        self.ensure_open();
        self.state.tried.send_replace(true);
        loop {
            let job = if self.is_idle() {
                self.jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.jobs.recv_timeout(LOOK_INTERVAL.saturating_sub(self.looked.elapsed()))
            };
            match job {
                Ok(job) => {
                    self.handle(job);
                    // Whatever it was, it is done.
                    self.state.hangs.store(false, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.looked.elapsed() >= LOOK_INTERVAL {
                self.look_around();
            }
        }
        self.look_around();
    }

    /// Whether nothing changes by itself.
    fn is_idle(&self) -> bool {
        let Some(open) = &self.open else { return false };
        let lanes = self.shared.lanes.lock();
        !open.dirty && self.state.rejection.lock().is_none() && lanes.is_empty() && !lanes.has_sent()
    }

    pub(super) fn config(&self) -> QueueConfig {
        self.shared.lanes.lock().config
    }

    /// Opens the journal, and finds what an earlier process has left. What fails is tried again.
    pub(super) fn ensure_open(&mut self) {
        if self.open.is_some() {
            return;
        }
        match self.try_open() {
            Ok(open) => {
                self.open = Some(open);
                *self.state.rejection.lock() = None;
                self.show_set_aside();
                self.show();
            }
            Err(error) => {
                let error = format!("its queue cannot be opened: {error}");
                let mut rejection = self.state.rejection.lock();
                if rejection.as_ref() != Some(&error) {
                    tracing::error!(destination = self.destination, "{error}");
                }
                *rejection = Some(error);
            }
        }
    }

    fn try_open(&mut self) -> Result<OpenJournal, String> {
        let config = self.config();
        let dir = || self.dir.journal(&self.destination, QUEUE).map_err(|error| error.to_string());
        let marks = Marks::open(&*dir()?).map_err(|error| said(&error))?;
        let mark = match marks.read().map_err(|error| said(&error))? {
            MarkFile::Held(bytes) => DeliveryMark::decode(&bytes),
            MarkFile::Missing => None,
            MarkFile::Damaged => {
                tracing::warn!(
                    destination = self.destination,
                    "what was delivered is not known; what is on disk is sent once more"
                );
                None
            }
        };
        let segment_bytes = SEGMENT_BYTES.min(config.bytes / 8);
        let place = mark.as_ref().map_or_else(Position::default, |mark| mark.open);
        let place = self.goes_on.filter(|end| end.seq > place.seq).unwrap_or(place);
        let (journal, recovery) =
            Journal::open(dir()?, JournalConfig { segment_bytes, mark: place }).map_err(|error| said(&error))?;
        let (points, unknown_bytes) = (recovery.torn_items, recovery.unknown_bytes);
        if points > 0 || unknown_bytes > 0 {
            tracing::warn!(
                destination = self.destination,
                points,
                unknown_bytes,
                "the end of the queue was half written: these points are lost, and who knows how many in the bytes"
            );
        }
        for aside in &recovery.set_aside {
            tracing::error!(
                destination = self.destination,
                bytes = aside.bytes,
                "a segment is damaged, set aside as {}",
                aside.name
            );
        }
        self.count_torn(&recovery);
        let mark = mark.unwrap_or(DeliveryMark { open: journal.start(), ..DeliveryMark::default() });
        let (mut spans, mut sent) = (mark.spans, mark.sent);
        spans.add(Span { from: mark.open, to: journal.end() });
        if !mark.ended && !config.replay_window.is_zero() {
            // Who knows what died with us.
            let again: u64 = std::mem::take(&mut sent).iter().map(|span| spans.add_new(*span)).sum();
            if again > 0 {
                tracing::info!(
                    destination = self.destination,
                    points = again,
                    "delivered shortly before the end; sent once more"
                );
            }
        }
        let points = spans.points();
        if points > 0 {
            tracing::info!(destination = self.destination, points, "found points that are still to be sent");
        }
        if self.goes_on.take().is_none() {
            self.shared.recover(spans, &sent, journal.end());
        }
        *self.state.marks.lock() = Some(Arc::new(marks));
        // From now on it is known that this process has begun.
        self.commit();
        let dead = match self.dir.has(&self.destination, DEAD) {
            true => Some(self.open_dead_letters(config.max_dead_letter_bytes)?),
            false => None,
        };
        let folder = self.dir.number(&self.destination, QUEUE).ok();
        let (clock, age) = self.resume_age(&*dir()?, &journal);
        let (encoder, changes) = (RecordEncoder::default(), self.table.changes());
        Ok(OpenJournal { journal, folder, age, clock, encoder, changes, dead, buffer: Vec::new(), dirty: false })
    }

    /// Goes on with the age of what there is.
    fn resume_age(&self, disk: &dyn Disk, journal: &Journal) -> (Option<Marks>, Age) {
        // On a full disk there may be no room for it, and the queue is not to be the worse for that.
        let marks = Marks::open_as(disk, CLOCK).inspect_err(|error| {
            tracing::warn!(
                destination = self.destination,
                "the age of its points will not be known to the next boot: {}",
                said(error)
            );
        });
        let marks = marks.ok();
        let saved = match marks.as_ref().map(Marks::read) {
            Some(Ok(MarkFile::Held(bytes))) => Some(bytes),
            _ => None,
        };
        let age = Age::resume(self.dir.clock(), saved.as_deref(), &journal.segments(), journal.end().seq);
        if let Some(doubt_ms) = age.doubt_ms() {
            tracing::warn!(
                destination = self.destination,
                jump_s = doubt_ms / 1000,
                "the clock is far from where it was when the queue was used last: nothing is dropped for its age until it \
                 has held for an hour"
            );
        }
        (marks, age)
    }

    /// Points that a death in the middle of a write has left unreadable.
    fn count_torn(&self, recovery: &Recovery) {
        self.shared.recover_damaged(recovery.torn_items);
        self.state.torn_bytes.fetch_add(recovery.unknown_bytes, Ordering::Relaxed);
    }

    fn open_dead_letters(&self, limit: u64) -> Result<DeadLetters, String> {
        let dir = self.dir.journal(&self.destination, DEAD).map_err(|error| error.to_string())?;
        DeadLetters::open(dir, limit).map_err(|error| said(&error))
    }

    pub(super) fn handle(&mut self, job: SpoolJob) {
        match job {
            SpoolJob::Append(push) => return self.append_group(push),
            SpoolJob::MakeRoom(bytes, reservation, reply) => answer(reply, self.promise(bytes, reservation)),
            SpoolJob::KeepDeadLetters(points, reason, reply) => answer(reply, self.keep_dead_letters(&points, &reason)),
            SpoolJob::Read(from, table, reply) => {
                let reader = self.open.as_ref().map(|open| BacklogReader::new(&open.journal, from, table));
                answer(reply, reader.ok_or_else(|| "its queue is not open".to_owned()));
            }
            SpoolJob::LookAround => self.look_around(),
            SpoolJob::Flush(reply) => {
                self.commit();
                if self.shared.lanes.lock().is_empty() {
                    // What was delivered is given back, that of the segment that is being written as well.
                    self.begin_anew();
                }
                self.look_around();
                answer(reply, self.sync());
            }
            SpoolJob::Operate(order, reply) => answer(reply, self.operate(order)),
        }
        self.show();
    }

    pub(super) fn sync(&mut self) -> Result<(), String> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.journal.sync().map_err(|error| said(&error))?;
        open.dirty = false;
        Ok(())
    }

    fn keep_dead_letters(&mut self, points: &[Point], reason: &str) -> Result<(), String> {
        let limit = self.config().max_dead_letter_bytes;
        let dead = match self.open.as_mut().and_then(|open| open.dead.take()) {
            Some(dead) => dead,
            None => self.open_dead_letters(limit)?,
        };
        let open = self.open.as_mut().ok_or("its queue is not open")?;
        let dead = open.dead.insert(dead);
        let (table, mut points) = (&self.table, points);
        while !points.is_empty() {
            let kept = dead.keep(points, reason, limit, |id| table.get(id)).map_err(|error| said(&error))?;
            points = &points[kept.taken.max(1)..];
            self.state.dead_letter_dropped.fetch_add(kept.dropped, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Lets others see which files were set aside.
    pub(super) fn show_set_aside(&self) {
        let Some(open) = &self.open else { return };
        if let Ok(list) = open.journal.set_aside() {
            self.state.damaged.store(list.len() as u64, Ordering::Relaxed);
            self.state.damaged_bytes.store(list.iter().map(|aside| aside.bytes).sum(), Ordering::Relaxed);
        }
    }

    /// Lets others see how much there is.
    pub(super) fn show(&self) {
        let Some(open) = &self.open else { return };
        let set = |figure: &std::sync::atomic::AtomicU64, value| figure.store(value, Ordering::Relaxed);
        set(&self.state.bytes, open.journal.bytes());
        set(&self.state.segments, open.journal.segments().len() as u64);
        if let Some(dead) = &open.dead {
            set(&self.state.dead_letter_points, dead.points());
            set(&self.state.dead_letter_bytes, dead.bytes());
        }
    }
}

pub(super) fn answer<T>(reply: oneshot::Sender<T>, result: T) {
    // Whoever asked may have gone.
    drop(reply.send(result));
}
