//! Which series go where, also while destinations are away.

use std::time::Duration;

use saker_model::{Glob, Series};

use crate::hash::{HashKind, Placement};

/// What a series must look like. Every condition that is given must hold, by any of its patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatcher {
    /// Patterns for the name; none means any.
    pub metric: Vec<Glob>,
    /// Patterns for the endpoint; none means any.
    pub endpoint: Vec<Glob>,
    /// Patterns for tags, by key. A series without the tag does not match.
    pub tags: Vec<(String, Vec<Glob>)>,
}

impl RouteMatcher {
    /// Whether a series looks like this.
    #[must_use]
    pub fn matches(&self, series: &Series) -> bool {
        let any = |patterns: &[Glob], text: &str| patterns.iter().any(|pattern| pattern.matches(text));
        (self.metric.is_empty() || any(&self.metric, &series.metric))
            && (self.endpoint.is_empty() || any(&self.endpoint, &series.endpoint))
            && self.tags.iter().all(|(key, patterns)| series.tag(key).is_some_and(|value| any(patterns, value)))
    }
}

/// A rule that sends series to destinations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which series.
    pub matcher: RouteMatcher,
    /// The destinations' names.
    pub destinations: Vec<String>,
    /// How series spread over them.
    pub hash: HashKind,
    /// How many distinct destinations each series goes to.
    pub replicas: usize,
    /// Whether the routes after this one see the series as well.
    pub go_on: bool,
    /// What becomes of the points of a destination that is away.
    pub on_unavailable: OnUnavailable,
}

/// What becomes of the points of a destination that is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnavailable {
    /// They wait in its queue.
    Spool,
    /// When it has been away for this long, new ones go to the other destinations, each series to the next in its own
    /// order, so that all others share them. With more than one replica they wait in its queue as well, so that it is
    /// complete again when it is back.
    Reroute(Duration),
}

/// Why a copy of a point goes to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum CopyReason {
    /// It is the series' own.
    Home,
    /// It is the series' own, and away: what waits here brings it up to date later.
    Hint,
    /// It stands in for one that is away.
    Reroute,
}

/// The place of a destination, and why it is a target.
pub(crate) type RouteTarget = (usize, CopyReason);

/// All routes, made ready for look-ups.
#[derive(Debug, Default)]
pub(crate) struct Router {
    routes: Vec<(Route, Placement, Vec<usize>)>,
}

impl Router {
    /// `destinations` are the names that the answers of [`targets`](Self::targets) count. A route to a destination that
    /// is not there goes to its other destinations.
    pub(crate) fn new(routes: Vec<Route>, destinations: &[String]) -> Self {
        let ready = routes.into_iter().map(|route| {
            let (names, places): (Vec<_>, Vec<_>) = route
                .destinations
                .iter()
                .filter_map(|name| {
                    Some((name.clone(), destinations.iter().position(|destination| destination == name)?))
                })
                .unzip();
            let placement = Placement::new(route.hash, &names);
            (route, placement, places)
        });
        Self { routes: ready.collect() }
    }

    /// The destinations that a series goes to, each once. `is_away` tells whether a route is to do without a
    /// destination, both by their places.
    pub(crate) fn targets(&self, series: &Series, is_away: impl Fn(usize, usize) -> bool) -> Vec<RouteTarget> {
        let mut targets = Vec::new();
        let mut key = None;
        for (number, (route, placement, places)) in self.routes.iter().enumerate() {
            if !route.matcher.matches(series) {
                continue;
            }
            let key = key.get_or_insert_with(|| series.key());
            let away: Vec<bool> = places.iter().map(|&place| is_away(number, place)).collect();
            let chosen = choose(placement, key, route, &away);
            targets.extend(chosen.into_iter().map(|(index, why)| (places[index], why)));
            if !route.go_on {
                break;
            }
        }
        // Where two routes want the same, being at home counts for more.
        targets.sort_unstable();
        targets.dedup_by_key(|(place, _)| *place);
        targets
    }
}

/// One route's destinations for a key, by their index in the route.
fn choose(placement: &Placement, key: &str, route: &Route, away: &[bool]) -> Vec<RouteTarget> {
    if !away.contains(&true) {
        return placement.place(key, route.replicas).into_iter().map(|index| (index, CopyReason::Home)).collect();
    }
    // The key's own order of all destinations: those that stand in come after its own.
    let order = placement.place(key, away.len());
    let (own, others) = order.split_at(route.replicas.min(order.len()));
    let mut standing_in = others.iter().filter(|&&index| !away[index]);
    let mut chosen = Vec::with_capacity(2 * own.len());
    for &index in own {
        if !away[index] {
            chosen.push((index, CopyReason::Home));
            continue;
        }
        let other = standing_in.next();
        chosen.extend(other.map(|&other| (other, CopyReason::Reroute)));
        // A copy that nobody else can take waits for its destination; with replicas it waits in any case.
        if other.is_none() || route.replicas > 1 {
            chosen.push((index, CopyReason::Hint));
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use saker_model::MetricType;

    use super::*;

    fn series(metric: &str, tags: &[(&str, &str)]) -> Series {
        Series {
            endpoint: "web-1".into(),
            metric: metric.into(),
            tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        }
    }

    fn route(metric: &str, destinations: &[&str]) -> Route {
        Route {
            matcher: RouteMatcher { metric: vec![Glob::new(metric)], ..RouteMatcher::default() },
            destinations: destinations.iter().map(|&name| name.into()).collect(),
            hash: HashKind::Rendezvous,
            replicas: 1,
            go_on: false,
            on_unavailable: OnUnavailable::Spool,
        }
    }

    fn places(router: &Router, series: &Series) -> Vec<usize> {
        router.targets(series, |_, _| false).into_iter().map(|(place, _)| place).collect()
    }

    fn destinations() -> Vec<String> {
        ["a", "b", "c"].map(String::from).into()
    }

    #[test]
    fn every_condition_must_hold_by_any_of_its_patterns() {
        let globs = |patterns: &[&str]| patterns.iter().map(|pattern| Glob::new(pattern)).collect::<Vec<_>>();
        let matcher = RouteMatcher {
            metric: globs(&["net.*", "disk.*"]),
            endpoint: globs(&["web-*"]),
            tags: vec![("iface".into(), globs(&["eth*"]))],
        };
        assert!(matcher.matches(&series("net.if", &[("iface", "eth0")])));
        assert!(!matcher.matches(&series("cpu.idle", &[("iface", "eth0")])));
        assert!(!matcher.matches(&series("net.if", &[("iface", "lo")])));
        assert!(!matcher.matches(&series("net.if", &[])));
        assert!(RouteMatcher::default().matches(&series("any", &[])));
    }

    #[test]
    fn the_first_route_that_matches_decides_unless_it_says_go_on() {
        let mut first = route("cpu.*", &["a"]);
        let second = route("*", &["b"]);
        let router = Router::new(vec![first.clone(), second.clone()], &destinations());
        assert_eq!(places(&router, &series("cpu.idle", &[])), [0]);
        assert_eq!(places(&router, &series("mem.free", &[])), [1]);
        first.go_on = true;
        let router = Router::new(vec![first, second], &destinations());
        assert_eq!(places(&router, &series("cpu.idle", &[])), [0, 1]);
    }

    #[test]
    fn two_routes_to_one_destination_send_a_series_there_once() {
        let mut first = route("*", &["a"]);
        first.go_on = true;
        let router = Router::new(vec![first, route("*", &["a"])], &destinations());
        assert_eq!(places(&router, &series("m", &[])), [0]);
    }

    #[test]
    fn without_a_matching_route_or_destination_there_is_no_target() {
        let router = Router::new(vec![route("cpu.*", &["a"]), route("mem.*", &["gone"])], &destinations());
        assert!(places(&router, &series("net", &[])).is_empty());
        assert!(places(&router, &series("mem.free", &[])).is_empty());
    }

    #[test]
    fn the_share_of_a_destination_that_is_away_spreads_over_all_others() {
        let mut all = route("*", &["a", "b", "c"]);
        all.on_unavailable = OnUnavailable::Reroute(Duration::ZERO);
        let router = Router::new(vec![all], &destinations());
        let mut moved = [0_u32; 3];
        for number in 0..3000 {
            let series = series(&format!("m{number}"), &[]);
            let home = places(&router, &series);
            let now = router.targets(&series, |_, place| place == 0);
            match home[0] {
                0 => {
                    assert_eq!((now.len(), now[0].1), (1, CopyReason::Reroute));
                    moved[now[0].0] += 1;
                }
                place => assert_eq!(now, [(place, CopyReason::Home)], "what is at home elsewhere stays"),
            }
        }
        assert_eq!(moved[0], 0);
        assert!(moved[1].abs_diff(moved[2]) * 7 < moved[1] + moved[2], "{moved:?}");
    }

    #[test]
    fn a_copy_with_replicas_goes_to_another_destination_and_waits_for_its_own() {
        let mut all = route("*", &["a", "b", "c"]);
        all.replicas = 2;
        let router = Router::new(vec![all], &destinations());
        for number in 0..100 {
            let series = series(&format!("m{number}"), &[]);
            let home = places(&router, &series);
            let now = router.targets(&series, |_, place| place == 0);
            let reached = now.iter().filter(|(_, why)| *why != CopyReason::Hint).count();
            assert_eq!(reached, 2, "two copies are reached at once");
            assert_eq!(now.contains(&(0, CopyReason::Hint)), home.contains(&0));
        }
    }

    #[test]
    fn a_copy_that_nobody_else_can_take_waits_for_its_destination() {
        let router = Router::new(vec![route("*", &["a"])], &destinations());
        assert_eq!(router.targets(&series("m", &[]), |_, _| true), [(0, CopyReason::Hint)]);
    }
}
