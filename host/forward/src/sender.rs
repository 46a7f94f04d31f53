//! The task that empties one node's queue.
//!
//! It holds at most one batch, and offers it until the backend has taken it, has refused it for good, or it is too old.
//! So the order of points is kept and a failure costs nothing but time.

use std::sync::Arc;
use std::time::Duration;

use saker_model::{Series, SeriesId, SeriesTable};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::backend::{SendError, Session};
use crate::backoff::Backoff;
use crate::node::{DropReason, Node};
use crate::queue::Batch;

/// A batch of one point that breaks its session this often is given up.
const POISON_ATTEMPTS: u32 = 3;
/// How long a session may take to close when another takes its place.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// What a sender is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Go on.
    Run,
    /// Stop now; what is left counts as dropped for this reason.
    Stop(DropReason),
}

pub(crate) struct Sender {
    node: Arc<Node>,
    table: Arc<SeriesTable>,
    orders: watch::Receiver<Order>,
    backoff: Backoff,
    session: Option<Open>,
    /// Halves when a batch breaks its session, so that the point to blame is found; grows again with success.
    batch_most: usize,
    broken_in_a_row: u32,
}

/// An open session, and what is defined in it.
struct Open {
    session: Box<dyn Session>,
    generation: u64,
    defined: Vec<bool>,
}

enum Outcome {
    /// The batch is done with.
    Done,
    /// Its rest is to be offered again, after this pause.
    Again(Batch, Duration),
}

impl Sender {
    pub(crate) fn new(node: Arc<Node>, table: Arc<SeriesTable>, orders: watch::Receiver<Order>, seed: u64) -> Self {
        let backoff = Backoff::new(node.config.lock().backoff, seed);
        Self { node, table, orders, backoff, session: None, batch_most: usize::MAX, broken_in_a_row: 0 }
    }

    /// Sends until it is told to stop.
    pub(crate) async fn run(mut self) {
        let mut orders = self.orders.clone();
        let mut waiting: Option<Batch> = None;
        loop {
            let batch = match waiting.take() {
                Some(batch) => batch,
                None => tokio::select! {
                    batch = self.node.queue.next(self.batch_most, &self.node.counters) => batch,
                    reason = stopped(&mut orders) => return self.stop(reason, 0).await,
                },
            };
            if self.is_expired(&batch) {
                self.node.counters.drop(DropReason::Expired, batch.points.len());
                self.forget_in_session(&batch.forget);
                continue;
            }
            // A write is not cut short by an order to stop: the deadline of the call ends it, and what was written
            // counts.
            if let Outcome::Again(batch, pause) = self.offer(batch).await {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.node.changed.notified() => self.backoff.reset(),
                    reason = stopped(&mut orders) => return self.stop(reason, batch.points.len()).await,
                }
                waiting = Some(batch);
            }
        }
    }

    fn is_expired(&self, batch: &Batch) -> bool {
        Instant::now().duration_since(batch.since) > self.node.config.lock().queue.age
    }

    async fn stop(mut self, reason: DropReason, in_hand: usize) {
        if let Some(open) = self.session.take() {
            close(open).await;
        }
        let left = self.node.queue.len() + in_hand;
        self.node.counters.drop(reason, left);
    }

    async fn offer(&mut self, mut batch: Batch) -> Outcome {
        if let Err(error) = self.ensure_session().await {
            return self.failed(batch, error);
        }
        let open = self.session.as_mut().expect("a session was just made sure of");
        for id in &batch.forget {
            if let Some(defined) = open.defined.get_mut(id.index()) {
                *defined = false;
            }
        }
        let define = open.undefined(&batch, &self.table);
        let forget = std::mem::take(&mut batch.forget);
        match open.session.write(forget, &define, &batch.points).await {
            Ok(taken) => {
                open.note_defined(&define);
                self.delivered(taken as usize, batch.points.len());
                Outcome::Done
            }
            Err(error) => {
                // Except where the session is gone, what was defined before the write stays so.
                open.note_defined(&define);
                self.failed(batch, error)
            }
        }
    }

    fn delivered(&mut self, taken: usize, offered: usize) {
        let taken = taken.min(offered);
        self.node.counters.deliver(taken);
        self.node.counters.drop(DropReason::Unacknowledged, offered - taken);
        self.backoff.reset();
        self.broken_in_a_row = 0;
        self.batch_most = self.batch_most.saturating_mul(2);
    }

    fn failed(&mut self, mut batch: Batch, error: SendError) -> Outcome {
        let node = self.node.name();
        match error {
            SendError::Retry { after, message } => {
                let pause = self.backoff.next(after);
                self.report(&message, pause);
                Outcome::Again(batch, pause)
            }
            SendError::Reject { points, message } => {
                let refused = if points.is_empty() { batch.points.len() } else { refuse(&mut batch, &points) };
                tracing::warn!(node, points = refused, "rejected for good: {message}");
                self.node.counters.fail(&message);
                self.node.counters.drop(DropReason::Rejected, refused);
                // A backend that names points which are not there would be asked for ever.
                if points.is_empty() || batch.points.is_empty() {
                    return Outcome::Done;
                }
                let pause = if refused == 0 { self.backoff.next(None) } else { Duration::ZERO };
                Outcome::Again(batch, pause)
            }
            SendError::Broken(message) => {
                self.session = None;
                self.broken_in_a_row += 1;
                let pause = self.backoff.next(None);
                self.report(&message, pause);
                if batch.points.len() == 1 && self.broken_in_a_row >= POISON_ATTEMPTS {
                    tracing::warn!(node, "a point that breaks the backend is given up: {message}");
                    self.node.counters.drop(DropReason::Poison, 1);
                    self.broken_in_a_row = 0;
                    return Outcome::Done;
                }
                self.narrow(batch, pause)
            }
        }
    }

    /// Puts half of a batch that broke its session back at the front of the queue.
    fn narrow(&mut self, mut batch: Batch, pause: Duration) -> Outcome {
        if self.broken_in_a_row >= 2 && batch.points.len() > 1 {
            let half = batch.points.len() / 2;
            self.batch_most = half;
            self.node.queue.put_back(batch.points.split_off(half), batch.since);
        }
        Outcome::Again(batch, pause)
    }

    /// One line per change of what is wrong, however often it is tried.
    fn report(&self, message: &str, pause: Duration) {
        if self.node.counters.fail(message) {
            tracing::warn!(node = self.node.name(), ?pause, "cannot send, will try again: {message}");
        }
    }

    async fn ensure_session(&mut self) -> Result<(), SendError> {
        let backend = &self.node.backend;
        let generation = backend.generation();
        if self.session.as_ref().is_some_and(|open| open.generation == generation) {
            return Ok(());
        }
        if let Some(old) = self.session.take() {
            close(old).await;
        }
        let session = backend.open().await?;
        self.node.counters.open();
        self.session = Some(Open { session, generation, defined: Vec::new() });
        Ok(())
    }

    fn forget_in_session(&mut self, ids: &[SeriesId]) {
        // The backend hears of it only when the handle is defined anew, which replaces what it stood for.
        if let Some(open) = &mut self.session {
            for id in ids {
                if let Some(defined) = open.defined.get_mut(id.index()) {
                    *defined = false;
                }
            }
        }
    }
}

impl Open {
    fn undefined(&self, batch: &Batch, table: &SeriesTable) -> Vec<(SeriesId, Arc<Series>)> {
        let mut new: Vec<_> = batch
            .points
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

/// Takes the named points out of a batch; answers how many there were.
fn refuse(batch: &mut Batch, places: &[u32]) -> usize {
    let before = batch.points.len();
    let mut refused = vec![false; before];
    for &place in places {
        if let Some(mark) = refused.get_mut(place as usize) {
            *mark = true;
        }
    }
    let mut place = 0;
    batch.points.retain(|_| {
        place += 1;
        !refused[place - 1]
    });
    before - batch.points.len()
}

async fn close(open: Open) {
    if tokio::time::timeout(CLOSE_TIMEOUT, open.session.close()).await.is_err() {
        tracing::warn!("a backend did not close within {CLOSE_TIMEOUT:?}");
    }
}

async fn stopped(orders: &mut watch::Receiver<Order>) -> DropReason {
    loop {
        if let Order::Stop(reason) = *orders.borrow_and_update() {
            return reason;
        }
        if orders.changed().await.is_err() {
            return DropReason::Shutdown;
        }
    }
}
