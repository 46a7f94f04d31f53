//! The whole way of a sample: appended, journalled, sealed, in a file, rolled up, merged, read.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use common::{Harness, series};
use saker_model::{MetricType, Point, STALE_MARKER as STALE, SeriesId};
use saker_store::{ArchiveAggregate, Op, ReadColumns, StoreMatcher, StoreReadError, StoredLabel, TimeRange};

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
fn series_are_found_by_what_they_are_called_and_too_many_are_rejected() {
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
    let matcher = |label, op, value: &str| StoreMatcher { label, op, value: value.into() };
    let range = TimeRange { start_ms: START_MS, end_ms: START_MS };
    for _ in 0..3 {
        let store = harness.store();
        let even = store.select(&[matcher(StoredLabel::Metric, Op::Equal, "even")], range, 1000).unwrap();
        assert_eq!(even.len(), 500);
        let regex = [matcher(StoredLabel::Tag("n".into()), Op::Regex, "1.")];
        assert_eq!(store.select(&regex, range, 10).unwrap().len(), 10);
        assert!(matches!(store.select(&[], range, 999), Err(StoreReadError::Series { limit: 999 })));
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
        let x = store
            .select(&[StoreMatcher { label: StoredLabel::Metric, op: Op::Equal, value: "x".into() }], all, 9)
            .unwrap();
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
fn a_budget_rejects_with_the_number_that_would_do() {
    let harness = Harness::new(1);
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
        let columns = ReadColumns { granularity_ms: 60_000, aggregates: vec![ArchiveAggregate::Count] };
        store.read(&found, all, &columns, &budget, &mut |chunk| count += chunk.timestamps.len()).map(|()| count)
    };
    let Err(StoreReadError::Samples { needed, .. }) = read(10, u64::MAX) else { panic!("it is allowed") };
    assert_eq!(read(needed, u64::MAX).unwrap(), 84);
    let Err(StoreReadError::Memory { needed, .. }) = read(u64::MAX, 10) else { panic!("it is allowed") };
    assert_eq!(read(u64::MAX, needed).unwrap(), 84);
    let cancelled = std::sync::atomic::AtomicBool::new(true);
    let budget = saker_store::Budget::new(u64::MAX, u64::MAX, std::time::Duration::from_secs(60), Some(&cancelled));
    let result = store.read(&found, all, &ReadColumns::raw(), &budget, &mut |_| {});
    assert!(matches!(result, Err(StoreReadError::Cancelled)));
}

#[test]
fn what_is_exported_is_what_another_store_holds_after_an_import() {
    let mut harness = Harness::new(1);
    let store = harness.store();
    store.register(0, &series("x", 0, MetricType::Gauge, 10));
    let values = (0..2000).map(|tick| (START_MS + tick * 10_000, (tick % 100) as f64 / 4.0));
    let points: Vec<Point> =
        values.map(|(timestamp_ms, value)| Point { series: SeriesId(0), timestamp_ms, value }).collect();
    store.append_points(&points, START_MS + 6 * HOUR_MS).unwrap();
    harness.maintain(START_MS + 60 * HOUR_MS);
    let all = TimeRange { start_ms: 0, end_ms: i64::MAX - 1 };
    let found = harness.store().select(&[], all, 9).unwrap();
    let mut bytes = Vec::new();
    let budget = saker_store::Budget::unlimited();
    harness.store().export(&found, all, &budget, &mut |_, block| bytes.extend_from_slice(block)).unwrap();
    let other = Harness::new(2);
    let imported = other.store().import(&bytes, START_MS + 60 * HOUR_MS).unwrap();
    assert_eq!((imported.taken, imported.damaged_blocks), (2000, 0));
    assert_eq!(other.raw("x", 0), harness.raw("x", 0));
    // Whichever byte is not as it was, no more than its block is missing, and it is counted.
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let imported = Harness::new(3).store().import(&damaged, START_MS + 60 * HOUR_MS).unwrap();
        assert!((1280..2000).contains(&imported.taken), "byte {at}: {imported:?}");
        assert!(imported.damaged_blocks + imported.damaged_bytes > 0, "byte {at}: {imported:?}");
    }
}

#[test]
fn a_file_of_points_is_imported_and_no_other_file_is() {
    let harness = Harness::new(1);
    let store = harness.store();
    let points: Vec<Point> = (0..40_000_i64)
        .map(|tick| Point {
            series: SeriesId((tick % 40) as u32),
            timestamp_ms: START_MS + tick / 40 * 10_000,
            value: (tick * tick % 7919) as f64 / 3.0,
        })
        .collect();
    (0..40).for_each(|number| assert!(store.register(number, &series("x", number, MetricType::Gauge, 10))));
    store.append_points(&points, START_MS + 6 * HOUR_MS).unwrap();
    let all = TimeRange { start_ms: 0, end_ms: i64::MAX - 1 };
    let found = store.select(&[], all, 99).unwrap();
    let mut file = Vec::new();
    let bytes = store.export_to(&found, all, &saker_store::Budget::unlimited(), &mut file).unwrap();
    assert_eq!(bytes, file.len() as u64);
    let other = Harness::new(2);
    let imported = other.store().import_from(&mut &file[..], START_MS + 6 * HOUR_MS).unwrap();
    assert_eq!(imported, saker_store::Imported { taken: 40_000, ..Default::default() });
    for number in 0..40 {
        assert_eq!(other.raw("x", number), harness.raw("x", number));
    }
    let cut = Harness::new(3).store().import_from(&mut &file[..file.len() - 9], START_MS + 6 * HOUR_MS).unwrap();
    assert!(cut.taken < 40_000 && cut.damaged_blocks == 1, "{cut:?}");
    let mut junk = file[..8].to_vec();
    junk.extend((0..300_000_u32).map(|byte| (byte * 7 % 251) as u8));
    let imported = Harness::new(4).store().import_from(&mut &junk[..], START_MS).unwrap();
    assert_eq!((imported.taken, imported.damaged_bytes), (0, 300_000));
    assert!(Harness::new(5).store().import_from(&mut &b"no file of points"[..], START_MS).is_err());
}

#[test]
fn other_rules_hold_at_once_and_old_values_are_still_read() {
    let mut harness = Harness::new(1);
    harness.store().register(0, &series("x", 0, MetricType::Counter, 10));
    let now_ms = START_MS + 30 * 24 * HOUR_MS;
    let points: Vec<Point> = (0..5_000)
        .map(|tick| Point { series: SeriesId(0), timestamp_ms: START_MS + tick * 60_000, value: tick as f64 })
        .collect();
    harness.store().append_points(&points, now_ms).unwrap();
    harness.maintain(now_ms + 24 * HOUR_MS);
    let hours = |store: &saker_store::Store| {
        let range = TimeRange { start_ms: START_MS, end_ms: START_MS + 100 * HOUR_MS };
        let found = store.select(&[], range, 9).unwrap();
        let columns = ReadColumns {
            granularity_ms: HOUR_MS,
            aggregates: vec![ArchiveAggregate::Count, ArchiveAggregate::Increase],
        };
        let mut all = Vec::new();
        let visit = &mut |chunk: saker_store::StoredChunk<'_>| {
            all.extend(
                chunk
                    .timestamps
                    .iter()
                    .enumerate()
                    .map(|(row, time)| (*time, chunk.columns[0][row], chunk.columns[1][row])),
            );
        };
        store.read(&found, range, &columns, &saker_store::Budget::unlimited(), visit).unwrap();
        all
    };
    let before = hours(&harness.store());
    assert_eq!(before.len(), 84);
    // Raw points for a day only, and another tier.
    let policy = saker_store::Policy {
        name: "short".into(),
        raw_ms: 24 * HOUR_MS,
        definition: vec![saker_store::Granularity { granularity_ms: 2 * HOUR_MS, timespan_ms: 90 * 24 * HOUR_MS }],
        std: false,
        percentiles: false,
        back_window_ms: HOUR_MS,
        by_data: false,
    };
    let rule =
        saker_store::PolicyRule { metric: saker_model::Glob::new("*"), tags: Vec::new(), policy: "short".into() };
    let policies = saker_store::Policies::new(vec![policy], vec![rule]).unwrap();
    harness.store().apply(saker_store::StoreConfig { policies, ..harness.config.clone() });
    assert_eq!(hours(&harness.store()), before, "the points are kept as was said when they came");
    let old = [Point { series: SeriesId(0), timestamp_ms: now_ms - 25 * HOUR_MS, value: 1.0 }];
    assert_eq!(harness.store().append_points(&old, now_ms).unwrap().too_old, 1, "and new ones by the new rules");
    harness.maintain(now_ms + 25 * HOUR_MS);
    assert_eq!(hours(&harness.store()), before);
}

#[test]
fn what_there_is_can_be_told_and_looked_at() {
    let mut harness = Harness::new(1);
    harness.store().register(0, &series("x", 0, MetricType::Counter, 10));
    let points: Vec<Point> = (0..8000)
        .map(|tick| Point { series: SeriesId(0), timestamp_ms: START_MS + tick * 10_000, value: tick as f64 })
        .collect();
    harness.store().append_points(&points, START_MS + 23 * HOUR_MS).unwrap();
    harness.maintain(START_MS + 60 * HOUR_MS);
    let status = harness.store().status().unwrap();
    assert_eq!(status.totals.samples, 8000);
    assert_eq!(status.tiers.iter().map(|tier| (tier.granularity_ms, tier.points)).collect::<Vec<_>>()[0], (0, 8000));
    assert!(status.tiers[1].points >= 22, "{status:?}");
    for file in harness.store().verify().unwrap() {
        assert!(file.frames > 0 && file.damaged_frames == 0 && file.damaged_bytes == 0, "{file:?}");
    }
}

#[test]
fn retention_waits_for_a_clock_that_can_be_believed() {
    let mut harness = Harness::new(1);
    harness.store().register(0, &series("x", 0, MetricType::Gauge, 10));
    let point = [Point { series: SeriesId(0), timestamp_ms: START_MS, value: 1.0 }];
    harness.store().append_points(&point, START_MS).unwrap();
    let years_later = START_MS + 800 * 24 * HOUR_MS;
    assert_eq!(harness.maintain(years_later).removed_files, 0, "the clock jumped years ahead");
    assert_eq!(harness.raw("x", 0).len(), 1);
    let mut removed = 0;
    for minute in 1..80 {
        removed += harness.maintain(years_later + minute * 61_000).removed_files;
        assert!(minute > 55 || removed == 0, "not before an hour without a step");
    }
    assert_eq!(harness.raw("x", 0), []);
}

#[test]
fn when_room_is_short_raw_points_go_first_and_it_is_said() {
    let mut harness = Harness::new(1);
    let mut now_ms = START_MS;
    let store = harness.store();
    store.register(0, &series("x", 0, MetricType::Gauge, 1));
    for day in 0..6_i64 {
        let points: Vec<Point> = (0..2000)
            .map(|tick| {
                let timestamp_ms = START_MS + day * 24 * HOUR_MS + tick * 1000;
                Point { series: SeriesId(0), timestamp_ms, value: f64::from(tick as i32).sin() }
            })
            .collect();
        now_ms = START_MS + day * 24 * HOUR_MS + HOUR_MS;
        store.append_points(&points, now_ms).unwrap();
    }
    drop(store);
    harness.maintain(now_ms + 12 * HOUR_MS);
    let bytes: u64 = harness.store().status().unwrap().tiers.iter().map(|tier| tier.bytes).sum();
    harness.config.bytes = bytes / 2;
    harness.restart();
    harness.store().sync().unwrap();
    let mut pressed = 0;
    for minute in 0..10 {
        let done = harness.maintain(now_ms + 12 * HOUR_MS + minute * 61_000);
        pressed += u32::from(done.under_pressure);
    }
    assert!(pressed > 0);
    let status = harness.store().status().unwrap();
    assert!(status.tiers.iter().any(|tier| tier.granularity_ms == 0), "{status:?}");
    assert!(harness.raw("x", 0).len() < 12_000);
    assert!(harness.raw("x", 0).iter().any(|point| point.0 > now_ms - 24 * HOUR_MS), "the newest two days stay");
}
