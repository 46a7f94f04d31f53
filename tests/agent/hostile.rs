//! Plugins that misbehave, in an agent whose other plugins must not notice.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::agent::{Agent, Home, command, guest, saker};

/// Each misbehaviour, its settings, and the kind of fault that it must end as.
const HOSTILE: [(&str, &str, &str); 27] = [
    ("abort", "{}", "trap"),
    ("dial", "{ address = \"127.0.0.1:9\" }", "denied"),
    ("exit", "{}", "trap"),
    ("fail", "{}", "error"),
    ("fetch", "{ url = \"http://127.0.0.1:9/\" }", "denied"),
    ("flood", "{ records = 100_000 }", "answer"),
    ("hoard", "{}", "memory"),
    ("huge-text", "{}", "memory"),
    ("leak-files", "{ path = \"/etc/passwd\" }", "denied"),
    ("leak-handles", "{}", "handles"),
    ("lie-callback", "{}", "trap"),
    ("lie-discriminant", "{}", "trap"),
    ("lie-divide", "{}", "trap"),
    ("lie-length", "{}", "trap"),
    ("lie-realloc-spin", "{}", "deadline"),
    ("lie-repeat", "{}", "answer"),
    ("lie-table", "{}", "table"),
    ("lie-utf8", "{}", "trap"),
    ("lie-wild", "{}", "trap"),
    ("lookup", "{ name = \"word.attacker.example\" }", "denied"),
    ("random-bomb", "{}", "trap"),
    ("read", "{ path = \"/etc/passwd\" }", "denied"),
    ("recurse", "{}", "stack"),
    ("sleep", "{}", "deadline"),
    ("spin", "{}", "deadline"),
    ("trap", "{}", "trap"),
    ("write", "{ path = \"/tmp/x\", create = true }", "denied"),
];

/// What misbehaves without failing: it floods the log, its own figures, the state, the table of series.
const LOUD: [&str; 6] = ["chatter", "figures", "junk", "series-bomb", "state-bomb", "tag-bomb"];

/// Those that must not notice.
const STEADY: [&str; 10] = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9"];

/// How long all of them run beside each other: in the tests as long as it takes for a start, in a measurement (`make
/// bench-hostile`) for five minutes.
fn seconds() -> u64 {
    std::env::var("SAKER_HOSTILE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

/// How many files and threads the agent has.
pub(crate) fn holdings(agent: &Agent) -> (usize, usize) {
    let count = |what: &str| std::fs::read_dir(format!("/proc/{}/{what}", agent.pid())).unwrap().count();
    (count("fd"), count("task"))
}

fn counts(agent: &Agent, name: &str) -> Value {
    agent.instance(name).unwrap()["counts"].clone()
}

#[test]
fn the_worst_plugins_cost_their_own_values_only() {
    let mut config = String::from("[cache]\nage = \"10m\"\n");
    for (name, settings, kind) in HOSTILE {
        config.push_str(&format!("[plugin.{name}]\nsettings = {settings}\n"));
        // Only what never ends is hurried: a busy machine may take its time for everything else.
        if kind == "deadline" {
            config.push_str("limits.deadline = { open = \"300ms\", collect = \"300ms\" }\n");
        }
    }
    for name in STEADY {
        config.push_str(&format!("[plugin.{name}]\nsettings.name = \"{name}\"\n"));
    }
    let home = Home::new(&[]).keys("interval = \"1s\"").config(&config);
    STEADY.iter().for_each(|name| home.put(name, &guest("punctual")));
    let agent = home.start();
    agent.until("the steady ones run", |agent| (counts(agent, "s9")["succeeded"].as_u64()? > 2).then_some(()));
    let (files, threads) = holdings(&agent);
    for name in HOSTILE.iter().map(|(name, ..)| *name).chain(LOUD) {
        agent.home.put(name, &guest(name));
    }
    for (name, _, kind) in HOSTILE {
        agent.until(&format!("{name} has ended as {kind}"), |agent| {
            (agent.instance(name)?["counts"]["faults"][kind].as_u64()? > 0).then_some(())
        });
        let faults = counts(&agent, name)["faults"].as_object().unwrap().clone();
        assert_eq!(faults.len(), 1, "{name} has ended in no other way: {faults:?}");
    }
    // Compiling forty files on a busy machine is not what is measured.
    agent.until("all files are loaded", |agent| {
        let files = agent.json("/api/v1/plugins")["files"].clone();
        files.as_array()?.iter().all(|file| file["busy"] == false).then_some(())
    });
    let before: Vec<_> = STEADY.iter().map(|name| counts(&agent, name)).collect();
    let began = now_ms();
    agent.until_within(Duration::from_secs(seconds() + 60), "so many more ticks", |agent| {
        (counts(agent, "s0")["ticks"].as_u64()? > before[0]["ticks"].as_u64()? + seconds()).then_some(())
    });
    for (name, before) in STEADY.iter().zip(&before) {
        let counts = counts(&agent, name);
        for key in ["failed", "skipped", "overrun"] {
            assert_eq!(counts[key], before[key], "{name}: {counts}, and before {before}");
        }
    }
    let mut late = lateness(&agent, began);
    late.sort_by(f64::total_cmp);
    let p99 = late[late.len() * 99 / 100 - 1];
    let memory = agent.metric("process_resident_memory_bytes").unwrap();
    println!(
        "{} ticks of {} steady collectors beside {} hostile ones: p50 {:.1} ms late, p99 {p99:.1} ms, worst {:.1} ms; {:.0} MB",
        late.len(),
        STEADY.len(),
        HOSTILE.len() + LOUD.len(),
        late[late.len() / 2],
        late[late.len() - 1],
        memory / 1e6
    );
    assert!(late.len() as u64 >= STEADY.len() as u64 * seconds(), "{} ticks", late.len());
    assert!(memory < 250e6, "{memory} bytes");
    // A measurement has the machine for itself.
    assert!(std::env::var_os("SAKER_HOSTILE_SECONDS").is_none() || p99 < 20.0, "{p99} ms");

    for name in HOSTILE.iter().map(|(name, ..)| *name).chain(LOUD) {
        std::fs::remove_file(agent.home.plugin_path(name)).unwrap();
    }
    agent.until("no file of theirs is open any more", |agent| (holdings(agent).0 <= files + 2).then_some(()));
    // Threads wait for other calls, and there were never more than calls at the same time.
    let at_once = threads + HOSTILE.len() + LOUD.len();
    assert!(holdings(&agent).1 <= at_once, "{:?}, and {at_once} calls at once", holdings(&agent));
    agent.stop();
}

/// How late the steady collectors were called since then, in milliseconds.
fn lateness(agent: &Agent, since_ms: u128) -> Vec<f64> {
    let recent = agent.json(&format!("/api/v1/recent?metric=punctual.late_ms&start={since_ms}"));
    let series = recent["series"].as_array().unwrap().iter();
    series.flat_map(|series| series["points"].as_array().unwrap()).map(|point| point[1].as_f64().unwrap()).collect()
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

#[test]
fn an_error_tells_a_plugin_nothing_of_this_process() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Closed with something unread, which resets the connection.
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::sleep(Duration::from_millis(50));
            drop(connection);
        }
    });
    let dir = tempfile::TempDir::new().unwrap();
    std::fs::write(dir.path().join("pry.wasm"), guest("pry")).unwrap();
    let (grant, settings) = (format!("connect={address}"), format!("{{\"port\": {}}}", address.port()));
    let output = command()
        .args(["collect", "pry.wasm", "--grant", &grant, "--settings", &settings])
        .env("RUST_BACKTRACE", "1")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("pry: connection-reset") || said.contains("pry: Broken pipe"), "{said}");
    let errors = said.lines().filter(|line| !line.starts_with("saker: compiling ")).count();
    assert!(!said.contains("backtrace") && errors == 1, "{said}");
}

#[test]
fn whoever_is_in_quarantine_can_be_revived_and_its_report_tells_why_it_is_there() {
    let agent = Home::new(&[]).keys("interval = \"100ms\"").start();
    agent.home.put("hoard", &guest("hoard"));
    agent.home.put("trap", &guest("trap"));
    let hoard = agent
        .until("its report", |agent| agent.instance("hoard").filter(|hoard| hoard["last_fault"]["kind"] == "memory"));
    let limit = serde_json::json!({ "key": "memory_bytes", "value": "67108864" });
    assert_eq!(hoard["last_fault"]["limit"], limit, "{hoard}");
    assert_eq!(hoard["limits"]["memory_bytes"], 67_108_864.0, "{hoard}");
    let trap =
        agent.until("its report", |agent| agent.instance("trap").filter(|trap| trap["last_fault"]["kind"] == "trap"));
    assert!(trap["last_fault"]["frames"].as_array().is_some_and(|frames| !frames.is_empty()), "{trap}");

    agent.until("it is in quarantine", |agent| (agent.instance("trap")?["state"] == "quarantined").then_some(()));
    let failed = counts(&agent, "trap")["failed"].as_u64().unwrap();
    let revived = saker(&["plugin", "revive", "trap", "--address", &agent.address], agent.home.dir.path());
    assert!(revived.status.success(), "{revived:?}");
    agent.until("it is called again", |agent| (counts(agent, "trap")["failed"].as_u64()? > failed).then_some(()));
    let nobody = saker(&["plugin", "revive", "nobody", "--address", &agent.address], agent.home.dir.path());
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("there is no instance \"nobody\""), "{nobody:?}");
    agent.stop();
}

#[test]
fn a_collector_that_uses_more_than_its_share_is_left_alone() {
    let agent = Home::new(&[])
        .keys("interval = \"100ms\"")
        // Some hundred milliseconds a call, and a percent of a minute is six hundred.
        .config("[plugin.squeeze]\nsettings = { bytes = 4_000_000, level = 9 }\nlimits.cpu_percent = 1")
        .start();
    agent.home.put("squeeze", &guest("squeeze"));
    let squeeze = agent.until("it is throttled", |agent| {
        agent.instance("squeeze").filter(|squeeze| squeeze["counts"]["faults"]["cpu"].as_u64() > Some(0))
    });
    assert_eq!(squeeze["last_fault"]["limit"]["key"], "cpu_percent", "{squeeze}");
    let found = (&squeeze["state"], &squeeze["counts"]["failed"]);
    assert_eq!(found, (&"backing off".into(), &0.into()), "{squeeze}");
    agent.until("its ticks are skipped", |agent| (counts(agent, "squeeze")["skipped"].as_u64()? > 3).then_some(()));
    agent.stop();
}

#[test]
fn the_share_of_a_processor_counts_calls_that_fail_of_every_kind_of_plugin() {
    let agent = Home::new(&[])
        .keys("interval = \"100ms\"")
        // A percent of a minute is six hundred milliseconds.
        .config(
            "[pipeline]\nprocessors = [\"ponder\"]\n\
             [plugin.ponder]\nsettings.ms = 400\nlimits.cpu_percent = 1\n\
             [plugin.burn]\nsettings = { ms = 400, failing = 1 }\nlimits.cpu_percent = 1\n\
             [node.spinning]\nbackend = \"spin-write\"\nbatch.age = \"50ms\"\nretry = { min = \"10ms\", max = \"50ms\" }\n\
             limits = { cpu_percent = 1, deadline.write = \"1s\" }\n\
             [[route]]\nnodes = [\"spinning\"]\n",
        )
        .start();
    for name in ["ponder", "burn", "spin-write"] {
        agent.home.put(name, &guest(name));
    }
    let throttled = |agent: &Agent, name: &str| agent.instance(name)?["counts"]["faults"]["cpu"].as_u64();
    let pushed = std::cell::Cell::new(0);
    agent.until("all three are throttled", |agent| {
        pushed.set(pushed.get() + 1);
        agent.post("/v1/push", &format!(r#"[{{"metric":"new{}","value":1}}]"#, pushed.get()));
        let all = ["burn", "ponder", "node spinning"].iter().all(|name| throttled(agent, name) > Some(0));
        all.then_some(())
    });
    for name in ["burn", "ponder"] {
        let state = agent.instance(name).unwrap();
        assert_eq!(state["state"], "backing off", "{state}");
    }
    agent.until("its node says so", |agent| {
        agent.node("spinning")["error"].as_str()?.contains("limits.cpu_percent").then_some(())
    });
    let calls = agent.instance("node spinning").unwrap()["calls"].clone();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(agent.instance("node spinning").unwrap()["calls"], calls, "it is left alone");
    agent.stop();
}

#[test]
fn a_plugin_that_is_killed_again_and_again_backs_off() {
    let agent = Home::new(&[])
        .keys("interval = \"100ms\"")
        .config("[plugin.trap]\nlimits.deadline.collect = \"300ms\"")
        .start();
    agent.home.put("trap", &guest("trap"));
    let state = agent.until("it backs off", |agent| {
        let trap = agent.instance("trap")?;
        (trap["counts"]["skipped"].as_u64()? > 10).then(|| trap["state"].clone())
    });
    assert_eq!(state, "backing off");
    let fault = agent.instance("trap").unwrap()["last_fault"].clone();
    assert_eq!((&fault["kind"], &fault["blame"]), (&"trap".into(), &"plugin".into()));
    assert!(fault["log"].to_string().contains("told to panic in collect"), "the panic's words are kept: {fault}");
}

#[test]
fn a_version_that_fails_its_first_calls_is_taken_back() {
    let agent = Home::new(&[]).keys("interval = \"200ms\"").start();
    agent.home.put("mine", &guest("steady-1"));
    agent.until("the first version runs", |agent| (agent.instance("mine")?["version"] == "1.0.0").then_some(()));
    // Its first call goes well, and so does its trial; its second does not.
    agent.home.put("mine", &guest("relapse"));
    let mine = agent.until("the second version was taken back", |agent| {
        agent.instance("mine").filter(|mine| mine["counts"]["rollbacks"] == 1)
    });
    assert_eq!((&mine["version"], &mine["summary"]), (&"1.0.0".into(), &"One value a tick".into()));
    assert!(mine["refused_update"]["message"].as_str().unwrap().contains("was taken back: trapped"), "{mine}");
    let so_far = mine["counts"]["succeeded"].as_u64().unwrap();
    agent.until("the first goes on", |agent| (counts(agent, "mine")["succeeded"].as_u64()? > so_far + 2).then_some(()));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(counts(&agent, "mine")["rollbacks"], 1, "it is not tried again");
}
