//! How costs grow with the number of series, and what two years of series that come and go leave behind.

use std::time::{Duration, Instant};

use saker_model::{MetricType, Point, SeriesId};
use saker_store::{StoreConfig, Surroundings};

use crate::Result;
use crate::keeper::{Keeper, cpu, resident};
use crate::process::weigh;
use crate::samples::{Host, START_MS, series};

const DAY_MS: i64 = 86_400_000;
const COUNTS: [u32; 5] = [10, 100, 1_000, 10_000, 100_000];
/// Samples of each size, but at least this many runs.
const SAMPLES: i64 = 12_000_000;
const RUNS_MIN: i64 = 130;

/// Prints the table; each line in a process of its own, whose memory is its own.
#[expect(clippy::disallowed_methods, reason = "a benchmark that measures a process's memory starts one")]
pub(crate) fn growth() -> Result<()> {
    println!("Growth: series at 10 s");
    println!(
        "{:>8} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "series", "ns/sample", "+ sync", "B/series", "B/sample", "start ms"
    );
    for count in COUNTS {
        std::process::Command::new(std::env::current_exe()?).arg(format!("{GROWN}{count}")).status()?;
    }
    Ok(())
}

/// What a line of the table is asked for by, before the number of series.
pub(crate) const GROWN: &str = "growth-of-";

/// Prints a line of the table.
pub(crate) fn grown(count: u32) -> Result<()> {
    let before = resident();
    let keeper = Keeper::new()?;
    for number in 0..count {
        let (metric, device) = (format!("subsystem.metric{}", number / 40), format!("sd{}", number % 40));
        keeper.store.register(number, &series(&metric, &device, 10, MetricType::Gauge));
    }
    let group = keeper.store.group("host", 10_000);
    let mut host = Host::new(count);
    let mut row: Vec<(u32, f64)> = (0..count).map(|number| (number, 0.0)).collect();
    let runs = (SAMPLES / i64::from(count)).clamp(RUNS_MIN, 8640);
    let (mut spent, mut syncing) = (Duration::ZERO, Duration::ZERO);
    for run in 0..runs {
        host.next(&mut row);
        let now_ms = START_MS + run * 10_000;
        let began = cpu();
        keeper.store.append_tick(group, now_ms, &row, now_ms)?;
        spent += cpu() - began;
        let began = cpu();
        keeper.store.sync()?;
        syncing += cpu() - began;
    }
    let memory = resident().saturating_sub(before).saturating_sub(16 * u64::from(count)) / u64::from(count);
    let samples = runs as u64 * u64::from(count);
    // As after a kill: the head is in the journal.
    let bytes = weigh(&keeper.files())? as f64 / samples as f64;
    let began = Instant::now();
    let keeper = keeper.again(StoreConfig::default())?;
    let start_ms = began.elapsed().as_secs_f64() * 1e3;
    let each = |time: Duration| time.as_secs_f64() * 1e9 / samples as f64;
    println!(
        "{count:>8} {:>10.1} {:>10.1} {memory:>10} {bytes:>10.3} {start_ms:>10.1}",
        each(spent),
        each(spent + syncing)
    );
    drop(keeper);
    Ok(())
}

/// New series of each day, and for how many days; `SAKER_CHURN_DAYS` for fewer.
const CHURN_SERIES: u32 = 100_000;
const CHURN_DAYS: i64 = 730;
/// How often what there is is printed.
const SHOW_DAYS: i64 = 73;
/// Points of each of them.
const CHURN_POINTS: i64 = 3;
/// Series that come at once.
const CHURN_AT_ONCE: u32 = 1000;

/// A hundred thousand new series a day, each of three points, for two years.
pub(crate) fn churn() -> Result<()> {
    let days = std::env::var("SAKER_CHURN_DAYS").map_or(Ok(CHURN_DAYS), |days| days.parse())?;
    println!("Churn: {CHURN_SERIES} new series a day");
    println!(
        "{:>6} {:>12} {:>8} {:>8} {:>10} {:>10} {:>12} {:>10}",
        "day", "series", "files", "MiB", "RSS MiB", "start ms", "a day ms", "CPU s/day"
    );
    let mut keeper = Keeper::new()?;
    let (mut spent, mut since) = (Duration::ZERO, 0);
    for day in 0..days {
        let began = cpu();
        a_day(&keeper, day)?;
        (spent, since) = (spent + (cpu() - began), since + 1);
        if (day + 1) % SHOW_DAYS.min(days) == 0 {
            let began = Instant::now();
            keeper = keeper.again(StoreConfig::default())?;
            let start_ms = began.elapsed().as_secs_f64() * 1e3;
            show(&keeper, day, start_ms, spent.as_secs_f64() / f64::from(since))?;
            (spent, since) = (Duration::ZERO, 0);
        }
    }
    Ok(())
}

fn a_day(keeper: &Keeper, day: i64) -> Result<()> {
    let begin_ms = START_MS + day * DAY_MS;
    let batches = CHURN_SERIES / CHURN_AT_ONCE;
    for batch in 0..batches {
        let at_ms = begin_ms + DAY_MS / i64::from(batches) * i64::from(batch);
        let handles = batch * CHURN_AT_ONCE..(batch + 1) * CHURN_AT_ONCE;
        for number in handles.clone() {
            keeper.store.register(number, &series("container.cpu", &format!("{day}-{number}"), 60, MetricType::Gauge));
        }
        let points: Vec<Point> = (0..CHURN_POINTS)
            .flat_map(|point| {
                handles.clone().map(move |number| Point {
                    series: SeriesId(number),
                    timestamp_ms: at_ms + point * 60_000,
                    value: f64::from(number % 100),
                })
            })
            .collect();
        keeper.store.append_points(&points, at_ms + CHURN_POINTS * 60_000)?;
        handles.for_each(|handle| keeper.store.release(handle));
        if batch % 4 == 3 {
            keeper.store.sync()?;
            let around = Surroundings { now_ms: at_ms, uptime_ms: at_ms - START_MS, ..Surroundings::default() };
            keeper.store.maintain(around)?;
        }
    }
    Ok(())
}

fn show(keeper: &Keeper, day: i64, start_ms: f64, cpu_s: f64) -> Result<()> {
    let status = keeper.store.status()?;
    let files: usize = status.tiers.iter().map(|tier| tier.files).sum();
    let bytes: u64 = status.tiers.iter().map(|tier| tier.bytes).sum();
    let resident = resident();
    // What one series of that day was, which only that day's files have to be opened for.
    let began = Instant::now();
    let name = format!("{day}-7");
    let matchers = [
        saker_store::StoreMatcher {
            label: saker_store::StoredLabel::Metric,
            op: saker_store::Op::Equal,
            value: "container.cpu".into(),
        },
        saker_store::StoreMatcher {
            label: saker_store::StoredLabel::Tag("device".into()),
            op: saker_store::Op::Equal,
            value: name,
        },
    ];
    let range = saker_store::TimeRange { start_ms: START_MS + day * DAY_MS, end_ms: START_MS + (day + 1) * DAY_MS - 1 };
    let found = keeper.store.select(&matchers, range, usize::MAX)?;
    let mut points = 0;
    let budget = saker_store::Budget::unlimited();
    keeper.store.read(&found, range, &saker_store::ReadColumns::raw(), &budget, &mut |chunk| {
        points += chunk.timestamps.len()
    })?;
    assert_eq!(points as i64, CHURN_POINTS);
    println!(
        "{:>6} {:>12} {files:>8} {:>8} {:>10} {start_ms:>10.1} {:>12.1} {cpu_s:>10.2}",
        day + 1,
        (day + 1) * i64::from(CHURN_SERIES),
        bytes >> 20,
        resident >> 20,
        began.elapsed().as_secs_f64() * 1e3
    );
    Ok(())
}
