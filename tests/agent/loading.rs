//! What is compiled, in which order and at whose cost; and what becomes of the compiler.

use std::cell::Cell;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::agent::{Agent, Home, command, guest, repository, saker, shipped};

const COLLECTORS: [&str; 10] =
    ["cpu", "disk-io", "disk-usage", "kernel", "load", "memory", "network", "pressure", "process", "tcp"];
/// Small files that are dear to compile: tests/guests/lies/src/bombs.rs.
const BOMBS: [&str; 4] = ["bomb-code", "bomb-jumps", "bomb-live", "bomb-nesting"];

fn all_shipped() -> Vec<String> {
    let folder = repository().join("target/plugins");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".wasm").map(str::to_owned)).collect()
}

/// Files of machine code in the agent's cache.
pub(crate) fn compiled(agent: &Agent) -> usize {
    let folder = agent.home.dir.path().join("data/compiled");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".cwasm")).count()
}

fn file(agent: &Agent, name: &str) -> serde_json::Value {
    let files = agent.json("/saker/v1/plugins")["files"].clone();
    files.as_array().unwrap().iter().find(|file| file["file"] == name).cloned().unwrap_or_default()
}

fn succeeded(agent: &Agent, name: &str) -> u64 {
    agent.instance(name).and_then(|found| found["counts"]["succeeded"].as_u64()).unwrap_or(0)
}

/// The children of a process, as folders of /proc.
fn children(parent: u32) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let is_child = |process: &PathBuf| {
        let stat = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map(|(_, rest)| rest.split(' ').collect::<Vec<_>>());
        after_name.is_some_and(|fields| fields[0] != "Z" && fields[1] == parent.to_string())
    };
    processes.filter(is_child).collect()
}

#[test]
fn a_first_start_compiles_what_runs_and_a_backend_only_when_it_is_named() {
    let names = all_shipped();
    assert!(names.len() > 20, "{names:?}; run: make plugins");
    // Besides, those of containers and of the machine, whose files not every machine that tests has.
    let running = COLLECTORS.len() + 2;
    let home = Home::new(&names.iter().map(String::as_str).collect::<Vec<_>>()).without_cache();
    let start = Instant::now();
    let agent = home.start();
    agent.until("each collector has brought values", |agent| {
        COLLECTORS.iter().all(|name| succeeded(agent, name) > 0).then_some(())
    });
    println!("ten collectors have brought values {:.1} s after a first start", start.elapsed().as_secs_f64());
    agent.until("all that runs is compiled", |agent| (compiled(agent) == running).then_some(()));
    let kafka = file(&agent, "kafka.wasm");
    assert_eq!((&kafka["kind"], &kafka["busy"], &kafka["error"]), (&"backend".into(), &false.into(), &().into()));
    let hash = blake3::hash(&shipped("kafka")).to_hex();
    assert_eq!((&kafka["hash"], &kafka["used_by"]), (&hash.as_str().into(), &serde_json::json!([])));
    assert_eq!(file(&agent, "tag.wasm")["kind"], "processor");

    let named = "[destination.a]\nbackend = \"influx\"\nsettings.url = \"http://127.0.0.1:9/write\"\n[[route]]\ndestinations = [\"a\"]\n";
    agent.home.write_config(&format!("{}{named}", agent.home.config_text()));
    agent.until("the backend runs", |agent| (agent.instance("destination a")?["state"] == "running").then_some(()));
    assert_eq!(compiled(&agent), running + 1);
    let printed = agent.stop();
    assert!(printed.contains("account at the end"), "{printed}");
}

#[test]
fn the_banner_lists_what_nothing_names_by_its_kind() {
    let home = Home::new(&["load", "kafka", "influx", "tag"]);
    let mut agent = command()
        .args(["run", "--config", "agent.toml"])
        .current_dir(home.dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut output = BufReader::new(agent.stdout.take().unwrap());
    while !said.contains("look at:") && output.read_line(&mut said).unwrap() > 0 {}
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert!(said.contains("backends that nothing names: influx, kafka\n"), "{said}");
    assert!(said.contains("processors that nothing names: tag\n"), "{said}");
}

#[test]
fn a_compiler_has_no_privileges_and_dies_with_its_agent() {
    let mut agent = Home::new(&[]).start();
    agent.home.put("bomb-jumps", &guest("bomb-jumps"));
    // As soon as it has read what it is to compile.
    let child = agent.until("the compiler's filter", |agent| {
        let child = children(agent.pid()).pop()?;
        std::fs::read_to_string(child.join("status")).ok()?.contains("Seccomp:\t2").then_some(child)
    });
    let read = |what: &str| std::fs::read_to_string(child.join(what)).unwrap();
    assert_eq!(read("oom_score_adj").trim(), "1000");
    assert!(read("status").contains("NoNewPrivs:\t1"), "{}", read("status"));
    let limits = read("limits");
    for limit in ["Max open files            0 ", "Max file size             0 ", "Max core file size        0 "] {
        assert!(limits.contains(limit), "{limits}");
    }
    let environment = read("environ");
    let names: Vec<_> = environment.split_terminator('\0').filter_map(|pair| pair.split('=').next()).collect();
    assert_eq!(names, ["RAYON_NUM_THREADS", "SAKER_COMPILER_OF"], "nothing of the agent's own");
    let open = std::fs::read_dir(child.join("fd")).unwrap().count();
    assert!(open <= 3, "{open} descriptors");

    agent.kill();
    let end = Instant::now() + Duration::from_secs(5);
    let runs = || std::fs::read_to_string(child.join("stat")).is_ok_and(|stat| !stat.contains(") Z "));
    while runs() {
        assert!(Instant::now() < end, "{child:?} has outlived its agent");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_bomb_costs_one_compilation_and_its_neighbours_nothing() {
    let home = Home::new(&[]).keys("interval = \"100ms\"").without_cache();
    home.put("steady", &guest("steady-1"));
    BOMBS.iter().for_each(|bomb| home.put(bomb, &guest(bomb)));
    let start = Instant::now();
    let mut agent = home.start();
    println!("ready after {:.1} s beside four bombs", start.elapsed().as_secs_f64());
    let ready = || crate::http::get(&agent.address, "/ready").0;
    assert_eq!(ready(), 200);
    assert!(start.elapsed() < Duration::from_secs(30), "files that nothing names hold nobody up");
    assert_eq!(agent.post("/v1/push", r#"[{"metric":"m","value":1}]"#).0, 200);
    assert!(succeeded(&agent, "steady") > 0, "what is small comes first");

    let before = agent.instance("steady").unwrap()["counts"].clone();
    let peak_kib = Cell::new(0);
    let errors = agent.until_within(Duration::from_secs(300), "all bombs have ended", |agent| {
        for child in children(agent.pid()) {
            let status = std::fs::read_to_string(child.join("status")).unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            peak_kib.set(peak.and_then(|text| text.parse().ok()).unwrap_or(0).max(peak_kib.get()));
        }
        let files = BOMBS.map(|bomb| file(agent, &format!("{bomb}.wasm")));
        files.iter().all(|file| file["busy"] == false).then(|| files.map(|file| file["error"].clone()))
    });
    let peak_kib = peak_kib.get();
    println!(
        "four bombs took {:.0} s and at most {peak_kib} KiB: {errors:?}; the agent {:.0} MB",
        start.elapsed().as_secs_f64(),
        agent.metric("process_resident_memory_bytes").unwrap() / 1e6
    );
    assert!(peak_kib < 500 << 10, "{peak_kib} KiB");
    let after = agent.instance("steady").unwrap()["counts"].clone();
    assert_eq!((&after["failed"], &after["skipped"]), (&before["failed"], &before["skipped"]));
    assert!(errors.iter().any(|error| error.is_string()), "{errors:?}");

    // The next start knows. (What fails within a second is not remembered, and tried again.)
    agent.kill();
    let start = Instant::now();
    agent.start_again();
    let again = agent.until("all that failed has failed", |agent| {
        let files = BOMBS.map(|bomb| file(agent, &format!("{bomb}.wasm")));
        let ended = files.iter().zip(&errors).all(|(file, error)| file["error"].is_string() == error.is_string());
        ended.then(|| files.map(|file| file["error"].as_str().unwrap_or_default().to_owned()))
    });
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}: {again:?}", start.elapsed());
    let known = again.iter().position(|error| error.contains("failed before"));

    // Until somebody wants it again.
    let bomb = BOMBS[known.unwrap_or_else(|| panic!("none is remembered: {again:?}"))];
    let resumed = saker(&["plugin", "resume", bomb, "--address", &agent.address], agent.home.dir.path());
    assert!(resumed.status.success(), "{resumed:?}");
    agent.until("it is compiled again", |agent| (!children(agent.pid()).is_empty()).then_some(()));
}

#[test]
fn a_flood_of_series_takes_nothing_from_a_later_collector() {
    let config = "[pipeline]\nmax_series = 10_000\n[plugin.run-lateness]\nsettings.name = \"late\"";
    let agent = Home::new(&[]).keys("interval = \"100ms\"").config(config).start();
    for round in 0..4 {
        let values: Vec<_> =
            (0..5000).map(|number| format!(r#"{{"metric":"flood.{round}.{number}","value":1}}"#)).collect();
        agent.post("/v1/push", &format!("[{}]", values.join(",")));
    }
    let rejected = |agent: &Agent, source: &str, reason: &str| {
        agent.metric(&format!("saker_rejected_points_total{{source=\"{source}\",reason=\"{reason}\"}}"))
    };
    assert_eq!(rejected(&agent, "push", "listener_series"), Some(15_000.0));
    assert_eq!(agent.metric("saker_source_series{source=\"push\"}"), Some(5000.0));
    assert_eq!(agent.metric("saker_series_limit{scope=\"one_listener\"}"), Some(5000.0));
    assert_eq!(agent.metric("saker_series_limit{scope=\"all_listeners\"}"), Some(9000.0));
    // Others that push have the rest, but for the collectors' part.
    let lines: Vec<_> = (0..5000).map(|number| format!("flood{number} value=1")).collect();
    crate::http::request(&agent.address, "POST", "/write", &[], &lines.join("\n")).unwrap();
    assert_eq!(rejected(&agent, "influx", "reserved_series"), Some(1000.0));
    agent.home.put("run-lateness", &guest("run-lateness"));
    agent.until("it collects", |_| (succeeded(&agent, "run-lateness") > 2).then_some(()));
    let received = agent.metric("saker_received_points_total{source=\"collector:run-lateness\"}").unwrap();
    assert!(received > 0.0);
    assert_eq!(agent.metric("saker_accepted_points_total{source=\"collector:run-lateness\"}"), Some(received));
    agent.stop();
}
