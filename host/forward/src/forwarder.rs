//! Points in, queues filled: the part that knows all destinations and routes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use saker_model::{Point, SeriesId, SeriesTable};
use saker_pipeline::{Breach, DurableSink, MemoryBudget, Overload, OverloadCause, OverloadPolicy, RejectedPoints};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::accepting::{AcceptJob, absent};
use crate::backend::DestinationBackend;
use crate::destination::{DeliveryConfig, Destination, DestinationStats, DropReason};
use crate::law;
use crate::queue::spool::SpoolDir;
use crate::sender::{Sender, SenderCommand};
use crate::topology::Topology;

/// What became of the points of one destination by the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationAccount {
    /// The destination's name.
    pub destination: String,
    /// Its figures.
    pub stats: DestinationStats,
}

/// What became of all points by the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FinalAccount {
    /// Each destination's.
    pub destinations: Vec<DestinationAccount>,
}

/// Takes points and gets them to their destinations.
pub struct Forwarder {
    table: Arc<SeriesTable>,
    budget: Arc<MemoryBudget>,
    spools: Option<SpoolDir>,
    topology: ArcSwap<Topology>,
    /// Whether there was a topology at all.
    is_set: watch::Sender<bool>,
    senders: Mutex<HashMap<String, RunningDestination>>,
    accepted: AtomicU64,
    unrouted: AtomicU64,
    seed: u64,
}

struct RunningDestination {
    order: watch::Sender<SenderCommand>,
    task: JoinHandle<()>,
}

/// How long a destination that is taken out may go on sending what it has.
const REMOVED_DRAIN: Duration = Duration::from_secs(5);
/// How long the last sync of the queues may take,
const FLUSH_MAX: Duration = Duration::from_secs(5);
/// and so much of the time that there is in all.
const FLUSH_PARTS: u32 = 4;
/// A disk that answers has this long even if there was no time at all.
const FLUSH_MIN: Duration = Duration::from_millis(100);
/// How often points are offered to other destinations, since those that there were have been taken out meanwhile.
const TOPOLOGIES_MAX: usize = 8;
/// How often draining looks whether it is done.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

impl Forwarder {
    /// A forwarder without destinations. Queues on disk are in `spools`; without it all are in memory. `seed` sets the
    /// jitter of pauses; every agent should have another.
    #[must_use]
    pub fn new(table: Arc<SeriesTable>, budget: Arc<MemoryBudget>, spools: Option<SpoolDir>, seed: u64) -> Self {
        Self {
            table,
            budget,
            spools,
            topology: ArcSwap::default(),
            is_set: watch::Sender::new(false),
            senders: Mutex::default(),
            accepted: AtomicU64::new(0),
            unrouted: AtomicU64::new(0),
            seed,
        }
    }

    /// A destination with the queue that an earlier process has left under its name, or an empty one; to be put into a
    /// [`Topology`].
    #[must_use]
    pub fn destination(
        &self,
        name: &str,
        backend: Box<dyn DestinationBackend>,
        config: DeliveryConfig,
    ) -> Arc<Destination> {
        Arc::new(Destination::new(name, backend, config, &self.table, &self.budget, self.spools.as_ref()))
    }

    /// The bytes that points on their way may take.
    #[must_use]
    pub fn budget(&self) -> &Arc<MemoryBudget> {
        &self.budget
    }

    /// Where the queues on disk are.
    #[must_use]
    pub fn spools(&self) -> Option<&SpoolDir> {
        self.spools.as_ref()
    }

    /// The series that points belong to.
    pub(crate) fn table(&self) -> &Arc<SeriesTable> {
        &self.table
    }

    /// Destinations and routes as they are.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.topology.load_full()
    }

    /// Puts other destinations and routes in place. Destinations of the same name must be the same [`Destination`]s:
    /// their senders go on. A destination that is new gets a sender; one that is gone has a few seconds to send what it
    /// has.
    pub fn set_topology(&self, topology: Topology) {
        let topology = Arc::new(topology);
        let mut senders = self.senders.lock();
        for destination in topology.destinations() {
            senders.entry(destination.name().to_owned()).or_insert_with(|| {
                let (order, orders) = watch::channel(SenderCommand::Run);
                let seed = xxh3_64_with_seed(destination.name().as_bytes(), self.seed);
                let sender = Sender::new(destination.clone(), self.table.clone(), orders, seed);
                RunningDestination { order, task: tokio::spawn(sender.run()) }
            });
        }
        let before = self.topology.swap(topology.clone());
        self.is_set.send_replace(true);
        for destination in before.destinations() {
            if !topology.destinations().iter().any(|kept| kept.name() == destination.name())
                && let Some(running) = senders.remove(destination.name())
            {
                // Whoever comes with points for it by now looks for other destinations.
                destination.queue.close();
                tokio::spawn(retire(destination.clone(), running));
            }
        }
    }

    /// Whether destinations and routes are known.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.is_set.borrow()
    }

    /// Whether destinations and routes are known, and of each queue whether it can be opened. Before that nothing is
    /// accepted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_set() && !self.topology.load().destinations().iter().any(|destination| destination.queue.is_opening())
    }

    /// Waits until it [`is_open`](Self::is_open).
    pub async fn opened(&self) {
        // The sender lives as long as this.
        drop(self.is_set.subscribe().wait_for(|is_set| *is_set).await);
        let topology = self.topology();
        for destination in topology.destinations() {
            destination.queue.opened().await;
        }
    }

    /// Takes points of series that are in the table; waits until it is open. When it returns they are in the queues of all
    /// their destinations, as safe as each is durable; but for those that it answers, which are in none.
    ///
    /// # Errors
    /// If none are taken, or a queue has failed that had promised room; see [`OverloadCause`].
    pub async fn accept(&self, points: &[Point], rejecting: OverloadPolicy) -> Result<Vec<RejectedPoints>, Overload> {
        if !self.is_open() {
            self.opened().await;
        }
        for _ in 0..TOPOLOGIES_MAX {
            let topology = self.topology();
            let accepting = AcceptJob::new(&topology, &self.table, rejecting);
            match accepting.take(points).await {
                Err(Overload { cause: OverloadCause::Absent, .. }) => self.opened().await,
                Err(overload) => return Err(overload),
                Ok(accepted) => {
                    self.accepted.fetch_add(accepted.points as u64, Ordering::SeqCst);
                    let unrouted = if topology.destinations().is_empty() { 0 } else { accepted.unrouted };
                    self.unrouted.fetch_add(unrouted, Ordering::Relaxed);
                    return Ok(accepted.left);
                }
            }
        }
        Err(absent("the destinations", "they change too fast"))
    }

    /// Why points would be rejected now wherever they go, if they would: no destination's queue has room.
    #[must_use]
    pub fn rejection(&self) -> Option<Overload> {
        let topology = self.topology.load();
        let rejections = topology.destinations().iter().map(|destination| destination.queue.rejection());
        // None if there is one that does not reject.
        rejections.reduce(|first, other| other.and(first)).flatten()
    }

    /// Points that were accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }

    /// What does not add up now, of points that were accepted, enqueued, and delivered.
    #[must_use]
    pub fn breaches(&self) -> Vec<Breach> {
        self.topology().destinations().iter().flat_map(|destination| law::breaches(destination)).collect()
    }

    /// Points that no route matched, while there were destinations.
    #[must_use]
    pub fn unrouted(&self) -> u64 {
        self.unrouted.load(Ordering::Relaxed)
    }

    /// Takes handles back: they may stand for other series from now on.
    pub fn forget(&self, ids: &[SeriesId]) {
        let topology = self.topology.load();
        topology.forget(ids);
        for destination in topology.destinations() {
            destination.queue.forget(ids);
        }
    }

    /// Sends what is in memory, for at most `limit`, then stops. What is left of a queue on disk waits there; of one in
    /// memory it counts as dropped.
    pub async fn drain(&self, limit: Duration) -> FinalAccount {
        let topology = self.topology();
        let flush_end = Instant::now() + limit;
        let end = flush_end - FLUSH_MAX.min(limit / FLUSH_PARTS);
        for destination in topology.destinations() {
            // Who comes this late is rejected, for nobody would count what becomes of it.
            destination.queue.close();
            destination.queue.hurry();
        }
        while Instant::now() < end && !topology.destinations().iter().all(|destination| destination.is_drained()) {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        let senders: Vec<_> = self.senders.lock().drain().collect();
        for (_, running) in &senders {
            running.order.send_replace(SenderCommand::Stop(DropReason::Shutdown));
        }
        for (name, running) in senders {
            // A write that runs has its own deadline, which may be later than ours.
            if tokio::time::timeout_at(end + DRAIN_LOOK, running.task).await.is_err() {
                tracing::warn!(
                    destination = name,
                    "still writing at the end of the drain; its last batch is unaccounted for"
                );
            }
        }
        // A disk that hangs must not hold up the end.
        let flushes = join_all(topology.destinations().iter().map(|destination| destination.queue.flush()));
        if tokio::time::timeout_at(flush_end.max(Instant::now() + FLUSH_MIN), flushes).await.is_err() {
            tracing::warn!("the queues did not all get to the disk in time; the disk may hang");
        }
        let account = |destination: &Arc<Destination>| DestinationAccount {
            destination: destination.name().to_owned(),
            stats: destination.stats(),
        };
        FinalAccount { destinations: topology.destinations().iter().map(account).collect() }
    }
}

impl DurableSink for Forwarder {
    fn accept<'a>(
        &'a self,
        points: &'a [Point],
        rejecting: OverloadPolicy,
    ) -> BoxFuture<'a, Result<Vec<RejectedPoints>, Overload>> {
        Box::pin(self.accept(points, rejecting))
    }

    fn accepted(&self) -> u64 {
        self.accepted()
    }

    fn rejection(&self) -> Option<Overload> {
        self.rejection()
    }

    fn is_open(&self) -> bool {
        self.is_open()
    }

    fn opened(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.opened())
    }

    fn forget(&self, ids: &[SeriesId]) {
        self.forget(ids);
    }

    fn breaches(&self) -> Vec<Breach> {
        self.breaches()
    }
}

async fn retire(destination: Arc<Destination>, running: RunningDestination) {
    destination.queue.hurry();
    let end = Instant::now() + REMOVED_DRAIN;
    // What it has promised room for is let in, and sent.
    while Instant::now() < end && !destination.queue.is_settled() {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    while Instant::now() < end && !destination.is_drained() {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    running.order.send_replace(SenderCommand::Stop(DropReason::DestinationRemoved));
    if let Err(error) = running.task.await {
        tracing::error!(destination = destination.name(), "a sender failed: {error}");
    }
    if tokio::time::timeout(FLUSH_MAX, destination.queue.flush()).await.is_err() {
        tracing::warn!(destination = destination.name(), "its queue does not get to the disk; the disk may hang");
    }
    let stats = destination.stats();
    tracing::info!(
        destination = destination.name(),
        delivered = stats.delivered,
        dropped = stats.dropped_in_all(),
        "destination removed"
    );
}

#[cfg(test)]
mod tests;
