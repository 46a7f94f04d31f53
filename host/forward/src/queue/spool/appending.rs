//! How points get into a destination's journal: several pushes under one sync, in as many records as it takes, with
//! room that was promised before, or with what the oldest make way for.

use std::sync::atomic::Ordering;

use saker_journal::{Journal, JournalError};
use saker_model::Point;

use crate::destination::DropReason;
use crate::queue::room::Reservation;
use crate::queue::span::Span;
use crate::queue::spool::backlog::said;
use crate::queue::spool::writer::{SpoolWriter, answer};
use crate::queue::spool::{SpoolJob, SpoolPush};
use crate::queue::{Durability, QueueConfig, WhenFull};

/// Pushes that are appended before they are synced and answered together.
const GROUP_MAX: usize = 256;
/// With less room than this the queue is full for everybody: a record may be as long.
const FULL_BYTES: u64 = 64 << 10;

/// Whether room was promised for what is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Admitted,
    Asks,
}

/// What of some points is on the disk, and what was let go of.
#[derive(Default)]
pub(super) struct KeptPoints {
    batches: Vec<(Vec<Point>, Span)>,
    lost: Vec<(DropReason, usize)>,
}

/// What became of points that were to be appended.
struct AppendOutcome {
    /// Their record; none if they were dropped.
    span: Option<Span>,
    /// So many of them were dealt with,
    taken: usize,
    /// of which so many are in no record, because their series was forgotten.
    unknown: usize,
}

enum RoomCheck {
    There,
    /// There is, but what was encoded does not fit there.
    Anew,
    None,
}

impl SpoolWriter {
    /// Makes room for bytes that are about to come.
    pub(super) fn promise(&mut self, bytes: u64, mut reservation: Reservation) -> Result<Reservation, String> {
        let config = self.config();
        let fits = !matches!(self.make_room(bytes, &config, Admission::Asks), RoomCheck::None);
        self.show();
        let used = || self.state.bytes.load(Ordering::SeqCst);
        if fits && reservation.grow(bytes, config.bytes, used) {
            return Ok(reservation);
        }
        let error = format!("its queue is full ({} bytes)", config.bytes);
        if used() + FULL_BYTES.min(config.bytes / 8) > config.bytes {
            *self.state.rejection.lock() = Some(error.clone());
        }
        Err(error)
    }

    /// Appends a push and those that wait behind it, and answers all of them after one sync.
    pub(super) fn append_group(&mut self, first: SpoolPush) {
        let config = self.config();
        if config.durability == Durability::Disk {
            // What is about to be called safe must not go where nobody finds it.
            self.notice_removal();
        }
        let mut appended = Vec::new();
        let mut other = None;
        let mut next = Some(first);
        while let Some(SpoolPush { points, reservation, reply }) = next.take() {
            // Whoever has waited for too long comes again with them.
            let result = match reservation.fate().is_given_up() {
                true => Err("it took too long".to_owned()),
                false => self.append(points, &config, Admission::Admitted),
            };
            appended.push((reservation, reply, result));
            if appended.len() == GROUP_MAX {
                break;
            }
            match self.jobs.try_recv() {
                Ok(SpoolJob::Append(push)) => next = Some(push),
                Ok(job) => other = Some(job),
                Err(_) => {}
            }
        }
        let synced = match config.durability {
            Durability::Disk => self.sync(),
            Durability::Memory | Durability::Process => Ok(()),
        };
        if let Err(error) = &synced {
            *self.state.rejection.lock() = Some(error.clone());
        }
        let mut answers = Vec::with_capacity(appended.len());
        let mut rejected = false;
        for (reservation, reply, result) in appended {
            let result = match synced.clone().and(result) {
                Ok(kept) if reservation.fate().keep() => {
                    self.enter(kept);
                    Ok(())
                }
                Ok(_) => Err("it took too long".to_owned()),
                Err(error) => Err(error),
            };
            rejected |= result.is_err();
            answers.push((reservation, reply, result));
        }
        if let Some(open) = self.open.as_ref().filter(|_| rejected) {
            // Only now, when none of those that are kept is missing in the lanes.
            self.shared.pass_over(open.journal.end());
            self.commit();
        }
        self.show();
        for (reservation, reply, result) in answers {
            // What it has taken is seen by now.
            drop(reservation);
            answer(reply, result);
        }
        if let Some(job) = other {
            self.handle(job);
        }
    }

    /// Lets the sender see what is kept.
    pub(super) fn enter(&self, kept: KeptPoints) {
        for (points, span) in kept.batches {
            self.shared.enter(points, span);
        }
        for (reason, points) in kept.lost {
            self.shared.pass(reason, points);
        }
    }

    /// Appends points, batch by batch. If something fails nothing of it is kept: its source comes again with all of it.
    pub(super) fn append(
        &mut self,
        points: Vec<Point>,
        config: &QueueConfig,
        admission: Admission,
    ) -> Result<KeptPoints, String> {
        self.ensure_open();
        let mut kept = KeptPoints::default();
        let most = config.batch_points.max(1);
        let appended = if points.len() <= most {
            self.append_batch(points, config, admission, &mut kept)
        } else {
            let mut batches = points.chunks(most);
            batches.try_for_each(|batch| self.append_batch(batch.to_vec(), config, admission, &mut kept))
        };
        match appended {
            Ok(()) => Ok(kept),
            Err(error) => {
                *self.state.rejection.lock() = Some(error.clone());
                Err(error)
            }
        }
    }

    /// Appends a batch, in as many records as it takes.
    fn append_batch(
        &mut self,
        mut points: Vec<Point>,
        config: &QueueConfig,
        admission: Admission,
        kept: &mut KeptPoints,
    ) -> Result<(), String> {
        let (mut taken, mut unknown, mut span) = (0, 0, None::<Span>);
        while taken < points.len() {
            let record = self.append_record(&points[taken..], config, admission)?;
            let Some(Span { from, to }) = record.span else {
                kept.lost.push((DropReason::QueueFull, points.len() - taken));
                points.truncate(taken);
                break;
            };
            span = Some(Span { from: span.map_or(from, |span| span.from), to });
            taken += record.taken;
            unknown += record.unknown;
        }
        if unknown > 0 {
            points.retain(|point| self.table.get(point.series).is_some());
            kept.lost.push((DropReason::Forgotten, unknown));
        }
        kept.batches.extend(span.map(|span| (points, span)));
        Ok(())
    }

    /// Appends a record; none if there was no room and new points are to go.
    fn append_record(
        &mut self,
        points: &[Point],
        config: &QueueConfig,
        admission: Admission,
    ) -> Result<AppendOutcome, String> {
        // Twice at most: what was delivered is given back before the second time.
        for last in [false, true] {
            let Some(open) = &mut self.open else {
                return Err(self.state.rejection.lock().clone().unwrap_or_else(|| "its queue is not open".into()));
            };
            // Before they can stand for others in what comes now.
            let forgotten = std::mem::take(&mut self.shared.lanes.lock().unwritten_forgets);
            open.encoder.forget(&forgotten);
            open.note_changes(&self.table);
            let (first, table) = (open.journal.begins_segment(), &self.table);
            let encoded = open.encoder.encode(first, points, |id| table.get(id), &mut open.buffer);
            let needed = Journal::growth(open.buffer.len());
            match self.make_room(needed, config, admission) {
                RoomCheck::There => {}
                // The record builds on what it will not follow any more.
                RoomCheck::Anew => continue,
                RoomCheck::None if config.when_full == WhenFull::DropNewest => {
                    self.begin_anew();
                    return Ok(AppendOutcome { span: None, taken: points.len(), unknown: 0 });
                }
                RoomCheck::None => {
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
                    return Ok(AppendOutcome { span, taken: encoded.taken, unknown: encoded.unknown() });
                }
                Err(JournalError::NoSpace { .. }) if !last => self.give_back(),
                Err(error) => return Err(said(&error)),
            }
        }
        Err("its queue has no room".into())
    }

    /// The next record builds on none: what was encoded last is not there.
    pub(super) fn begin_anew(&mut self) {
        if let Some(open) = &mut self.open {
            open.journal.roll();
        }
    }

    /// Makes room for so many bytes within the limit, if the oldest points may go for it.
    fn make_room(&mut self, needed: u64, config: &QueueConfig, admission: Admission) -> RoomCheck {
        // What was promised to others is theirs.
        let promised = match admission {
            Admission::Admitted => 0,
            Admission::Asks => self.shared.promises.amount(),
        };
        let needed = needed.saturating_add(promised);
        let Some(open) = &mut self.open else { return RoomCheck::None };
        if open.journal.bytes() + needed <= config.bytes {
            return RoomCheck::There;
        }
        self.give_back();
        let mut anew = false;
        loop {
            let Some(open) = &mut self.open else { return RoomCheck::None };
            if open.journal.bytes() + needed <= config.bytes {
                return if anew { RoomCheck::Anew } else { RoomCheck::There };
            }
            // What was delivered goes before what was not, and before anything is rejected.
            if self.shared.lanes.lock().forget_oldest_sent() {
                self.give_back();
                continue;
            }
            match (config.when_full, admission) {
                (WhenFull::DropOldest, _) => {}
                // Less room was promised than it takes: by a little, for what is promised is more than points need.
                (WhenFull::Block, Admission::Admitted) => return RoomCheck::There,
                _ => return RoomCheck::None,
            }
            match open.journal.drop_oldest() {
                Ok(Some(segment)) => self.dropped_before(segment.end, DropReason::QueueFull),
                // Only the segment that is being written is left.
                Ok(None) if !open.journal.begins_segment() => {
                    open.journal.roll();
                    anew = true;
                }
                Ok(None) | Err(_) => return RoomCheck::None,
            }
        }
    }
}
