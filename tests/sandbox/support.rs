//! What these tests share: one sandbox, all guests loaded in it, and a call that is held to its deadline.

pub(crate) mod http;
pub(crate) mod neighbour;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use saker_model::Sample;
use saker_sandbox::{
    CallError, Collector, Compiler, Deadlines, InstanceSpec, Limits, Plugin, Run, Sandbox, SandboxConfig, System,
};
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::{GUESTS, REFUSED, machine_code};

/// The deadline of every call, unless a test sets another.
pub(crate) const DEADLINE: Duration = Duration::from_millis(200);
/// How much later than its deadline a call may end.
const OVERSHOOT: Duration = Duration::from_millis(50);

/// Enough time for what is not measured.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

fn target() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target")
}

/// The bytes of a guest's file.
pub(crate) fn bytes(guest: &str) -> Vec<u8> {
    let path = target().join(format!("guests/{guest}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run: make guests", path.display()))
}

pub(crate) fn config(cache_dir: Option<PathBuf>) -> SandboxConfig {
    SandboxConfig { cache_dir, compiler: Compiler::InProcess, ca_file: None }
}

/// The sandbox of all tests. Its cache stays, so that only the first run compiles.
pub(crate) fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::new(config(Some(machine_code::shared().to_owned()))).unwrap())
}

/// A guest, loaded. All are loaded together, so that nothing compiles while something else is measured.
pub(crate) async fn plugin(guest: &str) -> &'static Plugin {
    static PLUGINS: OnceCell<BTreeMap<&str, Plugin>> = OnceCell::const_new();
    let plugins = PLUGINS
        .get_or_init(async || {
            let mut plugins = BTreeMap::new();
            for (guest, _) in GUESTS.iter().filter(|(guest, _)| !REFUSED.contains(guest)) {
                let plugin = sandbox().load(&bytes(guest)).await.unwrap_or_else(|error| panic!("{guest}: {error}"));
                plugins.insert(*guest, plugin);
            }
            plugins
        })
        .await;
    &plugins[guest]
}

/// A sandbox that asks `system` where others ask the real one, and this guest in it.
pub(crate) async fn elsewhere(system: System, guest: &str) -> (Sandbox, Plugin) {
    // So that it is compiled by now.
    plugin(guest).await;
    let sandbox = Sandbox::with_system(config(Some(machine_code::shared().to_owned())), system).unwrap();
    let plugin = sandbox.load(&bytes(guest)).await.unwrap();
    (sandbox, plugin)
}

/// An instance that is granted nothing, with small deadlines.
pub(crate) fn spec(settings: Value) -> InstanceSpec {
    let deadlines = Deadlines { open: DEADLINE, collect: DEADLINE, map: DEADLINE, write: DEADLINE, close: DEADLINE };
    InstanceSpec {
        name: "guest".into(),
        section: "plugin.guest".into(),
        settings: settings.to_string(),
        limits: Limits { deadlines, ..Limits::default() },
        ..InstanceSpec::default()
    }
}

pub(crate) async fn open(guest: &str, spec: &InstanceSpec) -> Result<Collector, CallError> {
    Collector::open(sandbox(), plugin(guest).await, spec).await
}

pub(crate) async fn run(collector: &mut Collector) -> Result<Vec<Sample>, CallError> {
    let run = Run { timestamp_ms: 1_700_000_000_000, interval_ms: 10_000, step_s: 10 };
    collector.collect(&Arc::from("host-1"), run).await
}

/// Opens a collector and runs once.
pub(crate) async fn once(guest: &str, spec: &InstanceSpec) -> Result<Vec<Sample>, CallError> {
    run(&mut open(guest, spec).await?).await
}

pub(crate) fn value(values: &[Sample], metric: &str) -> f64 {
    let found = values.iter().find(|value| value.metric == metric);
    found.unwrap_or_else(|| panic!("no {metric} in {values:?}")).value
}

/// The machine for oneself. Tests that burn processor time or measure it take turns.
pub(crate) async fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    plugin("steady-1").await;
    TURN.lock().await
}

/// Waits for a call, which has to be back soon after its deadline.
pub(crate) async fn in_time<T>(what: &str, deadline: Duration, call: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let answer = call.await;
    let took = start.elapsed();
    println!("{what}: {took:?}");
    assert!(took <= deadline + OVERSHOOT, "{what} took {took:?}, and its deadline is {deadline:?}");
    answer
}

/// Waits until something holds that other threads bring about.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
