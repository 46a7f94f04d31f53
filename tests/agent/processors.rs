//! The `tag` processor in the agent's own pipeline.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::agent::{Agent, Home, guest, shipped, variant};
use crate::http;

const RULES: &str = "[pipeline]\nprocessors = [\"tag\"]\n[plugin.tag]\nsettings = { rules = [\n\
    { when = { metric = \"secret.*\" }, drop = true },\n\
    { add = { dc = \"eu1\" } },\n\
] }\n";

/// A value of a series that is asked about no more, once it was pushed.
const KNOWN: &str = r#"[{"metric":"known","value":1}]"#;

#[test]
fn series_are_tagged_or_dropped_and_each_is_asked_about_once() {
    let agent = Home::new(&["tag"]).config(RULES).start();
    for _ in 0..5 {
        let (_, answer) = agent.post("/v1/push", r#"[{"metric":"a","value":1},{"metric":"secret.key","value":2}]"#);
        assert_eq!(answer["data"]["accepted"], 1);
        assert_eq!(answer["data"]["rejected"][0]["reason"], "dropped by a processor");
    }
    let recent = agent.json("/saker/v1/recent");
    assert_eq!(recent["total"], 1);
    assert_eq!(recent["series"][0]["tags"], json!({"dc": "eu1"}));
    assert_eq!(recent["series"][0]["points"].as_array().unwrap().len(), 5);
    assert_eq!(agent.instance("tag").unwrap()["counts"]["values"], 2, "asked about two series, for ten values");
}

#[test]
fn other_rules_are_asked_anew() {
    let agent = Home::new(&["tag"]).config(RULES).start();
    agent.post("/v1/push", r#"[{"metric":"a","value":1}]"#);
    agent.home.write_config(&agent.home.config_text().replace("eu1", "us2"));
    agent.until("the new rules hold", |agent| {
        agent.post("/v1/push", r#"[{"metric":"a","value":1}]"#);
        (agent.json("/saker/v1/recent?tags=dc=us2")["total"] == 1).then_some(())
    });
}

#[test]
fn a_processor_that_is_missing_passes_or_drops_as_it_is_set() {
    for (setting, accepted) in [("pass", 1), ("drop", 0)] {
        let config = format!("[pipeline]\nprocessors = [\"tag\"]\non_processor_failure = \"{setting}\"\n");
        let agent = Home::new(&[]).config(&config).start();
        let (_, answer) = agent.post("/v1/push", r#"[{"metric":"a","value":1}]"#);
        assert_eq!(answer["data"]["accepted"], accepted, "{setting}: {answer}");
        let rejected = agent.instance("tag").unwrap()["rejected_update"]["message"].clone();
        assert!(rejected.as_str().unwrap().contains("there is no tag.wasm"), "{rejected}");
    }
}

#[test]
fn no_value_passes_the_processors_by_while_they_are_being_loaded() {
    // Other bytes than any other test's, so that it is compiled anew, while the collector comes from the cache.
    let home = Home::new(&["load"]).on_fixtures(&["load"]).keys("interval = \"200ms\"").config(RULES);
    let number = u32::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() & 0xffff_ffff).unwrap();
    home.put("tag", &variant(&shipped("tag"), number));
    let agent = home.start();
    agent.until("the collector has succeeded", |agent| {
        (agent.instance("load")?["counts"]["succeeded"].as_u64()? > 2).then_some(())
    });
    let (all, tagged) = (agent.json("/saker/v1/recent"), agent.json("/saker/v1/recent?tags=dc=eu1"));
    assert_eq!((&all["total"], &tagged["total"]), (&json!(5), &json!(5)), "{all}");
}

#[test]
fn a_processor_that_takes_seconds_delays_only_its_series() {
    let home = Home::new(&["load"]).on_fixtures(&["load"]).keys("interval = \"200ms\"");
    home.put("verdict-by-name", &guest("verdict-by-name"));
    let agent = home
        .config(
            "[pipeline]\nprocessors = [\"verdict-by-name\"]\n\
             [plugin.verdict-by-name]\nsettings.spin = [\"slow\"]\nlimits.deadline.map = \"4s\"\nlimits.max_cpu_percent = 100\n",
        )
        .start();
    let succeeded = |agent: &Agent| agent.instance("load")?["counts"]["succeeded"].as_u64();
    assert_eq!(agent.post("/v1/push", KNOWN).1["data"]["accepted"], 1);
    agent.until("the collector's series are known", |agent| (succeeded(agent)? > 3).then_some(()));
    let (start, before, address) = (Instant::now(), succeeded(&agent).unwrap(), agent.address.clone());
    let slow = thread::spawn(move || {
        let answer = http::request(&address, "POST", "/v1/push", &[], r#"[{"metric":"slow","value":1}]"#).unwrap();
        (answer.0, start.elapsed())
    });
    let mut longest = Duration::ZERO;
    while !slow.is_finished() {
        let pushed = Instant::now();
        assert_eq!(agent.post("/v1/push", KNOWN).1["data"]["accepted"], 1);
        longest = longest.max(pushed.elapsed());
        thread::sleep(Duration::from_millis(50));
    }
    let (status, took) = slow.join().unwrap();
    assert!(status == 200 && took >= Duration::from_secs(4), "{status} after {took:?}");
    assert!(longest < took / 2, "a push of a known series took {longest:?} of {took:?}");
    let runs = succeeded(&agent).unwrap() - before;
    assert!(runs >= 10, "{runs} runs in {took:?}, and five a second were due");
}
