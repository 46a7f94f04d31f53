//! Type and step of a series change, and it stays the same series: what destinations and queues on disk are told of it.

use saker_model::{STALE_MARKER, Sample, is_stale};

use super::durable::{DURABLE, away, delivered, end};
use super::*;

/// Of a backend that can say it.
const ABLE: DeliveryConfig = DeliveryConfig { stale_markers: true, ..CONFIG };

impl Bench {
    /// A source says something of series 0.
    fn say(&self, metric_type: MetricType, step_s: u32, now_s: u32) -> SeriesId {
        let value = Sample {
            endpoint: "h".into(),
            metric: "m0".into(),
            tags: vec![],
            metric_type,
            value: 0.0,
            timestamp_ms: 0,
            step_s,
        };
        self.table.intern(&value, now_s).unwrap()
    }

    async fn value(&self, series: SeriesId, value: f64) {
        self.forwarder.accept(&[Point { series, timestamp_ms: 0, value }], OverloadPolicy::All).await.unwrap();
    }
}

fn defined(script: &Script) -> Vec<(MetricType, u32)> {
    script.0.defined.lock().iter().filter(|(name, ..)| name == "m0").map(|(_, kind, step_s)| (*kind, *step_s)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_series_whose_step_changes_is_defined_again_alone() {
    let script = Script::default();
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    bench.send(10).await;
    bench.until("they are delivered", |bench| bench.stats("a").delivered == 10).await;
    let id = bench.say(MetricType::Counter, 60, 0);
    assert_eq!(id, bench.series_as_it_is(0));
    bench.value(id, 1.0).await;
    bench.until("it is delivered", |bench| bench.stats("a").delivered == 11).await;
    bench.value(id, 2.0).await;
    bench.until("so is the next", |bench| bench.stats("a").delivered == 12).await;
    assert_eq!(defined(&script), [(MetricType::Gauge, 10), (MetricType::Counter, 60)]);
    assert_eq!((script.0.defined.lock().len(), script.sessions()), (11, 1));
}

#[tokio::test(start_paused = true)]
async fn sources_that_disagree_have_a_series_defined_seldom() {
    let script = Script::default();
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    for second in 0..1800 {
        let kind = if second % 2 == 0 { MetricType::Gauge } else { MetricType::Counter };
        let id = bench.say(kind, 10, second);
        bench.value(id, f64::from(second)).await;
        bench.until("it is delivered", |bench| bench.stats("a").delivered == u64::from(second) + 1).await;
    }
    assert!((3..=5).contains(&defined(&script).len()), "{:?}", defined(&script));
}

#[tokio::test(start_paused = true)]
async fn after_more_changes_than_are_remembered_everything_is_defined_again() {
    let script = Script::default();
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    bench.send(10).await;
    bench.until("they are delivered", |bench| bench.stats("a").delivered == 10).await;
    let series = Series::clone(&bench.table.get(bench.series_as_it_is(5)).unwrap());
    for step_s in 0..70_000 {
        bench.table.intern_series(Series { step_s: 1 + step_s % 2, ..series.clone() }, 0).unwrap();
    }
    for number in 0..10 {
        bench.value(bench.series_as_it_is(number), 1.0).await;
    }
    bench.until("all are delivered", |bench| bench.stats("a").delivered == 20).await;
    assert_eq!(script.0.defined.lock().len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_the_queues_type_and_step_hold_until_told() {
    let folder = tempfile::tempdir().unwrap();
    let open = |script: &Script| {
        let spools = SpoolDir::open(folder.path()).unwrap();
        Bench::with(DURABLE, Some(spools), &[("a", script.clone())], route(&["a"], 1))
    };
    let bench = open(&away());
    for (step_s, kind) in [(10, MetricType::Gauge), (20, MetricType::Counter)] {
        let id = bench.say(kind, step_s, 0);
        bench.value(id, f64::from(step_s)).await;
    }
    end(bench).await;
    let script = Script::default();
    let bench = open(&script);
    delivered(&bench, 2).await;
    let id = bench.series_as_it_is(0);
    let series = bench.table.get(id).unwrap();
    assert_eq!((series.metric_type, series.step_s), (MetricType::Counter, 20));
    assert_eq!((defined(&script).last(), bench.table.len()), (Some(&(MetricType::Counter, 20)), 1));
    assert_eq!(bench.say(MetricType::Derive, 30, 0), id);
    bench.value(id, 1.0).await;
    delivered(&bench, 3).await;
    assert_eq!(defined(&script).last(), Some(&(MetricType::Derive, 30)));
    end(bench).await;
}

#[tokio::test(start_paused = true)]
async fn a_stale_marker_is_counted_where_a_backend_cannot_say_it() {
    let (mute, able) = (Script::default(), Script::default());
    let bench = Bench::new(&[("mute", mute.clone())], route(&["mute", "able"], 2));
    let mute_destination = bench.forwarder.topology().destinations()[0].clone();
    bench.set(vec![mute_destination, bench.destination("able", &able, ABLE)], route(&["mute", "able"], 2));
    let id = bench.say(MetricType::Gauge, 10, 0);
    for value in [1.0, STALE_MARKER, 2.0, STALE_MARKER] {
        bench.value(id, value).await;
    }
    bench
        .until("all are dealt with", |bench| {
            ["mute", "able"].iter().all(|destination| bench.stats(destination).queued == 0)
        })
        .await;
    let bits = |script: &Script| script.taken().iter().map(|(_, value)| value.to_bits()).collect::<Vec<_>>();
    let [one, stale, two] = [1.0, STALE_MARKER, 2.0].map(f64::to_bits);
    assert_eq!((bits(&mute), bits(&able)), (vec![one, two], vec![one, stale, two, stale]));
    assert_eq!(dropped(&bench.stats("mute"), DropReason::StaleMarker), 2);
    assert_eq!(dropped(&bench.stats("able"), DropReason::StaleMarker), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_marker_keeps_its_bits_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let open = |script: &Script| {
        let spools = SpoolDir::open(folder.path()).unwrap();
        let config = DeliveryConfig { stale_markers: true, ..DURABLE };
        Bench::with(config, Some(spools), &[("a", script.clone())], route(&["a"], 1))
    };
    let bench = open(&away());
    let id = bench.say(MetricType::Gauge, 10, 0);
    for value in [1.5, STALE_MARKER, STALE_MARKER, 2.5] {
        bench.value(id, value).await;
    }
    end(bench).await;
    let script = Script::default();
    let bench = open(&script);
    delivered(&bench, 4).await;
    let stale: Vec<_> = script.taken().iter().map(|(_, value)| is_stale(*value)).collect();
    assert_eq!(stale, [false, true, true, false]);
    end(bench).await;
}
