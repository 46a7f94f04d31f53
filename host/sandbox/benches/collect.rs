//! What a collector's call costs: the `cpu` plugin in the sandbox, and the same crate compiled natively, turn by turn on
//! the real `/proc`. `make bench-collect` runs it.
//!
//! Each is measured twice: on a core that is kept busy between the calls, which shows what the code costs, and on one
//! that sleeps between them, as an idle host's do, where cold caches cost both of them about as much again.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use saker_collector_cpu::{Cpu, CpuSettings};
use saker_sandbox::{Collector, Compiler, Grants, InstanceSpec, Sandbox, SandboxConfig, Tick};
use saker_sdk::Collector as _;

/// Calls of each kind, in turns of so many.
const TURNS: usize = 20;
const CALLS: usize = 20;
/// The time between calls: the kernel counts in hundredths of a second, and without time there are no shares.
const PAUSE: Duration = Duration::from_millis(12);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // All threads on one core, so that a call does not wake another that was asleep.
    let mut core = CpuSet::new();
    core.set(0);
    sched_setaffinity(None, &core)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins/cpu.wasm");
    let bytes = std::fs::read(&plugin).map_err(|error| format!("{}: {error}; run: make plugins", plugin.display()))?;
    let sandbox = Sandbox::new(SandboxConfig { cache_dir: None, compiler: Compiler::InProcess, ca_file: None })?;
    let plugin = sandbox.load(&bytes).await?;
    let spec = InstanceSpec {
        name: "cpu".into(),
        settings: "{}".into(),
        grants: Grants { read: vec!["/proc".into()], ..Grants::default() },
        ..InstanceSpec::default()
    };
    let mut sandboxed = Collector::open(&sandbox, &plugin, &spec).await?;
    let mut native = Cpu::open(CpuSettings { proc: "/proc".into(), per_core: true })
        .map_err(|error| format!("cannot open natively: {error:?}"))?;
    let endpoint: Arc<str> = "bench".into();
    let tick = Tick { timestamp_ms: 0, interval_ms: 10_000, step_s: 10 };
    let native_tick = saker_sdk::Tick { timestamp_ms: 0, interval_ms: 10_000 };
    for (title, busy) in [("on a busy core", true), ("on an idle core", false)] {
        let (mut in_sandbox, mut in_process) = (Vec::new(), Vec::new());
        let mut values = 0;
        for _ in 0..TURNS {
            let guest = spec.meters.cpu();
            for _ in 0..CALLS {
                pause(busy).await;
                values = sandboxed.collect(&endpoint, tick).await?.len();
            }
            in_sandbox.push(per_call(spec.meters.cpu() - guest));
            let mut plain = Duration::ZERO;
            for _ in 0..CALLS {
                pause(busy).await;
                let start = thread_cpu();
                native.collect(native_tick).map_err(|error| format!("natively: {error:?}"))?;
                plain += thread_cpu() - start;
            }
            in_process.push(per_call(plain));
        }
        let (sandbox, plain) = (median(in_sandbox), median(in_process));
        println!(
            "collect of the cpu plugin, {values} values, {title}: {sandbox:.1} µs in the sandbox, {plain:.1} µs natively, \
             ratio {:.1} (medians of {TURNS} turns of {CALLS} calls, processor time)",
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
