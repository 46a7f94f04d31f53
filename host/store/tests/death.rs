//! A store in a process that is killed while it appends, syncs, rolls up and merges: what was acknowledged is there.
//!
//! This program starts itself as that process. `SAKER_KILLS` says how often it is killed; without it, [`KILLS`] times.
#![allow(clippy::disallowed_methods, reason = "a process has to be started to be killed")]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod common;

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use common::{read_raw, series};
use saker_journal::real;
use saker_model::{Glob, MetricType, Point, SeriesId};
use saker_store::{
    FOREVER_MS, Granularity, Policies, Policy, PolicyRule, Store, StoreConfig, StoredSeries, Surroundings,
};

/// Enough to find a write that is not whole.
const KILLS: u64 = 6;
const START_MS: i64 = 1_767_225_600_000;
/// So far apart that spans are over, rolled up and merged many times in a run.
const TICK_MS: i64 = 60_000;
const TICKED: u32 = 20;
const PUSHED: u32 = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "append-until-killed", folder] => append_until_killed(Path::new(folder)),
        // Whoever runs tests may want a list of them, or those of another name.
        [_, ref options @ ..] if options.contains(&"--list") => {}
        _ => nothing_that_was_acknowledged_is_lost_when_the_process_is_killed(),
    }
}

fn nothing_that_was_acknowledged_is_lost_when_the_process_is_killed() {
    let kills = std::env::var("SAKER_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let folder = tempfile::tempdir().unwrap();
    let (mut ticks, mut merged, mut random) = (0, 0, 0x9e37_79b9_7f4a_7c15_u64);
    for _ in 0..kills {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        ticks = acknowledge_and_kill(folder.path(), 1 + (random >> 33) % 3_000);
        let store = open(folder.path());
        for number in 0..TICKED + PUSHED {
            let found = read_raw(&store, &StoredSeries::of(&name(number)).unwrap());
            let expected: Vec<(i64, f64)> =
                (0..found.len().max(ticks as usize) as i64).map(|at| point(number, at)).collect();
            assert_eq!(found, expected, "series {number}, {ticks} acknowledged");
            // The last one may have been kept and not acknowledged.
            assert!(found.len() as i64 <= ticks + 1, "series {number}: {} of {ticks}", found.len());
        }
        merged = store.status().unwrap().tiers.iter().map(|tier| tier.files - tier.unmerged).sum();
    }
    println!("killed {kills} times: {ticks} ticks acknowledged, 0 lost, {merged} merged files");
}

/// Lets a child append until it has acknowledged so many ticks, kills it, and answers how many there are in all.
fn acknowledge_and_kill(folder: &Path, count: u64) -> i64 {
    let program = std::env::current_exe().unwrap();
    let mut child =
        Command::new(program).arg("append-until-killed").arg(folder).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut last = [0; 8];
    for _ in 0..count {
        output.read_exact(&mut last).unwrap();
    }
    child.kill().unwrap();
    // What was said before it died counts too.
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).unwrap();
    child.wait().unwrap();
    i64::from_le_bytes(rest.as_chunks().0.last().copied().unwrap_or(last)) + 1
}

fn append_until_killed(folder: &Path) {
    let store = open(folder);
    let known = read_raw(&store, &StoredSeries::of(&name(TICKED + PUSHED - 1)).unwrap()).len() as i64;
    (0..TICKED + PUSHED).for_each(|number| assert!(store.register(number, &name(number))));
    let now_ms = AtomicI64::new(START_MS + known * TICK_MS);
    let mut output = std::io::stdout().lock();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            loop {
                store.sync().unwrap();
            }
        });
        scope.spawn(|| {
            loop {
                let now_ms = now_ms.load(Ordering::Relaxed);
                store.maintain(Surroundings { now_ms, ..Surroundings::default() }).unwrap();
            }
        });
        let group = store.group("ticked", 60_000);
        for at in known.. {
            let time_ms = START_MS + at * TICK_MS;
            now_ms.store(time_ms, Ordering::Relaxed);
            let row: Vec<(u32, f64)> = (0..TICKED).map(|number| (number, point(number, at).1)).collect();
            assert_eq!(store.append_tick(group, time_ms, &row, time_ms).unwrap().taken, u64::from(TICKED));
            let pushed = (TICKED..TICKED + PUSHED).map(|number| {
                let (timestamp_ms, value) = point(number, at);
                Point { series: SeriesId(number), timestamp_ms, value }
            });
            let pushed: Vec<Point> = pushed.collect();
            assert_eq!(store.append_points(&pushed, time_ms).unwrap().taken, u64::from(PUSHED));
            output.write_all(&at.to_le_bytes()).and_then(|()| output.flush()).unwrap();
        }
    });
}

/// What a series has at a tick, which can be told from every other.
fn point(number: u32, at: i64) -> (i64, f64) {
    (START_MS + at * TICK_MS, (at * 100 + i64::from(number)) as f64)
}

fn name(number: u32) -> saker_model::Series {
    series("x", number, MetricType::Counter, 60)
}

fn open(folder: &Path) -> Store {
    let granularity = |granularity_ms| Granularity { granularity_ms, timespan_ms: FOREVER_MS };
    let policy = Policy {
        name: "tested".into(),
        // Beyond what two hundred kills come to, in spans of three days.
        raw_ms: 250 * 24 * 3_600_000,
        definition: vec![granularity(30 * TICK_MS)],
        std: false,
        percentiles: false,
        back_window_ms: 3_600_000,
        by_data: false,
    };
    let rule = PolicyRule { metric: Glob::new("*"), tags: Vec::new(), policy: "tested".into() };
    let policies = Policies::new(vec![policy], vec![rule]).unwrap();
    let config = StoreConfig { policies, bytes: u64::MAX, ..StoreConfig::default() };
    let dir = Dir::open_ambient_dir(folder, ambient_authority()).unwrap();
    Store::open(&*real(dir), config, START_MS).unwrap().0
}
