//! The whole way of a sample: appended, journalled, sealed, in a file, rolled up, merged, read.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::{Harness, series};
use saker_model::{MetricType, Point, SeriesId};
use saker_store::{Aggregate, Columns, Label, Matcher, Op, ReadError, STALE, TimeRange};

const START_MS: i64 = 1_767_225_600_000;
const HOUR_MS: i64 = 3_600_000;

#[test]
fn a_tick_is_there_at_once_and_after_every_step_of_its_life() {
    let mut harness = Harness::new(1);
    let store = harness.store();
    for handle in 0..100 {
        store.register(handle, &series("cpu.idle", handle, MetricType::Gauge, 10));
    }
    let group = store.group("cpu", 10_000);
    let mut expected = Vec::new();
    for tick in 0..3000_i64 {
        let now_ms = START_MS + tick * 10_000;
        let values: Vec<(u32, f64)> = (0..100).map(|handle| (handle, f64::from(handle) + (tick % 7) as f64)).collect();
        let appended = store.append_tick(group, now_ms, &values, now_ms).unwrap();
        assert_eq!(appended.taken, 100);
        expected.push((now_ms, 5.0 + (tick % 7) as f64));
    }
    let now_ms = START_MS + 3000 * 10_000;
    assert_eq!(harness.raw("cpu.idle", 5), expected, "from heads and logs");
    harness.kill();
    assert_eq!(harness.raw("cpu.idle", 5), expected, "after kill -9");
    harness.store().sync().unwrap();
    harness.cut_power();
    assert_eq!(harness.raw("cpu.idle", 5), expected, "after a loss of power");
    let done = harness.maintain(now_ms + 24 * HOUR_MS);
    assert!(done.merged_files > 0 && done.buckets > 0, "{done:?}");
    assert_eq!(harness.raw("cpu.idle", 5), expected, "from merged files");
    harness.restart();
    assert_eq!(harness.raw("cpu.idle", 5), expected, "after an orderly end");
}

#[test]
fn a_series_that_its_source_reports_no_more_is_stale() {
    let mut harness = Harness::new(1);
    let store = harness.store();
    for handle in 0..2 {
        store.register(handle, &series("disk", handle, MetricType::Gauge, 10));
    }
    let group = store.group("disk", 10_000);
    store.append_tick(group, START_MS, &[(0, 1.0), (1, 2.0)], START_MS).unwrap();
    store.append_tick(group, START_MS + 10_000, &[(0, 1.0)], START_MS + 10_000).unwrap();
    // A run that is missed says nothing.
    store.append_tick(group, START_MS + 40_000, &[(0, 1.0)], START_MS + 40_000).unwrap();
    for round in 0..2 {
        let found = harness.raw("disk", 1);
        assert_eq!(found[0], (START_MS, 2.0));
        assert_eq!((found[1].0, found[1].1.to_bits()), (START_MS + 10_000, STALE.to_bits()), "round {round}");
        assert_eq!(found.len(), 2);
        harness.restart();
    }
}

#[test]
fn the_same_time_again_the_last_acknowledged_wins_wherever_the_first_is() {
    let mut harness = Harness::new(1);
    let point = |value| [Point { series: SeriesId(0), timestamp_ms: START_MS, value }];
    harness.store().register(0, &series("x", 0, MetricType::Gauge, 10));
    for (round, value) in [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].into_iter().enumerate() {
        let store = harness.store();
        store.register(0, &series("x", 0, MetricType::Gauge, 10));
        store.append_points(&point(value), START_MS).unwrap();
        assert_eq!(harness.raw("x", 0), [(START_MS, value)], "round {round}");
        match round {
            0 => {}
            1 => harness.kill(),
            2 => harness.restart(),
            3 => drop(harness.maintain(START_MS + 60 * HOUR_MS)),
            4 => harness.restart(),
            _ => drop(harness.maintain(START_MS + 60 * HOUR_MS)),
        }
        assert_eq!(harness.raw("x", 0), [(START_MS, value)], "round {round}");
    }
}

#[test]
fn series_are_found_by_what_they_are_called_and_too_many_are_refused() {
    let mut harness = Harness::new(1);
    let store = harness.store();
    let points: Vec<Point> = (0..1000)
        .map(|handle| {
            let metric = if handle % 2 == 0 { "even" } else { "odd" };
            store.register(handle, &series(metric, handle, MetricType::Gauge, 60));
            Point { series: SeriesId(handle), timestamp_ms: START_MS, value: 1.0 }
        })
        .collect();
    store.append_points(&points, START_MS).unwrap();
    let matcher = |label, op, value: &str| Matcher { label, op, value: value.into() };
    let range = TimeRange { start_ms: START_MS, end_ms: START_MS };
    for _ in 0..3 {
        let store = harness.store();
        let even = store.select(&[matcher(Label::Metric, Op::Equal, "even")], range, 1000).unwrap();
        assert_eq!(even.len(), 500);
        let regex = [matcher(Label::Tag("n".into()), Op::Regex, "1.")];
        assert_eq!(store.select(&regex, range, 10).unwrap().len(), 10);
        assert!(matches!(store.select(&[], range, 999), Err(ReadError::Series { limit: 999 })));
        let later = TimeRange { start_ms: START_MS + 100 * HOUR_MS, end_ms: START_MS + 200 * HOUR_MS };
        assert_eq!(store.select(&[], later, 10).unwrap(), []);
        harness.maintain(START_MS + 60 * HOUR_MS);
        harness.restart();
    }
}

#[test]
fn what_is_deleted_is_gone_at_once_and_a_later_push_begins_anew() {
    let mut harness = Harness::new(1);
    let all = TimeRange { start_ms: 0, end_ms: i64::MAX - 1 };
    for round in 0..3 {
        let store = harness.store();
        store.register(0, &series("x", 0, MetricType::Counter, 60));
        store.register(1, &series("y", 1, MetricType::Counter, 60));
        let points: Vec<Point> = (0..1000)
            .flat_map(|tick| {
                let timestamp_ms = START_MS + tick * 60_000;
                [0, 1].map(|handle| Point { series: SeriesId(handle), timestamp_ms, value: tick as f64 })
            })
            .collect();
        store.append_points(&points, START_MS + HOUR_MS * 17).unwrap();
        if round > 0 {
            harness.maintain(START_MS + 70 * HOUR_MS);
        }
        let store = harness.store();
        let x = store.select(&[Matcher { label: Label::Metric, op: Op::Equal, value: "x".into() }], all, 9).unwrap();
        store.delete(&x, Some(START_MS + 500 * 60_000)).unwrap();
        for _ in 0..2 {
            assert_eq!(harness.raw("x", 0).len(), 500, "round {round}");
            assert_eq!(harness.raw("y", 1).len(), 1000, "round {round}");
            harness.kill();
        }
        harness.store().delete(&x, None).unwrap();
        for step in 0..4 {
            assert_eq!(harness.raw("x", 0), [], "round {round}, step {step}");
            assert_eq!(harness.store().select(&[], all, 9).unwrap().len(), 1);
            match step {
                0 => harness.kill(),
                1 => drop(harness.store().compact().unwrap()),
                _ => drop(harness.maintain(START_MS + 80 * HOUR_MS)),
            }
        }
    }
}

#[test]
fn a_budget_refuses_with_the_number_that_would_do() {
    let mut harness = Harness::new(1);
    let store = harness.store();
    store.register(0, &series("x", 0, MetricType::Gauge, 1));
    let points: Vec<Point> = (0..5000)
        .map(|tick| Point { series: SeriesId(0), timestamp_ms: START_MS + tick * 1000, value: tick as f64 })
        .collect();
    store.append_points(&points, START_MS + 2 * HOUR_MS).unwrap();
    let all = TimeRange { start_ms: 0, end_ms: i64::MAX - 1 };
    let found = store.select(&[], all, 9).unwrap();
    let read = |samples: u64, memory: u64| {
        let budget = saker_store::Budget::new(samples, memory, std::time::Duration::from_secs(60), None);
        let mut count = 0;
        let columns = Columns { granularity_ms: 60_000, aggregates: vec![Aggregate::Count] };
        store.read(&found, all, &columns, &budget, &mut |chunk| count += chunk.timestamps.len()).map(|()| count)
    };
    let Err(ReadError::Samples { needed, .. }) = read(10, u64::MAX) else { panic!("it is allowed") };
    assert_eq!(read(needed, u64::MAX).unwrap(), 84);
    let Err(ReadError::Memory { needed, .. }) = read(u64::MAX, 10) else { panic!("it is allowed") };
    assert_eq!(read(u64::MAX, needed).unwrap(), 84);
    let cancelled = std::sync::atomic::AtomicBool::new(true);
    let budget = saker_store::Budget::new(u64::MAX, u64::MAX, std::time::Duration::from_secs(60), Some(&cancelled));
    let result = store.read(&found, all, &Columns::raw(), &budget, &mut |_| {});
    assert!(matches!(result, Err(ReadError::Cancelled)));
}
