//! Many plugins: instances, starts, new files, replacements. The tests run in a small size and hold what a busy machine
//! does not change; `make bench-scale` runs them one by one in full size, prints how long everything took, and holds that
//! too.

use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::agent::{Agent, Home, guest, shipped, variant};
use crate::attacks::holdings;
use crate::http::Receiver;
use crate::loading::compiled;
use crate::swapping::to_receiver;

/// Memory of an agent with very many instances, in MB.
const MEMORY_MB: f64 = 400.0;

/// Versions of a plugin that take turns, so that an hour of swaps is not one of compiling.
const VERSIONS: u32 = 20;

/// A size that a measurement sets.
fn size(variable: &str, in_tests: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(in_tests)
}

/// Whether this is a measurement, on a machine that does nothing else.
fn measuring() -> bool {
    std::env::var_os("SAKER_INSTANCES").is_some()
}

/// Memory in use, in MB.
fn memory_mb(agent: &Agent) -> f64 {
    agent.metric("process_resident_memory_bytes").unwrap() / 1e6
}

/// Processor time so far, in seconds: the kernel counts it in hundredths.
fn cpu_seconds(agent: &Agent) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", agent.pid())).unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let runs = after_name.split_ascii_whitespace().skip(11).take(2).map(|text| text.parse::<f64>().unwrap());
    runs.sum::<f64>() / 100.0
}

/// Runs that brought nothing, of all instances together.
fn missed(agent: &Agent) -> u64 {
    let plugins = agent.json("/saker/v1/plugins");
    let counts = plugins["instances"].as_array().unwrap().iter().map(|instance| &instance["counts"]);
    let missed =
        |counts: &Value| ["failed", "skipped", "overrun"].iter().map(|key| counts[key].as_u64().unwrap()).sum::<u64>();
    counts.map(missed).sum()
}

fn has_values(agent: &Agent, metric: &str) -> bool {
    agent.json(&format!("/saker/v1/recent?metric={metric}"))["series"].as_array().is_some_and(|found| !found.is_empty())
}

/// Waits without the pauses of [`Agent::until`]; answers how long it took since `start`, in milliseconds.
fn soon(start: Instant, what: &str, mut look: impl FnMut() -> bool) -> f64 {
    while !look() {
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
    start.elapsed().as_secs_f64() * 1000.0
}

#[test]
fn very_many_instances_all_run_and_take_little_memory() {
    let (instances, seconds) = (size("SAKER_INSTANCES", 100), size("SAKER_INSTANCE_SECONDS", 0));
    let mut config = String::new();
    for number in 0..instances {
        writeln!(config, "[plugin.i{number}]\nfile = \"steady.wasm\"\nsettings.value = {number}").unwrap();
    }
    let home = Home::new(&[]).keys("interval = \"1s\"").config(&config);
    home.put("steady", &guest("steady-1"));
    let agent = home.start();
    // The file runs under its own name as well.
    agent.until("all have run", |agent| (ticking(agent)? == instances as usize + 1).then_some(()));
    let (start, before, missed_before) = (Instant::now(), cpu_seconds(&agent), missed(&agent));
    std::thread::sleep(Duration::from_secs(seconds.into()));
    let cores = (cpu_seconds(&agent) - before) / start.elapsed().as_secs_f64();
    let memory = memory_mb(&agent);
    let missed = missed(&agent) - missed_before;
    println!("{instances} instances at 1 s: {cores:.3} cores, {memory:.0} MB, {missed} runs missed in {seconds} s");
    assert!(memory < MEMORY_MB, "{memory} MB");
    assert!(!measuring() || cores < 1.0 && missed == 0, "{cores} cores, {missed} runs missed");
    agent.stop();
}

#[test]
fn plugins_that_were_compiled_before_start_without_a_compiler() {
    let cpu = shipped("cpu");
    let mut config = String::new();
    for number in 0..20 {
        let proc = crate::agent::repository().join("tests/fixtures/proc");
        writeln!(config, "[plugin.p{number}]\nsettings.proc = {proc:?}\ngrant.read = [{proc:?}]").unwrap();
    }
    let home = Home::new(&[]).config(&config);
    (0..20).for_each(|number| home.put(&format!("p{number}"), &variant(&cpu, number)));
    let mut agent = home.start();
    agent.until("all have been compiled and have run", |agent| (ticking(agent)? == 20).then_some(()));
    let machine_code = compiled(&agent);
    agent.kill();
    let start = Instant::now();
    agent.start_again();
    let listening = start.elapsed().as_secs_f64() * 1000.0;
    let run = soon(start, "all have run", || ticking(&agent) == Some(20));
    println!(
        "twenty plugins from the cache: the agent listens after {listening:.0} ms, all have run after {run:.0} ms"
    );
    assert_eq!(compiled(&agent), machine_code);
    assert!(!measuring() || run < 300.0, "{run} ms");
    agent.stop();
}

/// How many instances have run.
fn ticking(agent: &Agent) -> Option<usize> {
    let plugins = agent.json("/saker/v1/plugins");
    let instances = plugins["instances"].as_array()?;
    Some(instances.iter().filter(|instance| instance["counts"]["succeeded"].as_u64() > Some(0)).count())
}

#[test]
fn a_file_that_is_dropped_in_twice_is_compiled_once_and_brings_values() {
    let (steady, rounds) = (guest("steady-1"), size("SAKER_DROPS", 1));
    let agent = Home::new(&[]).start();
    let before = compiled(&agent);
    let (mut cold, mut cached) = (Vec::new(), Vec::new());
    for number in 0..rounds {
        // Bytes that nobody has compiled before.
        let unseen = variant(&steady, std::process::id() << 8 | number);
        for (name, times) in [(format!("cold{number}"), &mut cold), (format!("cached{number}"), &mut cached)] {
            let start = Instant::now();
            agent.home.put(&name, &unseen);
            times.push(soon(start, "a value", || {
                agent.instance(&name).is_some_and(|found| found["counts"]["succeeded"].as_u64() > Some(0))
            }));
        }
    }
    assert!(has_values(&agent, "steady.value"));
    cold.sort_by(f64::total_cmp);
    cached.sort_by(f64::total_cmp);
    let (cold, cached) = (cold[cold.len() / 2], cached[cached.len() / 2]);
    println!(
        "a plugin of {} KB is dropped in: first value after {cold:.0} ms, and {cached:.0} ms where it was compiled before \
         (medians of {rounds})",
        steady.len() / 1000
    );
    assert_eq!(compiled(&agent), before + rounds as usize);
    assert!(!measuring() || cold < 1000.0 && cached < 50.0, "{cold} ms, {cached} ms from the cache");
    agent.stop();
}

#[test]
fn swaps_leave_no_growth() {
    let (swaps, pause) = (size("SAKER_SWAPS", 60), size("SAKER_SWAP_PAUSE_MS", 0));
    let receiver = Receiver::start();
    let config = to_receiver(&receiver);
    let agent =
        Home::new(&["cpu", "influx"]).on_fixtures(&["cpu"]).config(&config).keys("interval = \"500ms\"").start();
    let (cpu, influx) = (shipped("cpu"), shipped("influx"));
    let swapped = |number: u32| {
        agent.home.put("cpu", &variant(&cpu, number % VERSIONS));
        agent.home.put("influx", &variant(&influx, number % VERSIONS));
        agent.until("both are swapped", |agent| {
            let done = |name| agent.instance(name)?["counts"]["swaps"].as_u64().map(|swaps| swaps >= number.into());
            (done("cpu")? && done("destination a")?).then_some(())
        });
    };
    let holds = |agent: &Agent| {
        let (files, threads) = holdings(agent);
        (memory_mb(agent), files, threads)
    };
    let mut early = None;
    for number in 1..=swaps {
        swapped(number);
        std::thread::sleep(Duration::from_millis(pause.into()));
        // By then what is kept once per version, such as the compile cache, has its size.
        if number == swaps / 3 {
            early = Some(holds(&agent));
        }
    }
    let early = early.unwrap();
    // A thread that has had nothing to do for ten seconds goes.
    agent.until("threads and files are let go of", |agent| {
        let (_, files, threads) = holds(agent);
        (files <= early.1 + 4 && threads <= early.2 + 4).then_some(())
    });
    let late = holds(&agent);
    println!(
        "{swaps} swaps of two plugins: MB, files and threads after a third of them {early:?}, at the end {late:?}"
    );
    assert!(late.0 < early.0 + 16.0, "{early:?} {late:?}");
    agent.stop();
}
