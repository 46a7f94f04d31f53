//! What is accepted is in all queues that it goes to; what is rejected is in none.

use saker_journal::{SimDisk, SimFault, SimTrouble};
use saker_pipeline::OverloadCause;

use super::durable::{DURABLE, away};
use super::*;

const BLOCK: DeliveryConfig = DeliveryConfig {
    queue: QueueConfig { durability: Durability::Memory, when_full: WhenFull::Block, points: 100, ..CONFIG.queue },
    ..CONFIG
};

/// A destination that takes a hundred points and delivers none, and one with room in plenty. What begins with m goes to
/// both; with only-a or only-b, to one of them.
fn full_and_open(config: DeliveryConfig, spools: Option<SpoolDir>) -> (Bench, Script) {
    let open = Script::default();
    let bench = Bench::with(config, spools, &[("a", away())], route(&["a"], 1));
    let a = bench.forwarder.topology().destinations()[0].clone();
    let b = bench.destination("b", &open, CONFIG);
    let only = |metric: &str, destination: &str| Route {
        matcher: RouteMatcher { metric: vec![Glob::new(metric)], ..RouteMatcher::default() },
        ..route(&[destination], 1)
    };
    let routes =
        vec![Route { go_on: true, ..only("m*", "a") }, only("m*", "b"), only("only-a*", "a"), only("only-b*", "b")];
    bench.forwarder.set_topology(Topology::new(vec![a, b], routes));
    (bench, open)
}

impl Bench {
    fn named(&self, names: &[&str]) -> Vec<Point> {
        let series = |name: &&str| Series {
            endpoint: "h".into(),
            metric: (*name).into(),
            tags: saker_model::Tags::default(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        let series = names.iter().map(|name| self.table.intern_series(series(name), 0).unwrap());
        series.map(|series| Point { series, timestamp_ms: 0, value: 0.0 }).collect()
    }

    async fn fill(&self) {
        while self.forwarder.accept(&self.named(&["only-a"]), OverloadPolicy::All).await.is_ok() {}
    }

    fn enqueued(&self) -> [u64; 2] {
        ["a", "b"].map(|destination| self.stats(destination).enqueued)
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_one_destination_has_no_room_for_is_kept_nowhere() {
    let (bench, _) = full_and_open(BLOCK, None);
    bench.fill().await;
    let before = bench.enqueued();
    let points = bench.named(&["m1", "only-b", "m2"]);
    for _ in 0..10 {
        let overload = bench.forwarder.accept(&points, OverloadPolicy::All).await.unwrap_err();
        assert_eq!((overload.destination.as_str(), overload.cause), ("a", OverloadCause::Full), "{overload}");
    }
    assert_eq!(bench.enqueued(), before);
    assert!(bench.forwarder.rejection().is_none(), "there is one that takes points");
}

#[tokio::test(start_paused = true)]
async fn points_of_a_full_destination_are_rejected_by_index() {
    let (bench, _) = full_and_open(BLOCK, None);
    bench.fill().await;
    let [a, b] = bench.enqueued();
    let points = bench.named(&["only-b1", "m1", "m2", "only-b2", "only-a", "only-b3"]);
    let left = bench.forwarder.accept(&points, OverloadPolicy::Points).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(
        (left[0].overload.destination.as_str(), &left[0].points[..], left[0].count()),
        ("a", &[1..3, 4..5][..], 3)
    );
    assert_eq!(bench.enqueued(), [a, b + 3], "what is rejected is kept nowhere");
    let overload = bench.forwarder.accept(&bench.named(&["m1", "only-a"]), OverloadPolicy::Points).await.unwrap_err();
    assert_eq!(overload.destination, "a", "nothing could be taken");
    // So many separate ones that no answer could name them.
    let names: Vec<_> = (0..4000).map(|number| if number % 2 == 0 { "only-a" } else { "only-b" }).collect();
    bench.forwarder.accept(&bench.named(&names), OverloadPolicy::Points).await.unwrap_err();
    assert_eq!(bench.enqueued(), [a, b + 3]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_does_not_retry_loses_only_the_full_copies() {
    let (bench, _) = full_and_open(BLOCK, None);
    bench.fill().await;
    let [a, b] = bench.enqueued();
    let left = bench.forwarder.accept(&bench.named(&["m1", "only-a", "only-b"]), OverloadPolicy::Copies).await.unwrap();
    assert_eq!((&left[0].points[0], left[0].count()), (&(1..2), 1), "no other has it");
    assert_eq!(bench.enqueued(), [a + 1, b + 2]);
    let dropped = bench.stats("a").dropped;
    assert!(dropped.contains(&(DropReason::QueueFull, 1)), "{dropped:?}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_in_memory_that_rejects_drops_nothing() {
    let bench = Bench::with(BLOCK, None, &[("a", away())], route(&["a"], 1));
    let (mut accepted, mut rejected) = (0, 0);
    for push in 0..50 {
        match bench.send_numbers(push * 30..push * 30 + 30).await {
            Ok(()) => accepted += 30,
            Err(_) => rejected += 30,
        }
        bench.stats("a");
    }
    let stats = bench.stats("a");
    assert_eq!((stats.enqueued, stats.dropped_in_all()), (accepted, 0));
    assert!(accepted >= 90 && rejected > 0, "{accepted} {rejected}");
    let too_many = bench.send_numbers(0..101).await.unwrap_err();
    assert_eq!(too_many.cause, OverloadCause::TooLarge, "it would be rejected for ever: {too_many}");
}

#[tokio::test(start_paused = true)]
async fn a_queue_in_memory_drops_the_newest_where_it_is_told_to() {
    let queue = QueueConfig { when_full: WhenFull::DropNewest, batch_points: 1000, ..BLOCK.queue };
    let bench = Bench::with(DeliveryConfig { queue, ..BLOCK }, None, &[("a", away())], route(&["a"], 1));
    bench.send(80).await;
    bench.send_numbers(80..140).await.unwrap();
    let stats = bench.stats("a");
    assert_eq!((stats.in_memory, stats.dropped_in_all()), (100, 40));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_pushes_to_a_full_queue_are_kept_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let queue = QueueConfig { bytes: 128 << 10, when_full: WhenFull::Block, ..DURABLE.queue };
    let spools = SpoolDir::open(folder.path()).unwrap();
    let (bench, _) = full_and_open(DeliveryConfig { queue, ..DURABLE }, Some(spools));
    let bench = Arc::new(bench);
    let pushes = (0..8).map(|task| {
        let bench = bench.clone();
        tokio::spawn(async move {
            let mut accepted = 0;
            for push in 0..100 {
                let first = task * 1_000_000 + push * 50;
                let names: Vec<_> = (first..first + 50).map(|number| format!("m{number}")).collect();
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                if bench.forwarder.accept(&bench.named(&names), OverloadPolicy::All).await.is_ok() {
                    accepted += 50;
                }
            }
            accepted
        })
    });
    let mut accepted = 0;
    for push in pushes.collect::<Vec<_>>() {
        accepted += push.await.unwrap();
    }
    assert_eq!(bench.enqueued(), [accepted, accepted]);
    assert!(accepted > 0 && accepted < 8 * 100 * 50, "{accepted}");
    let stats = bench.stats("a");
    assert_eq!(stats.dropped_in_all(), 0);
    assert!(stats.spool.unwrap().bytes <= 128 << 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_before_the_destinations_are_known() {
    let table = Arc::new(SeriesTable::new(10));
    let bench = Arc::new(Bench {
        forwarder: Forwarder::new(table.clone(), Arc::new(MemoryBudget::new(1 << 20)), None, 1),
        table,
    });
    assert!(!bench.forwarder.is_open());
    let early = tokio::spawn({
        let bench = bench.clone();
        async move { bench.forwarder.accept(&bench.named(&["m1"]), OverloadPolicy::All).await }
    });
    tokio::task::yield_now().await;
    let script = Script::default();
    bench.set(vec![bench.destination("a", &script, CONFIG)], route(&["a"], 1));
    early.await.unwrap().unwrap();
    assert_eq!(bench.stats("a").enqueued, 1, "it has waited for them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_accepted_during_a_removal_goes_to_what_is_there() {
    let scripts = [Script::default(), Script::default()];
    let bench = Arc::new(Bench::new(&[("a", scripts[0].clone())], route(&["a"], 1)));
    let pushing = tokio::spawn({
        let bench = bench.clone();
        async move {
            for push in 0..2000 {
                bench.send_numbers(push..push + 1).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let mut at = 0;
    while !pushing.is_finished() {
        at = 1 - at;
        let name = ["a", "b"][at];
        bench.set(vec![bench.destination(name, &scripts[at], CONFIG)], route(&[name], 1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    pushing.await.unwrap();
    let came = || scripts.iter().map(|script| script.taken().len()).sum::<usize>();
    for _ in 0..1000 {
        if came() == 2000 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} of 2000 were delivered", came());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_accepted_before_every_queue_is_open() {
    let (disk, script) = (SimDisk::new(1), Script::default());
    disk.fail(SimFault { path: "a/queue".into(), ..SimFault::at(0, SimTrouble::Hang) });
    let spools = Some(SpoolDir::on(disk.root()));
    let bench = Arc::new(Bench::with(DURABLE, spools, &[("a", script.clone())], route(&["a"], 1)));
    bench.until("it hangs", |_| disk.hanging() > 0).await;
    assert!(!bench.forwarder.is_open());
    let early = tokio::spawn({
        let bench = bench.clone();
        async move { bench.send_numbers(0..10).await }
    });
    tokio::task::yield_now().await;
    assert!(!early.is_finished());
    disk.release();
    early.await.unwrap().unwrap();
    assert!(bench.forwarder.is_open());
    assert_eq!(bench.stats("a").enqueued, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_given_up_while_the_disk_hung_are_not_kept() {
    let (disk, script) = (SimDisk::new(1), Script::default());
    let bench = Bench::with(DURABLE, Some(SpoolDir::on(disk.root())), &[("a", script.clone())], route(&["a"], 1));
    let a = bench.forwarder.topology().destinations()[0].clone();
    bench.set(vec![a, bench.destination("b", &Script::default(), CONFIG)], route(&["a", "b"], 2));
    bench.send(100).await;
    bench.until("they are delivered", |bench| bench.stats("a").delivered == 100).await;
    disk.fail(SimFault { path: ".seg".into(), ..SimFault::at(0, SimTrouble::Hang) });
    let overload = bench.send_numbers(100..200).await.unwrap_err();
    assert_eq!(
        (overload.destination.as_str(), overload.cause),
        ("a", OverloadCause::Torn),
        "the other has kept its part"
    );
    assert_eq!(bench.enqueued(), [100, 200]);
    let overload = bench.send_numbers(100..200).await.unwrap_err();
    assert_eq!((overload.cause, bench.enqueued()), (OverloadCause::Failing, [100, 200]), "and now it is known before");
    disk.release();
    let goes_on = |bench: &Bench| bench.forwarder.topology().destinations()[0].queue.rejection().is_none();
    bench.until("its disk goes on", |bench| goes_on(bench) && disk.hanging() == 0).await;
    // Nor after a death, though it had come to the disk.
    let killed = disk.copy();
    let after = Bench::with(DURABLE, Some(SpoolDir::on(killed.root())), &[("a", Script::default())], route(&["a"], 1));
    after.forwarder.opened().await;
    assert_eq!(after.stats("a").recovered, 0);
    let again = || bench.send_numbers(100..200);
    while again().await.is_err() {
        tokio::task::yield_now().await;
    }
    bench.until("all is delivered", |bench| bench.stats("a").queued == 0).await;
    assert_eq!((bench.stats("a").enqueued, script.taken().len()), (200, 200), "none came twice");
}
