//! Points in, queues filled: the part that knows all nodes and routes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::{Mutex, RwLock};
use saker_model::{Point, Series, SeriesId, SeriesTable};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::node::{DropReason, Node, NodeStats};
use crate::route::{Route, Router};
use crate::sender::{Order, Sender};

/// All nodes and routes at one time.
#[derive(Default)]
pub struct Topology {
    nodes: Vec<Arc<Node>>,
    routes: Vec<Route>,
    router: Router,
    memo: RwLock<Memo>,
}

/// Where series go, found out once for each.
#[derive(Default)]
struct Memo {
    /// By series: a place in `sets`, or [`UNKNOWN`].
    by_series: Vec<AtomicU32>,
    /// Places of nodes.
    sets: Vec<Arc<[usize]>>,
    by_set: HashMap<Arc<[usize]>, u32>,
}

const UNKNOWN: u32 = u32::MAX;

impl Topology {
    /// Nodes, and the routes over them.
    #[must_use]
    pub fn new(nodes: Vec<Arc<Node>>, routes: Vec<Route>) -> Self {
        let names: Vec<_> = nodes.iter().map(|node| node.name().to_owned()).collect();
        let router = Router::new(routes.clone(), &names);
        Self { nodes, routes, router, memo: RwLock::default() }
    }

    /// The nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The routes.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The names of the nodes that a series goes to.
    #[must_use]
    pub fn targets(&self, series: &Series) -> Vec<&str> {
        self.router.targets(series).into_iter().map(|place| self.nodes[place].name()).collect()
    }

    /// Sorts points into one list per node; answers how many had no route.
    fn sort(&self, points: &[Point], table: &SeriesTable, lists: &mut [Vec<Point>]) -> u64 {
        let mut unrouted = 0;
        let mut memo = self.memo.read();
        for point in points {
            let mut set = memo.of(point.series);
            if set == UNKNOWN {
                drop(memo);
                set = self.find_out(point.series, table);
                memo = self.memo.read();
            }
            let targets = &memo.sets[set as usize];
            unrouted += u64::from(targets.is_empty());
            for &node in targets.iter() {
                lists[node].push(*point);
            }
        }
        unrouted
    }

    fn find_out(&self, id: SeriesId, table: &SeriesTable) -> u32 {
        let targets: Arc<[usize]> = table.get(id).map_or_else(Vec::new, |series| self.router.targets(&series)).into();
        let mut memo = self.memo.write();
        let set = match memo.by_set.get(&targets) {
            Some(&set) => set,
            None => {
                let set = memo.sets.len() as u32;
                memo.sets.push(targets.clone());
                memo.by_set.insert(targets, set);
                set
            }
        };
        if id.index() >= memo.by_series.len() {
            memo.by_series.resize_with(id.index() + 1, || AtomicU32::new(UNKNOWN));
        }
        memo.by_series[id.index()].store(set, Ordering::Relaxed);
        set
    }

    fn forget(&self, ids: &[SeriesId]) {
        let memo = self.memo.read();
        for set in ids.iter().filter_map(|id| memo.by_series.get(id.index())) {
            set.store(UNKNOWN, Ordering::Relaxed);
        }
    }
}

impl Memo {
    fn of(&self, id: SeriesId) -> u32 {
        self.by_series.get(id.index()).map_or(UNKNOWN, |set| set.load(Ordering::Relaxed))
    }
}

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
/// How often draining looks whether it is done.
const DRAIN_LOOK: Duration = Duration::from_millis(20);

impl Forwarder {
    /// A forwarder without nodes. `seed` sets the jitter of pauses; every agent should have another.
    #[must_use]
    pub fn new(table: Arc<SeriesTable>, seed: u64) -> Self {
        Self { table, topology: ArcSwap::default(), senders: Mutex::default(), unrouted: AtomicU64::new(0), seed }
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

    /// Takes points of series that are in the table.
    pub fn accept(&self, points: &[Point]) {
        let topology = self.topology.load();
        if topology.nodes.is_empty() {
            return;
        }
        let mut lists: Vec<Vec<Point>> = topology.nodes.iter().map(|_| Vec::new()).collect();
        let unrouted = topology.sort(points, &self.table, &mut lists);
        self.unrouted.fetch_add(unrouted, Ordering::Relaxed);
        for (node, list) in topology.nodes.iter().zip(lists) {
            if !list.is_empty() {
                node.queue.push(&list, &node.counters);
            }
        }
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
            node.queue.forget(ids.to_vec());
        }
    }

    /// Sends what is queued, for at most `limit`, then stops. What is left counts as dropped.
    pub async fn drain(&self, limit: Duration) -> Account {
        let topology = self.topology();
        let end = Instant::now() + limit;
        topology.nodes().iter().for_each(|node| node.queue.hurry());
        while Instant::now() < end && topology.nodes().iter().any(|node| node.stats().queued > 0) {
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
        let account = |node: &Arc<Node>| NodeAccount { node: node.name().to_owned(), stats: node.stats() };
        Account { nodes: topology.nodes().iter().map(account).collect() }
    }
}

async fn retire(node: Arc<Node>, running: Running) {
    node.queue.hurry();
    let end = Instant::now() + REMOVED_DRAIN;
    while Instant::now() < end && node.stats().queued > 0 {
        tokio::time::sleep(DRAIN_LOOK).await;
    }
    running.order.send_replace(Order::Stop(DropReason::NodeRemoved));
    if let Err(error) = running.task.await {
        tracing::error!(node = node.name(), "a sender failed: {error}");
    }
    let stats = node.stats();
    tracing::info!(node = node.name(), delivered = stats.delivered, dropped = stats.dropped_in_all(), "node removed");
}

#[cfg(test)]
mod tests;
