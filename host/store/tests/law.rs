//! The law of the store: whatever came in whatever order, over restarts, late points, deletes and steps of the clock,
//! what is read is what a plain map of points says, raw and in the buckets of every granularity.
//!
//! `SAKER_STORE_HISTORIES` says how many histories are tried; without it, [`HISTORIES`].

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::collections::BTreeMap;

use common::{Harness, read_raw, series};
use saker_model::{Glob, MetricType, Point, SeriesId};
use saker_store::{
    ArchiveAggregate, Budget, Granularity, Policies, Policy, PolicyRule, ReadColumns, StoreConfig, StoredSeries,
    TimeRange,
};

/// The 35th and the 43rd show a fault that is known: a point that comes for a time before a tier begins leaves the increase
/// of the first bucket behind it as it was.
const HISTORIES: u64 = 60;
const STEPS: usize = 120;
const START_MS: i64 = 1_767_225_600_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// In a group, and pushed.
const TICKED: u32 = 3;
const PUSHED: u32 = 4;
const ALL: [ArchiveAggregate; 9] = [
    ArchiveAggregate::Count,
    ArchiveAggregate::Sum,
    ArchiveAggregate::Min,
    ArchiveAggregate::Max,
    ArchiveAggregate::First,
    ArchiveAggregate::Last,
    ArchiveAggregate::FirstTime,
    ArchiveAggregate::LastTime,
    ArchiveAggregate::Increase,
];

struct Random(u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % limit.max(1) as u64) as i64
    }
}

/// The plain map of points.
#[derive(Default)]
struct Model(BTreeMap<u32, BTreeMap<i64, f64>>);

impl Model {
    fn put(&mut self, number: u32, time_ms: i64, value: f64) {
        self.0.entry(number).or_default().insert(time_ms, value);
    }

    fn points(&self, number: u32) -> Vec<(i64, f64)> {
        self.0.get(&number).map_or_else(Vec::new, |points| points.iter().map(|(time, value)| (*time, *value)).collect())
    }

    /// Count, sum, min, max, first, last, first time, last time, increase of each bucket.
    fn buckets(&self, number: u32, granularity_ms: i64) -> BTreeMap<i64, Vec<f64>> {
        let mut buckets: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
        let mut before: Option<f64> = None;
        for (time_ms, value) in self.points(number) {
            let start_ms = time_ms.div_euclid(granularity_ms) * granularity_ms;
            let time = time_ms as f64;
            let fresh = || vec![0.0, 0.0, value, value, value, value, time, time, 0.0];
            let bucket = buckets.entry(start_ms).or_insert_with(fresh);
            bucket[0] += 1.0;
            bucket[1] += value;
            bucket[2] = bucket[2].min(value);
            bucket[3] = bucket[3].max(value);
            bucket[5] = value;
            bucket[7] = time;
            bucket[8] += before.map_or(0.0, |before| if value >= before { value - before } else { value });
            before = Some(value);
        }
        buckets
    }
}

fn config() -> StoreConfig {
    let granularity = |granularity_ms, timespan_ms| Granularity { granularity_ms, timespan_ms };
    let policy = Policy {
        name: "tested".into(),
        raw_ms: 60 * DAY_MS,
        definition: vec![
            granularity(5 * MINUTE_MS, 90 * DAY_MS),
            granularity(HOUR_MS, 730 * DAY_MS),
            granularity(12 * HOUR_MS, 730 * DAY_MS),
        ],
        std: false,
        percentiles: false,
        back_window_ms: HOUR_MS,
        by_data: false,
    };
    let rule = PolicyRule { metric: Glob::new("*"), tags: Vec::new(), policy: "tested".into() };
    StoreConfig { policies: Policies::new(vec![policy], vec![rule]).unwrap(), ..StoreConfig::default() }
}

fn name(number: u32) -> saker_model::Series {
    series(if number < TICKED { "ticked" } else { "pushed" }, number, MetricType::Counter, 10)
}

fn register(harness: &Harness) {
    for number in 0..TICKED + PUSHED {
        assert!(harness.store().register(number, &name(number)));
    }
}

fn check(harness: &Harness, model: &Model, tiers_too: bool, context: &str) {
    let store = harness.store();
    for number in 0..TICKED + PUSHED {
        let series = StoredSeries::of(&name(number)).unwrap();
        let (told, expected) = (read_raw(&store, &series), model.points(number));
        let wrong = told.iter().zip(&expected).position(|(told, expected)| told != expected);
        if told.len() != expected.len() || wrong.is_some() {
            let at = wrong.unwrap_or(told.len().min(expected.len()));
            let (told_at, expected_at) = (told.get(at), expected.get(at));
            let lengths = (told.len(), expected.len());
            panic!(
                "{context}, series {number}, point {at} of {lengths:?}: {told_at:?}, not {expected_at:?}, {START_MS}"
            );
        }
        if !tiers_too {
            continue;
        }
        for granularity_ms in [5 * MINUTE_MS, 15 * MINUTE_MS, HOUR_MS, 12 * HOUR_MS, DAY_MS] {
            let columns = ReadColumns { granularity_ms, aggregates: ALL.to_vec() };
            let mut found = BTreeMap::new();
            let all = TimeRange { start_ms: START_MS - 40 * DAY_MS, end_ms: START_MS + 100 * DAY_MS };
            let visit = &mut |chunk: saker_store::StoredChunk<'_>| {
                assert_eq!(chunk.granularity_ms, granularity_ms);
                for (row, time) in chunk.timestamps.iter().enumerate() {
                    let values: Vec<f64> = chunk.columns.iter().map(|column| column[row]).collect();
                    assert!(found.insert(*time, values).is_none(), "{context}: a bucket twice");
                }
            };
            store.read(std::slice::from_ref(&series), all, &columns, &Budget::unlimited(), visit).unwrap();
            let expected = model.buckets(number, granularity_ms);
            for (time, values) in &expected {
                let told = found.get(time);
                assert_eq!(
                    told,
                    Some(values),
                    "{context}, series {number}, {granularity_ms} ms, at {}",
                    time - START_MS
                );
            }
            assert_eq!(found.len(), expected.len(), "{context}, series {number}, {granularity_ms} ms");
        }
    }
}

#[test]
fn what_is_read_is_what_came_raw_and_in_buckets() {
    let histories = std::env::var("SAKER_STORE_HISTORIES").map_or(HISTORIES, |many| many.parse().expect("a number"));
    let first = std::env::var("SAKER_STORE_FIRST").map_or(1, |first| first.parse().expect("a number"));
    for seed in first..first + histories {
        live(seed);
    }
}

fn live(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut harness = Harness::with(seed, config());
    let mut model = Model::default();
    register(&harness);
    let mut now_ms = START_MS;
    let mut values = vec![0_i64; (TICKED + PUSHED) as usize];
    let mut log = Vec::new();
    for step in 0..STEPS {
        now_ms += 1 + random.below(20 * MINUTE_MS);
        let what = random.below(24);
        log.push(format!("{step}:{what}@{}", now_ms - START_MS));
        let context = format!("seed {seed}, {}", log.iter().rev().take(40).cloned().collect::<Vec<_>>().join(" "));
        match what {
            0..=8 => ticks(&harness, &mut model, &mut random, &mut now_ms, &mut values),
            9..=15 => push(&harness, &mut model, &mut random, now_ms, &mut values),
            16 => now_ms += random.below(DAY_MS),
            17 => now_ms -= random.below(3 * HOUR_MS),
            18 => {
                harness.kill();
                register(&harness);
            }
            19 => {
                harness.restart();
                register(&harness);
            }
            20 => {
                harness.store().sync().unwrap();
                harness.cut_power();
                register(&harness);
            }
            21 if random.below(3) == 0 => {
                let number = random.below(i64::from(TICKED + PUSHED)) as u32;
                let before_ms = (random.below(3) > 0).then(|| now_ms - random.below(20 * HOUR_MS));
                harness.store().delete(&[StoredSeries::of(&name(number)).unwrap()], before_ms).unwrap();
                let points = model.0.entry(number).or_default();
                points.retain(|time, _| before_ms.is_some_and(|before_ms| *time >= before_ms));
            }
            22 => {
                harness.store().compact().unwrap();
            }
            _ => {
                harness.maintain(now_ms);
                check(&harness, &model, true, &context);
            }
        }
        if step % 10 == 0 {
            check(&harness, &model, false, &context);
        }
    }
    harness.maintain(now_ms + 3 * DAY_MS);
    check(&harness, &model, true, &format!("seed {seed}, at the end"));
}

fn ticks(harness: &Harness, model: &mut Model, random: &mut Random, now_ms: &mut i64, values: &mut [i64]) {
    let store = harness.store();
    let group = store.group("cpu", 10_000);
    for _ in 0..1 + random.below(80) {
        *now_ms += 10_000;
        let mut row = Vec::new();
        for number in 0..TICKED {
            let value = next(random, &mut values[number as usize]);
            row.push((number, value));
            model.put(number, *now_ms, value);
        }
        assert_eq!(store.append_tick(group, *now_ms, &row, *now_ms).unwrap().taken, u64::from(TICKED));
    }
}

fn push(harness: &Harness, model: &mut Model, random: &mut Random, now_ms: i64, values: &mut [i64]) {
    let mut points = Vec::new();
    for _ in 0..1 + random.below(60) {
        // Pushed ones mostly, now and then one that is measured in ticks as well.
        let number = if random.below(12) == 0 {
            random.below(TICKED.into())
        } else {
            random.below(PUSHED.into()) + i64::from(TICKED)
        };
        let number = number as u32;
        let known = model.points(number);
        let timestamp_ms = match random.below(10) {
            0 if !known.is_empty() => known[random.below(known.len() as i64) as usize].0,
            1 => now_ms - random.below(3 * DAY_MS),
            2 => now_ms - random.below(10 * HOUR_MS),
            _ => now_ms - random.below(10 * MINUTE_MS),
        };
        let value = next(random, &mut values[number as usize]);
        points.push(Point { series: SeriesId(number), timestamp_ms, value });
        model.put(number, timestamp_ms, value);
    }
    assert_eq!(harness.store().append_points(&points, now_ms).unwrap().taken, points.len() as u64);
}

/// A counter, which begins anew now and then.
fn next(random: &mut Random, value: &mut i64) -> f64 {
    *value = if random.below(40) == 0 { random.below(5) } else { *value + random.below(1000) };
    *value as f64
}
