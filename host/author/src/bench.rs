//! What a plugin's calls cost: instructions, which are the same on any machine, and time and memory on this one.
//!
//! Instructions are wasmtime's fuel: each WebAssembly operator weighs one, one that copies or fills memory as much as
//! the bytes that it moves, and a few weigh nothing. They are counted in a sandbox that does nothing else; times are taken in one that does not count. Random numbers are fixed, so
//! that hash maps lie the same in every run. What a plugin reads still makes a difference: give a collector fixtures.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use saker_model::{Series, SeriesId};
use saker_sandbox::{CallError, Collector, InstanceSpec, Meters, Plugin, PluginKind, Processor, Run, Sandbox};
use serde_json::{Value, json};

use crate::backend::{self, KitSession};
use crate::report::{CaseFailure, failed};
use crate::samples;
use crate::subject::{Options, TestSubject};

/// Times that each call is made; the middle one counts.
const CALLS: usize = 31;
/// Series and points of a batch: what the agent hands to a backend by default.
const BATCH: usize = 10_000;
/// Series that a processor is asked about at once.
const QUESTIONS: usize = 1000;
/// The time that runs begin at. It does not move, so that what a plugin makes of it costs the same in every run.
const START_MS: i64 = 1_700_000_000_000;
const INTERVAL_MS: u32 = 10_000;

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BenchReport {
    /// One row for each thing that a plugin does.
    pub costs: Vec<Cost>,
    /// Linear memory in the end, in bytes.
    pub memory_bytes: u64,
}

/// What one thing costs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// What is called, such as `write`.
    pub call: &'static str,
    /// What it costs this for: a call, a value, a point, a series.
    pub per: &'static str,
    /// How many of these there were in one call.
    pub units: usize,
    /// Instructions for each.
    pub fuel: f64,
    /// Real time for each, in microseconds.
    pub micros: f64,
    /// Bytes that were sent for each, where the kit has seen them.
    pub sent_bytes: Option<f64>,
}

impl BenchReport {
    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let cost = |cost: &Cost| {
            json!({"call": cost.call, "per": cost.per, "units": cost.units, "fuel": cost.fuel, "micros": cost.micros,
                "sent_bytes": cost.sent_bytes})
        };
        json!({"costs": self.costs.iter().map(cost).collect::<Vec<_>>(), "memory_bytes": self.memory_bytes})
    }
}

/// One of the two runs: what each call took, in fuel or in nanoseconds.
struct BenchRun {
    steps: Vec<BenchStep>,
    memory_bytes: u64,
}

struct BenchStep {
    call: &'static str,
    per: &'static str,
    units: usize,
    took: f64,
    sent_bytes: Option<f64>,
}

/// Measures a plugin, which was loaded in a sandbox that counts and in one that does not.
///
/// # Errors
/// Why it cannot be measured, and what to do about it, in words.
pub async fn bench(
    counting: (&Sandbox, &Plugin),
    timing: (&Sandbox, &Plugin),
    options: &Options,
) -> Result<BenchReport, String> {
    let words = |miss| match miss {
        CaseFailure::Failed { why, cure } => format!("{why}; {cure}"),
        CaseFailure::Skipped(why) => why,
    };
    let fuel =
        run(&TestSubject::new(counting.0, counting.1, options), |meters| meters.fuel() as f64).await.map_err(words)?;
    let nanos = |meters: &Meters| meters.durations().sum().as_nanos() as f64;
    let time = run(&TestSubject::new(timing.0, timing.1, options), nanos).await.map_err(words)?;
    let cost = |(fuel, time): (BenchStep, BenchStep)| Cost {
        call: fuel.call,
        per: fuel.per,
        units: fuel.units,
        fuel: fuel.took,
        micros: time.took / 1000.0,
        sent_bytes: fuel.sent_bytes,
    };
    Ok(BenchReport {
        costs: fuel.steps.into_iter().zip(time.steps).map(cost).collect(),
        memory_bytes: time.memory_bytes,
    })
}

async fn run(subject: &TestSubject<'_>, read: impl Fn(&Meters) -> f64) -> Result<BenchRun, CaseFailure> {
    match subject.plugin.kind() {
        PluginKind::Collector => collector(subject, read).await,
        PluginKind::Processor => processor(subject, read).await,
        PluginKind::Backend => backend(subject, read).await,
    }
}

/// What the meters say of one call.
async fn metered<T>(meters: &Arc<Meters>, read: &impl Fn(&Meters) -> f64, call: impl Future<Output = T>) -> (T, f64) {
    let before = read(meters);
    let answer = call.await;
    (answer, read(meters) - before)
}

fn step(call: &'static str, per: &'static str, units: usize, took: &mut [f64]) -> BenchStep {
    took.sort_by(f64::total_cmp);
    let took = took.get(took.len() / 2).copied().unwrap_or(0.0) / units.max(1) as f64;
    BenchStep { call, per, units, took, sent_bytes: None }
}

fn spec(subject: &TestSubject<'_>) -> InstanceSpec {
    InstanceSpec { fixed_random: true, ..subject.spec(&subject.settings()) }
}

async fn collector(subject: &TestSubject<'_>, read: impl Fn(&Meters) -> f64) -> Result<BenchRun, CaseFailure> {
    let spec = spec(subject);
    let miss = |error: CallError| subject.miss(&error, &spec);
    let (opened, open) = metered(&spec.meters, &read, Collector::open(subject.sandbox, subject.plugin, &spec)).await;
    let mut collector = opened.map_err(miss)?;
    let (endpoint, mut took, mut values) = (Arc::from("kit-1"), Vec::new(), 0);
    let mut first = 0.0;
    for number in 0..=CALLS {
        let timestamp_ms = START_MS + number as i64 * i64::from(INTERVAL_MS);
        let run = Run { timestamp_ms, interval_ms: INTERVAL_MS, step_s: INTERVAL_MS / 1000 };
        let (answer, cost) = metered(&spec.meters, &read, collector.collect(&endpoint, run)).await;
        values = answer.map_err(miss)?.len();
        if number == 0 { first = cost } else { took.push(cost) }
    }
    let memory_bytes = spec.meters.memory_bytes();
    collector.close().await.map_err(miss)?;
    let steps = vec![
        step("open", "call", 1, &mut [open]),
        step("first collect", "call", 1, &mut [first]),
        step("collect", "call", 1, &mut took),
        step("collect", "value", values, &mut took),
    ];
    Ok(BenchRun { steps, memory_bytes })
}

fn series(count: usize) -> Vec<Series> {
    let devices: Vec<_> = (0..count).map(|number| format!("device{number}")).collect();
    let tags = |device| [("device", device), ("mount", "/var/lib"), ("region", "eu-1")];
    devices.iter().map(|device| samples::series("disk.io.read_requests", &tags(device))).collect()
}

async fn processor(subject: &TestSubject<'_>, read: impl Fn(&Meters) -> f64) -> Result<BenchRun, CaseFailure> {
    let spec = spec(subject);
    let miss = |error: CallError| subject.miss(&error, &spec);
    let (opened, open) = metered(&spec.meters, &read, Processor::open(subject.sandbox, subject.plugin, &spec)).await;
    let mut processor = opened.map_err(miss)?;
    let (questions, mut took) = (series(QUESTIONS), Vec::new());
    for _ in 0..CALLS {
        let (answer, cost) = metered(&spec.meters, &read, processor.map_series(&questions)).await;
        answer.map_err(miss)?;
        took.push(cost);
    }
    let memory_bytes = spec.meters.memory_bytes();
    processor.close().await.map_err(miss)?;
    let steps = vec![step("open", "call", 1, &mut [open]), step("map-series", "series", QUESTIONS, &mut took)];
    Ok(BenchRun { steps, memory_bytes })
}

async fn backend(subject: &TestSubject<'_>, read: impl Fn(&Meters) -> f64) -> Result<BenchRun, CaseFailure> {
    let bench = backend::CaseBench::find(subject).await?;
    let destination = bench.taking().await?;
    let spec = InstanceSpec { fixed_random: true, ..bench.spec(destination.as_ref())? };
    let (opened, open) = metered(&spec.meters, &read, KitSession::open(subject, spec.clone())).await;
    let mut session = opened?;
    let series = series(BATCH);
    let definitions = samples::numbered(0, series.clone());
    let all: Vec<_> = definitions.iter().map(|(id, _)| *id).collect();
    let now_ms = now_ms()?;
    let (mut define, mut write) = (Vec::new(), Vec::new());
    for number in 0..CALLS {
        let forget: Vec<SeriesId> = if number == 0 { Vec::new() } else { all.clone() };
        let (answer, cost) = metered(&spec.meters, &read, session.write(forget, &definitions, &[])).await;
        answer.map_err(|error| session.miss(&error))?;
        define.push(cost);
    }
    for _ in 0..CALLS {
        let points = backend::run_of(&series, 0, BATCH, now_ms);
        let (answer, cost) = metered(&spec.meters, &read, session.write(Vec::new(), &[], &points)).await;
        answer.map_err(|error| session.miss(&error))?;
        write.push(cost);
    }
    let memory_bytes = spec.meters.memory_bytes();
    session.close().await?;
    let sent = destination.map(|destination| destination.seen().bytes as f64 / (CALLS * BATCH) as f64);
    let write = BenchStep { sent_bytes: sent, ..step("write", "point", BATCH, &mut write) };
    let steps =
        vec![step("open", "call", 1, &mut [open]), step("forget and define", "series", BATCH, &mut define), write];
    Ok(BenchRun { steps, memory_bytes })
}

/// A real server may reject what is long past, so points are written for today.
fn now_ms() -> Result<i64, CaseFailure> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).map_err(|_| failed("the clock is beyond all bounds", "set it"))
}
