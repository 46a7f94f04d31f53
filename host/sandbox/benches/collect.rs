//! What a collector's call costs: the `cpu` plugin in the sandbox, and the same crate compiled natively, turn by turn on
//! the real `/proc`. `make bench-collect` runs it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

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
    let (mut in_sandbox, mut in_process) = (Vec::new(), Vec::new());
    let mut values = 0;
    for _ in 0..TURNS {
        let (guest, mut wall) = (spec.meters.cpu(), Duration::ZERO);
        for _ in 0..CALLS {
            tokio::time::sleep(PAUSE).await;
            let start = Instant::now();
            values = sandboxed.collect(&endpoint, tick).await?.len();
            wall += start.elapsed();
        }
        in_sandbox.push((per_call(spec.meters.cpu() - guest), per_call(wall)));
        let mut plain = Duration::ZERO;
        for _ in 0..CALLS {
            tokio::time::sleep(PAUSE).await;
            let start = thread_cpu();
            native.collect(native_tick).map_err(|error| format!("natively: {error:?}"))?;
            plain += thread_cpu() - start;
        }
        in_process.push(per_call(plain));
    }
    let cpu = median(in_sandbox.iter().map(|turn| turn.0).collect());
    let wall = median(in_sandbox.iter().map(|turn| turn.1).collect());
    let plain = median(in_process);
    println!("collect of the cpu plugin, {values} values, medians of {TURNS} turns of {CALLS} calls");
    println!(
        "in the sandbox  {cpu:.1} µs of processor time, {wall:.1} µs of real time with the hop to its thread and back"
    );
    println!("natively        {plain:.1} µs of processor time");
    println!("ratio           {:.1}", cpu / plain);
    Ok(())
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
