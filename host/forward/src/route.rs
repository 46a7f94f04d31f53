//! Which series go where, also while nodes are away.

use std::time::Duration;

use saker_model::{Glob, Series};

use crate::hash::{HashKind, Placement};

/// What a series must look like. Every condition that is given must hold, by any of its patterns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    /// Patterns for the name; none means any.
    pub metric: Vec<Glob>,
    /// Patterns for the endpoint; none means any.
    pub endpoint: Vec<Glob>,
    /// Patterns for tags, by key. A series without the tag does not match.
    pub tags: Vec<(String, Vec<Glob>)>,
}

impl Matcher {
    /// Whether a series looks like this.
    #[must_use]
    pub fn matches(&self, series: &Series) -> bool {
        let any = |patterns: &[Glob], text: &str| patterns.iter().any(|pattern| pattern.matches(text));
        (self.metric.is_empty() || any(&self.metric, &series.metric))
            && (self.endpoint.is_empty() || any(&self.endpoint, &series.endpoint))
            && self.tags.iter().all(|(key, patterns)| series.tag(key).is_some_and(|value| any(patterns, value)))
    }
}

/// A rule that sends series to nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Which series.
    pub matcher: Matcher,
    /// The nodes' names.
    pub nodes: Vec<String>,
    /// How series spread over them.
    pub hash: HashKind,
    /// How many distinct nodes each series goes to.
    pub replicas: usize,
    /// Whether the routes after this one see the series as well.
    pub go_on: bool,
    /// What becomes of the points of a node that is away.
    pub on_unavailable: OnUnavailable,
}

/// What becomes of the points of a node that is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnavailable {
    /// They wait in its queue.
    Spool,
    /// When it has been away for this long, new ones go to the other nodes, each series to the next in its own order, so
    /// that all others share them. With more than one replica they wait in its queue as well, so that it is complete
    /// again when it is back.
    Reroute(Duration),
}

/// Why a copy of a point goes to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Why {
    /// It is the series' own.
    Home,
    /// It is the series' own, and away: what waits here brings it up to date later.
    Hint,
    /// It stands in for one that is away.
    Reroute,
}

/// The place of a node, and why it is a target.
pub(crate) type Target = (usize, Why);

/// All routes, made ready for look-ups.
#[derive(Debug, Default)]
pub(crate) struct Router {
    routes: Vec<(Route, Placement, Vec<usize>)>,
}

impl Router {
    /// `nodes` are the names that the answers of [`targets`](Self::targets) count. A route to a node that is not there
    /// goes to its other nodes.
    pub(crate) fn new(routes: Vec<Route>, nodes: &[String]) -> Self {
        let ready = routes.into_iter().map(|route| {
            let (names, places): (Vec<_>, Vec<_>) = route
                .nodes
                .iter()
                .filter_map(|name| Some((name.clone(), nodes.iter().position(|node| node == name)?)))
                .unzip();
            let placement = Placement::new(route.hash, &names);
            (route, placement, places)
        });
        Self { routes: ready.collect() }
    }

    /// The nodes that a series goes to, each once. `is_away` tells whether a route is to do without a node, both by their
    /// places.
    pub(crate) fn targets(&self, series: &Series, is_away: impl Fn(usize, usize) -> bool) -> Vec<Target> {
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

/// One route's nodes for a key, by their index in the route.
fn choose(placement: &Placement, key: &str, route: &Route, away: &[bool]) -> Vec<Target> {
    if !away.contains(&true) {
        return placement.place(key, route.replicas).into_iter().map(|index| (index, Why::Home)).collect();
    }
    // The key's own order of all nodes: those that stand in come after its own.
    let order = placement.place(key, away.len());
    let (own, others) = order.split_at(route.replicas.min(order.len()));
    let mut standing_in = others.iter().filter(|&&index| !away[index]);
    let mut chosen = Vec::with_capacity(2 * own.len());
    for &index in own {
        if !away[index] {
            chosen.push((index, Why::Home));
            continue;
        }
        let other = standing_in.next();
        chosen.extend(other.map(|&other| (other, Why::Reroute)));
        // A copy that nobody else can take waits for its node; with replicas it waits in any case.
        if other.is_none() || route.replicas > 1 {
            chosen.push((index, Why::Hint));
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

    fn route(metric: &str, nodes: &[&str]) -> Route {
        Route {
            matcher: Matcher { metric: vec![Glob::new(metric)], ..Matcher::default() },
            nodes: nodes.iter().map(|&name| name.into()).collect(),
            hash: HashKind::Rendezvous,
            replicas: 1,
            go_on: false,
            on_unavailable: OnUnavailable::Spool,
        }
    }

    fn places(router: &Router, series: &Series) -> Vec<usize> {
        router.targets(series, |_, _| false).into_iter().map(|(place, _)| place).collect()
    }

    fn nodes() -> Vec<String> {
        ["a", "b", "c"].map(String::from).into()
    }

    #[test]
    fn every_condition_must_hold_by_any_of_its_patterns() {
        let globs = |patterns: &[&str]| patterns.iter().map(|pattern| Glob::new(pattern)).collect::<Vec<_>>();
        let matcher = Matcher {
            metric: globs(&["net.*", "disk.*"]),
            endpoint: globs(&["web-*"]),
            tags: vec![("iface".into(), globs(&["eth*"]))],
        };
        assert!(matcher.matches(&series("net.if", &[("iface", "eth0")])));
        assert!(!matcher.matches(&series("cpu.idle", &[("iface", "eth0")])));
        assert!(!matcher.matches(&series("net.if", &[("iface", "lo")])));
        assert!(!matcher.matches(&series("net.if", &[])));
        assert!(Matcher::default().matches(&series("any", &[])));
    }

    #[test]
    fn the_first_route_that_matches_decides_unless_it_says_go_on() {
        let mut first = route("cpu.*", &["a"]);
        let second = route("*", &["b"]);
        let router = Router::new(vec![first.clone(), second.clone()], &nodes());
        assert_eq!(places(&router, &series("cpu.idle", &[])), [0]);
        assert_eq!(places(&router, &series("mem.free", &[])), [1]);
        first.go_on = true;
        let router = Router::new(vec![first, second], &nodes());
        assert_eq!(places(&router, &series("cpu.idle", &[])), [0, 1]);
    }

    #[test]
    fn two_routes_to_one_node_send_a_series_there_once() {
        let mut first = route("*", &["a"]);
        first.go_on = true;
        let router = Router::new(vec![first, route("*", &["a"])], &nodes());
        assert_eq!(places(&router, &series("m", &[])), [0]);
    }

    #[test]
    fn without_a_matching_route_or_node_there_is_no_target() {
        let router = Router::new(vec![route("cpu.*", &["a"]), route("mem.*", &["gone"])], &nodes());
        assert!(places(&router, &series("net", &[])).is_empty());
        assert!(places(&router, &series("mem.free", &[])).is_empty());
    }

    #[test]
    fn the_share_of_a_node_that_is_away_spreads_over_all_others() {
        let mut all = route("*", &["a", "b", "c"]);
        all.on_unavailable = OnUnavailable::Reroute(Duration::ZERO);
        let router = Router::new(vec![all], &nodes());
        let mut moved = [0_u32; 3];
        for number in 0..3000 {
            let series = series(&format!("m{number}"), &[]);
            let home = places(&router, &series);
            let now = router.targets(&series, |_, place| place == 0);
            match home[0] {
                0 => {
                    assert_eq!((now.len(), now[0].1), (1, Why::Reroute));
                    moved[now[0].0] += 1;
                }
                place => assert_eq!(now, [(place, Why::Home)], "what is at home elsewhere stays"),
            }
        }
        assert_eq!(moved[0], 0);
        assert!(moved[1].abs_diff(moved[2]) * 7 < moved[1] + moved[2], "{moved:?}");
    }

    #[test]
    fn a_copy_with_replicas_goes_to_another_node_and_waits_for_its_own() {
        let mut all = route("*", &["a", "b", "c"]);
        all.replicas = 2;
        let router = Router::new(vec![all], &nodes());
        for number in 0..100 {
            let series = series(&format!("m{number}"), &[]);
            let home = places(&router, &series);
            let now = router.targets(&series, |_, place| place == 0);
            let reached = now.iter().filter(|(_, why)| *why != Why::Hint).count();
            assert_eq!(reached, 2, "two copies are reached at once");
            assert_eq!(now.contains(&(0, Why::Hint)), home.contains(&0));
        }
    }

    #[test]
    fn a_copy_that_nobody_else_can_take_waits_for_its_node() {
        let router = Router::new(vec![route("*", &["a"])], &nodes());
        assert_eq!(router.targets(&series("m", &[]), |_, _| true), [(0, Why::Hint)]);
    }
}
