//! A day of a thousand series every ten seconds, as collectors measure: half of them totals, of whole numbers and of
//! numbers with three decimals.

use std::fs::{DirBuilder, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use saker_model::{MetricType, Series};
use saker_store::{Store, StoreConfig, Surroundings};

pub(crate) const METRICS: usize = 40;
const OF_METRIC: usize = 25;
const STEP_MS: i64 = 10_000;
/// A midnight; samples lie between the seconds.
pub(crate) const START_MS: i64 = 1_767_225_600_000;
pub(crate) const LENGTH_MS: i64 = 86_400_000;
const OFFSET_MS: i64 = 123;
const MINUTE_MS: i64 = 60_000;

/// A folder that goes with whoever made it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("saker-cost-{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).expect("a folder");
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn is_total(number: usize) -> bool {
    matches!(number / OF_METRIC % 5, 1 | 3)
}

/// The values of each series, which grow or wander.
struct Values(Vec<(u64, i64)>);

impl Values {
    fn new() -> Self {
        Self((0..METRICS * OF_METRIC).map(|number| (0x9e37_79b9 + number as u64 * 0x1234_5677, 500_000)).collect())
    }

    fn next(&mut self, number: usize) -> f64 {
        let (random, value) = &mut self.0[number];
        *random ^= *random << 13;
        *random ^= *random >> 7;
        *random ^= *random << 17;
        let step = (*random >> 20) as i64 % 2000;
        // A third of what a host measures stands still most of the time.
        if number.is_multiple_of(3) && step % 16 != 0 {
            return self.value(number);
        }
        *value = if is_total(number) { *value + step } else { (*value + step - 1000).abs() };
        self.value(number)
    }

    fn value(&self, number: usize) -> f64 {
        let value = self.0[number].1 as f64;
        if number.is_multiple_of(2) { value } else { value / 1000.0 }
    }
}

pub(crate) fn store(folder: &std::path::Path) -> Arc<Store> {
    DirBuilder::new().mode(0o700).create(folder).expect("a folder");
    let dir = Dir::open_ambient_dir(folder, ambient_authority()).expect("it opens");
    let (store, _) = Store::open(&*saker_journal::real(dir), StoreConfig::default(), START_MS).expect("a store");
    for number in 0..METRICS * OF_METRIC {
        let series = Series {
            endpoint: "web-1".into(),
            metric: (&*format!("panel.{:02}", number / OF_METRIC)).into(),
            tags: [("n".into(), (number % OF_METRIC).to_string().into())].into(),
            metric_type: if is_total(number) { MetricType::Counter } else { MetricType::Gauge },
            step_s: 10,
        };
        assert!(store.register(number as u32, &series));
    }
    let group = store.group("bench", STEP_MS as u32);
    let mut values = Values::new();
    for tick in 0..LENGTH_MS / STEP_MS {
        let time_ms = START_MS + tick * STEP_MS + OFFSET_MS;
        let points: Vec<(u32, f64)> =
            (0..METRICS * OF_METRIC).map(|number| (number as u32, values.next(number))).collect();
        store.append_tick(group, time_ms, &points, time_ms).expect("taken");
        if tick % 60 == 59 {
            let surroundings = Surroundings { now_ms: time_ms, uptime_ms: tick * STEP_MS, ..Surroundings::default() };
            store.maintain(surroundings).expect("maintained");
        }
    }
    store.flush().expect("written");
    // Two days later, when everything is merged.
    for minute in 0..20 {
        let now_ms = START_MS + 3 * LENGTH_MS + minute * MINUTE_MS;
        let surroundings = Surroundings { now_ms, uptime_ms: now_ms - START_MS, ..Surroundings::default() };
        store.maintain(surroundings).expect("maintained");
    }
    Arc::new(store)
}

/// The same samples as a text that others take.
pub(crate) fn write_open_metrics(path: &std::path::Path) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    let ticks = (LENGTH_MS / STEP_MS) as usize;
    let mut values = Values::new();
    let rows: Vec<Vec<f64>> =
        (0..ticks).map(|_| (0..METRICS * OF_METRIC).map(|number| values.next(number)).collect()).collect();
    for metric in 0..METRICS {
        for (tick, row) in rows.iter().enumerate() {
            let time_ms = START_MS + tick as i64 * STEP_MS + OFFSET_MS;
            for n in 0..OF_METRIC {
                let (value, time_s, rest) = (row[metric * OF_METRIC + n], time_ms / 1000, time_ms % 1000);
                writeln!(file, "panel_{metric:02}{{instance=\"web-1\",n=\"{n}\"}} {value} {time_s}.{rest:03}")
                    .expect("written");
            }
        }
    }
    file.write_all(b"# EOF\n").and_then(|()| file.flush()).expect("written");
}
