//! All destinations and routes at one time, and where each series goes, found out once for each.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::RwLock;
use saker_model::{Point, Series, SeriesId, SeriesTable};

use crate::destination::Destination;
use crate::route::{CopyReason, OnUnavailable, Route, RouteTarget, Router};

/// All destinations and routes at one time.
#[derive(Default)]
pub struct Topology {
    destinations: Vec<Arc<Destination>>,
    routes: Vec<Route>,
    router: Router,
    memo: RwLock<RouteMemo>,
}

/// Where series go while the same destinations are away.
#[derive(Default)]
struct RouteMemo {
    /// By route and destination: whether the route does without it.
    away: Vec<bool>,
    /// By series: a place in `sets`, or [`UNKNOWN`].
    by_series: Vec<AtomicU32>,
    sets: Vec<Arc<[RouteTarget]>>,
    by_set: HashMap<Arc<[RouteTarget]>, u32>,
}

const UNKNOWN: u32 = u32::MAX;

/// Points for one destination, and how many of them are there for another's sake.
#[derive(Clone, Debug, Default)]
pub(crate) struct DestinationShare {
    pub(crate) points: Vec<Point>,
    pub(crate) rerouted: u64,
    pub(crate) hinted: u64,
}

impl Topology {
    /// Destinations, and the routes over them.
    #[must_use]
    pub fn new(destinations: Vec<Arc<Destination>>, routes: Vec<Route>) -> Self {
        let names: Vec<_> = destinations.iter().map(|destination| destination.name().to_owned()).collect();
        let router = Router::new(routes.clone(), &names);
        Self { destinations, routes, router, memo: RwLock::default() }
    }

    /// The destinations.
    #[must_use]
    pub fn destinations(&self) -> &[Arc<Destination>] {
        &self.destinations
    }

    /// The destination of a name.
    #[must_use]
    pub fn destination(&self, name: &str) -> Option<&Arc<Destination>> {
        self.destinations.iter().find(|destination| destination.name() == name)
    }

    /// The routes.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The names of the destinations that a series goes to now; of those that are away, the ones that stand in for
    /// them.
    #[must_use]
    pub fn targets(&self, series: &Series) -> Vec<&str> {
        let targets =
            self.router.targets(series, |route, place| is_away(&self.routes[route], &self.destinations[place]));
        targets.into_iter().map(|(place, _)| self.destinations[place].name()).collect()
    }

    /// Sorts points into one share per destination; answers how many had no route.
    pub(crate) fn sort(&self, points: &[Point], table: &SeriesTable) -> (Vec<DestinationShare>, u64) {
        let mut shares = vec![DestinationShare::default(); self.destinations.len()];
        let mut unrouted = 0;
        self.each(points, table, |point, targets| {
            unrouted += u64::from(targets.is_empty());
            for &(destination, why) in targets {
                let share = &mut shares[destination];
                if share.points.is_empty() {
                    share.points.reserve(points.len() / self.destinations.len() + 1);
                }
                share.points.push(*point);
                share.rerouted += u64::from(why == CopyReason::Reroute);
                share.hinted += u64::from(why == CopyReason::Hint);
            }
        });
        (shares, unrouted)
    }

    /// Calls `visit` with each point and where it goes.
    #[inline]
    pub(crate) fn each(&self, points: &[Point], table: &SeriesTable, mut visit: impl FnMut(&Point, &[RouteTarget])) {
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

    /// Begins a new memo if a destination has gone or come back since.
    fn see_who_is_away(&self) {
        if self.routes.iter().all(|route| route.on_unavailable == OnUnavailable::Spool) {
            return;
        }
        let away: Vec<bool> = self
            .routes
            .iter()
            .flat_map(|route| self.destinations.iter().map(|destination| is_away(route, destination)))
            .collect();
        if self.memo.read().away != away {
            *self.memo.write() = RouteMemo { away, ..RouteMemo::default() };
        }
    }

    fn find_out(&self, id: SeriesId, table: &SeriesTable) {
        let series = table.get(id);
        let mut memo = self.memo.write();
        let targets: Arc<[RouteTarget]> = match series {
            // As the memo has it, so that all that it says is of one time.
            Some(series) => self.router.targets(&series, |route, place| {
                memo.away.get(route * self.destinations.len() + place).copied().unwrap_or(false)
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

fn is_away(route: &Route, destination: &Destination) -> bool {
    match route.on_unavailable {
        OnUnavailable::Spool => false,
        OnUnavailable::Reroute(grace) => destination.health.is_away(grace),
    }
}

impl RouteMemo {
    fn of(&self, id: SeriesId) -> Option<&Arc<[RouteTarget]>> {
        self.sets.get(self.by_series.get(id.index())?.load(Ordering::Relaxed) as usize)
    }
}
