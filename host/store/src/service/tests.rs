use saker_model::{MetricType, Point, Series};
use saker_pipeline::Sink as _;
use saker_telemetry::MetricRegistry;

use super::*;
use crate::budget::Budget;
use crate::key::StoredSeries;
use crate::read::{ReadColumns, TimeRange};

fn series() -> Series {
    Series { endpoint: "h".into(), metric: "a".into(), tags: [].into(), metric_type: MetricType::Gauge, step_s: 10 }
}

fn start(folder: &Path) -> (StoreService, Arc<SeriesTable>, Opened) {
    let table = Arc::new(SeriesTable::new(10));
    let (service, opened) = StoreService::start(&folder.join("store"), StoreConfig::default(), table.clone()).unwrap();
    (service, table, opened)
}

fn points(store: &Store) -> usize {
    let (mut count, range) = (0, TimeRange { start_ms: 0, end_ms: i64::MAX - 1 });
    let visit = &mut |chunk: crate::read::StoredChunk<'_>| count += chunk.timestamps.len();
    let series = [StoredSeries::of(&series()).unwrap()];
    store.read(&series, range, &ReadColumns::raw(), &Budget::unlimited(), visit).unwrap();
    count
}

#[test]
fn what_was_kept_is_there_after_an_end_and_another_start() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let (service, table, opened) = start(folder.path());
        assert_eq!((opened.replayed, points(service.store())), (0, round));
        let series = table.intern_series(series(), 0).unwrap();
        service.sink().keep(&[Point { series, timestamp_ms: now_ms() - 10 * round as i64, value: 1.0 }]);
        assert_eq!(points(service.store()), round + 1);
        let ended = service.stop(Duration::from_secs(60));
        let Ended::Flushed(totals) = ended else { panic!("{ended:?}") };
        assert_eq!(totals.samples, 1);
    }
}

#[test]
fn a_folder_has_one_store_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (_service, ..) = start(folder.path());
    let second =
        StoreService::start(&folder.path().join("store"), StoreConfig::default(), Arc::new(SeriesTable::new(1)));
    assert!(matches!(second.err(), Some(StoreError::Journal(_))));
}

#[test]
fn everything_that_is_counted_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (service, table, _) = start(folder.path());
    let series = table.intern_series(series(), 0).unwrap();
    service
        .sink()
        .keep(&[Point { series, timestamp_ms: now_ms(), value: 1.0 }, Point { series, timestamp_ms: 0, value: 1.0 }]);
    service.store().flush().unwrap();
    let mut registry = MetricRegistry::default();
    registry.register(service.metrics());
    let text = registry.text().unwrap();
    for line in [
        "saker_store_received_points_total 2.0",
        "saker_store_stored_points_total 1.0",
        "saker_store_dropped_points_total{reason=\"too_old\"} 1.0",
        "saker_store_files{tier=\"raw\"} 1.0",
    ] {
        assert!(text.contains(line), "{line} is missing: {text}");
    }
    // In any state the law holds: what was handed in is stored, dropped with a reason, or waits.
    let of = |name: &str| -> f64 {
        let samples = text.lines().filter(|line| line.starts_with(name));
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    let told = of("saker_store_stored_points") + of("saker_store_dropped_points") + of("saker_store_waiting_points");
    assert_eq!(of("saker_store_received_points"), told);
}

#[test]
fn what_is_counted_is_told_while_the_disk_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let (service, ..) = start(folder.path());
    let mut registry = MetricRegistry::default();
    registry.register(service.metrics());
    let before = registry.text().unwrap();
    // Whoever writes holds it for as long as the disk hangs.
    let held = service.store().state.lock();
    let (said, answer) = mpsc::channel();
    std::thread::spawn(move || said.send(registry.text().unwrap()));
    let text = answer.recv_timeout(Duration::from_secs(10)).expect("it waits for nobody");
    drop(held);
    let series = |text: &str| text.lines().filter(|line| line.starts_with("saker_store_")).count();
    assert_eq!(series(&text), series(&before));
}

#[test]
fn another_configuration_is_taken_over_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (service, ..) = start(folder.path());
    let config = StoreConfig { bytes: 1 << 30, sync_interval: Duration::from_secs(1), ..StoreConfig::default() };
    service.apply(config.clone());
    let until = Instant::now() + Duration::from_secs(20);
    while *service.store().config() != config {
        assert!(Instant::now() < until, "it is taken over at once");
        std::thread::yield_now();
    }
}
