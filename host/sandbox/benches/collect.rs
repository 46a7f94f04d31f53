//! What a call costs: one in which nothing is done, and those of two collectors in the sandbox beside the same crates
//! compiled natively, turn by turn: `cpu` on the real `/proc`, `network` on a file that gives a thousand values.
//! `make bench-collect` runs it.
//!
//! Each collector is measured twice: on a core that is kept busy between the calls, which shows what the code costs, and on one
//! that sleeps between them, as an idle host's do, where cold caches cost both of them about as much again.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use saker_collector_cpu::{Cpu, CpuSettings};
use saker_collector_network::Network;
use saker_sandbox::{Collector, Compiler, Grants, InstanceSpec, Plugin, Processor, Run, Sandbox, SandboxConfig};
use saker_sdk::Collector as _;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Calls of each kind, in turns of so many.
const TURNS: usize = 20;
const CALLS: usize = 20;
/// Calls in which nothing is done, in each turn.
const EMPTY_CALLS: usize = 5000;
/// Values that cross in one call, of 200 containers with 60 each.
const CROSSING: usize = 12_000;
/// The time between calls: the kernel counts in hundredths of a second, and without time there are no shares.
const PAUSE: Duration = Duration::from_millis(12);

fn main() -> Result<()> {
    // All threads on one core, so that a call does not wake another that was asleep.
    let mut core = CpuSet::new();
    core.set(0);
    sched_setaffinity(None, &core)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let sandbox = Sandbox::new(SandboxConfig { cache_dir: None, compiler: Compiler::InProcess, ca_file: None })?;
    empty_calls(&sandbox).await?;
    let cpu = Cpu::open(CpuSettings { proc: "/proc".into(), per_core: true })
        .map_err(|error| format!("cannot open natively: {error:?}"))?;
    compare(&sandbox, "cpu", "/proc", cpu).await?;
    // A host with many interfaces: a thousand values.
    let proc = tempfile::TempDir::new()?;
    std::fs::create_dir(proc.path().join("net"))?;
    let mut text = String::from("Inter-|   Receive\n face |bytes\n");
    for number in 0..44 {
        writeln!(text, "eth{number}: 918203344120 1203344812 3 17 1 2 0 441203 88120334412 701203344 4 5 6 7 8 0")?;
    }
    std::fs::write(proc.path().join("net/dev"), text)?;
    let proc = proc.path().to_str().ok_or("the folder for temporary files has no name")?;
    let settings = saker_sdk::settings::parse(&format!("{{\"proc\": {proc:?}, \"sys\": {proc:?}}}"));
    let network = settings.and_then(Network::open).map_err(|error| format!("cannot open natively: {error:?}"))?;
    compare(&sandbox, "network", proc, network).await?;
    crossing(&sandbox).await
}

async fn load(sandbox: &Sandbox, name: &str) -> Result<Plugin> {
    load_from(sandbox, "plugins", name).await
}

async fn load_from(sandbox: &Sandbox, made_by: &str, name: &str) -> Result<Plugin> {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/{made_by}/{name}.wasm"));
    let bytes =
        std::fs::read(&plugin).map_err(|error| format!("{}: {error}; run: make {made_by}", plugin.display()))?;
    Ok(sandbox.load(&bytes).await?)
}

/// What values cost that cross one by one, and in columns: those of 200 containers, with three tags each; and in columns
/// that are then written out, as whoever knows no handles has them.
async fn crossing(sandbox: &Sandbox) -> Result<()> {
    let plugin = load_from(sandbox, "guests", "columns").await?;
    let endpoint: Arc<str> = "bench".into();
    let run = Run { timestamp_ms: 0, interval_ms: 10_000, step_s: 10 };
    for (title, how, written_out) in
        [("records", "records", false), ("columns", "well", false), ("columns, written out", "well", true)]
    {
        let spec = InstanceSpec {
            name: "columns".into(),
            settings: format!("{{\"how\": {how:?}, \"values\": {CROSSING}}}"),
            ..InstanceSpec::default()
        };
        let mut collector = Collector::open(sandbox, &plugin, &spec).await?;
        collector.measure(&endpoint, run).await?;
        let mut costs = Vec::new();
        for _ in 0..TURNS {
            let (before, mine) = (spec.meters.cpu(), thread_cpu());
            for _ in 0..CALLS {
                if written_out {
                    drop(std::hint::black_box(collector.collect(&endpoint, run).await?));
                } else {
                    drop(std::hint::black_box(collector.measure(&endpoint, run).await?));
                }
            }
            costs.push(per_call(spec.meters.cpu() - before + (thread_cpu() - mine)));
        }
        println!("{CROSSING} values as {title}: {:.1} µs a call, guest and agent", median(costs));
    }
    Ok(())
}

/// What a call costs in which nothing is done.
async fn empty_calls(sandbox: &Sandbox) -> Result<()> {
    let plugin = load(sandbox, "tag").await?;
    let spec = InstanceSpec { name: "tag".into(), settings: "{}".into(), ..InstanceSpec::default() };
    let mut tag = Processor::open(sandbox, &plugin, &spec).await?;
    let (mut inside, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let (before, start) = (spec.meters.cpu(), Instant::now());
        for _ in 0..EMPTY_CALLS {
            tag.map_series(&[]).await?;
        }
        let per_call = |time: Duration| time.as_secs_f64() * 1e6 / EMPTY_CALLS as f64;
        inside.push(per_call(spec.meters.cpu() - before));
        whole.push(per_call(start.elapsed()));
    }
    // Each call reads the clock that measures it, which only the kernel has.
    let start = thread_cpu();
    (0..EMPTY_CALLS).for_each(|_| _ = std::hint::black_box(thread_cpu()));
    let clock = (thread_cpu() - start).as_secs_f64() * 1e6 / EMPTY_CALLS as f64;
    println!(
        "an empty call: {:.2} µs of processor time in the sandbox, {clock:.2} of them to read its clock, {:.1} µs until its answer is on the caller's thread \
         (medians of {TURNS} turns of {EMPTY_CALLS} calls)",
        median(inside),
        median(whole)
    );
    Ok(())
}

/// A collector in the sandbox and natively, turn by turn.
async fn compare(sandbox: &Sandbox, name: &str, proc: &str, mut native: impl saker_sdk::Collector) -> Result<()> {
    let plugin = load(sandbox, name).await?;
    let mut settings = format!("{{\"proc\": {proc:?}");
    settings.push_str(if name == "network" { ", \"sys\": \"/nowhere\"}" } else { "}" });
    let spec = InstanceSpec {
        name: name.into(),
        settings,
        grants: Grants { read: vec![proc.into()], ..Grants::default() },
        ..InstanceSpec::default()
    };
    let mut sandboxed = Collector::open(sandbox, &plugin, &spec).await?;
    let endpoint: Arc<str> = "bench".into();
    let run = Run { timestamp_ms: 0, interval_ms: 10_000, step_s: 10 };
    let native_run = saker_sdk::Run { timestamp_ms: 0, interval_ms: 10_000 };
    for (title, busy) in [("on a busy core", true), ("on an idle core", false)] {
        let (mut in_sandbox, mut in_process) = (Vec::new(), Vec::new());
        let mut values = 0;
        for _ in 0..TURNS {
            let guest = spec.meters.cpu();
            for _ in 0..CALLS {
                pause(busy).await;
                values = sandboxed.collect(&endpoint, run).await?.len();
            }
            in_sandbox.push(per_call(spec.meters.cpu() - guest));
            let mut plain = Duration::ZERO;
            for _ in 0..CALLS {
                pause(busy).await;
                let start = thread_cpu();
                native.collect(native_run).map_err(|error| format!("natively: {error:?}"))?;
                plain += thread_cpu() - start;
            }
            in_process.push(per_call(plain));
        }
        let (sandbox, plain) = (median(in_sandbox), median(in_process));
        println!(
            "collect of the {name} plugin, {values} values, {title}: {sandbox:.1} µs in the sandbox, {plain:.1} µs \
             natively, ratio {:.1} (medians of {TURNS} turns of {CALLS} calls, processor time)",
            sandbox / plain
        );
    }
    Ok(())
}

/// Lets time pass, computing or sleeping.
async fn pause(busy: bool) {
    if busy {
        let start = Instant::now();
        while start.elapsed() < PAUSE {
            std::hint::spin_loop();
        }
    } else {
        tokio::time::sleep(PAUSE).await;
    }
}

fn per_call(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / CALLS as f64
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
