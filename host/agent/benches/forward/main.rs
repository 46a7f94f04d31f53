//! What forwarding costs, beside vmagent: the same lines over HTTP to each of them, the same receivers behind them, in
//! one run. `make bench-forward` runs it and prints a table.
//!
//! First both forward to VictoriaMetrics, through a pass-through that counts bytes, until every sample is there. Then
//! both take samples while the receivers are away, and what they keep on disk is weighed. The load comes from this
//! process; what is measured is the processes that forward, by `/proc`.
//!
//! Needs Debian's `victoria-metrics`, which brings `vmagent`, and the plugins (`make plugins`).

mod contender;
mod process;
mod receiver;

use std::time::{Duration, Instant, SystemTime};

use clap::Parser;
use saker_load::{FIELDS, Plan, Workload, drive};

use contender::{Contender, Running};
use receiver::{Counted, nobody};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The newest vmagent that was measured, v1.150 of 2026 with zstd remote write, on the same kind of machine under the
/// same load as fast as it goes; its figures are no part of this run. CPU in µs, memory in MB, wire and disk in bytes.
const PUBLISHED: Figures = Figures { cpu_us: 1.89, peak_mb: 736.0, wire_bytes: 9.0, disk_bytes: 8.7 };
/// How much better saker is to be, as vmagent's figure divided by saker's.
const GOALS: Figures = Figures { cpu_us: 2.0, peak_mb: 4.0, wire_bytes: 1.0, disk_bytes: 1.0 };
/// How long samples may take to the receivers after the last was acknowledged.
const ARRIVAL_MAX: Duration = Duration::from_secs(600);
/// Connections that the samples come over.
const CONNECTIONS: usize = 4;
/// How often the receivers are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What forwarding costs, beside vmagent.
#[derive(Parser)]
struct Arguments {
    /// Hosts, with ten series each.
    #[arg(long, default_value_t = 4000)]
    hosts: usize,
    /// Rounds, in each of which every host sends a line.
    #[arg(long, default_value_t = 250)]
    rounds: u64,
    /// Samples a second; 0 is as fast as they are taken.
    #[arg(long, default_value_t = 200_000)]
    rate: u64,
    /// How often both forward, in turns. The least processor time counts, for a busy machine only ever adds to it.
    #[arg(long, default_value_t = 2)]
    repeats: u32,
    /// Rounds while the receivers are away.
    #[arg(long, default_value_t = 100)]
    away_rounds: u64,
    /// Receivers. Each gets every sample.
    #[arg(long, default_value_t = 1)]
    receivers: usize,
    /// What cargo hands to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// All for one sample, but for the memory.
#[derive(Clone, Copy, Debug)]
struct Figures {
    cpu_us: f64,
    peak_mb: f64,
    wire_bytes: f64,
    disk_bytes: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let contenders = contender::all()?;
    let mut all = vec![Figures::WORST; contenders.len()];
    for _ in 0..arguments.repeats {
        for (contender, figures) in contenders.iter().zip(&mut all) {
            eprintln!("{} forwards …", contender.name());
            figures.take(&forward(contender, &arguments)?);
        }
    }
    for (contender, figures) in contenders.iter().zip(&mut all) {
        eprintln!("{} keeps …", contender.name());
        figures.disk_bytes = keep(contender, &arguments)?;
    }
    let names: Vec<_> = contenders.iter().map(Contender::name).collect();
    print(&arguments, &names, &all);
    Ok(())
}

impl Figures {
    const WORST: Self = Self { cpu_us: f64::INFINITY, peak_mb: 0.0, wire_bytes: 0.0, disk_bytes: f64::INFINITY };

    /// Takes another run in: its processor time if it is less, its memory and bytes if they are more.
    fn take(&mut self, other: &Self) {
        self.cpu_us = self.cpu_us.min(other.cpu_us);
        self.peak_mb = self.peak_mb.max(other.peak_mb);
        self.wire_bytes = self.wire_bytes.max(other.wire_bytes);
    }
}

/// Forwards until every sample is at every receiver.
fn forward(contender: &Contender, arguments: &Arguments) -> Result<Figures> {
    let receivers = (0..arguments.receivers).map(|_| Counted::start()).collect::<Result<Vec<_>>>()?;
    let addresses: Vec<_> = receivers.iter().map(|receiver| receiver.address().to_owned()).collect();
    let running = contender.start(&addresses)?;
    // What they do before the first sample is no part of forwarding it.
    let (cpu, wire) = (running.process.cpu()?, wire_bytes(&receivers));
    let sent = send(&running, arguments, arguments.rounds)?;
    arrived(&receivers, sent)?;
    let spent = running.process.cpu()? - cpu;
    let peak = running.process.peak_bytes()?;
    let wire = wire_bytes(&receivers) - wire;
    let copies = sent as f64 * receivers.len() as f64;
    eprintln!("  {sent} samples forwarded, {:.2} s of processor time", spent.as_secs_f64());
    Ok(Figures {
        cpu_us: spent.as_secs_f64() * 1e6 / sent as f64,
        peak_mb: peak as f64 / 1e6,
        wire_bytes: wire as f64 / copies,
        ..Figures::WORST
    })
}

/// Takes samples while nobody is there to receive them; answers the bytes that are kept on disk for each.
fn keep(contender: &Contender, arguments: &Arguments) -> Result<f64> {
    let addresses = (0..arguments.receivers).map(|_| nobody()).collect::<Result<Vec<_>>>()?;
    let running = contender.start(&addresses)?;
    let sent = send(&running, arguments, arguments.away_rounds)?;
    let kept = running.stop_and_weigh()?;
    eprintln!("  {sent} samples kept in {:.1} MB", kept as f64 / 1e6);
    Ok(kept as f64 / (sent as f64 * arguments.receivers as f64))
}

/// Sends rounds; answers how many samples were acknowledged, which is all of them.
fn send(running: &Running, arguments: &Arguments, rounds: u64) -> Result<u64> {
    let now_ms = i64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?;
    let step_ms = 10_000;
    let start_ms = (now_ms / step_ms - i64::try_from(rounds)?) * step_ms;
    let workload = Workload { hosts: arguments.hosts, connections: CONNECTIONS, start_ms, step_ms };
    let plan = Plan {
        address: running.address.clone(),
        path: "/write".into(),
        rate: Some(arguments.rate).filter(|&rate| rate > 0),
        rounds,
        limit: Duration::from_secs(3600),
    };
    let (summary, _) = drive(&workload, &plan);
    let expected = rounds * (arguments.hosts * FIELDS.len()) as u64;
    if summary.acknowledged != expected || summary.unknown > 0 {
        return Err(format!(
            "only {} of {expected} samples were taken: {}",
            summary.acknowledged, summary.last_failure
        )
        .into());
    }
    eprintln!("  sent in {:.1} s, {} attempts rejected", summary.elapsed_ms as f64 / 1e3, summary.rejected);
    Ok(expected)
}

/// Waits until every receiver has taken all samples; then asks whether it holds them.
fn arrived(receivers: &[Counted], samples: u64) -> Result<()> {
    let end = Instant::now() + ARRIVAL_MAX;
    for Counted { receiver, .. } in receivers {
        while receiver.taken()? < samples {
            if Instant::now() > end {
                return Err(format!("only {} of {samples} samples have arrived", receiver.taken()?).into());
            }
            std::thread::sleep(LOOK);
        }
    }
    for Counted { receiver, .. } in receivers {
        let held = receiver.held()?;
        if held != samples {
            return Err(format!("a receiver holds {held} samples instead of {samples}").into());
        }
    }
    Ok(())
}

fn wire_bytes(receivers: &[Counted]) -> u64 {
    receivers.iter().map(Counted::bytes).sum()
}

fn print(arguments: &Arguments, names: &[&str], all: &[Figures]) {
    let samples = arguments.rounds * (arguments.hosts * FIELDS.len()) as u64;
    let rate = if arguments.rate > 0 { format!("{} a second", arguments.rate) } else { "at full speed".into() };
    println!(
        "\n{samples} samples of {} series in Influx line protocol over HTTP, {CONNECTIONS} connections, {rate}, to {} VictoriaMetrics\n",
        arguments.hosts * FIELDS.len(),
        arguments.receivers
    );
    let ([saker, vmagent], [ours, theirs]) = (names, all) else { return };
    println!("| | {saker} | {vmagent} | {vmagent} / {saker} | goal | vmagent v1.150, published* |");
    println!("|---|---|---|---|---|---|");
    type Read = fn(&Figures) -> f64;
    let rows: [(&str, usize, Read); 4] = [
        ("processor time for a sample, µs", 2, |figures| figures.cpu_us),
        ("peak memory, MB", 0, |figures| figures.peak_mb),
        ("bytes of a sample on the wire", 2, |figures| figures.wire_bytes),
        ("bytes of a sample in the queue on disk", 2, |figures| figures.disk_bytes),
    ];
    for (name, digits, read) in rows {
        println!(
            "| {name} | {:.digits$} | {:.digits$} | {:.1} | ≥ {:.0} | {:.digits$} |",
            read(ours),
            read(theirs),
            read(theirs) / read(ours),
            read(&GOALS),
            read(&PUBLISHED),
        );
    }
    println!("\n* not of this run: measured before on a machine of this kind, as fast as it took them");
}
