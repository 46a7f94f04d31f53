//! Destinations that hang in the system or are killed again and again: nobody else notices, and their queues keep.

use std::fmt::Write;
use std::fs::OpenOptions;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::Value;

use crate::agent::{Agent, Home, guest};
use crate::attacks::holdings;

const NODES: usize = 8;

fn counts(agent: &Agent, name: &str) -> Value {
    agent.instance(name).unwrap()["counts"].clone()
}

#[test]
fn eight_destinations_that_hang_stop_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = String::new();
    let fifos: Vec<_> = (0..NODES)
        .map(|destination| {
            let place = folder.path().join(format!("n{destination}"));
            std::fs::create_dir(&place).unwrap();
            let fifo = place.join("fifo");
            mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
            write!(
                config,
                "[destination.n{destination}]\nbackend = \"fifo-backend\"\nsettings.path = {fifo:?}\ngrant.write = [{place:?}]\n\
                 limits.deadline.write = \"300ms\"\nbatch.max_age = \"50ms\"\nretry = {{ min = \"20ms\", max = \"50ms\" }}\n"
            )
            .unwrap();
            fifo
        })
        .collect();
    let names: Vec<_> = (0..NODES).map(|destination| format!("n{destination}")).collect();
    writeln!(config, "[[route]]\ndestinations = {names:?}\nreplicas = {NODES}").unwrap();
    let home = Home::new(&[]).keys("interval = \"1s\"").config(&config);
    home.put("fifo-backend", &guest("fifo-backend"));
    home.put("run-lateness", &guest("run-lateness"));
    let agent = home.start();
    agent
        .until("the steady one runs", |agent| (counts(agent, "run-lateness")["succeeded"].as_u64()? > 1).then_some(()));
    let (_, threads) = holdings(&agent);
    for name in &names {
        let fault = agent.until("it hangs", |agent| {
            let instance = agent.instance(&format!("destination {name}"))?;
            (instance["stuck_threads"] == 1).then(|| instance["last_fault"].clone()).filter(Value::is_object)
        });
        assert_eq!((fault["kind"].as_str(), fault["blame"].as_str()), (Some("hung"), Some("host")), "{fault}");
        assert!(fault["message"].as_str().unwrap().contains("/fifo"), "{fault}");
    }
    let before = counts(&agent, "run-lateness");
    // A hundred attempts of each destination, if every one were made.
    let enough = before["runs"].as_u64().unwrap() + 5;
    agent.until("five more runs", |agent| (counts(agent, "run-lateness")["runs"].as_u64()? > enough).then_some(()));
    let after = counts(&agent, "run-lateness");
    for key in ["failed", "skipped", "overrun", "no_room"] {
        assert_eq!(after[key], before[key], "{after}");
    }
    assert!(holdings(&agent).1 <= threads + NODES + 2, "{:?} threads, and {threads} before", holdings(&agent).1);
    for name in &names {
        assert_eq!(agent.instance(&format!("destination {name}")).unwrap()["stuck_threads"], 1);
    }

    // Somebody opens one of them, so that the thread comes back, and puts a file in its place, which can be written to.
    let other_end = OpenOptions::new().read(true).write(true).open(&fifos[0]).unwrap();
    agent.until_within(Duration::from_secs(30), "its thread is back", |agent| {
        (agent.instance("destination n0")?["stuck_threads"] == 0).then_some(())
    });
    std::fs::remove_file(&fifos[0]).unwrap();
    std::fs::write(&fifos[0], "").unwrap();
    drop(other_end);
    assert_eq!(agent.operate("/saker/v1/plugins/destination%20n0/resume"), 200);
    agent.until("it is written to", |agent| (counts(agent, "destination n0")["succeeded"].as_u64()? > 0).then_some(()));
    let start = Instant::now();
    agent.stop();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_destination_killed_again_and_again_pauses_and_its_queue_keeps() {
    let config = "[destination.spin]\nbackend = \"spin-write\"\nlimits.deadline.write = \"50ms\"\nbatch.max_age = \"50ms\"\n\
                  retry = { min = \"20ms\", max = \"50ms\" }\n[[route]]\ndestinations = [\"spin\"]\n";
    let home = Home::new(&[]).config(config);
    home.put("spin-write", &guest("spin-write"));
    let agent = home.start();
    let body = r#"[{"metric":"a","value":1},{"metric":"b","value":2}]"#;
    assert_eq!(agent.post("/v1/push", body).0, 200);
    let paused = |agent: &Agent| {
        let instance = agent.instance("destination spin")?;
        (instance["state"] == "quarantined").then_some(instance)
    };
    let instance = agent.until_within(Duration::from_secs(60), "it pauses", paused);
    assert_eq!(instance["counts"]["faults"]["deadline"], 5, "{instance}");
    assert!(instance["retry_in_s"].as_u64().unwrap() > 200, "{instance}");
    assert_eq!(agent.operate("/saker/v1/plugins/destination%20spin/resume"), 200);
    agent.until("it is tried again", |agent| {
        (counts(agent, "destination spin")["faults"]["deadline"].as_u64()? > 5).then_some(())
    });
    let queues = agent.json("/saker/v1/queues");
    let queue = &queues["queues"][0];
    assert_eq!((queue["points"].as_u64(), queue["dead_letter_points"].as_u64()), (Some(2), Some(0)), "{queues:#}");
    agent.stop();
}
