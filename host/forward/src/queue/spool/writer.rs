//! The thread that owns a node's journal.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use saker_journal::{Disk, Journal, JournalConfig, JournalError, Mark as MarkFile, Marks, Position, Recovery};
use saker_model::{Point, SeriesTable};
use tokio::sync::oneshot;

use crate::codec::Encoder;
use crate::node::DropReason;
use crate::queue::dead::DeadLetters;
use crate::queue::span::{Mark, Span};
use crate::queue::spool::age::Age;
use crate::queue::spool::backlog::said;
use crate::queue::spool::dir::{DEAD, QUEUE};
use crate::queue::spool::{BacklogReader, Job, SpoolDir, State};
use crate::queue::{Durability, QueueConfig, Shared, WhenFull};

/// The size of a segment, where an eighth of the queue is more.
const SEGMENT_BYTES: u64 = 32 << 20;
/// How often it looks around while there is something to do.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Pushes that are appended before they are synced and answered together.
const GROUP_MAX: usize = 256;
/// The file beside the mark that the age of what there is is written down in.
const CLOCK: &str = "clock";
type Reply = oneshot::Sender<Result<(), String>>;

pub(super) struct Writer {
    pub(super) node: String,
    pub(super) dir: SpoolDir,
    pub(super) shared: Arc<Shared>,
    pub(super) table: Arc<SeriesTable>,
    jobs: Receiver<Job>,
    pub(super) state: Arc<State>,
    pub(super) open: Option<Open>,
    pub(super) looked: Instant,
    /// Where the journal goes on whose folder was removed.
    pub(super) goes_on: Option<Position>,
}

/// What is there once the journal is open.
pub(super) struct Open {
    pub(super) journal: Journal,
    /// What tells its folder from another by the same name, where the disk knows.
    pub(super) folder: Option<(u64, u64)>,
    pub(super) age: Age,
    /// Where that is written down.
    pub(super) clock: Option<Marks>,
    encoder: Encoder,
    pub(super) dead: Option<DeadLetters>,
    buffer: Vec<u8>,
    /// Appended since the last sync.
    pub(super) dirty: bool,
}

impl Writer {
    pub(super) fn new(
        node: &str,
        dir: SpoolDir,
        shared: Arc<Shared>,
        table: Arc<SeriesTable>,
        jobs: Receiver<Job>,
        state: Arc<State>,
    ) -> Self {
        Self { node: node.into(), dir, shared, table, jobs, state, open: None, looked: Instant::now(), goes_on: None }
    }

    /// Works until nobody can ask for anything any more.
    pub(super) fn run(mut self) {
        self.ensure_open();
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
        !open.dirty && self.state.refusal.lock().is_none() && lanes.is_empty() && !lanes.has_sent()
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
                *self.state.refusal.lock() = None;
                self.show_set_aside();
                self.show();
            }
            Err(error) => {
                let error = format!("its queue cannot be opened: {error}");
                let mut refusal = self.state.refusal.lock();
                if refusal.as_ref() != Some(&error) {
                    tracing::error!(node = self.node, "{error}");
                }
                *refusal = Some(error);
            }
        }
    }

    fn try_open(&mut self) -> Result<Open, String> {
        let config = self.config();
        let dir = || self.dir.journal(&self.node, QUEUE).map_err(|error| error.to_string());
        let marks = Marks::open(&*dir()?).map_err(|error| said(&error))?;
        let mark = match marks.read().map_err(|error| said(&error))? {
            MarkFile::Held(bytes) => Mark::decode(&bytes),
            MarkFile::Missing => None,
            MarkFile::Damaged => {
                tracing::warn!(node = self.node, "what was delivered is not known; what is on disk is sent once more");
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
                node = self.node,
                points,
                unknown_bytes,
                "the end of the queue was half written: these points are lost, and who knows how many in the bytes"
            );
        }
        for aside in &recovery.set_aside {
            tracing::error!(node = self.node, bytes = aside.bytes, "a segment is damaged, set aside as {}", aside.name);
        }
        self.count_torn(&recovery);
        let mark = mark.unwrap_or(Mark { open: journal.start(), ..Mark::default() });
        let (mut spans, mut sent) = (mark.spans, mark.sent);
        spans.add(Span { from: mark.open, to: journal.end() });
        if !mark.ended && !config.resend.is_zero() {
            // Who knows what died with us.
            let again: u64 = std::mem::take(&mut sent).iter().map(|span| spans.add_new(*span)).sum();
            if again > 0 {
                tracing::info!(node = self.node, points = again, "delivered shortly before the end; sent once more");
            }
        }
        let points = spans.points();
        if points > 0 {
            tracing::info!(node = self.node, points, "found points that are still to be sent");
        }
        if self.goes_on.take().is_none() {
            self.shared.recover(spans, &sent, journal.end());
        }
        *self.state.marks.lock() = Some(Arc::new(marks));
        // From now on it is known that this process has begun.
        self.commit();
        let dead = match self.dir.has(&self.node, DEAD) {
            true => Some(self.open_dead(config.dead_letter_bytes)?),
            false => None,
        };
        let folder = self.dir.number(&self.node, QUEUE).ok();
        let (clock, age) = self.resume_age(&*dir()?, &journal);
        Ok(Open { journal, folder, age, clock, encoder: Encoder::default(), dead, buffer: Vec::new(), dirty: false })
    }

    /// Goes on with the age of what there is.
    fn resume_age(&self, disk: &dyn Disk, journal: &Journal) -> (Option<Marks>, Age) {
        // On a full disk there may be no room for it, and the queue is not to be the worse for that.
        let marks = Marks::open_as(disk, CLOCK).inspect_err(|error| {
            tracing::warn!(
                node = self.node,
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
                node = self.node,
                jump_s = doubt_ms / 1000,
                "the clock is far from where it was when the queue was used last: nothing is dropped for its age until it \
                 has held for an hour"
            );
        }
        (marks, age)
    }

    /// Points that a death in the middle of a write has left unreadable.
    fn count_torn(&self, recovery: &Recovery) {
        self.shared.counters.recover(recovery.torn_items);
        self.shared.counters.lose(DropReason::Damaged, recovery.torn_items);
        self.state.torn_bytes.fetch_add(recovery.unknown_bytes, Ordering::Relaxed);
    }

    fn open_dead(&self, limit: u64) -> Result<DeadLetters, String> {
        let dir = self.dir.journal(&self.node, DEAD).map_err(|error| error.to_string())?;
        DeadLetters::open(dir, limit).map_err(|error| said(&error))
    }

    fn handle(&mut self, job: Job) {
        match job {
            Job::Append(points, reply) => return self.append_group(points, reply),
            Job::KeepDead(points, reason, reply) => answer(reply, self.keep_dead(&points, &reason)),
            Job::Read(from, table, reply) => {
                let reader = self.open.as_ref().map(|open| BacklogReader::new(&open.journal, from, table));
                answer(reply, reader.ok_or_else(|| "its queue is not open".to_owned()));
            }
            Job::LookAround => self.look_around(),
            Job::Flush(reply) => {
                self.commit();
                if self.shared.lanes.lock().is_empty() {
                    // What was delivered is given back, that of the segment that is being written as well.
                    self.begin_anew();
                }
                self.look_around();
                answer(reply, self.sync());
            }
            Job::Operate(order, reply) => answer(reply, self.operate(order)),
        }
        self.show();
    }

    /// Appends a push and those that wait behind it, and answers all of them after one sync.
    fn append_group(&mut self, points: Vec<Point>, reply: Reply) {
        let config = self.config();
        if config.durability == Durability::Disk {
            // What is about to be called safe must not go where nobody finds it.
            self.notice_removal();
        }
        let mut kept = Vec::new();
        let mut answers = Vec::new();
        let mut other = None;
        let mut next = Some((points, reply));
        while let Some((points, reply)) = next.take() {
            // Whoever has waited for too long comes again with them.
            let result = if reply.is_closed() { Ok(()) } else { self.append(points, &config, &mut kept) };
            answers.push((reply, result));
            if answers.len() == GROUP_MAX {
                break;
            }
            match self.jobs.try_recv() {
                Ok(Job::Append(points, reply)) => next = Some((points, reply)),
                Ok(job) => other = Some(job),
                Err(_) => {}
            }
        }
        let synced = match config.durability {
            Durability::Disk => self.sync(),
            Durability::Memory | Durability::Process => Ok(()),
        };
        for (points, span) in kept {
            self.shared.enter(points, span);
        }
        for (reply, result) in answers {
            answer(reply, synced.clone().and(result));
        }
        self.show();
        if let Some(job) = other {
            self.handle(job);
        }
    }

    /// Appends a push, batch by batch. If something fails nothing of it is kept: its source comes again with all of it.
    pub(super) fn append(
        &mut self,
        mut points: Vec<Point>,
        config: &QueueConfig,
        kept: &mut Vec<(Vec<Point>, Span)>,
    ) -> Result<(), String> {
        self.ensure_open();
        let had = kept.len();
        while !points.is_empty() {
            let rest = points.split_off(points.len().min(config.batch_points.max(1)));
            match self.append_batch(points, config) {
                Ok(batch) => kept.extend(batch),
                Err(error) => {
                    kept.truncate(had);
                    *self.state.refusal.lock() = Some(error.clone());
                    return Err(error);
                }
            }
            points = rest;
        }
        Ok(())
    }

    /// Appends a batch, in as many records as it takes. Answers what of it is kept, and where.
    fn append_batch(
        &mut self,
        mut points: Vec<Point>,
        config: &QueueConfig,
    ) -> Result<Option<(Vec<Point>, Span)>, String> {
        let (mut taken, mut unknown, mut span) = (0, 0, None::<Span>);
        while taken < points.len() {
            let record = self.append_record(&points[taken..], config)?;
            let Some(Span { from, to }) = record.span else {
                self.lost(DropReason::QueueFull, points.len() - taken);
                points.truncate(taken);
                break;
            };
            span = Some(Span { from: span.map_or(from, |span| span.from), to });
            taken += record.taken;
            unknown += record.unknown;
        }
        if unknown > 0 {
            points.retain(|point| self.table.get(point.series).is_some());
            self.lost(DropReason::Forgotten, unknown);
        }
        Ok(span.map(|span| (points, span)))
    }

    /// Points that came and went at once.
    fn lost(&self, reason: DropReason, points: usize) {
        self.shared.counters.enqueue(points);
        self.shared.counters.lose(reason, points as u64);
    }

    /// Appends a record; none if there was no room and new points are to go.
    fn append_record(&mut self, points: &[Point], config: &QueueConfig) -> Result<Appended, String> {
        // Twice at most: what was delivered is given back before the second time.
        for last in [false, true] {
            let Some(open) = &mut self.open else {
                return Err(self.state.refusal.lock().clone().unwrap_or_else(|| "its queue is not open".into()));
            };
            // Before they can stand for others in what comes now.
            let forgotten = std::mem::take(&mut self.shared.lanes.lock().unwritten_forgets);
            open.encoder.forget(&forgotten);
            let (first, table) = (open.journal.begins_segment(), &self.table);
            let encoded = open.encoder.encode(first, points, |id| table.get(id), &mut open.buffer);
            let needed = Journal::growth(open.buffer.len());
            match self.make_room(needed, config) {
                Room::There => {}
                // The record builds on what it will not follow any more.
                Room::Anew => continue,
                Room::None if config.when_full == WhenFull::DropNewest => {
                    self.begin_anew();
                    return Ok(Appended { span: None, taken: points.len(), unknown: 0 });
                }
                Room::None => {
                    self.begin_anew();
                    return Err(format!("its queue is full ({} bytes)", config.bytes));
                }
            }
            let Some(open) = &mut self.open else { return Err("its queue is not open".into()) };
            let from = open.journal.end();
            open.journal.stamp(open.age.now_ms());
            match open.journal.append(&open.buffer, encoded.points) {
                Ok(_) => {
                    open.dirty = true;
                    let span = Some(Span { from, to: open.journal.end() });
                    return Ok(Appended { span, taken: encoded.taken, unknown: encoded.unknown() });
                }
                Err(JournalError::NoSpace { .. }) if !last => self.give_back(),
                Err(error) => return Err(said(&error)),
            }
        }
        Err("its queue has no room".into())
    }

    /// The next record builds on none: what was encoded last is not there.
    fn begin_anew(&mut self) {
        if let Some(open) = &mut self.open {
            open.journal.roll();
        }
    }

    /// Makes room for so many bytes within the limit, if the oldest points may go for it.
    fn make_room(&mut self, needed: u64, config: &QueueConfig) -> Room {
        let Some(open) = &mut self.open else { return Room::None };
        if open.journal.bytes() + needed <= config.bytes {
            return Room::There;
        }
        self.give_back();
        let mut anew = false;
        loop {
            let Some(open) = &mut self.open else { return Room::None };
            if open.journal.bytes() + needed <= config.bytes {
                return if anew { Room::Anew } else { Room::There };
            }
            // What was delivered goes before what was not, and before anything is refused.
            if self.shared.lanes.lock().forget_oldest_sent() {
                self.give_back();
                continue;
            }
            if config.when_full != WhenFull::DropOldest {
                return Room::None;
            }
            match open.journal.drop_oldest() {
                Ok(Some(segment)) => self.dropped_before(segment.end, DropReason::QueueFull),
                // Only the segment that is being written is left.
                Ok(None) if !open.journal.begins_segment() => {
                    open.journal.roll();
                    anew = true;
                }
                Ok(None) | Err(_) => return Room::None,
            }
        }
    }

    pub(super) fn sync(&mut self) -> Result<(), String> {
        let Some(open) = &mut self.open else { return Ok(()) };
        open.journal.sync().map_err(|error| said(&error))?;
        open.dirty = false;
        Ok(())
    }

    fn keep_dead(&mut self, points: &[Point], reason: &str) -> Result<(), String> {
        let limit = self.config().dead_letter_bytes;
        let dead = match self.open.as_mut().and_then(|open| open.dead.take()) {
            Some(dead) => dead,
            None => self.open_dead(limit)?,
        };
        let open = self.open.as_mut().ok_or("its queue is not open")?;
        let dead = open.dead.insert(dead);
        let (table, mut points) = (&self.table, points);
        while !points.is_empty() {
            let kept = dead.keep(points, reason, limit, |id| table.get(id)).map_err(|error| said(&error))?;
            points = &points[kept.taken.max(1)..];
            self.state.dead_dropped.fetch_add(kept.dropped, Ordering::Relaxed);
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
            set(&self.state.dead_points, dead.points());
            set(&self.state.dead_bytes, dead.bytes());
        }
    }
}

/// What became of points that were to be appended.
struct Appended {
    /// Their record; none if they were dropped.
    span: Option<Span>,
    /// So many of them were dealt with,
    taken: usize,
    /// of which so many are in no record, because their series was forgotten.
    unknown: usize,
}

enum Room {
    There,
    /// There is, but what was encoded does not fit there.
    Anew,
    None,
}

fn answer<T>(reply: oneshot::Sender<T>, result: T) {
    // Whoever asked may have gone.
    drop(reply.send(result));
}
