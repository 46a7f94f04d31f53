//! What the store costs, beside VictoriaMetrics, Prometheus and rrdtool: `make bench-store`, or
//! `cargo bench -p saker-store -- SECTION…` with sections of `bytes`, `recorded`, `pushed`, `writes`, `reading`, `hours`, `growth` and
//! `churn`. Without one it is all but `churn`, which takes long.
//!
//! All of them get the same samples in the same run: a model of a host's, and those that `SAKER_STORE_RECORDED` names,
//! which `make record-store` records. In folders of the temporary directory (`TMPDIR` for another disk). CPU time is that
//! of the whole process, ours or theirs.

mod growth;
mod keeper;
mod peers;
mod process;
mod reading;
mod rrd;
mod samples;

use std::path::PathBuf;
use std::time::Duration;

use keeper::{Figures, Keeper, cpu};
use peers::Peer;
use saker_model::{Point, SeriesId};
use samples::{Host, START_MS, Samples};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Without a name, these.
const SECTIONS: [&str; 6] = ["bytes", "pushed", "writes", "reading", "hours", "growth"];

fn main() -> Result<()> {
    let mut sections: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if sections.is_empty() {
        sections = SECTIONS.map(str::to_owned).to_vec();
    }
    for section in sections {
        match section.as_str() {
            "bytes" => bytes(true)?,
            "recorded" => bytes(false)?,
            "pushed" => pushed()?,
            "writes" => rrd::writes()?,
            "reading" => reading::reading()?,
            "hours" => reading::hours()?,
            "growth" => growth::growth()?,
            "churn" => growth::churn()?,
            one if one.starts_with(growth::GROWN) => return growth::grown(one[growth::GROWN.len()..].parse()?),
            other => return Err(format!("no section {other}").into()),
        }
        println!();
    }
    Ok(())
}

/// What a sample takes on disk, and what writing one costs.
fn bytes(model: bool) -> Result<()> {
    println!("Bytes a sample, with index and checksums; samples a second of CPU");
    println!(
        "{:>16} {:>6} {:>9} {:>7} {:>7} {:>7} {:>6} {:>7} {:>6} {:>8} {:>8} {:>8} {:>6} {:>7}",
        "samples",
        "series",
        "count",
        "saker",
        "sealed",
        "journal",
        "VM",
        "ratio",
        "Prom",
        "append",
        "+ sync",
        "+ all",
        "VM",
        "bucket"
    );
    println!(
        "{:>16} {:>6} {:>9} {:>7} {:>7} {:>7} {:>6} {:>7} {:>6} {:>8} {:>8} {:>8} {:>6} {:>7}",
        "", "", "", "B", "B", "B", "B", "", "B", "M/s", "M/s", "M/s", "M/s", "B"
    );
    let mut sets = Vec::new();
    if model {
        sets.extend([Samples::model(1000, 1, 7200), Samples::model(1000, 10, 8640)]);
    }
    match std::env::var("SAKER_STORE_RECORDED") {
        Ok(path) => {
            let recorded = Samples::recorded(&PathBuf::from(path))?;
            sets.push(recorded.every(10));
            sets.push(recorded);
        }
        Err(_) => println!("without a recording: make record-store, or SAKER_STORE_RECORDED=FILE"),
    }
    for samples in &sets {
        let figures = Keeper::new()?.keep(samples)?;
        show(samples, &figures)?;
    }
    Ok(())
}

fn show(samples: &Samples, figures: &Figures) -> Result<()> {
    let count = samples.count();
    let victoria = Peer::victoria(samples)?;
    let victoria_rate = count as f64 / victoria.taken.as_secs_f64() / 1e6;
    let victoria = victoria.stop_and_weigh()?;
    let each = |bytes: u64| bytes as f64 / count as f64;
    let rate = |time: Duration| count as f64 / time.as_secs_f64() / 1e6;
    // The text that its own importer wants takes minutes for the largest.
    let prometheus = match count <= PROMETHEUS_SAMPLES {
        true => format!("{:.2}", each(Peer::prometheus(samples)?.stop_and_weigh()?)),
        false => "-".into(),
    };
    println!(
        "{:>16} {:>6} {count:>9} {:>7.3} {:>7.3} {:>7.3} {:>6.3} {:>7.2} {prometheus:>6} {:>8.1} {:>8.1} {:>8.1} {victoria_rate:>6.2} {:>7.2}",
        samples.what,
        samples.series.len(),
        each(figures.raw_bytes),
        each(figures.sealed_bytes),
        each(figures.journal_bytes),
        each(victoria),
        figures.raw_bytes as f64 / victoria as f64,
        rate(figures.append),
        rate(figures.append + figures.sync),
        rate(figures.append + figures.sync + figures.maintain),
        figures.bucket_bytes as f64 / figures.buckets.max(1) as f64,
    );
    Ok(())
}

/// Prometheus is given no more.
const PROMETHEUS_SAMPLES: u64 = 3_000_000;

/// Points that clients push, each with a time of its own: batches of 500 of a thousand series, a minute apart.
fn pushed() -> Result<()> {
    const SERIES: u32 = 1000;
    const BATCH: usize = 500;
    let keeper = Keeper::new()?;
    for number in 0..SERIES {
        let (metric, device) = (format!("subsystem.metric{}", number / 40), format!("sd{}", number % 40));
        keeper.store.register(number, &samples::series(&metric, &device, 60, saker_model::MetricType::Gauge));
    }
    let mut host = Host::new(SERIES);
    let mut row: Vec<(u32, f64)> = (0..SERIES).map(|number| (number, 0.0)).collect();
    let (mut spent, mut syncing, mut count) = (Duration::ZERO, Duration::ZERO, 0_u64);
    for run in 0..5000_i64 {
        host.next(&mut row);
        let point = |(number, value): &(u32, f64)| {
            let timestamp_ms = START_MS + run * 60_000 + i64::from(number % 60) * 1000;
            Point { series: SeriesId(*number), timestamp_ms, value: *value }
        };
        let points: Vec<Point> = row.iter().map(point).collect();
        let began = cpu();
        for batch in points.chunks(BATCH) {
            keeper.store.append_points(batch, START_MS + run * 60_000 + 60_000)?;
        }
        spent += cpu() - began;
        let began = cpu();
        keeper.store.sync()?;
        syncing += cpu() - began;
        count += points.len() as u64;
    }
    keeper.store.flush()?;
    let rate = |time: Duration| count as f64 / time.as_secs_f64() / 1e6;
    println!("Points that are pushed, 500 at once, journalled: {count}");
    println!(
        "{:.3} B a point before they are merged, {:.1} M/s of CPU, {:.1} with a sync each minute",
        process::weigh(&keeper.files())? as f64 / count as f64,
        rate(spent),
        rate(spent + syncing)
    );
    Ok(())
}
