//! Queries over a store that keeps buckets in place of old samples, beside all the samples.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on is over")]

use std::sync::Arc;

use saker_journal::SimDisk;
use saker_model::{Glob, MetricType, Point, Series, SeriesId};
use saker_pipeline::reader::{Attributes, Cancel, Identity, ReadBudget, ReadLimits, SeriesReader};
use saker_query::{EvalSettings, MemoryReader, Query, QueryAnswer, QueryError, QueryValue, json};
use saker_store::{Granularity, Policies, Policy, PolicyRule, Store, StoreConfig, StoreReader, Surroundings};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A midnight.
const START_MS: i64 = 1_767_225_600_000;
const DAYS: i64 = 4;
/// Relative.
const TOLERANCE: f64 = 1e-9;

struct Random(u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % limit.max(1) as u64) as i64
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as i64) as usize]
    }
}

/// The same samples in a store, whose raw ones go after a while, and in memory.
struct Both {
    store: StoreReader,
    memory: MemoryReader,
}

/// Whole numbers or not; a counter or not; on the grid of ten seconds or anywhere.
const KINDS: [(&str, bool, bool, bool); 6] = [
    ("total_grid", true, true, true),
    ("total_push", true, true, false),
    ("share_total_push", false, true, false),
    ("gauge_grid", true, false, true),
    ("gauge_push", true, false, false),
    ("share_gauge_push", false, false, false),
];

fn config(raw_ms: i64) -> StoreConfig {
    let granularity = |granularity_ms| Granularity { granularity_ms, timespan_ms: 730 * DAY_MS };
    let policy = Policy {
        name: "tested".into(),
        raw_ms,
        definition: vec![granularity(5 * MINUTE_MS), granularity(HOUR_MS)],
        std: false,
        percentiles: false,
        back_window_ms: 10 * MINUTE_MS,
        by_data: false,
    };
    let rule = PolicyRule { metric: Glob::new("*"), tags: Vec::new(), policy: "tested".into() };
    StoreConfig { policies: Policies::new(vec![policy], vec![rule]).unwrap(), ..StoreConfig::default() }
}

fn both(raw_ms: i64, seed: u64) -> Both {
    let (store, _) = Store::open(&*SimDisk::new(seed).root(), config(raw_ms), 0).unwrap();
    let mut memory = MemoryReader::default();
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let identity = |name: &str| Identity { endpoint: "h".into(), metric: name.into(), tags: [].into() };
    for (handle, (name, _, is_counter, _)) in KINDS.iter().enumerate() {
        let metric_type = if *is_counter { MetricType::Counter } else { MetricType::Gauge };
        let attributes = Attributes { metric_type, step_s: 10 };
        let series: Series = identity(name).to_series(attributes);
        assert!(store.register(handle as u32, &series));
        memory.set_attributes(&identity(name), attributes);
    }
    let mut values = [0.0; KINDS.len()];
    let mut uptime_ms = 2 * HOUR_MS;
    for hour in 0..DAYS * 24 {
        let begin_ms = START_MS + hour * HOUR_MS;
        let mut points = Vec::new();
        for (place, (name, is_whole, is_counter, is_on_grid)) in KINDS.iter().enumerate() {
            // Some hours are empty, some have a sample or two.
            let most = [0, 2, 1000, 1000, 1000, 1000, 1000, 1000][random.below(8) as usize];
            let mut at_ms = 0;
            for _ in 0..most {
                let late_ms = if *is_on_grid { 0 } else { 1 + random.below(9_000) };
                if at_ms + late_ms >= HOUR_MS {
                    break;
                }
                let step = if *is_whole { random.below(1000) as f64 } else { random.below(1_000_000) as f64 / 777.7 };
                let value = &mut values[place];
                *value = match (is_counter, random.below(200)) {
                    (true, 0) => step,
                    (true, _) => *value + step,
                    (false, _) => step - 300.0,
                };
                let time_ms = begin_ms + at_ms + late_ms;
                memory.push(&identity(name), time_ms, *value);
                points.push(Point { series: SeriesId(place as u32), timestamp_ms: time_ms, value: *value });
                at_ms += 10_000 * (1 + random.below(3));
            }
        }
        points.sort_by_key(|point| point.timestamp_ms);
        for points in points.chunk_by(|a, b| a.timestamp_ms / MINUTE_MS == b.timestamp_ms / MINUTE_MS) {
            store.append_points(points, points.last().unwrap().timestamp_ms).unwrap();
        }
        for quarter in 1..=4 {
            // A clock that is set would keep everything.
            uptime_ms += 15 * MINUTE_MS;
            let now_ms = begin_ms + quarter * 15 * MINUTE_MS;
            store.maintain(Surroundings { now_ms, uptime_ms, ..Surroundings::default() }).unwrap();
        }
    }
    Both { store: StoreReader::new(Arc::new(store)), memory }
}

fn ask(
    reader: &dyn SeriesReader,
    text: &str,
    range: (i64, i64),
    step_ms: i64,
) -> Result<(QueryAnswer, u64), QueryError> {
    let expr = saker_query::parse(text).expect("a query");
    let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
    let query = Query { text, expr: &expr };
    let answer = saker_query::range(reader, query, range, step_ms, &EvalSettings::default(), &budget)?;
    Ok((answer, budget.samples()))
}

/// Where two answers differ; whole numbers must be the same to the bit.
fn difference(left: &QueryAnswer, right: &QueryAnswer, is_whole: bool) -> Option<String> {
    let (QueryValue::Matrix(left), QueryValue::Matrix(right)) = (&left.value, &right.value) else {
        panic!("no matrix")
    };
    let points = |value: &[saker_query::RangeSeries]| -> Vec<(i64, f64)> {
        value.iter().flat_map(|series| series.points.iter().map(|point| (point.time_ms, point.value))).collect()
    };
    let (left, right) = (points(left), points(right));
    let same = |a: f64, b: f64| {
        a == b || a.is_nan() && b.is_nan() || !is_whole && (a - b).abs() <= TOLERANCE * a.abs().max(b.abs())
    };
    let wrong = left.iter().zip(&right).find(|(a, b)| a.0 != b.0 || !same(a.1, b.1));
    match wrong {
        Some((a, b)) => Some(format!("{a:?} is not {b:?}")),
        None if left.len() != right.len() => Some(format!("{} points are not {}", left.len(), right.len())),
        None => None,
    }
}

const TOLD: [&str; 12] = [
    "rate",
    "increase",
    "delta",
    "sum_over_time",
    "avg_over_time",
    "count_over_time",
    "min_over_time",
    "max_over_time",
    "first_over_time",
    "last_over_time",
    "present_over_time",
    "ts_of_last_over_time",
];

fn is_gauge_rate(function: &str, is_counter: bool) -> bool {
    !is_counter && matches!(function, "rate" | "increase")
}

#[test]
fn whole_buckets_give_what_samples_give() {
    for seed in 1..=3 {
        let both = both(DAY_MS, seed);
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1);
        let (mut exact, mut widened) = (0, 0);
        for _ in 0..600 {
            let (name, is_whole, is_counter, is_on_grid) = random.pick(&KINDS);
            let function = random.pick(&TOLD);
            let [step_ms, range_ms] = [0; 2].map(|_| random.pick(&[HOUR_MS, 2 * HOUR_MS, 6 * HOUR_MS]));
            let start_ms = START_MS + HOUR_MS * random.below(DAYS * 24);
            let range = (start_ms, (start_ms + step_ms * random.below(40)).min(START_MS + DAYS * DAY_MS));
            let text = format!("{function}({name}[{}h])", range_ms / HOUR_MS);
            let (expected, _) = ask(&both.memory, &text, range, step_ms).unwrap();
            let told = match ask(&both.store, &text, range, step_ms) {
                Ok((told, _)) => told,
                Err(error) => {
                    assert!(is_gauge_rate(function, is_counter), "{text} {range:?}: {error}");
                    assert!(error.to_string().contains("of a GAUGE"), "{error}");
                    continue;
                }
            };
            if !told.annotations.warnings().is_empty() {
                // A sample at the very beginning of a window is not in it, and what the bucket is without it is not known.
                assert!(is_on_grid, "{text} {range:?} step {step_ms}: {:?}", told.annotations.warnings());
                widened += 1;
                continue;
            }
            exact += 1;
            let whole = is_whole && !matches!(function, "rate" | "increase" | "delta");
            let context = format!("seed {seed}: {text} {range:?} step {step_ms}");
            if let Some(wrong) = difference(&told, &expected, whole) {
                panic!("{context}: {wrong}");
            }
        }
        assert!(exact > 300 && widened < exact, "{exact} exact, {widened} widened");
    }
}

#[test]
fn any_window_gives_what_samples_give_or_says_that_it_was_widened() {
    let both = both(DAY_MS, 7);
    let mut random = Random(77);
    let (mut same, mut warned) = (0, 0);
    for _ in 0..600 {
        let (name, is_whole, is_counter, _) = random.pick(&KINDS);
        let function = random.pick(&["", "", "timestamp", "rate", "sum_over_time", "max_over_time", "last_over_time"]);
        let step_ms = random.pick(&[MINUTE_MS, 5 * MINUTE_MS, 1_234_567, HOUR_MS]);
        let start_ms = START_MS + 1 + random.below(DAYS * DAY_MS);
        let range = (start_ms, (start_ms + step_ms * random.below(60)).min(START_MS + DAYS * DAY_MS));
        let text = match function {
            "" => name.to_owned(),
            "timestamp" => format!("timestamp({name})"),
            _ => format!("{function}({name}[{}s])", 60 + random.below(9000)),
        };
        let (expected, _) = ask(&both.memory, &text, range, step_ms).unwrap();
        let told = match ask(&both.store, &text, range, step_ms) {
            Ok((told, _)) => told,
            Err(error) => {
                assert!(is_gauge_rate(function, is_counter), "{text}: {error}");
                continue;
            }
        };
        if told.annotations.warnings().is_empty() {
            same += 1;
            let wrong = difference(&told, &expected, is_whole && function != "rate");
            assert_eq!(wrong, None, "{text} {range:?} step {step_ms}");
        } else {
            warned += 1;
        }
    }
    assert!(same > 100 && warned > 100, "{same} the same, {warned} warned");
}

#[test]
fn where_samples_are_kept_whole_buckets_are_read_in_their_place_and_the_answer_is_the_same() {
    let both = both(3650 * DAY_MS / 10, 3);
    let mut random = Random(5);
    let (mut fewer, mut all) = (0, 0);
    for _ in 0..600 {
        let (name, is_whole, ..) = random.pick(&KINDS);
        let function = random.pick(&["", "rate", "sum_over_time", "max_over_time", "last_over_time", "avg_over_time"]);
        let step_ms = random.pick(&[MINUTE_MS, 5 * MINUTE_MS, HOUR_MS, 4 * HOUR_MS]);
        let start_ms = START_MS + random.below(DAYS * 24 * 12) * 5 * MINUTE_MS + random.pick(&[0, 0, 0, 1234]);
        let range = (start_ms, (start_ms + step_ms * random.below(60)).min(START_MS + DAYS * DAY_MS));
        let text = match function {
            "" => name.to_owned(),
            _ => format!("{function}({name}[{}m])", random.pick(&[5, 7, 30, 60, 180])),
        };
        let (expected, of) = ask(&both.memory, &text, range, step_ms).unwrap();
        let (told, read) = ask(&both.store, &text, range, step_ms).unwrap();
        assert_eq!(told.annotations.warnings(), Vec::<String>::new(), "{text}");
        assert_eq!(
            difference(&told, &expected, is_whole && function != "rate"),
            None,
            "{text} {range:?} step {step_ms}"
        );
        all += 1;
        fewer += usize::from(read < of / 2);
    }
    assert!(fewer > all / 10, "{fewer} of {all}");
}

#[test]
fn what_buckets_do_not_tell_is_rejected_with_the_date_since_which_samples_are_kept() {
    let both = both(DAY_MS, 1);
    let old = (START_MS + 6 * HOUR_MS, START_MS + 12 * HOUR_MS);
    for query in [
        "deriv(gauge_grid[2h])",
        "stddev_over_time(gauge_grid[2h])",
        "sum(changes(gauge_grid[2h]))",
        "resets(total_grid[2h])",
        "quantile_over_time(0.9, gauge_grid[2h])",
        "irate(total_grid[2h])",
        "rate(gauge_grid[2h])",
        "max(mad_over_time(gauge_push[3h]))",
    ] {
        let error = ask(&both.store, query, old, HOUR_MS).unwrap_err();
        let QueryError::Coarse { what, granularity_s: 300, since: Some(since), .. } = &error else {
            panic!("{query}: {error}")
        };
        assert!(query.contains(what.split('(').next().unwrap()), "{error}");
        assert!(since.starts_with("2026-01-0"), "{error}");
        // And what begins then has an answer.
        let since_ms = saker_query::api::parse_time(since).unwrap();
        let new = (since_ms + 4 * HOUR_MS, since_ms + 8 * HOUR_MS);
        let (told, _) = ask(&both.store, query, new, HOUR_MS).unwrap();
        let (expected, _) = ask(&both.memory, query, new, HOUR_MS).unwrap();
        assert_eq!(json::data(&told.value), json::data(&expected.value), "{query}");
    }
}

#[test]
fn of_a_bucket_that_a_time_cuts_a_selector_has_the_newest_value_before_and_says_so() {
    let (store, _) = Store::open(&*SimDisk::new(1).root(), config(DAY_MS), 0).unwrap();
    let series = Identity { endpoint: "h".into(), metric: "m".into(), tags: [].into() };
    let attributes = Attributes { metric_type: MetricType::Gauge, step_s: 600 };
    assert!(store.register(0, &series.to_series(attributes)));
    let mut uptime_ms = 2 * HOUR_MS;
    for step in 0..3 * 6 * 24 {
        let time_ms = START_MS + 5_000 + step * 10 * MINUTE_MS;
        store
            .append_points(&[Point { series: SeriesId(0), timestamp_ms: time_ms, value: step as f64 }], time_ms)
            .unwrap();
        uptime_ms += 10 * MINUTE_MS;
        store.maintain(Surroundings { now_ms: time_ms, uptime_ms, ..Surroundings::default() }).unwrap();
    }
    let reader = StoreReader::new(Arc::new(store));
    let at = |time_ms: i64| ask(&reader, "m", (time_ms, time_ms), 1).unwrap().0;
    // Steps of ten minutes have no buckets of less than 200: nothing is kept but points.
    assert_eq!(at(START_MS + 2 * DAY_MS + 30 * MINUTE_MS).annotations.warnings(), Vec::<String>::new());
}
