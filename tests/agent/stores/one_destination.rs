//! What is common to tests of an agent with one destination.

use crate::agent::{Agent, Home};

/// An agent whose points all go to one destination with these settings, which may connect to `address`.
pub(crate) fn agent(backend: &str, settings: &str, address: &str) -> Agent {
    Home::new(&[backend]).config(&destination(backend, settings, &format!("grant.connect = [\"{address}\"]"))).start()
}

/// The configuration of that destination.
pub(crate) fn destination(backend: &str, settings: &str, grant: &str) -> String {
    format!(
        "[[route]]\ndestinations = [\"a\"]\n[destination.a]\nbackend = \"{backend}\"\nsettings = {{ {settings} }}\n\
         batch.max_age = \"50ms\"\nretry = {{ min = \"50ms\", max = \"200ms\" }}\n{grant}\n"
    )
}

/// Pushes values; each is metric, tags, type, seconds and value.
pub(crate) fn push(agent: &Agent, values: &[(&str, &str, &str, u64, f64)]) {
    let items: Vec<_> = values
        .iter()
        .map(|(metric, tags, kind, timestamp, value)| {
            serde_json::json!({
                "endpoint": "web-1.eu", "metric": metric, "tags": tags, "counterType": kind, "step": 10,
                "timestamp": timestamp, "value": value,
            })
        })
        .collect();
    let (status, answer) = agent.post("/v1/push", &serde_json::Value::from(items).to_string());
    assert_eq!(status, 200, "{answer}");
}

/// Waits until the destination has delivered as many points and has nothing left.
pub(crate) fn until_delivered(agent: &Agent, points: u64) {
    agent.until("all is delivered", |agent| {
        let destination = agent.destination("a");
        (destination["delivered"] == points && destination["queued"] == 0).then_some(())
    });
}

/// The present, in seconds since 1970.
pub(crate) fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
