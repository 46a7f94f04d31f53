//! Plugins that misbehave, in an agent whose other plugins must not notice.

use std::time::Duration;

use serde_json::Value;

use crate::agent::{Agent, Home, command, guest, saker};

fn counts(agent: &Agent, name: &str) -> Value {
    agent.instance(name).unwrap()["counts"].clone()
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
    std::fs::write(dir.path().join("socket-error-texts.wasm"), guest("socket-error-texts")).unwrap();
    let (grant, settings) = (format!("connect={address}"), format!("{{\"port\": {}}}", address.port()));
    let output = command()
        .args(["collect", "socket-error-texts.wasm", "--grant", &grant, "--settings", &settings])
        .env("RUST_BACKTRACE", "1")
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("socket-error-texts: connection-reset") || said.contains("socket-error-texts: Broken pipe"),
        "{said}"
    );
    let errors = said.lines().filter(|line| !line.starts_with("saker: compiling ")).count();
    assert!(!said.contains("backtrace") && errors == 1, "{said}");
}

#[test]
fn whoever_is_in_quarantine_can_be_resumed() {
    let agent = Home::new(&[]).keys("interval = \"100ms\"").start();
    agent.home.put("memory-hog", &guest("memory-hog"));
    agent.home.put("trap", &guest("trap"));
    let hoard = agent.until("its report", |agent| {
        agent.instance("memory-hog").filter(|hoard| hoard["last_fault"]["kind"] == "memory")
    });
    let limit = serde_json::json!({ "key": "max_memory_bytes", "value": "67108864" });
    assert_eq!(hoard["last_fault"]["limit"], limit, "{hoard}");
    assert_eq!(hoard["limits"]["max_memory_bytes"], 67_108_864.0, "{hoard}");
    let trap =
        agent.until("its report", |agent| agent.instance("trap").filter(|trap| trap["last_fault"]["kind"] == "trap"));
    assert!(trap["last_fault"]["frames"].as_array().is_some_and(|frames| !frames.is_empty()), "{trap}");

    agent.until("it is in quarantine", |agent| (agent.instance("trap")?["state"] == "quarantined").then_some(()));
    let failed = counts(&agent, "trap")["failed"].as_u64().unwrap();
    let resumed = saker(&["plugin", "resume", "trap", "--address", &agent.address], agent.home.dir.path());
    assert!(resumed.status.success(), "{resumed:?}");
    agent.until("it is called again", |agent| (counts(agent, "trap")["failed"].as_u64()? > failed).then_some(()));
    let nobody = saker(&["plugin", "resume", "nobody", "--address", &agent.address], agent.home.dir.path());
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("there is no instance \"nobody\""), "{nobody:?}");
    agent.stop();
}

#[test]
fn a_collector_that_uses_more_than_its_share_is_left_alone() {
    let agent = Home::new(&[])
        .keys("interval = \"100ms\"")
        // Some hundred milliseconds a call, and a percent of a minute is six hundred.
        .config("[plugin.compress]\nsettings = { bytes = 4_000_000, level = 9 }\nlimits.max_cpu_percent = 1")
        .start();
    agent.home.put("compress", &guest("compress"));
    let squeeze = agent.until("it is throttled", |agent| {
        agent.instance("compress").filter(|squeeze| squeeze["counts"]["faults"]["cpu"].as_u64() > Some(0))
    });
    assert_eq!(squeeze["last_fault"]["limit"]["key"], "max_cpu_percent", "{squeeze}");
    let found = (&squeeze["state"], &squeeze["counts"]["failed"]);
    assert_eq!(found, (&"backing off".into(), &0.into()), "{squeeze}");
    agent.until("its runs are skipped", |agent| (counts(agent, "compress")["skipped"].as_u64()? > 3).then_some(()));
    agent.stop();
}

#[test]
fn failed_calls_count_for_the_cpu_quota_of_every_kind() {
    let agent = Home::new(&[])
        .keys("interval = \"100ms\"")
        // A percent of a minute is six hundred milliseconds, which one call to its deadline takes on any machine.
        .config(
            "[pipeline]\nprocessors = [\"slow-processor\"]\n\
             [plugin.slow-processor]\nsettings.ms = 400\nlimits.max_cpu_percent = 1\n\
             [plugin.cpu-burner]\nsettings = { ms = 400, failing = 1 }\nlimits.max_cpu_percent = 1\n\
             [destination.spinning]\nbackend = \"spin-write\"\nbatch.max_age = \"50ms\"\nretry = { min = \"10ms\", max = \"50ms\" }\n\
             limits = { max_cpu_percent = 1, deadline.write = \"5s\" }\n\
             [[route]]\ndestinations = [\"spinning\"]\n",
        )
        .start();
    for name in ["slow-processor", "cpu-burner", "spin-write"] {
        agent.home.put(name, &guest(name));
    }
    let throttled = |agent: &Agent, name: &str| agent.instance(name)?["counts"]["faults"]["cpu"].as_u64();
    let pushed = std::cell::Cell::new(0);
    agent.until("all three are throttled", |agent| {
        pushed.set(pushed.get() + 1);
        agent.post("/v1/push", &format!(r#"[{{"metric":"new{}","value":1}}]"#, pushed.get()));
        let all = ["cpu-burner", "slow-processor", "destination spinning"]
            .iter()
            .all(|name| throttled(agent, name) > Some(0));
        all.then_some(())
    });
    for name in ["cpu-burner", "slow-processor"] {
        let state = agent.instance(name).unwrap();
        assert_eq!(state["state"], "backing off", "{state}");
    }
    agent.until("its destination says so", |agent| {
        agent.destination("spinning")["error"].as_str()?.contains("limits.max_cpu_percent").then_some(())
    });
    let calls = agent.instance("destination spinning").unwrap()["calls"].clone();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(agent.instance("destination spinning").unwrap()["calls"], calls, "it is left alone");
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
    // Its first call goes well, and so does its canary; its second does not.
    agent.home.put("mine", &guest("panic-on-second-call"));
    let mine = agent.until("the second version was taken back", |agent| {
        agent.instance("mine").filter(|mine| mine["counts"]["rollbacks"] == 1)
    });
    assert_eq!((&mine["version"], &mine["summary"]), (&"1.0.0".into(), &"One value a run".into()));
    assert!(mine["rejected_update"]["message"].as_str().unwrap().contains("was taken back: trapped"), "{mine}");
    let so_far = mine["counts"]["succeeded"].as_u64().unwrap();
    agent.until("the first goes on", |agent| (counts(agent, "mine")["succeeded"].as_u64()? > so_far + 2).then_some(()));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(counts(&agent, "mine")["rollbacks"], 1, "it is not tried again");
}
