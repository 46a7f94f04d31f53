//! Whole forwarders over backends that are scripted.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::AtomicU64;

use futures_util::future::BoxFuture;
use saker_model::{BackoffConfig, Glob, MetricType, Series};

use super::*;
use crate::backend::{BackendSession, DestinationBackend, SendError};
use crate::destination::{DeliveryConfig, FailureKind};
use crate::hash::HashKind;
use crate::queue::{Durability, QueueConfig, WhenFull};
use crate::route::{OnUnavailable, Route, RouteMatcher};

mod accepting;
mod attributes;
mod clocks;
mod disk;
mod durable;
mod pausing;
mod power;
mod rerouting;

const CONFIG: DeliveryConfig = DeliveryConfig {
    queue: QueueConfig {
        durability: Durability::Memory,
        bytes: 64 << 20,
        when_full: WhenFull::DropOldest,
        points: 100_000,
        age: Duration::from_secs(60),
        backlog_share: 0.5,
        replay_window: Duration::ZERO,
        max_dead_letter_bytes: 1 << 20,
        batch_points: 100,
        batch_age: Duration::from_millis(50),
    },
    backoff: BackoffConfig { min: Duration::from_millis(100), max: Duration::from_secs(2) },
    stale_markers: false,
};

/// A destination that answers by a script, then takes everything.
#[derive(Clone, Default)]
struct Script(Arc<Inner>);

#[derive(Default)]
struct Inner {
    answers: Mutex<VecDeque<SendError>>,
    /// What has arrived: the series' names, with their values.
    taken: Mutex<Vec<(String, f64)>>,
    sessions: AtomicU64,
    generation: AtomicU64,
    changed: tokio::sync::Notify,
    /// Every batch with a multiple of this is rejected as a whole.
    rejects: Mutex<Option<usize>>,
    /// How often something was offered.
    calls: AtomicU64,
    /// A value that breaks every session.
    poison: Mutex<Option<f64>>,
    /// Every definition: the series' name, type and step.
    defined: Mutex<Vec<(String, MetricType, u32)>>,
}

impl Script {
    fn answering(answers: impl IntoIterator<Item = SendError>) -> Self {
        let script = Self::default();
        script.0.answers.lock().extend(answers);
        script
    }

    fn taken(&self) -> Vec<(String, f64)> {
        self.0.taken.lock().clone()
    }

    fn sessions(&self) -> u64 {
        self.0.sessions.load(Ordering::Relaxed)
    }
}

impl DestinationBackend for Script {
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn BackendSession>, SendError>> {
        self.0.sessions.fetch_add(1, Ordering::Relaxed);
        let session = Scripted { script: self.clone(), names: BTreeMap::new() };
        Box::pin(async move { Ok(Box::new(session) as Box<dyn BackendSession>) })
    }

    fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Relaxed)
    }

    fn changed(&self) -> &tokio::sync::Notify {
        &self.0.changed
    }
}

struct Scripted {
    script: Script,
    names: BTreeMap<SeriesId, String>,
}

impl BackendSession for Scripted {
    fn write<'a>(
        &'a mut self,
        forget: Vec<SeriesId>,
        define: &'a [(SeriesId, Arc<Series>)],
        points: &'a [Point],
    ) -> BoxFuture<'a, Result<u32, SendError>> {
        Box::pin(async move {
            for id in forget {
                self.names.remove(&id);
            }
            for (id, series) in define {
                self.names.insert(*id, series.metric.to_string());
                let definition = (series.metric.to_string(), series.metric_type, series.step_s);
                self.script.0.defined.lock().push(definition);
            }
            let inner = &self.script.0;
            inner.calls.fetch_add(1, Ordering::Relaxed);
            let rejects = *inner.rejects.lock();
            if rejects.is_some_and(|of| points.iter().any(|point| (point.value as usize).is_multiple_of(of))) {
                return Err(SendError::Reject { points: vec![], message: "one of them is bad".into() });
            }
            if inner.poison.lock().is_some_and(|poison| points.iter().any(|point| point.value == poison)) {
                return Err(SendError::Broken("poisoned".into()));
            }
            if let Some(answer) = inner.answers.lock().pop_front() {
                return Err(answer);
            }
            let names = points.iter().map(|point| (self.names[&point.series].clone(), point.value));
            inner.taken.lock().extend(names);
            Ok(points.len() as u32)
        })
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

struct Bench {
    forwarder: Forwarder,
    table: Arc<SeriesTable>,
}

impl Bench {
    fn new(destinations: &[(&str, Script)], route: Route) -> Self {
        Self::with(CONFIG, None, destinations, route)
    }

    fn with(config: DeliveryConfig, spools: Option<SpoolDir>, destinations: &[(&str, Script)], route: Route) -> Self {
        let table = Arc::new(SeriesTable::new(100_000));
        let budget = Arc::new(MemoryBudget::new(64 << 20));
        let bench = Self { forwarder: Forwarder::new(table.clone(), budget, spools, 1), table };
        bench.set(destinations.iter().map(|(name, script)| bench.destination(name, script, config)).collect(), route);
        bench
    }

    fn destination(&self, name: &str, script: &Script, config: DeliveryConfig) -> Arc<Destination> {
        self.forwarder.destination(name, Box::new(script.clone()), config)
    }

    fn set(&self, destinations: Vec<Arc<Destination>>, route: Route) {
        self.forwarder.set_topology(Topology::new(destinations, vec![route]));
    }

    fn series(&self, number: usize) -> SeriesId {
        let series = Series {
            endpoint: "h".into(),
            metric: format!("m{number}").into(),
            tags: saker_model::Tags::default(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        self.table.intern_series(series, 0).unwrap()
    }

    /// A series that is known, whatever is said of it by now.
    fn series_as_it_is(&self, number: usize) -> SeriesId {
        let mut page = Vec::new();
        let mut next = Some(SeriesId(0));
        while let Some(from) = next {
            next = self.table.page(from, &mut page);
        }
        let named = |(_, series): &&(SeriesId, Arc<Series>)| *series.metric == format!("m{number}");
        page.iter().find(named).expect("it is known").0
    }

    /// One point of each of so many series; the value is the series' number.
    async fn send(&self, count: usize) {
        self.send_numbers(0..count).await.expect("there is room");
    }

    async fn send_numbers(&self, numbers: std::ops::Range<usize>) -> Result<(), Overload> {
        let points: Vec<_> = numbers
            .map(|number| Point { series: self.series(number), timestamp_ms: 0, value: number as f64 })
            .collect();
        let left = self.forwarder.accept(&points, OverloadPolicy::All).await?;
        assert!(left.is_empty());
        Ok(())
    }

    fn stats(&self, destination: &str) -> DestinationStats {
        let topology = self.forwarder.topology();
        let stats = topology.destinations().iter().find(|known| known.name() == destination).unwrap().stats();
        assert_eq!(self.forwarder.breaches(), [], "the laws");
        let gone = stats.delivered + stats.queued + stats.dropped_in_all();
        assert_eq!(stats.enqueued + stats.recovered, gone, "the law");
        stats
    }

    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..100_000 {
            if done(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("never: {what}");
    }
}

fn route(destinations: &[&str], replicas: usize) -> Route {
    Route {
        matcher: RouteMatcher { metric: vec![Glob::new("m*")], ..RouteMatcher::default() },
        destinations: destinations.iter().map(|&name| name.into()).collect(),
        hash: HashKind::Rendezvous,
        replicas,
        go_on: false,
        on_unavailable: OnUnavailable::Spool,
    }
}

fn retry() -> SendError {
    SendError::Retry { after: None, message: "away".into() }
}

fn dropped(stats: &DestinationStats, reason: DropReason) -> u64 {
    stats.dropped.iter().find(|(known, _)| *known == reason).unwrap().1
}

#[tokio::test(start_paused = true)]
async fn every_series_goes_to_its_destination_and_only_there() {
    let scripts = [Script::default(), Script::default(), Script::default()];
    let destinations = [("a", scripts[0].clone()), ("b", scripts[1].clone()), ("c", scripts[2].clone())];
    let bench = Bench::new(&destinations, route(&["a", "b", "c"], 1));
    for _ in 0..3 {
        bench.send(3000).await;
    }
    let account = bench.forwarder.drain(Duration::from_secs(10)).await;
    assert_eq!(account.destinations.iter().map(|destination| destination.stats.delivered).sum::<u64>(), 9000);
    let mut home = BTreeMap::new();
    for (destination, script) in scripts.iter().enumerate() {
        assert!((2500..3500).contains(&script.taken().len()));
        for (name, _) in script.taken() {
            assert_eq!(*home.entry(name).or_insert(destination), destination, "a series stands on two destinations");
        }
    }
    assert_eq!(home.len(), 3000);
}

#[tokio::test(start_paused = true)]
async fn copies_go_to_distinct_destinations() {
    let scripts = [Script::default(), Script::default(), Script::default()];
    let destinations = [("a", scripts[0].clone()), ("b", scripts[1].clone()), ("c", scripts[2].clone())];
    let bench = Bench::new(&destinations, route(&["a", "b", "c"], 2));
    bench.send(300).await;
    bench.forwarder.drain(Duration::from_secs(10)).await;
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    scripts.iter().flat_map(Script::taken).for_each(|(name, _)| *copies.entry(name).or_default() += 1);
    assert!(copies.len() == 300 && copies.values().all(|&count| count == 2));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_away_delays_no_other_and_loses_nothing() {
    let (away, well) = (Script::answering((0..20).map(|_| retry())), Script::default());
    let bench = Bench::new(&[("away", away.clone()), ("well", well.clone())], route(&["away", "well"], 2));
    bench.send(10).await;
    bench.until("the well one has its points", |bench| bench.stats("well").delivered == 10).await;
    assert_eq!(bench.stats("away").delivered, 0);
    assert_eq!(bench.stats("away").error.as_deref(), Some("away"));
    bench.until("the other one has them too", |bench| bench.stats("away").delivered == 10).await;
    let failures = bench.stats("away").failures;
    assert_eq!(failures[FailureKind::Unavailable as usize], (FailureKind::Unavailable, 20));
    assert_eq!((away.sessions(), bench.stats("away").failures_in_all()), (1, 20), "retries go on in the same session");
    assert_eq!(bench.stats("away").error, None);
}

#[tokio::test(start_paused = true)]
async fn what_the_destination_asks_to_wait_is_waited() {
    let busy = SendError::Retry { after: Some(Duration::from_secs(5)), message: "busy".into() };
    let bench = Bench::new(&[("a", Script::answering([busy]))], route(&["a"], 1));
    let start = Instant::now();
    bench.send(1).await;
    bench.until("it is delivered", |bench| bench.stats("a").delivered == 1).await;
    assert!(start.elapsed() >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn rejected_points_are_given_up_and_the_rest_is_written() {
    let some = SendError::Reject { points: vec![1, 3, 99], message: "bad names".into() };
    let script = Script::answering([some]);
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    bench.send(5).await;
    bench.until("the rest is delivered", |bench| bench.stats("a").delivered == 3).await;
    assert_eq!(script.taken().iter().map(|(_, value)| *value).collect::<Vec<_>>(), [0.0, 2.0, 4.0]);
    assert_eq!(dropped(&bench.stats("a"), DropReason::Rejected), 2);

    let script = Script::default();
    *script.0.rejects.lock() = Some(1);
    let bench = Bench::new(&[("a", script)], route(&["a"], 1));
    bench.send(5).await;
    bench.until("all are dropped", |bench| dropped(&bench.stats("a"), DropReason::Rejected) == 5).await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_session_is_replaced_and_series_are_defined_again() {
    let script = Script::answering([SendError::Broken("trap".into())]);
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    bench.send(50).await;
    bench.until("they are delivered", |bench| bench.stats("a").delivered == 50).await;
    assert_eq!(script.sessions(), 2);
    bench.send(50).await;
    bench.until("so are the next", |bench| bench.stats("a").delivered == 100).await;
    assert_eq!((script.sessions(), script.taken().len()), (2, 100));
}

#[tokio::test(start_paused = true)]
async fn one_point_that_breaks_every_session_is_found_and_given_up() {
    let script = Script::default();
    *script.0.poison.lock() = Some(37.0);
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    bench.send(100).await;
    bench.until("all others are delivered", |bench| bench.stats("a").delivered == 99).await;
    assert_eq!(dropped(&bench.stats("a"), DropReason::Poison), 1);
    assert!(script.taken().iter().all(|(_, value)| *value != 37.0));
}

#[tokio::test(start_paused = true)]
async fn another_generation_gets_a_new_session_between_two_batches() {
    let script = Script::default();
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    for round in 1..=5_u64 {
        bench.send(10).await;
        bench.until("they are delivered", |bench| bench.stats("a").delivered == 10 * round).await;
        script.0.generation.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!((script.sessions(), script.taken().len()), (5, 50));
}

#[tokio::test(start_paused = true)]
async fn a_handle_that_is_used_again_stands_for_its_new_series() {
    let script = Script::default();
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    bench.send(1).await;
    let old = bench.series(0);
    bench.until("it is delivered", |bench| bench.stats("a").delivered == 1).await;
    let gone = bench.table.sweep(1);
    assert_eq!(gone, [old]);
    bench.forwarder.forget(&gone);
    bench.table.release(&gone);
    assert_eq!(bench.series(7), old, "the handle is used again");
    bench.forwarder.accept(&[Point { series: old, timestamp_ms: 0, value: 7.0 }], OverloadPolicy::All).await.unwrap();
    bench.until("the new one is delivered", |bench| bench.stats("a").delivered == 2).await;
    assert_eq!(script.taken(), [("m0".to_owned(), 0.0), ("m7".to_owned(), 7.0)]);
}

#[tokio::test(start_paused = true)]
async fn draining_sends_what_it_can_and_accounts_for_the_rest() {
    let (well, away) = (Script::default(), Script::answering((0..10_000).map(|_| retry())));
    let bench = Bench::new(&[("well", well), ("away", away)], route(&["well", "away"], 2));
    bench.send(250).await;
    let account = bench.forwarder.drain(Duration::from_secs(3)).await;
    for DestinationAccount { destination, stats } in account.destinations {
        assert_eq!((stats.enqueued, stats.queued), (250, 0), "{destination}");
        let expected = if destination == "well" { (250, 0) } else { (0, 250) };
        assert_eq!((stats.delivered, dropped(&stats, DropReason::Shutdown)), expected, "{destination}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_stays_keeps_its_queue_when_others_come_and_go() {
    let (kept, gone) = (Script::answering((0..3).map(|_| retry())), Script::default());
    let bench = Bench::new(&[("kept", kept.clone()), ("gone", gone.clone())], route(&["kept", "gone"], 2));
    bench.send(10).await;
    let staying = bench.forwarder.topology().destinations()[0].clone();
    let new = Script::default();
    bench.set(vec![staying, bench.destination("new", &new, CONFIG)], route(&["kept", "new"], 2));
    bench.send(10).await;
    bench.until("the one that stayed has all", |bench| bench.stats("kept").delivered == 20).await;
    bench.until("the new one has its own", |bench| bench.stats("new").delivered == 10).await;
    bench.until("the one that went was emptied", |_| gone.taken().len() == 10).await;
}

#[tokio::test(start_paused = true)]
async fn points_without_a_route_are_counted() {
    let bench = Bench::new(
        &[("a", Script::default())],
        Route {
            matcher: RouteMatcher { metric: vec![Glob::new("x*")], ..RouteMatcher::default() },
            ..route(&["a"], 1)
        },
    );
    bench.send(5).await;
    assert_eq!((bench.forwarder.unrouted(), bench.stats("a").enqueued), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn one_bad_point_costs_itself_where_the_destination_does_not_say_which() {
    let script = Script::default();
    *script.0.rejects.lock() = Some(77);
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    bench.send_numbers(1..1001).await.unwrap();
    bench.until("all are dealt with", |bench| bench.stats("a").queued == 0).await;
    let stats = bench.stats("a");
    assert_eq!((stats.delivered, dropped(&stats, DropReason::Rejected)), (1000 - 12, 12));
    assert!(script.taken().iter().all(|(_, value)| !(*value as usize).is_multiple_of(77)));
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_rejects_everything_is_asked_so_often_and_no_more() {
    let script = Script::default();
    *script.0.rejects.lock() = Some(1);
    // The pauses take longer than points live in the other tests.
    let queue = QueueConfig { age: Duration::from_secs(3600), ..CONFIG.queue };
    let config = DeliveryConfig { queue, ..CONFIG };
    let bench = Bench::with(config, None, &[("a", script.clone())], route(&["a"], 1));
    let began = Instant::now();
    bench.send_numbers(0..4000).await.unwrap();
    bench.until("all are dealt with", |bench| bench.stats("a").queued == 0).await;
    let (calls, minutes) = (script.0.calls.load(Ordering::Relaxed), began.elapsed().as_secs() / 60 + 1);
    assert_eq!(dropped(&bench.stats("a"), DropReason::Rejected), 4000);
    assert!(calls <= 40 * 70 && minutes > 2, "{calls} calls in {minutes} minutes");
}
