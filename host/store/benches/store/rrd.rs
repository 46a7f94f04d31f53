//! What reaches the disk, beside rrdtool with the archives of Open-Falcon's graph.

use saker_store::Surroundings;

use crate::Result;
use crate::keeper::Keeper;
use crate::process::{Process, Written};
use crate::samples::{START_MS, Samples};

const SERIES: u32 = 200;
const STEP_S: u32 = 60;
const DAY_RUNS: i64 = 24 * 60;
/// Graph writes what came within half an hour at once.
const AT_ONCE: usize = 30;
/// Rows of graph's archives, and how many minutes each is of.
const ARCHIVES: [(u32, u32); 5] = [(1, 720), (5, 576), (20, 504), (180, 766), (720, 730)];
/// What reaches the disk at once at the least; rrdtool writes by touching memory, not by calls.
const PAGE_BYTES: f64 = 4096.0;
/// As often as the agent does it, in runs of a minute.
const MAINTAIN_RUNS: i64 = 10;

/// Prints the table.
pub(crate) fn writes() -> Result<()> {
    let samples = Samples::model(SERIES, STEP_S, DAY_RUNS);
    let count = samples.count() as f64;
    println!("What reaches the disk: {SERIES} series at {STEP_S} s for a day, {count} samples");
    println!("{:>10} {:>10} {:>14} {:>12}", "", "B/sample", "pages/1000", "B on disk");
    let line = |name: &str, written: Written, bytes: u64| {
        println!(
            "{name:>10} {:>10.1} {:>14.1} {bytes:>12}",
            written.bytes as f64 / count,
            written.bytes as f64 * 1000.0 / PAGE_BYTES / count
        );
    };
    let (written, bytes) = ours(&samples)?;
    line("saker", written, bytes);
    let (written, bytes) = graph(&samples)?;
    line("rrdtool", written, bytes);
    Ok(())
}

fn ours(samples: &Samples) -> Result<(Written, u64)> {
    let keeper = Keeper::new()?;
    for (number, series) in samples.series.iter().enumerate() {
        keeper.store.register(number as u32, series);
    }
    let group = keeper.store.group("host", STEP_S * 1000);
    let before = Written::of("self")?;
    for (place, run) in samples.runs.iter().enumerate() {
        keeper.store.append_tick(group, run.time_ms, &run.values, run.time_ms)?;
        keeper.store.sync()?;
        if place as i64 % MAINTAIN_RUNS == 0 {
            keeper.store.maintain(Surroundings { now_ms: run.time_ms, ..Surroundings::default() })?;
        }
    }
    keeper.store.flush()?;
    keeper.merge(samples.last_ms())?;
    Ok((Written::of("self")?.since(before), crate::process::weigh(&keeper.files())?))
}

fn graph(samples: &Samples) -> Result<(Written, u64)> {
    let dir = tempfile::tempdir()?;
    let (process, mut told) = Process::start_told("rrdtool", &["-".into()], dir.path())?;
    let archives: Vec<String> = ARCHIVES
        .iter()
        .flat_map(|(steps, rows)| {
            let consolidated: &[&str] = if *steps == 1 { &["AVERAGE"] } else { &["AVERAGE", "MAX", "MIN"] };
            consolidated.iter().map(move |name| format!("RRA:{name}:0.5:{steps}:{rows}"))
        })
        .collect();
    let began = START_MS / 1000 - i64::from(STEP_S);
    for number in 0..SERIES {
        let archives = archives.join(" ");
        told.tell(
            &format!("create {number}.rrd --start {began} --step {STEP_S} DS:metric:GAUGE:120:U:U {archives}"),
            "OK",
        )?;
    }
    rustix::fs::sync();
    let before = process.written()?;
    let columns = samples.columns();
    for first in (0..DAY_RUNS as usize).step_by(AT_ONCE) {
        for (number, points) in columns.iter().enumerate() {
            let values: Vec<String> = points[first..first + AT_ONCE]
                .iter()
                .map(|(time_ms, value)| format!("{}:{value}", time_ms / 1000))
                .collect();
            told.tell(&format!("update {number}.rrd {}", values.join(" ")), "OK")?;
        }
        // Half an hour lies between: until then the system has written all of it.
        for number in 0..SERIES {
            std::fs::File::open(dir.path().join(format!("{number}.rrd")))?.sync_data()?;
        }
    }
    let written = process.written()?.since(before);
    let bytes = crate::process::weigh(dir.path())?;
    drop(told);
    process.end()?;
    Ok((written, bytes))
}
