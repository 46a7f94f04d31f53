//! What the store costs, in bytes, time and memory: `cargo bench -p saker-store`.
//!
//! Series as a host has them, counters and gauges, most of them idle; and, if `SAKER_STORE_RECORDED` names a file, those
//! that were recorded there: names in its first line, then a time in seconds and the values in each. In a folder of the
//! temporary directory (set `TMPDIR` to measure another disk). CPU time is the process's.

use std::time::Duration;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use saker_journal::real;
use saker_model::{MetricType, Point, Series, SeriesId};
use saker_store::{ArchiveAggregate, Budget, ReadColumns, Store, StoreConfig, Surroundings, TimeRange};

const START_MS: i64 = 1_767_225_600_000;
const HOUR_MS: i64 = 3_600_000;
const SERIES: u32 = 1000;

fn main() {
    println!(
        "{:>22} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "what", "samples", "B/sample", "merged", "journal", "M/CPU-s", "B/series"
    );
    for step_s in [1, 10] {
        let ticks = if step_s == 1 { 21_600 } else { 8_640 };
        let mut host = Host::new();
        measure(&format!("host-like, {step_s} s"), SERIES, step_s, ticks, |row| host.next(row));
    }
    if let Ok(path) = std::env::var("SAKER_STORE_RECORDED") {
        recorded(&path, 1);
        recorded(&path, 10);
    }
    pushed();
    reading();
}

fn series(number: u32, step_s: u32, metric_type: MetricType) -> Series {
    Series {
        endpoint: "host-1.example.com".into(),
        metric: format!("subsystem{}.metric.name{}", number / 50, number % 50).into(),
        tags: [("device".into(), format!("sd{}", number % 7).into())].into(),
        metric_type,
        step_s,
    }
}

/// Values as a host has them.
struct Host {
    random: u64,
    values: Vec<f64>,
}

impl Host {
    fn new() -> Self {
        Self { random: 0x9e37_79b9_7f4a_7c15, values: vec![0.0; SERIES as usize] }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }

    /// Two thirds are idle; of the rest half are counters, of steady and of wild rates, and half gauges of two decimals.
    fn next(&mut self, row: &mut [(u32, f64)]) {
        for (place, cell) in row.iter_mut().enumerate() {
            let random = self.random();
            let value = self.values[place];
            self.values[place] = match place % 12 {
                0..=7 => value,
                8 => value + 100.0 + (random % 5) as f64,
                9 => value + if random.is_multiple_of(4) { (random % 3000) as f64 } else { 0.0 },
                10 => ((value * 100.0 + (random % 41) as f64 - 20.0).round() / 100.0).clamp(0.0, 100.0),
                _ if random.is_multiple_of(10) => (random % 1000) as f64,
                _ => value,
            };
            cell.1 = self.values[place];
        }
    }
}

fn recorded(path: &str, every: usize) {
    let text = std::fs::read_to_string(path).expect("a recording");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let rows: Vec<Vec<f64>> = lines
        .step_by(every)
        .map(|line| line.split(' ').skip(1).map(|value| value.parse().unwrap_or(0.0)).collect())
        .filter(|row: &Vec<f64>| row.len() == names.len())
        .collect();
    let mut at = 0;
    measure(&format!("recorded, {every} s"), names.len() as u32, every as u32, rows.len() as i64, |row| {
        for (cell, value) in row.iter_mut().zip(&rows[at]) {
            cell.1 = *value;
        }
        at += 1;
    });
}

struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    fn open(&self) -> Store {
        let dir = Dir::open_ambient_dir(self.folder.path(), ambient_authority()).expect("a folder");
        Store::open(&*real(dir), StoreConfig::default(), START_MS).expect("a store").0
    }

    fn bytes(&self, of: &str) -> u64 {
        let entries = std::fs::read_dir(self.folder.path().join(of)).expect("a folder");
        entries.map(|entry| entry.and_then(|entry| entry.metadata()).map_or(0, |metadata| metadata.len())).sum()
    }
}

fn measure(what: &str, count: u32, step_s: u32, ticks: i64, mut next: impl FnMut(&mut [(u32, f64)])) {
    let folder = Folder::new();
    let rss = resident();
    let store = folder.open();
    for number in 0..count {
        store.register(number, &series(number, step_s, MetricType::Gauge));
    }
    let group = store.group("host", step_s * 1000);
    let mut row: Vec<(u32, f64)> = (0..count).map(|number| (number, 0.0)).collect();
    let (mut spent, mut syncing, mut journal) = (Duration::ZERO, Duration::ZERO, 0_u64);
    let mut written = write_bytes();
    let step_ms = i64::from(step_s) * 1000;
    for tick in 0..ticks {
        next(&mut row);
        let now_ms = START_MS + tick * step_ms;
        let began = cpu();
        store.append_tick(group, now_ms, &row, now_ms).expect("room");
        spent += cpu() - began;
        if tick % (10_000 / step_ms).max(1) == 0 {
            let began = cpu();
            store.sync().expect("a disk");
            syncing += cpu() - began;
        }
    }
    written = write_bytes() - written;
    let memory = resident().saturating_sub(rss);
    store.flush().expect("a disk");
    let samples = ticks as u64 * u64::from(count);
    let sealed = folder.bytes("files");
    journal += written.saturating_sub(sealed);
    let began = cpu();
    let now_ms = START_MS + 40 * 24 * HOUR_MS;
    store.maintain(Surroundings { now_ms, ..Surroundings::default() }).expect("a disk");
    let merge = cpu() - began;
    let raw = raw_bytes(&folder);
    let each = |bytes: u64| bytes as f64 / samples as f64;
    let rate = samples as f64 / spent.as_secs_f64() / 1e6;
    println!(
        "{what:>22} {samples:>9} {:>9.3} {:>9.3} {:>9.3} {rate:>9.1} {:>9}   merge and roll {:.1} M/CPU-s, tiers {} B, with syncs {:.1}",
        each(sealed),
        each(raw),
        each(journal),
        memory / u64::from(count),
        samples as f64 / merge.as_secs_f64() / 1e6,
        folder.bytes("files") - raw,
        samples as f64 / (spent + syncing).as_secs_f64() / 1e6,
    );
    drop(store);
    let began = std::time::Instant::now();
    drop(folder.open());
    println!("{:>22} {:.1} ms", "start", began.elapsed().as_secs_f64() * 1e3);
}

fn raw_bytes(folder: &Folder) -> u64 {
    let entries = std::fs::read_dir(folder.folder.path().join("files")).expect("a folder");
    let raw = entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_string_lossy().starts_with("0-"));
    raw.map(|entry| entry.metadata().map_or(0, |metadata| metadata.len())).sum()
}

/// Points that clients push: batches of 500 of a thousand series, a minute apart.
fn pushed() {
    let folder = Folder::new();
    let store = folder.open();
    for number in 0..SERIES {
        store.register(number, &series(number, 60, MetricType::Gauge));
    }
    let mut host = Host::new();
    let mut row: Vec<(u32, f64)> = (0..SERIES).map(|number| (number, 0.0)).collect();
    let (mut spent, mut syncing, mut samples) = (Duration::ZERO, Duration::ZERO, 0_u64);
    for tick in 0..2000_i64 {
        host.next(&mut row);
        let points: Vec<Point> = row
            .iter()
            .map(|(number, value)| {
                let timestamp_ms = START_MS + tick * 60_000 + i64::from(number % 60) * 1000;
                Point { series: SeriesId(*number), timestamp_ms, value: *value }
            })
            .collect();
        let began = cpu();
        for batch in points.chunks(500) {
            store.append_points(batch, START_MS + tick * 60_000 + 60_000).expect("room");
        }
        spent += cpu() - began;
        let began = cpu();
        store.sync().expect("a disk");
        syncing += cpu() - began;
        samples += points.len() as u64;
    }
    store.flush().expect("a disk");
    let rate = samples as f64 / spent.as_secs_f64() / 1e6;
    let each = folder.bytes("files") as f64 / samples as f64;
    let synced = samples as f64 / (spent + syncing).as_secs_f64() / 1e6;
    println!("{:>22} {samples:>9} {each:>9.3} {:>9} {:>9} {rate:>9.1}   with syncs {synced:.1}", "pushed", "", "");
}

/// A day at ten seconds of a thousand series, merged.
fn reading() {
    let folder = Folder::new();
    let store = folder.open();
    for number in 0..SERIES {
        store.register(number, &series(number, 10, MetricType::Counter));
    }
    let group = store.group("host", 10_000);
    let mut host = Host::new();
    let mut row: Vec<(u32, f64)> = (0..SERIES).map(|number| (number, 0.0)).collect();
    for tick in 0..8640_i64 {
        host.next(&mut row);
        let now_ms = START_MS + tick * 10_000;
        store.append_tick(group, now_ms, &row, now_ms).expect("room");
    }
    let now_ms = START_MS + 30 * HOUR_MS;
    store.maintain(Surroundings { now_ms, ..Surroundings::default() }).expect("a disk");
    let day = TimeRange { start_ms: START_MS, end_ms: START_MS + 24 * HOUR_MS };
    let all = store.select(&[], day, usize::MAX).expect("readable");
    let hours =
        ReadColumns { granularity_ms: HOUR_MS, aggregates: vec![ArchiveAggregate::Max, ArchiveAggregate::Increase] };
    for (what, count, columns) in [
        ("1 × 24 h", 1, ReadColumns::raw()),
        ("40 × 24 h", 40, ReadColumns::raw()),
        ("1000 × 24 h of hours", 1000, hours),
    ] {
        let mut took: Vec<f64> = Vec::new();
        let rounds = if count == 1 { 200 } else { 10 };
        for round in 0..rounds {
            let from = round * 37 % (all.len() - count + 1);
            let began = cpu();
            let mut points = 0;
            let budget = Budget::unlimited();
            let visit = &mut |chunk: saker_store::StoredChunk<'_>| points += chunk.timestamps.len();
            store.read(&all[from..from + count], day, &columns, &budget, visit).expect("readable");
            took.push((cpu() - began).as_secs_f64() * 1e3);
            assert!(points > 0);
        }
        took.sort_by(f64::total_cmp);
        println!("{what:>22} p50 {:.2} ms, p95 {:.2} ms of CPU", took[rounds / 2], took[rounds * 95 / 100]);
    }
}

fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call fills in what it is given.
    #[allow(unsafe_code, reason = "the process's own CPU time is only told by the C library")]
    let answer = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    assert_eq!(answer, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Bytes that the process has given to write.
fn write_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.and_then(|line| line.trim().parse().ok()).unwrap_or(0)
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
