//! What is common to tests that compare every single point with what the server holds.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::agent::{Agent, Home};

/// An agent with one destination, `there`, of a backend, which may connect to these addresses. It is ready.
pub(super) fn agent(backend: &str, settings: &str, grants: &[&str]) -> Agent {
    let config = format!(
        "[destination.there]\nbackend = \"{backend}\"\ngrant.connect = {grants:?}\nbatch.max_age = \"50ms\"\n\
         retry = {{ min = \"50ms\", max = \"200ms\" }}\n\
         [[route]]\ndestinations = [\"there\"]\n[destination.there.settings]\n{settings}\n"
    );
    Home::new(&[backend]).keys("endpoint = \"box\"").config(&config).start()
}

/// Names with whatever may stand in them, values and times at their ends. As they are pushed, which leaves out spaces in
/// tags.
pub(super) fn awkward() -> Vec<Value> {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let names = [
        "cpu.idle",
        "a b",
        "\"quoted\"",
        "back\\slash",
        "é💡",
        "a{b}/c:d;e",
        "'; DROP TABLE x; --",
        "%s$1",
        "..x.",
        "*.>",
    ];
    let values =
        [0.0, -1.0, 0.1, 1e-300, f64::MAX, f64::MIN_POSITIVE, -12345.678, 1e20, 9_007_199_254_740_993.0, 99.99];
    let times = [now, 2, 1, now + 300, now - 1, now, now - 100_000, 1_000_000_000, now, now];
    let tags = ["", "k=v", "mount=/var-lib", "q=\"x\"\\y", "é=💡", "a=1,b=2", "k={}", "k=$2", "sql=';OR'1", "x.y=*.>"];
    let kinds = ["GAUGE", "COUNTER", "DERIVE"];
    (0..names.len())
        .map(|place| {
            json!({
                "endpoint": format!("host {place}\"\\'"), "metric": names[place], "value": values[place], "step": 10,
                "counterType": kinds[place % 3], "tags": tags[place], "timestamp": times[place],
            })
        })
        .collect()
}

/// Pushes values, all of which must be taken.
pub(super) fn push(agent: &Agent, values: &[Value]) {
    let (status, answer) = agent.post("/v1/push", &json!(values).to_string());
    assert_eq!((status, &answer["data"]["accepted"]), (200, &values.len().into()), "{answer}");
}

/// So many plain values, each of a series of its own, at a time that makes it another point in every round.
pub(super) fn plain(count: usize, round: usize) -> Vec<Value> {
    let value = |number| json!({"metric": format!("m.{number}"), "value": round, "step": 10, "timestamp": 1_700_000_000 + round});
    (0..count).map(value).collect()
}

/// Waits until the destination has delivered so many points, and has lost none.
pub(super) fn delivered(agent: &Agent, count: usize) {
    agent.until(&format!("{count} points are delivered"), |agent| {
        let destination = agent.destination("there");
        assert!(destination["dropped"].as_object().unwrap().values().all(|dropped| dropped == 0), "{destination}");
        (destination["delivered"] == count).then_some(())
    });
}

/// Waits until the destination reports an error with these words.
pub(super) fn fails_with(agent: &Agent, words: &str) -> String {
    agent.until(&format!("it says {words:?}"), |agent| {
        agent.destination("there")["error"].as_str().filter(|error| error.contains(words)).map(str::to_owned)
    })
}

/// The identity of a point, as the tests compare them: endpoint, metric, tags, time in milliseconds, and the value in
/// its shortest form.
pub(super) fn identity(endpoint: &str, metric: &str, tags: &str, timestamp_ms: i64, value: f64) -> String {
    let mut text = String::new();
    write!(text, "{endpoint}|{metric}|{tags}|{timestamp_ms}|{value:e}").unwrap();
    text
}

/// The identities of values that were pushed, sorted.
pub(super) fn identities(values: &[Value]) -> Vec<String> {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = values
        .iter()
        .map(|value| {
            let endpoint = value["endpoint"].as_str().unwrap_or("box");
            let time = value["timestamp"].as_i64().unwrap() * 1000;
            identity(endpoint, &text(value, "metric"), &text(value, "tags"), time, value["value"].as_f64().unwrap())
        })
        .collect();
    all.sort();
    all
}

/// The identities of points that are stored as the agent's own lines of JSON, sorted.
pub(super) fn identities_of_json<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<String> {
    let mut all: Vec<_> = lines
        .map(|line| {
            let point: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let tags: Vec<_> = point["tags"]
                .as_object()
                .unwrap()
                .iter()
                .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
                .collect();
            identity(
                point["endpoint"].as_str().unwrap(),
                point["metric"].as_str().unwrap(),
                &tags.join(","),
                point["timestamp_ms"].as_i64().unwrap(),
                point["value"].as_f64().unwrap(),
            )
        })
        .collect();
    all.sort();
    all
}
