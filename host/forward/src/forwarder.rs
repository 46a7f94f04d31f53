//! Points in, queues filled: the part that knows all nodes and routes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::{BoxFuture, join_all};
use parking_lot::Mutex;
use saker_model::{Point, SeriesId, SeriesTable};
use saker_pipeline::{Breach, Cause, DurableSink, Left, MemoryBudget, Overload, Refusing};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::accepting::{Accepting, absent};
use crate::backend::Backend;
use crate::law;
use crate::node::{DropReason, Node, NodeConfig, NodeStats};
use crate::queue::spool::SpoolDir;
use crate::sender::{Order, Sender};
use crate::topology::Topology;

/// What became of the points of one node by the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAccount {
    /// The node's name.
    pub node: String,
    /// Its figures.
    pub stats: NodeStats,
}

/// What became of all points by the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Each node's.
    pub nodes: Vec<NodeAccount>,
}

/// Takes points and gets them to their nodes.
pub struct Forwarder {
    table: Arc<SeriesTable>,
    budget: Arc<MemoryBudget>,
    spools: Option<SpoolDir>,
    topology: ArcSwap<Topology>,
    /// Whether there was a topology at all.
    is_set: watch::Sender<bool>,
    senders: Mutex<HashMap<String, Running>>,
    accepted: AtomicU64,
    unrouted: AtomicU64,
    seed: u64,
}

struct Running {
    order: watch::Sender<Order>,
    task: JoinHandle<()>,
}

/// How long a node that is taken out may go on sending what it has.
const REMOVED_DRAIN: Duration = Duration::from_secs(5);
/// How long the last sync of the queues may take,
const FLUSH_MAX: Duration = Duration::from_secs(5);
/// and so much of the time that there is in all.
const FLUSH_PARTS: u32 = 4;
/// A disk that answers has this long even if there was no time at all.
const FLUSH_MIN: Duration = Duration::from_millis(100);
/// How often points are offered to other nodes, since those that there were have been taken out meanwhile.
const TOPOLOGIES_MAX: usize = 8;
/// How often draining looks whether it is done.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

impl Forwarder {
    /// A forwarder without nodes. Queues on disk are in `spools`; without it all are in memory. `seed` sets the jitter of
    /// pauses; every agent should have another.
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

    /// A node with the queue that an earlier process has left under its name, or an empty one; to be put into a
    /// [`Topology`].
    #[must_use]
    pub fn node(&self, name: &str, backend: Box<dyn Backend>, config: NodeConfig) -> Arc<Node> {
        Arc::new(Node::new(name, backend, config, &self.table, &self.budget, self.spools.as_ref()))
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

    /// Nodes and routes as they are.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        self.topology.load_full()
    }

    /// Puts other nodes and routes in place. Nodes of the same name must be the same [`Node`]s: their senders go on. A
    /// node that is new gets a sender; one that is gone has a few seconds to send what it has.
    pub fn set_topology(&self, topology: Topology) {
        let topology = Arc::new(topology);
        let mut senders = self.senders.lock();
        for node in topology.nodes() {
            senders.entry(node.name().to_owned()).or_insert_with(|| {
                let (order, orders) = watch::channel(Order::Run);
                let seed = xxh3_64_with_seed(node.name().as_bytes(), self.seed);
                let sender = Sender::new(node.clone(), self.table.clone(), orders, seed);
                Running { order, task: tokio::spawn(sender.run()) }
            });
        }
        let before = self.topology.swap(topology.clone());
        self.is_set.send_replace(true);
        for node in before.nodes() {
            if !topology.nodes().iter().any(|kept| kept.name() == node.name())
                && let Some(running) = senders.remove(node.name())
            {
                // Whoever comes with points for it by now looks for other nodes.
                node.queue.close();
                tokio::spawn(retire(node.clone(), running));
            }
        }
    }

    /// Whether nodes and routes are known.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.is_set.borrow()
    }

    /// Whether nodes and routes are known, and of each queue whether it can be opened. Before that nothing is accepted.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_set() && !self.topology.load().nodes().iter().any(|node| node.queue.is_opening())
    }

    /// Waits until it [`is_open`](Self::is_open).
    pub async fn opened(&self) {
        // The sender lives as long as this.
        drop(self.is_set.subscribe().wait_for(|is_set| *is_set).await);
        let topology = self.topology();
        for node in topology.nodes() {
            node.queue.opened().await;
        }
    }

    /// Takes points of series that are in the table; waits until it is open. When it returns they are in the queues of all
    /// their nodes, as safe as each is durable; but for those that it answers, which are in none.
    ///
    /// # Errors
    /// If none are taken, or a queue has failed that had promised room; see [`Cause`].
    pub async fn accept(&self, points: &[Point], refusing: Refusing) -> Result<Vec<Left>, Overload> {
        if !self.is_open() {
            self.opened().await;
        }
        for _ in 0..TOPOLOGIES_MAX {
            let topology = self.topology();
            let accepting = Accepting::new(&topology, &self.table, refusing);
            match accepting.take(points).await {
                Err(Overload { cause: Cause::Absent, .. }) => self.opened().await,
                Err(overload) => return Err(overload),
                Ok(accepted) => {
                    self.accepted.fetch_add(accepted.points as u64, Ordering::SeqCst);
                    let unrouted = if topology.nodes().is_empty() { 0 } else { accepted.unrouted };
                    self.unrouted.fetch_add(unrouted, Ordering::Relaxed);
                    return Ok(accepted.left);
                }
            }
        }
        Err(absent("the destinations", "they change too fast"))
    }

    /// Why points would be refused now wherever they go, if they would: no node's queue has room.
    #[must_use]
    pub fn refusal(&self) -> Option<Overload> {
        let topology = self.topology.load();
        let refusals = topology.nodes().iter().map(|node| node.queue.refusal());
        // None if there is one that does not refuse.
        refusals.reduce(|first, other| other.and(first)).flatten()
    }

    /// Points that were accepted.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::SeqCst)
    }

    /// What does not add up now, of points that were accepted, enqueued, and delivered.
    #[must_use]
    pub fn breaches(&self) -> Vec<Breach> {
        self.topology().nodes().iter().flat_map(|node| law::breaches(node)).collect()
    }

    /// Points that no route matched, while there were nodes.
    #[must_use]
    pub fn unrouted(&self) -> u64 {
        self.unrouted.load(Ordering::Relaxed)
    }

    /// Takes handles back: they may stand for other series from now on.
    pub fn forget(&self, ids: &[SeriesId]) {
        let topology = self.topology.load();
        topology.forget(ids);
        for node in topology.nodes() {
            node.queue.forget(ids);
        }
    }

    /// Sends what is in memory, for at most `limit`, then stops. What is left of a queue on disk waits there; of one in
    /// memory it counts as dropped.
    pub async fn drain(&self, limit: Duration) -> Account {
        let topology = self.topology();
        let flush_end = Instant::now() + limit;
        let end = flush_end - FLUSH_MAX.min(limit / FLUSH_PARTS);
        for node in topology.nodes() {
            // Who comes this late is refused, for nobody would count what becomes of it.
            node.queue.close();
            node.queue.hurry();
        }
        while Instant::now() < end && !topology.nodes().iter().all(|node| node.is_drained()) {
            tokio::time::sleep(DRAIN_LOOK).await;
        }
        let senders: Vec<_> = self.senders.lock().drain().collect();
        for (_, running) in &senders {
            running.order.send_replace(Order::Stop(DropReason::Shutdown));
        }
        for (name, running) in senders {
            // A write that runs has its own deadline, which may be later than ours.
            if tokio::time::timeout_at(end + DRAIN_LOOK, running.task).await.is_err() {
                tracing::warn!(node = name, "still writing at the end of the drain; its last batch is unaccounted for");
            }
        }
        // A disk that hangs must not hold up the end.
        let flushes = join_all(topology.nodes().iter().map(|node| node.queue.flush()));
        if tokio::time::timeout_at(flush_end.max(Instant::now() + FLUSH_MIN), flushes).await.is_err() {
            tracing::warn!("the queues did not all get to the disk in time; the disk may hang");
        }
        let account = |node: &Arc<Node>| NodeAccount { node: node.name().to_owned(), stats: node.stats() };
        Account { nodes: topology.nodes().iter().map(account).collect() }
    }
}

impl DurableSink for Forwarder {
    fn accept<'a>(&'a self, points: &'a [Point], refusing: Refusing) -> BoxFuture<'a, Result<Vec<Left>, Overload>> {
        Box::pin(self.accept(points, refusing))
    }

    fn accepted(&self) -> u64 {
        self.accepted()
    }

    fn refusal(&self) -> Option<Overload> {
        self.refusal()
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

async fn retire(node: Arc<Node>, running: Running) {
    node.queue.hurry();
    let end = Instant::now() + REMOVED_DRAIN;
    // What it has promised room for is let in, and sent.
    while Instant::now() < end && !node.queue.is_settled() {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    while Instant::now() < end && !node.is_drained() {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    running.order.send_replace(Order::Stop(DropReason::NodeRemoved));
    if let Err(error) = running.task.await {
        tracing::error!(node = node.name(), "a sender failed: {error}");
    }
    if tokio::time::timeout(FLUSH_MAX, node.queue.flush()).await.is_err() {
        tracing::warn!(node = node.name(), "its queue does not get to the disk; the disk may hang");
    }
    let stats = node.stats();
    tracing::info!(node = node.name(), delivered = stats.delivered, dropped = stats.dropped_in_all(), "node removed");
}

#[cfg(test)]
mod tests;
