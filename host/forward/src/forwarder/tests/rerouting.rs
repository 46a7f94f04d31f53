//! What becomes of a destination's share while it is away.

use super::*;

const GRACE: Duration = Duration::from_secs(5);

fn three(replicas: usize) -> ([Script; 3], Bench) {
    let scripts = [Script::default(), Script::default(), Script::default()];
    let destinations = [("a", scripts[0].clone()), ("b", scripts[1].clone()), ("c", scripts[2].clone())];
    let route = Route { on_unavailable: OnUnavailable::Reroute(GRACE), ..route(&["a", "b", "c"], replicas) };
    let bench = Bench::new(&destinations, route);
    (scripts, bench)
}

/// Lets the first destination fail for longer than the grace.
async fn take_away(scripts: &[Script; 3], bench: &Bench) {
    scripts[0].0.answers.lock().extend((0..10_000).map(|_| retry()));
    bench.send(300).await;
    bench.until("it fails", |bench| bench.stats("a").failures_in_all() > 0).await;
    tokio::time::sleep(GRACE).await;
}

fn come_back(scripts: &[Script; 3]) {
    scripts[0].0.answers.lock().clear();
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_others_share_until_the_destination_is_back() {
    let (scripts, bench) = three(1);
    take_away(&scripts, &bench).await;
    let before = bench.stats("a").enqueued;
    for _ in 0..10 {
        bench.send(3000).await;
    }
    assert_eq!(bench.stats("a").enqueued, before, "what is new does not wait for it");
    let (b, c) = (bench.stats("b"), bench.stats("c"));
    assert_eq!(b.rerouted + c.rerouted, 10 * bench_share(&bench, 3000), "its share, and nothing else, moved");
    let (most, least) = (b.enqueued.max(c.enqueued) as f64, b.enqueued.min(c.enqueued) as f64);
    assert!(most / least < 1.15, "{most} and {least}");
    come_back(&scripts);
    bench.until("it answers", |bench| bench.stats("a").breaker == crate::health::Breaker::Closed).await;
    bench.send(3000).await;
    assert_eq!(bench.stats("a").enqueued, before + bench_share(&bench, 3000), "it has its own again");
}

/// How many of so many series are at home on the first destination.
fn bench_share(bench: &Bench, series: usize) -> u64 {
    let topology = Topology::new(
        ["a", "b", "c"].map(|name| bench.destination(name, &Script::default(), CONFIG)).into(),
        vec![route(&["a", "b", "c"], 1)],
    );
    let at_home = |number: &usize| {
        let series = bench.table.get(bench.series(*number)).unwrap();
        topology.targets(&series) == ["a"]
    };
    (0..series).filter(at_home).count() as u64
}

#[tokio::test(start_paused = true)]
async fn with_replicas_a_destination_gets_what_it_missed() {
    let (scripts, bench) = three(2);
    take_away(&scripts, &bench).await;
    bench.send(300).await;
    bench
        .until("the others have theirs", |bench| {
            bench.stats("b").queued == 0 && bench.stats("c").queued == 0 && bench.stats("a").hinted > 0
        })
        .await;
    let taken = |script: &Script| script.taken().len() as u64;
    let second_round = taken(&scripts[1]) + taken(&scripts[2]);
    assert_eq!(second_round, 600 - bench.stats("a").enqueued / 2 + 600, "two copies of each in the second round");
    come_back(&scripts);
    bench.until("it has all of its own", |bench| bench.stats("a").queued == 0).await;
    assert_eq!(taken(&scripts[0]), bench.stats("a").enqueued);
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    scripts.iter().flat_map(Script::taken).for_each(|(name, _)| *copies.entry(name).or_default() += 1);
    assert!(copies.values().all(|&count| count >= 4), "two rounds, two copies, on two destinations at least");
}

#[tokio::test(start_paused = true)]
async fn a_slow_destination_is_not_taken_for_one_that_is_away() {
    let (scripts, bench) = three(1);
    // It answers, but asks for time after each success that it grants.
    let slow = SendError::Retry { after: Some(Duration::from_secs(3)), message: "busy".into() };
    for _ in 0..3 {
        scripts[0].0.answers.lock().push_back(slow.clone());
        bench.send(300).await;
        bench.until("it has taken them", |bench| bench.stats("a").queued == 0).await;
        tokio::time::sleep(GRACE).await;
    }
    assert_eq!((bench.stats("b").rerouted, bench.stats("c").rerouted), (0, 0));
}
