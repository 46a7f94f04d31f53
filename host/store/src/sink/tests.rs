use std::sync::atomic::AtomicBool;

use saker_journal::SimDisk;
use saker_model::{MetricType, STALE_MARKER};

use super::*;
use crate::budget::Budget;
use crate::key::StoredSeries;
use crate::read::{ReadColumns, TimeRange};
use crate::store::StoreConfig;

fn series(metric: &str) -> Series {
    Series { endpoint: "h".into(), metric: metric.into(), tags: [].into(), metric_type: MetricType::Gauge, step_s: 10 }
}

fn points(store: &Store, metric: &str) -> Vec<(i64, u64)> {
    let series = StoredSeries::of(&series(metric)).unwrap();
    let mut all = Vec::new();
    let range = TimeRange { start_ms: 0, end_ms: i64::MAX - 1 };
    store
        .read(&[series], range, &ReadColumns::raw(), &Budget::unlimited(), &mut |chunk| {
            all.extend(chunk.timestamps.iter().copied().zip(chunk.columns[0].iter().map(|value| value.to_bits())));
        })
        .unwrap();
    all
}

struct Bench {
    table: Arc<SeriesTable>,
    store: Store,
    sink: StoreSink,
}

impl Bench {
    fn new(disk: &SimDisk) -> Self {
        let table = Arc::new(SeriesTable::new(100));
        let (store, _) = Store::open(&*disk.root(), StoreConfig::default(), 0).unwrap();
        Self { store, sink: StoreSink::new(table.clone()), table }
    }

    /// Uses the sink while its thread runs.
    fn live<R>(&self, work: impl FnOnce() -> R) -> R {
        std::thread::scope(|scope| {
            scope.spawn(|| self.sink.write(&self.store, || false));
            let result = work();
            self.sink.close();
            result
        })
    }

    fn point(&self, metric: &str, timestamp_ms: i64, value: f64) -> Point {
        Point { series: self.table.intern_series(series(metric), 0).unwrap(), timestamp_ms, value }
    }
}

#[test]
fn what_was_kept_is_in_the_store_when_the_call_returns() {
    let bench = Bench::new(&SimDisk::new(1));
    let now_ms = now_ms();
    bench.live(|| {
        bench.sink.keep(&[bench.point("a", now_ms, 1.0), bench.point("b", now_ms, 2.0)]);
        assert_eq!(points(&bench.store, "a"), [(now_ms, 1.0_f64.to_bits())]);
        assert_eq!(points(&bench.store, "b"), [(now_ms, 2.0_f64.to_bits())]);
    });
    assert_eq!(bench.store.totals().samples, 2);
}

#[test]
fn a_series_that_a_whole_run_leaves_out_is_stale() {
    let bench = Bench::new(&SimDisk::new(1));
    let now_ms = now_ms();
    let run = |whole| CollectorRun { source: "collector:x", whole };
    let stale = STALE_MARKER.to_bits();
    bench.live(|| {
        let (a, b) = (|at| bench.point("a", at, 1.0), |at| bench.point("b", at, 2.0));
        bench.sink.keep_run(run(true), &[a(now_ms), b(now_ms)]);
        bench.sink.keep_run(run(false), &[a(now_ms + 10)]);
        assert_eq!(points(&bench.store, "b"), [(now_ms, 2.0_f64.to_bits())]);
        bench.sink.keep_run(run(true), &[a(now_ms + 20)]);
        assert_eq!(points(&bench.store, "b"), [(now_ms, 2.0_f64.to_bits()), (now_ms + 20, stale)]);
        bench.sink.keep_run(run(true), &[a(now_ms + 30)]);
        assert_eq!(points(&bench.store, "b").len(), 2, "once");
        // What others push ends nothing.
        bench.sink.keep(&[bench.point("b", now_ms + 40, 3.0)]);
        bench.sink.keep(&[a(now_ms + 50)]);
        assert_eq!(points(&bench.store, "b").len(), 3);
    });
}

#[test]
fn a_handle_that_stands_for_another_series_writes_to_that_one() {
    let bench = Bench::new(&SimDisk::new(1));
    let now_ms = now_ms();
    let first = bench.point("a", now_ms, 1.0);
    // All of it waits together.
    bench.sink.queue.lock().stuck = true;
    bench.sink.keep(&[first]);
    let gone = bench.table.sweep(u32::MAX);
    bench.sink.forget(&gone);
    bench.table.release(&gone);
    let second = bench.point("b", now_ms + 1, 2.0);
    assert_eq!(second.series, first.series);
    bench.sink.keep(&[second]);
    bench.live(|| ());
    assert_eq!(points(&bench.store, "a"), [(now_ms, 1.0_f64.to_bits())]);
    assert_eq!(points(&bench.store, "b"), [(now_ms + 1, 2.0_f64.to_bits())]);
}

#[test]
fn a_disk_that_hangs_makes_nobody_wait_twice() {
    let bench = Bench::new(&SimDisk::new(1));
    let now_ms = now_ms();
    let point = bench.point("a", now_ms, 1.0);
    // No thread takes it: that is what a disk that hangs looks like from here.
    bench.sink.keep(&[point]);
    assert!(bench.sink.queue.lock().stuck);
    let began = Instant::now();
    let many = vec![point; 1 << 18];
    for _ in 0..4 {
        bench.sink.keep(&many);
    }
    assert!(began.elapsed() < WAIT * 4, "nobody waits any more");
    assert_eq!(bench.sink.counters.behind.load(Ordering::Relaxed), 1 << 18);
    bench.live(|| ());
    assert!(!bench.sink.queue.lock().stuck);
    assert_eq!(bench.store.totals().samples, 1 + 3 * (1 << 18));
    assert_eq!(bench.sink.waiting(), 0);
}

#[test]
fn a_disk_that_rejects_costs_points_that_are_counted_and_no_more() {
    let disk = SimDisk::new(1);
    let bench = Bench::new(&disk);
    let now_ms = now_ms();
    bench.live(|| {
        bench.sink.keep(&[bench.point("a", now_ms, 1.0)]);
        disk.fail(saker_journal::SimFault {
            calls: 1,
            ..saker_journal::SimFault::at(disk.calls(), saker_journal::SimTrouble::Full)
        });
        bench.sink.keep(&[bench.point("a", now_ms + 1, 2.0)]);
        bench.sink.keep(&[bench.point("a", now_ms + 2, 3.0)]);
    });
    let failed = bench.sink.counters.failed.load(Ordering::Relaxed);
    assert_eq!((bench.store.totals().samples, failed), (2, 1));
    assert_eq!(points(&bench.store, "a").len(), 2);
}

#[test]
fn where_it_is_to_survive_a_loss_of_power_it_does_when_the_call_returns() {
    let disk = SimDisk::new(1);
    let bench = Bench::new(&disk);
    let (now_ms, asked) = (now_ms(), AtomicBool::new(false));
    let synced = || {
        asked.store(true, Ordering::Relaxed);
        true
    };
    std::thread::scope(|scope| {
        scope.spawn(|| bench.sink.write(&bench.store, synced));
        bench.sink.keep(&[bench.point("a", now_ms, 1.0)]);
        let (store, _) = Store::open(&*disk.power_cut().root(), StoreConfig::default(), 0).unwrap();
        assert_eq!(points(&store, "a"), [(now_ms, 1.0_f64.to_bits())]);
        bench.sink.close();
    });
    assert!(asked.load(Ordering::Relaxed));
}
