//! All nodes and routes at one time, and where each series goes, found out once for each.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;
use saker_model::{Point, Series, SeriesId, SeriesTable};

use crate::node::Node;
use crate::route::{OnUnavailable, Route, Router, Target, Why};

/// All nodes and routes at one time.
#[derive(Default)]
pub struct Topology {
    nodes: Vec<Arc<Node>>,
    routes: Vec<Route>,
    router: Router,
    memo: RwLock<Memo>,
}

/// Where series go while the same nodes are away.
#[derive(Default)]
struct Memo {
    /// By route and node: whether the route does without it.
    away: Vec<bool>,
    /// By series: a place in `sets`, or [`UNKNOWN`].
    by_series: Vec<AtomicU32>,
    sets: Vec<Arc<[Target]>>,
    by_set: HashMap<Arc<[Target]>, u32>,
}

const UNKNOWN: u32 = u32::MAX;

/// Points for one node, and how many of them are there for another's sake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Share {
    pub(crate) points: Vec<Point>,
    pub(crate) rerouted: u64,
    pub(crate) hinted: u64,
}

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

    /// The node of a name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.name() == name)
    }

    /// The routes.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The names of the nodes that a series goes to now; of those that are away, the ones that stand in for them.
    #[must_use]
    pub fn targets(&self, series: &Series) -> Vec<&str> {
        let targets = self.router.targets(series, |route, place| is_away(&self.routes[route], &self.nodes[place]));
        targets.into_iter().map(|(place, _)| self.nodes[place].name()).collect()
    }

    /// Sorts points into one share per node; answers how many had no route.
    pub(crate) fn sort(&self, points: &[Point], table: &SeriesTable) -> (Vec<Share>, u64) {
        let mut shares = vec![Share::default(); self.nodes.len()];
        let mut unrouted = 0;
        self.each(points, table, |point, targets| {
            unrouted += u64::from(targets.is_empty());
            for &(node, why) in targets {
                let share = &mut shares[node];
                if share.points.is_empty() {
                    share.points.reserve(points.len() / self.nodes.len() + 1);
                }
                share.points.push(*point);
                share.rerouted += u64::from(why == Why::Reroute);
                share.hinted += u64::from(why == Why::Hint);
            }
        });
        (shares, unrouted)
    }

    /// Calls `visit` with each point and where it goes.
    #[inline]
    pub(crate) fn each(&self, points: &[Point], table: &SeriesTable, mut visit: impl FnMut(&Point, &[Target])) {
        self.see_who_is_away();
        let mut memo = self.memo.read();
        for point in points {
            // Again, if another thread has begun a new memo meanwhile.
            let targets = loop {
                if let Some(targets) = memo.of(point.series) {
                    break targets;
                }
                drop(memo);
                self.find_out(point.series, table);
                memo = self.memo.read();
            };
            visit(point, targets);
        }
    }

    /// Begins a new memo if a node has gone or come back since.
    fn see_who_is_away(&self) {
        if self.routes.iter().all(|route| route.on_unavailable == OnUnavailable::Spool) {
            return;
        }
        let away: Vec<bool> =
            self.routes.iter().flat_map(|route| self.nodes.iter().map(|node| is_away(route, node))).collect();
        if self.memo.read().away != away {
            *self.memo.write() = Memo { away, ..Memo::default() };
        }
    }

    fn find_out(&self, id: SeriesId, table: &SeriesTable) {
        let series = table.get(id);
        let mut memo = self.memo.write();
        let targets: Arc<[Target]> = match series {
            // As the memo has it, so that all that it says is of one time.
            Some(series) => self.router.targets(&series, |route, place| {
                memo.away.get(route * self.nodes.len() + place).copied().unwrap_or(false)
            }),
            None => Vec::new(),
        }
        .into();
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
    }

    pub(crate) fn forget(&self, ids: &[SeriesId]) {
        let memo = self.memo.read();
        for set in ids.iter().filter_map(|id| memo.by_series.get(id.index())) {
            set.store(UNKNOWN, Ordering::Relaxed);
        }
    }
}

fn is_away(route: &Route, node: &Node) -> bool {
    match route.on_unavailable {
        OnUnavailable::Spool => false,
        OnUnavailable::Reroute(grace) => node.health.is_away(grace),
    }
}

impl Memo {
    fn of(&self, id: SeriesId) -> Option<&Arc<[Target]>> {
        self.sets.get(self.by_series.get(id.index())?.load(Ordering::Relaxed) as usize)
    }
}
