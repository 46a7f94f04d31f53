//! Points in, queues filled: the part that knows all nodes and routes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use parking_lot::Mutex;
use saker_model::{Point, SeriesId, SeriesTable};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::backend::Backend;
use crate::budget::Budget;
use crate::node::{DropReason, Node, NodeConfig, NodeStats};
use crate::queue::Overload;
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
    budget: Arc<Budget>,
    spools: Option<SpoolDir>,
    topology: ArcSwap<Topology>,
    senders: Mutex<HashMap<String, Running>>,
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
/// How often draining looks whether it is done.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

impl Forwarder {
    /// A forwarder without nodes. Queues on disk are in `spools`; without it all are in memory. `seed` sets the jitter of
    /// pauses; every agent should have another.
    #[must_use]
    pub fn new(table: Arc<SeriesTable>, budget: Arc<Budget>, spools: Option<SpoolDir>, seed: u64) -> Self {
        Self {
            table,
            budget,
            spools,
            topology: ArcSwap::default(),
            senders: Mutex::default(),
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
    pub fn budget(&self) -> &Arc<Budget> {
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
        for node in before.nodes() {
            if !topology.nodes().iter().any(|kept| kept.name() == node.name())
                && let Some(running) = senders.remove(node.name())
            {
                tokio::spawn(retire(node.clone(), running));
            }
        }
    }

    /// Takes points of series that are in the table. When it returns they are in the queues of all their nodes, as safe
    /// as each is durable.
    ///
    /// # Errors
    /// If a node's queue refuses them. Other nodes may have taken theirs: the source should come again with all of them.
    pub async fn accept(&self, points: &[Point]) -> Result<(), Overload> {
        let topology = self.topology();
        if topology.nodes().is_empty() {
            return Ok(());
        }
        let (shares, unrouted) = topology.sort(points, &self.table);
        let mut pushes = Vec::with_capacity(shares.len());
        // What one refuses must not have been taken by another before: the source would bring it twice.
        for (node, share) in topology.nodes().iter().zip(&shares) {
            if let Some(refused) = node.queue.refusal().filter(|_| !share.points.is_empty()) {
                return Err(refused);
            }
        }
        for (node, share) in topology.nodes().iter().zip(shares) {
            if !share.points.is_empty() {
                pushes.push(node.take(share));
            }
        }
        let results = join_all(pushes).await;
        self.unrouted.fetch_add(unrouted, Ordering::Relaxed);
        results.into_iter().collect()
    }

    /// Why points would be refused now, if they would: some node's queue has no room, or memory is short.
    #[must_use]
    pub fn refusal(&self) -> Option<Overload> {
        self.topology.load().nodes().iter().find_map(|node| node.queue.refusal())
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
        topology.nodes().iter().for_each(|node| node.queue.hurry());
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

async fn retire(node: Arc<Node>, running: Running) {
    node.queue.hurry();
    let end = Instant::now() + REMOVED_DRAIN;
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
