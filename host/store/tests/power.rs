//! A store on a simulated disk that loses power, fails and rots: what was said to be safe is there.
//!
//! `SAKER_POWER_CUTS` says how often the power goes; without it, [`CUTS`] times.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::collections::BTreeMap;

use common::{read_raw, series};
use saker_journal::{SimDisk, SimFault, SimTrouble};
use saker_model::{MetricType, Point, SeriesId};
use saker_store::{Store, StoreConfig, StoredSeries, Surroundings};

/// Enough to find what is forgotten to be synced.
const CUTS: u64 = 200;
const STEPS: u64 = 60;
const SERIES: u32 = 5;
const START_MS: i64 = 1_767_225_600_000;
const HOUR_MS: i64 = 3_600_000;

struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

type Points = BTreeMap<(u32, i64), f64>;

/// What was promised. No two points have the same series and time.
#[derive(Clone, Debug, Default)]
struct Promise {
    synced: Points,
    pending: Points,
    /// All that was acknowledged.
    taken: Points,
    now_ms: i64,
}

fn name(number: u32) -> saker_model::Series {
    series("x", number, MetricType::Counter, 1)
}

fn open(disk: &SimDisk) -> Result<Store, saker_store::StoreError> {
    let (store, _) = Store::open(&*disk.root(), StoreConfig::default(), 0)?;
    for number in 0..SERIES {
        store.register(number, &name(number));
    }
    Ok(store)
}

/// Uses a store as the agent does, and goes on after failures as it does. It ends with the power.
fn live(disk: &SimDisk, random: &mut Random, promise: &mut Promise) {
    let mut opened = open(disk);
    for step in 0..STEPS {
        let Ok(store) = &opened else {
            opened = open(disk);
            continue;
        };
        promise.now_ms += 1000 + random.below(600_000) as i64;
        match random.below(16) {
            0..=6 => ticks(store, random, promise),
            7..=9 => push(store, random, promise),
            10 | 11 => match store.sync() {
                Ok(()) => promise.synced.append(&mut promise.pending),
                Err(_) => promise.pending.clear(),
            },
            12 | 13 => {
                promise.now_ms += random.below(9) as i64 * HOUR_MS;
                let uptime_ms = step as i64 * 61_000;
                let now_ms = START_MS + promise.now_ms;
                let _ = store.maintain(Surroundings { now_ms, uptime_ms, ..Surroundings::default() });
            }
            14 => drop(store.flush()),
            _ if random.below(3) == 0 => {
                opened = Err(saker_store::StoreError::Policy("an orderly end and another start".into()));
                promise.pending.clear();
            }
            _ => {}
        }
    }
}

fn ticks(store: &Store, random: &mut Random, promise: &mut Promise) {
    let group = store.group("cpu", 1000);
    for _ in 0..1 + random.below(70) {
        promise.now_ms += 1000;
        let now_ms = START_MS + promise.now_ms;
        let row: Vec<(u32, f64)> = (0..SERIES - 2).map(|number| (number, random.below(1 << 40) as f64)).collect();
        if store.append_tick(group, now_ms, &row, now_ms).is_ok() {
            for (number, value) in row {
                promise.taken.insert((number, now_ms), value);
                promise.pending.insert((number, now_ms), value);
            }
        }
    }
}

fn push(store: &Store, random: &mut Random, promise: &mut Promise) {
    let now_ms = START_MS + promise.now_ms;
    let mut points = Points::new();
    for _ in 0..1 + random.below(40) {
        let number = SERIES - 1 - random.below(2) as u32;
        let back_ms = if random.below(8) == 0 { 50 * HOUR_MS } else { 500_000 };
        let time_ms = now_ms - random.below(back_ms as u64) as i64;
        if !promise.taken.contains_key(&(number, time_ms)) {
            points.insert((number, time_ms), random.below(1 << 30) as f64 / 100.0);
        }
    }
    let pushed: Vec<Point> = points
        .iter()
        .map(|((number, timestamp_ms), value)| Point {
            series: SeriesId(*number),
            timestamp_ms: *timestamp_ms,
            value: *value,
        })
        .collect();
    if store.append_points(&pushed, now_ms).is_ok() {
        promise.taken.extend(points.clone());
        promise.pending.extend(points);
    }
}

/// Every point that is promised is there, as it was; answers all that there is.
fn check(disk: &SimDisk, promised: &Points, context: &str) -> Points {
    let store = open(disk).unwrap_or_else(|error| panic!("{context}: does not start: {error:?}"));
    let mut found = Points::new();
    for number in 0..SERIES {
        let points = read_raw(&store, &StoredSeries::of(&name(number)).unwrap());
        assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0), "{context}: times twice");
        found.extend(points.into_iter().map(|(time_ms, value)| ((number, time_ms), value)));
    }
    for (place, value) in promised {
        assert_eq!(found.get(place), Some(value), "{context}: {place:?} is lost");
    }
    found
}

#[test]
fn nothing_that_was_synced_is_lost_when_the_power_goes_at_any_call() {
    let cuts = std::env::var("SAKER_POWER_CUTS").map_or(CUTS, |cuts| cuts.parse().expect("a number"));
    let (mut done, mut seed, mut points) = (0, 0, 0);
    while done < cuts {
        seed += 1;
        let (mut disk, mut random, mut promise) = (SimDisk::new(seed), Random::new(seed), Promise::default());
        // The same disk loses power a few times.
        for life in 0..4 {
            disk.fail(SimFault::at(disk.calls() + random.below(12 * STEPS), SimTrouble::PowerCut));
            live(&disk, &mut random, &mut promise);
            disk = disk.power_cut();
            let context = format!("seed {seed}, life {life}");
            let found = check(&disk, &promise.synced, &context);
            points += promise.synced.len();
            // What is there may be lost by the next cut, if it was not synced; it is by being there.
            promise.taken = found;
            promise.pending.clear();
            done += 1;
        }
    }
    println!("{done} power cuts: {points} points were synced, 0 lost");
}

#[test]
fn nothing_is_called_safe_that_is_not_whichever_call_fails() {
    for trouble in [SimTrouble::Broken, SimTrouble::Full] {
        for (calls, stride) in [(1, 1), (5, 3)] {
            let seed = calls;
            let run = |at: Option<u64>| {
                let (disk, mut promise) = (SimDisk::new(seed), Promise::default());
                if let Some(at) = at {
                    disk.fail(SimFault { calls, ..SimFault::at(at, trouble) });
                }
                live(&disk, &mut Random::new(seed), &mut promise);
                (disk, promise)
            };
            let all = run(None).0.calls();
            for at in (0..all + 10).step_by(stride) {
                let (disk, promise) = run(Some(at));
                let context = format!("seed {seed}, {calls} {trouble:?} from call {at} on");
                check(&disk.copy(), &promise.taken, &format!("{context}, killed"));
                check(&disk.power_cut(), &promise.synced, &format!("{context}, power"));
            }
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_costs_at_most_one_extent_or_record() {
    let disk = SimDisk::new(1);
    let mut promise = Promise::default();
    let store = open(&disk).unwrap();
    let mut random = Random::new(7);
    for round in 0..3 {
        ticks(&store, &mut random, &mut promise);
        push(&store, &mut random, &mut promise);
        promise.now_ms += 9 * HOUR_MS;
        let now_ms = START_MS + promise.now_ms;
        if round < 2 {
            store.maintain(Surroundings { now_ms, uptime_ms: 0, ..Surroundings::default() }).unwrap();
        }
    }
    ticks(&store, &mut random, &mut promise);
    drop(store);
    let all = check(&disk.copy(), &promise.taken, "as it was");
    let (mut flips, mut worst) = (0, 0);
    for (path, bytes) in disk.files() {
        for offset in 0..bytes {
            let copy = disk.copy();
            assert!(copy.flip(&path, offset, 1 << (offset % 8)));
            let found = check(&copy, &Points::new(), &format!("{path}, byte {offset}"));
            let wrong = found.iter().find(|(place, value)| all.get(*place) != Some(*value));
            assert_eq!(wrong, None, "{path}, byte {offset}: what is not lost is right");
            flips += 1;
            worst = worst.max(all.len() - found.len());
        }
    }
    println!("{flips} bytes flipped, at most {worst} of {} points lost by one", all.len());
    assert!(worst <= 5 * 70, "{worst} points lost by one flipped byte");
}
