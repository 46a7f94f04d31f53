//! What waits for a destination: the newest points in memory, and, unless it is a queue in memory only, all of them on
//! disk.
//!
//! Two lanes lead to the sender. The *fresh* lane holds what is in memory; the *backlog* is what is on disk only, because
//! memory had no room, or because it comes from before a restart. While there is a backlog the two take turns, so that it
//! delays no fresh point. The [`spool`] appends to the journal and fills the fresh lane; the sender empties both.
//!
//! [`DestinationQueue`] is all that a sender and the forwarder see of it.

mod dead_letters;
mod lanes;
pub(crate) mod room;
pub(crate) mod span;
pub(crate) mod spool;

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use saker_journal::Position;
use saker_model::{Point, SeriesId, SeriesTable};
use saker_pipeline::{MemoryBudget, Overload, OverloadCause};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::destination::{DestinationCounters, DropReason};
use crate::queue::lanes::{LaneChoice, Lanes};
pub(crate) use crate::queue::lanes::{PointBatch, PointsAtTime};
use crate::queue::room::{Reservation, ReservationError, Reservations};
use crate::queue::span::{Span, Spans};
use crate::queue::spool::{Spool, SpoolDir};

/// What an accepted point survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing: it is in memory only.
    Memory,
    /// The end of the process, however it ends: it is with the system, which writes it to disk within about a second.
    Process,
    /// Loss of power: it is on disk before it is acknowledged.
    Disk,
}

/// What happens to points when the queue has reached its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest segment goes.
    DropOldest,
    /// The new points go.
    DropNewest,
    /// The new points are rejected, and their source is told to come again.
    Block,
}

/// What bounds a queue, and how batches are cut.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueueConfig {
    /// What its points survive.
    pub durability: Durability,
    /// Bytes on disk; unused in memory.
    pub bytes: u64,
    /// What happens when there are so many.
    pub when_full: WhenFull,
    /// Points in memory; 24 bytes each.
    pub points: usize,
    /// How long a point may wait.
    pub age: Duration,
    /// Of the batches that are sent while there is a backlog, the share that is taken from it: 0 to 1.
    pub backlog_share: f64,
    /// When the destination has been away, what it took in so long before is sent once more: many stores acknowledge
    /// what a crash of theirs loses.
    pub replay_window: Duration,
    /// Bytes of rejected points that are kept on disk.
    pub max_dead_letter_bytes: u64,
    /// Points of one batch.
    pub batch_points: usize,
    /// How long points wait for others to fill the batch.
    pub batch_age: Duration,
}

impl QueueConfig {
    /// How long a point stays in memory: with a disk behind it not for long, for its series could be forgotten
    /// meanwhile.
    pub(crate) fn memory_age(&self) -> Duration {
        match self.durability {
            Durability::Memory => self.age,
            Durability::Process | Durability::Disk => self.age.min(FRESH_AGE),
        }
    }
}

/// How long points of a queue on disk stay in memory as well. A series lives longer than this after its last point.
pub const FRESH_AGE: Duration = Duration::from_secs(300);

/// When a rejected source is to come again.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The state that the spool and the sender share.
pub(crate) struct QueueShared {
    pub(crate) lanes: Mutex<Lanes>,
    /// Tells the sender that there is something to do.
    ready: Notify,
    pub(crate) counters: Arc<DestinationCounters>,
    budget: Arc<MemoryBudget>,
    pub(crate) promises: Reservations,
}

impl std::fmt::Debug for QueueShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("promises", &self.promises).finish_non_exhaustive()
    }
}

// What is counted is counted under the lock of the lanes, so that whoever holds it finds both of one time. Only what the
// sender delivers or gives up is counted beside it: that is in its hand until it says so.
impl QueueShared {
    /// Puts points into the fresh lane. In a journal they are the records of the span.
    fn enter(&self, points: Vec<Point>, span: Span) {
        let mut lanes = self.lanes.lock();
        self.counters.enqueue(points.len());
        let wake = lanes.push(points, span, self.budget.is_over(), &self.counters);
        lanes.charge(&self.budget);
        drop(lanes);
        if wake {
            self.ready.notify_one();
        }
    }
}

impl QueueShared {
    /// Begins with what an earlier process has left.
    fn recover(&self, backlog: Spans, sent: &Spans, end: Position) {
        let mut lanes = self.lanes.lock();
        self.counters.recover(backlog.points());
        lanes.recover(backlog, sent, end);
        drop(lanes);
        self.ready.notify_one();
    }

    /// Everything before a place is gone from the disk; what is in memory is sent all the same.
    /// Answers how many points that costs.
    fn dropped_before(&self, place: Position, reason: DropReason) -> u64 {
        let mut lanes = self.lanes.lock();
        let dropped = lanes.cut_before(place);
        self.counters.lose(reason, dropped);
        dropped
    }

    /// Records up to a place were rejected in the end, and all that were not are in the lanes.
    pub(crate) fn pass_over(&self, place: Position) {
        self.lanes.lock().pass_over(place);
    }

    /// Points that came and went at once.
    pub(crate) fn pass(&self, reason: DropReason, points: usize) {
        let _lanes = self.lanes.lock();
        self.counters.enqueue(points);
        self.counters.lose(reason, points as u64);
    }

    /// Points that were found, and could not be read.
    fn recover_damaged(&self, points: u64) {
        let _lanes = self.lanes.lock();
        self.counters.recover(points);
        self.counters.lose(DropReason::Damaged, points);
    }

    /// Throws away all that waits; answers how many points that were.
    fn discard(&self) -> u64 {
        let mut lanes = self.lanes.lock();
        let dropped = lanes.clear();
        self.counters.lose(DropReason::Discarded, dropped);
        dropped
    }
}

impl Drop for QueueShared {
    fn drop(&mut self) {
        self.budget.set(&mut self.lanes.get_mut().charged, 0);
    }
}

pub(crate) struct DestinationQueue {
    name: String,
    shared: Arc<QueueShared>,
    spool: Option<Spool>,
}

impl DestinationQueue {
    /// A queue whose journal, if it has one, is in a folder of `dir`.
    pub(crate) fn new(
        name: &str,
        config: QueueConfig,
        counters: Arc<DestinationCounters>,
        table: Arc<SeriesTable>,
        budget: Arc<MemoryBudget>,
        dir: Option<&SpoolDir>,
    ) -> Self {
        let mut config = config;
        let left = dir.is_some_and(|dir| config.durability == Durability::Memory && dir.holds_records(name));
        if left {
            tracing::warn!(
                destination = name,
                "points wait on disk, so its queue is in memory only from the next start on"
            );
            config.durability = Durability::Process;
        }
        let lanes = Mutex::new(Lanes::new(config));
        let shared =
            Arc::new(QueueShared { lanes, ready: Notify::new(), counters, budget, promises: Reservations::default() });
        let durable = config.durability != Durability::Memory;
        let spool = dir.filter(|_| durable).map(|dir| Spool::start(name, dir, shared.clone(), table));
        Self { name: name.into(), shared, spool }
    }

    /// What its points survive when that is asked for: whether they are on disk stays as it was at the start.
    pub(crate) fn durability(&self, wanted: Durability) -> Durability {
        let there = match (self.is_durable(), wanted) {
            (true, Durability::Memory) => Durability::Process,
            (false, _) => Durability::Memory,
            (true, wanted) => wanted,
        };
        if there != wanted {
            tracing::warn!("whether a queue is on disk takes hold at the next start");
        }
        there
    }

    pub(crate) fn set_config(&self, config: QueueConfig) {
        self.shared.lanes.lock().config = config;
        self.shared.ready.notify_one();
    }

    /// Promises room for points, whose [`commit`](Self::commit) then finds it.
    ///
    /// # Errors
    /// If there is none, or the queue is not there.
    pub(crate) async fn reserve(&self, points: &[Point], table: &SeriesTable) -> Result<Reservation, Overload> {
        let begun = Reservation::begin(&self.shared).map_err(|unpromised| match unpromised {
            ReservationError::Closed => self.overload(OverloadCause::Absent, "it was taken out just now".into()),
            ReservationError::Busy => self.overload(OverloadCause::Full, "too many wait for its queue".into()),
        });
        match &self.spool {
            Some(spool) => spool.reserve(begun?, points, table).await,
            None => self.reserve_memory(begun?, points.len()),
        }
    }

    fn reserve_memory(&self, mut reservation: Reservation, points: usize) -> Result<Reservation, Overload> {
        let lanes = self.shared.lanes.lock();
        if lanes.config.when_full != WhenFull::Block {
            return Ok(reservation);
        }
        let most = lanes.config.points;
        if points > most {
            let reason = format!("it holds {most} points in memory at most, and {points} came at once");
            return Err(self.overload(OverloadCause::TooLarge, reason));
        }
        let room = lanes.room(self.shared.budget.is_over()) as u64;
        if reservation.grow(points as u64, room, || lanes.fresh_points() as u64) {
            Ok(reservation)
        } else {
            Err(self.overload(OverloadCause::Full, format!("its queue is full ({room} points in memory)")))
        }
    }

    /// Takes points that room was promised for. When it returns they are as safe as the queue is durable.
    ///
    /// # Errors
    /// If the disk fails or hangs; then none of them is kept.
    pub(crate) async fn commit(&self, points: Vec<Point>, reservation: Reservation) -> Result<(), Overload> {
        match &self.spool {
            Some(spool) => spool.append(points, reservation).await,
            None => {
                self.shared.enter(points, Span::default());
                Ok(())
            }
        }
    }

    /// Takes points for which there is room.
    ///
    /// # Errors
    /// If they cannot be kept; then none of them is.
    pub(crate) async fn push(&self, points: Vec<Point>, table: &SeriesTable) -> Result<(), Overload> {
        let reservation = self.reserve(&points, table).await?;
        self.commit(points, reservation).await
    }

    /// Counts points that it has no room for, and whose source does not come again.
    pub(crate) fn leave_out(&self, points: usize) {
        self.shared.pass(DropReason::QueueFull, points);
    }

    /// Promises nothing more: the destination is taken out.
    pub(crate) fn close(&self) {
        self.shared.promises.close();
    }

    /// Whether nobody is about to bring points that it has promised room for.
    pub(crate) fn is_settled(&self) -> bool {
        self.shared.promises.is_settled()
    }

    /// Whether it is not known yet what it takes.
    pub(crate) fn is_opening(&self) -> bool {
        self.spool.as_ref().is_some_and(Spool::is_opening)
    }

    /// Waits until it is known what it takes.
    pub(crate) async fn opened(&self) {
        if let Some(spool) = &self.spool {
            spool.opened().await;
        }
    }

    fn overload(&self, cause: OverloadCause, reason: String) -> Overload {
        Overload { destination: self.name.clone(), reason, retry_after: RETRY_AFTER, cause }
    }

    /// What waits, what is in the sender's hand, and what `read` makes of the counters at that very time.
    pub(crate) fn weigh<T>(&self, read: impl FnOnce() -> T) -> (PointsAtTime, T) {
        let lanes = self.shared.lanes.lock();
        (lanes.weight(), read())
    }

    /// Why it would reject points now, if it would.
    pub(crate) fn rejection(&self) -> Option<Overload> {
        self.spool.as_ref()?.rejection()
    }

    /// Takes handles back: they may stand for other series from now on.
    pub(crate) fn forget(&self, ids: &[SeriesId]) {
        let mut lanes = self.shared.lanes.lock();
        lanes.forgets.extend_from_slice(ids);
        if self.spool.is_some() {
            lanes.unwritten_forgets.extend_from_slice(ids);
        }
    }

    /// No more waiting for batches to fill.
    pub(crate) fn hurry(&self) {
        self.shared.lanes.lock().hurry = true;
        self.shared.ready.notify_one();
    }

    /// Waits until what it has on disk would survive a loss of power, and it is written down that it ends in good order.
    pub(crate) async fn flush(&self) {
        if let Some(spool) = &self.spool {
            self.shared.lanes.lock().set_ended(true);
            spool.flush().await;
        }
    }

    /// Whether what waits here outlives the process.
    pub(crate) fn is_durable(&self) -> bool {
        self.spool.is_some()
    }

    /// The spool of a queue on disk.
    pub(crate) fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// Points in memory, what is being sent left out.
    pub(crate) fn in_memory(&self) -> u64 {
        self.shared.lanes.lock().fresh_points() as u64
    }

    /// Whether everything that is in memory has been sent.
    pub(crate) fn is_sent(&self) -> bool {
        let lanes = self.shared.lanes.lock();
        lanes.fresh_points() == 0 && lanes.in_hand.is_none()
    }

    /// What to do next, when there is something, and when what was done before is written down: so at most one batch is
    /// sent twice after the death of the process. Can be dropped while it waits.
    pub(crate) async fn next(&self) -> SenderWork {
        if let Some(spool) = &self.spool {
            spool.marked().await;
        }
        loop {
            let due = {
                let mut lanes = self.shared.lanes.lock();
                let next = lanes.next(&self.shared.counters);
                lanes.charge(&self.shared.budget);
                match next {
                    LaneChoice::Fresh(batch) => return SenderWork::Fresh(batch),
                    LaneChoice::Backlog(span) => return SenderWork::Backlog(span),
                    LaneChoice::At(due) => Some(due),
                    LaneChoice::Nothing => None,
                }
            };
            match due {
                // Waking early is harmless: the loop looks again.
                Some(due) => drop(tokio::time::timeout_at(due, self.shared.ready.notified()).await),
                None => self.shared.ready.notified().await,
            }
        }
    }

    /// The handles that were taken back since the last call.
    pub(crate) fn take_forgets(&self) -> Vec<SeriesId> {
        std::mem::take(&mut self.shared.lanes.lock().forgets)
    }

    /// Says that the records of a span, with so many points, are in the sender's hand, after they were read from the
    /// backlog. Answers false if they were dropped meanwhile.
    pub(crate) fn hold(&self, span: Span, points: usize) -> bool {
        let points = points as u64;
        let mut lanes = self.shared.lanes.lock();
        let Some(counted) = lanes.hold(span, points) else { return false };
        // A write that failed may be on the disk after a loss of power all the same, in the place of the one that
        // followed it: what is there is what counts.
        self.shared.counters.recover(points.saturating_sub(counted));
        self.shared.counters.lose(DropReason::Damaged, counted.saturating_sub(points));
        true
    }

    /// Says that a stretch of the backlog cannot be read any more.
    pub(crate) fn lost(&self, span: Span) -> u64 {
        let mut lanes = self.shared.lanes.lock();
        let lost = lanes.backlog.cut_out(span);
        self.shared.counters.lose(DropReason::Damaged, lost);
        drop(lanes);
        self.mark();
        lost
    }

    /// Says that a batch is done with: it is not sent again, not even after a restart.
    pub(crate) fn done(&self) {
        self.shared.lanes.lock().delivered();
        self.mark();
    }

    /// The destination answers again after it has failed since that time: what it took shortly before is to be sent
    /// once more.
    pub(crate) fn replay_window(&self, failing_since: Instant) {
        if self.is_durable() {
            let mut lanes = self.shared.lanes.lock();
            let points = lanes.replay_window(failing_since);
            self.shared.counters.recover(points);
        }
    }

    /// Lets it be written down what is still to be delivered. Does not wait for the disk.
    fn mark(&self) {
        if let Some(spool) = &self.spool {
            spool.commit(self.shared.lanes.lock().is_empty());
        }
    }

    /// Lets go of all that is in memory, and of so much that the sender holds.
    pub(crate) fn abandon(&self, reason: DropReason, in_hand: u64) {
        let mut lanes = self.shared.lanes.lock();
        lanes.in_hand = None;
        self.shared.counters.lose(reason, lanes.clear() + in_hand);
        lanes.charge(&self.shared.budget);
    }

    /// Puts back what is in hand: a queue on disk will read all of it again, the points that were sent included. Answers
    /// false where it cannot be put back.
    pub(crate) fn put_back(&self, sent: u64) -> bool {
        if self.spool.is_none() {
            return false;
        }
        let mut lanes = self.shared.lanes.lock();
        lanes.put_back();
        self.shared.counters.recover(sent);
        true
    }
}

/// What a sender has to do.
#[derive(Debug)]
pub(crate) enum SenderWork {
    /// Send these.
    Fresh(PointBatch),
    /// Read some of these records, and send them.
    Backlog(Span),
}

/// How long a batch has been waiting.
pub(crate) fn waited(since: Instant) -> Duration {
    Instant::now().duration_since(since)
}

#[cfg(test)]
mod tests;
