//! Plugins that misbehave, in an agent whose other plugins must not notice.

use std::time::Duration;

use serde_json::Value;

use crate::agent::{Agent, Home, guest};

/// Each misbehaviour, its settings, and the kind of fault that it must end as.
const HOSTILE: [(&str, &str, &str); 8] = [
    ("spin", "{}", "deadline"),
    ("sleep", "{}", "deadline"),
    ("hoard", "{}", "memory"),
    ("trap", "{}", "trap"),
    ("recurse", "{}", "stack"),
    ("flood", "{ records = 100_000 }", "answer"),
    ("read", "{ path = \"/etc/passwd\" }", "denied"),
    ("dial", "{ address = \"127.0.0.1:9\" }", "denied"),
];

/// Those that must not notice.
const STEADY: [&str; 4] = ["cpu", "memory", "load", "kernel"];

fn counts(agent: &Agent, name: &str) -> Value {
    agent.instance(name).unwrap()["counts"].clone()
}

#[test]
fn the_worst_plugins_cost_their_own_values_only() {
    let mut config = String::new();
    for (name, settings, _) in HOSTILE {
        config.push_str(&format!(
            "[plugin.{name}]\ninterval = \"1s\"\nsettings = {settings}\nlimits.deadline.collect = \"300ms\"\n"
        ));
    }
    let home = Home::new(&STEADY).on_fixtures(&STEADY).keys("interval = \"1s\"").config(&config);
    for (name, ..) in HOSTILE {
        home.put(name, &guest(name));
    }
    let agent = home.start();
    for (name, _, kind) in HOSTILE {
        agent.until(&format!("{name} has ended as {kind}"), |agent| {
            (counts(agent, name)["faults"][kind].as_u64()? > 0).then_some(())
        });
        let faults = counts(&agent, name)["faults"].as_object().unwrap().clone();
        assert_eq!(faults.len(), 1, "{name} has ended in no other way: {faults:?}");
    }
    // Some time with all of them, through back-off and quarantine.
    let so_far = counts(&agent, "cpu")["ticks"].as_u64().unwrap();
    agent.until("twelve more ticks", |agent| (counts(agent, "cpu")["ticks"].as_u64()? > so_far + 12).then_some(()));
    for name in STEADY {
        let counts = counts(&agent, name);
        let of = |key: &str| counts[key].as_u64().unwrap();
        assert_eq!((of("failed"), of("skipped"), of("overrun")), (0, 0, 0), "{name}: {counts}");
        assert!(of("ticks") - of("succeeded") <= 1, "{name}: {counts}");
        assert!(of("succeeded") > 12, "{name}: {counts}");
    }
    let memory = agent.metric("process_resident_memory_bytes").unwrap();
    assert!(memory < 200e6, "{memory} bytes");
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
