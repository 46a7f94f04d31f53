//! Which series go where.

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
}

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

    /// The places of the nodes that a series goes to, each once.
    pub(crate) fn targets(&self, series: &Series) -> Vec<usize> {
        let mut targets = Vec::new();
        let mut key = None;
        for (route, placement, places) in &self.routes {
            if !route.matcher.matches(series) {
                continue;
            }
            let key = key.get_or_insert_with(|| series.key());
            targets.extend(placement.place(key, route.replicas).into_iter().map(|place| places[place]));
            if !route.go_on {
                break;
            }
        }
        targets.sort_unstable();
        targets.dedup();
        targets
    }
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
        }
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
        assert_eq!(router.targets(&series("cpu.idle", &[])), [0]);
        assert_eq!(router.targets(&series("mem.free", &[])), [1]);
        first.go_on = true;
        let router = Router::new(vec![first, second], &nodes());
        assert_eq!(router.targets(&series("cpu.idle", &[])), [0, 1]);
    }

    #[test]
    fn two_routes_to_one_node_send_a_series_there_once() {
        let mut first = route("*", &["a"]);
        first.go_on = true;
        let router = Router::new(vec![first, route("*", &["a"])], &nodes());
        assert_eq!(router.targets(&series("m", &[])), [0]);
    }

    #[test]
    fn without_a_matching_route_or_node_there_is_no_target() {
        let router = Router::new(vec![route("cpu.*", &["a"]), route("mem.*", &["gone"])], &nodes());
        assert!(router.targets(&series("net", &[])).is_empty());
        assert!(router.targets(&series("mem.free", &[])).is_empty());
    }
}
