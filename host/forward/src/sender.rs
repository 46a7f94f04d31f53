//! The task that empties one destination's queue.
//!
//! It holds at most one batch, and offers it until the backend has taken it, has rejected it for good, or it is too
//! old. So the order of a lane's points is kept and a failure costs nothing but time. A batch that cannot be sent for
//! long goes back to the disk.

use std::sync::Arc;
use std::time::Duration;

use saker_model::{Backoff, Changed, Point, Series, SeriesId, SeriesTable, is_stale};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backend::{BackendSession, SendError};
use crate::backoff::next_pause;
use crate::destination::{Destination, DropReason, FailureKind};
use crate::health::Breaker;
use crate::queue::span::Span;
use crate::queue::spool::BacklogReader;
use crate::queue::{PointBatch, SenderWork, waited};

/// A batch of one point that breaks its session this often is given up.
const POISON_ATTEMPTS: u32 = 3;
/// Of a batch that is rejected as a whole so many parts are offered to find the points to blame; twice what one of ten
/// thousand takes. What is rejected after that is given up as it is.
const PROBES_MAX: u32 = 64;
/// So many in a minute; then the rest waits, for a server that rejects everything is not to be flooded.
const PROBES_A_MINUTE: u32 = 1000;
/// What is waited for is over then.
const PAST: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
/// How long a session may take to close when another takes its place.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// What a sender is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SenderCommand {
    /// Go on.
    Run,
    /// Stop now; what is left counts as dropped for this reason.
    Stop(DropReason),
}

pub(crate) struct Sender {
    destination: Arc<Destination>,
    table: Arc<SeriesTable>,
    orders: watch::Receiver<SenderCommand>,
    backoff: Backoff,
    /// Nothing is offered before, unless another backend is in place of the one that failed.
    pause: Option<Pause>,
    session: Option<OpenSession>,
    /// Reads what is on disk only. Kept while it goes on where it is.
    reader: Option<BacklogReader>,
    /// Halves when a part of a batch breaks its session, so that the point to blame is found; grows again with success.
    part_most: usize,
    broken_in_a_row: u32,
    probes: Probes,
}

/// How often the points to blame for a rejection were looked for.
struct Probes {
    /// So many more may be spent on what is being sent.
    left: u32,
    of_minute: u32,
    minute: Instant,
}

impl Probes {
    /// Whether there may be another one, and if so after which pause.
    fn next(&mut self) -> Option<Duration> {
        let left = self.left.checked_sub(1)?;
        let elapsed = self.minute.elapsed();
        if elapsed >= MINUTE {
            (self.of_minute, self.minute) = (0, Instant::now());
        } else if self.of_minute >= PROBES_A_MINUTE {
            return Some(MINUTE - elapsed);
        }
        self.left = left;
        self.of_minute += 1;
        Some(Duration::ZERO)
    }
}

/// An open session, and what is defined in it.
struct OpenSession {
    session: Box<dyn BackendSession>,
    generation: u64,
    defined: Vec<bool>,
    /// How many changes of the table's series it knows of.
    changes: u64,
}

/// A pause, and the backend's version that it was made for.
#[derive(Clone, Copy)]
struct Pause {
    until: Instant,
    generation: u64,
}

enum SendOutcome {
    /// The batch is done with.
    Done,
    /// Its rest is to be offered again, after this pause.
    Again(Duration),
}

impl Sender {
    pub(crate) fn new(
        destination: Arc<Destination>,
        table: Arc<SeriesTable>,
        orders: watch::Receiver<SenderCommand>,
        seed: u64,
    ) -> Self {
        let backoff = Backoff::new(destination.config.lock().backoff, seed);
        Self {
            destination,
            table,
            orders,
            backoff,
            pause: None,
            session: None,
            reader: None,
            part_most: usize::MAX,
            broken_in_a_row: 0,
            probes: Probes { left: 0, of_minute: 0, minute: Instant::now() },
        }
    }

    /// Sends until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut orders = self.orders.clone();
        loop {
            let work = tokio::select! {
                work = self.destination.queue.next() => work,
                () = half_open(&self.destination) => continue,
                reason = stopped(&mut orders) => return self.stop(reason, 0).await,
            };
            let batch = match work {
                SenderWork::Fresh(batch) => Some(batch),
                SenderWork::Backlog(span) => self.read(span).await,
            };
            if let Some(batch) = batch
                && let Some((reason, left)) = self.send(batch, &mut orders).await
            {
                return self.stop(reason, left).await;
            }
        }
    }

    /// Sends a batch until it is done with. Answers the reason if it was told to stop before, and how many points are
    /// left.
    async fn send(
        &mut self,
        mut batch: PointBatch,
        orders: &mut watch::Receiver<SenderCommand>,
    ) -> Option<(DropReason, usize)> {
        let offered = batch.points.len();
        let batches = offered.div_ceil(self.destination.config.lock().queue.batch_points.max(1));
        self.leave_out_stale(&mut batch.points);
        self.probes.left = PROBES_MAX.saturating_mul(u32::try_from(batches).unwrap_or(u32::MAX));
        while !batch.points.is_empty() {
            let config = self.destination.config.lock().queue;
            if waited(batch.since) > config.memory_age() {
                if self.destination.queue.put_back((offered - batch.points.len()) as u64) {
                    return None;
                }
                self.destination.counters.lose(DropReason::Expired, batch.points.len() as u64);
                break;
            }
            // A batch that has to wait for longer than it may be in memory goes back to the disk first.
            if let Some(left) = self.paused() {
                let left = left.min(config.memory_age().saturating_sub(waited(batch.since)) + PAST);
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    () = self.destination.backend.changed().notified() => {}
                    reason = stopped(orders) => return Some((reason, batch.points.len())),
                }
                continue;
            }
            let most = self.part_most.min(config.batch_points).max(1);
            let rest = if batch.points.len() > most { batch.points.split_off(most) } else { Vec::new() };
            // A write is not cut short by an order to stop: the deadline of the call ends it, and what was written
            // counts.
            let outcome = self.offer(&mut batch).await;
            match outcome {
                SendOutcome::Done => batch.points = rest,
                SendOutcome::Again(pause) => {
                    batch.points.extend(rest);
                    self.pause_for(pause);
                }
            }
        }
        self.destination.queue.done();
        None
    }

    /// A backend that cannot say that a series is stale does not see the marker.
    fn leave_out_stale(&self, points: &mut Vec<Point>) {
        if self.destination.config.lock().stale_markers || !points.iter().any(|point| is_stale(point.value)) {
            return;
        }
        let offered = points.len();
        points.retain(|point| !is_stale(point.value));
        self.destination.counters.lose(DropReason::StaleMarker, (offered - points.len()) as u64);
    }

    /// Nothing is offered for so long.
    fn pause_for(&mut self, pause: Duration) {
        let generation = self.destination.backend.generation();
        self.pause = (!pause.is_zero()).then(|| Pause { until: Instant::now() + pause, generation });
    }

    /// How long nothing may be offered, if so. What ends a pause early is another backend, for the pause was not made for
    /// it; that somebody was told of a change, perhaps long ago, is no reason.
    fn paused(&mut self) -> Option<Duration> {
        let pause = self.pause?;
        let left = pause.until.saturating_duration_since(Instant::now());
        let is_other = pause.generation != self.destination.backend.generation();
        if is_other {
            self.backoff.reset();
        }
        if is_other || left.is_zero() {
            self.pause = None;
        }
        self.pause.map(|_| left)
    }

    /// Reads a batch from the disk; none if there was nothing to read any more.
    async fn read(&mut self, span: Span) -> Option<PointBatch> {
        let spool = self.destination.queue.spool()?;
        let mut reader = match self.reader.take().filter(|reader| reader.reaches(span.from)) {
            Some(reader) => reader,
            None => match spool.reader(span.from, self.table.clone()).await {
                Ok(reader) => reader,
                Err(error) => return self.unreadable(&error).await,
            },
        };
        let most = self.destination.config.lock().queue.batch_points;
        // Reading can take long where the disk is slow.
        let read = tokio::task::spawn_blocking(move || (reader.read(span, most), reader)).await;
        let Ok((found, reader)) = read else { return self.unreadable("the reading thread has failed").await };
        if let Some(lost) = found.lost.as_ref().filter(|lost| !lost.dropped) {
            let points = self.destination.queue.lost(lost.span);
            if points > 0 {
                tracing::error!(
                    destination = self.destination.name(),
                    points,
                    "points in the queue are lost: {}",
                    lost.what
                );
            }
        }
        self.reader = Some(reader);
        if found.points.is_empty() && found.lost.is_none() {
            self.reader = None;
            return self.unreadable(found.error.as_deref().unwrap_or("it ends before what was written")).await;
        }
        let held = !found.points.is_empty() && self.destination.queue.hold(found.span, found.points.len());
        held.then(|| PointBatch { points: found.points, since: Instant::now() })
    }

    /// Says why nothing could be read from the disk, and waits before the next attempt.
    async fn unreadable(&mut self, error: &str) -> Option<PointBatch> {
        let pause = self.backoff.pause();
        self.report(FailureKind::Unreadable, &format!("the queue on disk cannot be read: {error}"), pause);
        tokio::time::sleep(pause).await;
        None
    }

    async fn stop(mut self, reason: DropReason, in_hand: usize) {
        if let Some(open) = self.session.take() {
            close(open).await;
        }
        // What is on disk waits there for the next start.
        if !self.destination.queue.is_durable() {
            self.destination.queue.abandon(reason, in_hand as u64);
        }
    }

    /// Offers a part of a batch.
    async fn offer(&mut self, part: &mut PointBatch) -> SendOutcome {
        if let Err(error) = self.ensure_session().await {
            return self.failed(part, error).await;
        }
        let open = self.session.as_mut().expect("a session was just made sure of");
        let forget = self.destination.queue.take_forgets();
        for id in &forget {
            if let Some(defined) = open.defined.get_mut(id.index()) {
                *defined = false;
            }
        }
        open.note_changes(&self.table);
        let define = open.undefined(&part.points, &self.table);
        let began = Instant::now();
        let written = open.session.write(forget, &define, &part.points).await;
        self.destination.counters.wrote(began.elapsed());
        match written {
            Ok(taken) => {
                open.note_defined(&define);
                self.delivered(taken as usize, part.points.len());
                SendOutcome::Done
            }
            Err(error) => {
                // Except where the session is gone, what was defined before the write stays so.
                open.note_defined(&define);
                self.failed(part, error).await
            }
        }
    }

    fn delivered(&mut self, taken: usize, offered: usize) {
        let taken = taken.min(offered);
        self.destination.counters.deliver(taken);
        self.destination.counters.lose(DropReason::Unacknowledged, (offered - taken) as u64);
        self.answered();
        self.backoff.reset();
        self.broken_in_a_row = 0;
        self.part_most = self.part_most.saturating_mul(2);
    }

    /// The destination is there, and if it was not, what it took shortly before is to be sent once more.
    fn answered(&self) {
        if let Some(since) = self.destination.health.succeeded() {
            self.destination.queue.replay_window(since);
        }
    }

    async fn failed(&mut self, part: &mut PointBatch, error: SendError) -> SendOutcome {
        match error {
            SendError::Retry { after, message } => {
                let pause = next_pause(&mut self.backoff, after);
                self.broken_in_a_row = 0;
                self.destination.health.failed();
                self.report(FailureKind::Unavailable, &message, pause);
                SendOutcome::Again(pause)
            }
            SendError::Reject { points, message } => {
                // It answers, if not as one would wish.
                self.broken_in_a_row = 0;
                self.answered();
                if points.is_empty() {
                    match self.probes.next() {
                        Some(Duration::ZERO) if part.points.len() == 1 => {}
                        Some(pause) => {
                            self.report(FailureKind::Rejected, &message, pause);
                            let half = part.points.len().div_ceil(2);
                            self.part_most = if pause.is_zero() { half } else { self.part_most };
                            return SendOutcome::Again(pause);
                        }
                        None => self.part_most = usize::MAX,
                    }
                }
                let rejected = if points.is_empty() {
                    std::mem::take(&mut part.points)
                } else {
                    reject(&mut part.points, &points)
                };
                self.destination.counters.fail(FailureKind::Rejected, &message);
                let count = rejected.len();
                give_up(&self.destination, DropReason::Rejected, rejected, &message).await;
                if part.points.is_empty() {
                    return SendOutcome::Done;
                }
                // A backend that names points which are not there would be asked for ever.
                SendOutcome::Again(if count == 0 { self.backoff.pause() } else { Duration::ZERO })
            }
            SendError::Broken(message) => {
                self.session = None;
                self.broken_in_a_row += 1;
                let pause = self.backoff.pause();
                self.destination.health.failed();
                self.report(FailureKind::Broken, &message, pause);
                if part.points.len() == 1 && self.broken_in_a_row >= POISON_ATTEMPTS {
                    self.broken_in_a_row = 0;
                    let poison = std::mem::take(&mut part.points);
                    give_up(&self.destination, DropReason::Poison, poison, &message).await;
                    return SendOutcome::Done;
                }
                if self.broken_in_a_row >= 2 {
                    self.part_most = (part.points.len() / 2).max(1);
                }
                SendOutcome::Again(pause)
            }
        }
    }

    /// One line per change of what is wrong, however often it is tried.
    fn report(&self, kind: FailureKind, message: &str, pause: Duration) {
        if self.destination.counters.fail(kind, message) && self.destination.may_tell() {
            tracing::warn!(destination = self.destination.name(), ?pause, "cannot send, will try again: {message}");
        }
    }

    async fn ensure_session(&mut self) -> Result<(), SendError> {
        let backend = &self.destination.backend;
        let generation = backend.generation();
        if self.session.as_ref().is_some_and(|open| open.generation == generation) {
            return Ok(());
        }
        if let Some(old) = self.session.take() {
            close(old).await;
        }
        let session = backend.open().await?;
        self.destination.counters.open();
        self.session = Some(OpenSession { session, generation, defined: Vec::new(), changes: self.table.changes() });
        Ok(())
    }
}

impl OpenSession {
    /// Has series defined again whose type or step has changed since they were.
    fn note_changes(&mut self, table: &SeriesTable) {
        if table.changes() == self.changes {
            return;
        }
        let (changes, changed) = table.changed_since(self.changes);
        self.changes = changes;
        match changed {
            Changed::These(ids) => {
                for id in ids {
                    if let Some(defined) = self.defined.get_mut(id.index()) {
                        *defined = false;
                    }
                }
            }
            Changed::Any => self.defined.fill(false),
        }
    }

    fn undefined(&self, points: &[Point], table: &SeriesTable) -> Vec<(SeriesId, Arc<Series>)> {
        let mut new: Vec<_> = points
            .iter()
            .map(|point| point.series)
            .filter(|id| !self.defined.get(id.index()).is_some_and(|&defined| defined))
            .collect();
        new.sort_unstable();
        new.dedup();
        // A series is forgotten long after the last of its points has left every queue, so all are there.
        new.into_iter().filter_map(|id| Some((id, table.get(id)?))).collect()
    }

    fn note_defined(&mut self, define: &[(SeriesId, Arc<Series>)]) {
        for (id, _) in define {
            if id.index() >= self.defined.len() {
                self.defined.resize(id.index() + 1, false);
            }
            self.defined[id.index()] = true;
        }
    }
}

/// A destination that has failed and has nothing left to be tried with gets new points after a pause.
async fn half_open(destination: &Destination) {
    if destination.health.breaker() != Breaker::Open {
        return std::future::pending().await;
    }
    let pause = destination.config.lock().backoff.max;
    tokio::time::sleep(pause).await;
    destination.health.half_open();
}

/// Points that will never be delivered: kept aside with the reason, where there is a disk to keep them on.
async fn give_up(destination: &Destination, reason: DropReason, points: Vec<Point>, message: &str) {
    let name = destination.name();
    let count = points.len();
    let kept = match destination.queue.spool() {
        Some(spool) => spool.keep_dead_letters(points, message).await,
        None => Ok(()),
    };
    if destination.may_tell() {
        if let Err(error) = kept {
            tracing::error!(destination = name, points = count, "cannot keep what was rejected: {error}");
        }
        tracing::warn!(destination = name, points = count, "given up ({}): {message}", reason.as_str());
    }
    destination.counters.lose(reason, count as u64);
}

/// Takes out the named points.
fn reject(points: &mut Vec<Point>, places: &[u32]) -> Vec<Point> {
    let mut rejected = vec![false; points.len()];
    for &place in places {
        if let Some(mark) = rejected.get_mut(place as usize) {
            *mark = true;
        }
    }
    let taken = points.iter().zip(&rejected).filter(|(_, rejected)| **rejected).map(|(point, _)| *point).collect();
    let mut place = 0;
    points.retain(|_| {
        place += 1;
        !rejected[place - 1]
    });
    taken
}

async fn close(open: OpenSession) {
    if tokio::time::timeout(CLOSE_TIMEOUT, open.session.close()).await.is_err() {
        tracing::warn!("a backend did not close within {CLOSE_TIMEOUT:?}");
    }
}

async fn stopped(orders: &mut watch::Receiver<SenderCommand>) -> DropReason {
    loop {
        if let SenderCommand::Stop(reason) = *orders.borrow_and_update() {
            return reason;
        }
        if orders.changed().await.is_err() {
            return DropReason::Shutdown;
        }
    }
}
