//! What is common to tests of an agent with one node.

use crate::agent::{Agent, Home};

/// An agent whose points all go to one node with these settings, which may connect to `address`.
pub(crate) fn agent(backend: &str, settings: &str, address: &str) -> Agent {
    Home::new(&[backend]).config(&node(backend, settings, &format!("grant.connect = [\"{address}\"]"))).start()
}

/// The configuration of that node.
pub(crate) fn node(backend: &str, settings: &str, grant: &str) -> String {
    format!(
        "[[route]]\nnodes = [\"a\"]\n[node.a]\nbackend = \"{backend}\"\nsettings = {{ {settings} }}\n\
         batch.age = \"50ms\"\nretry = {{ min = \"50ms\", max = \"200ms\" }}\n{grant}\n"
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

/// Waits until the node has delivered as many points and has nothing left.
pub(crate) fn until_delivered(agent: &Agent, points: u64) {
    agent.until("all is delivered", |agent| {
        let node = agent.node("a");
        (node["delivered"] == points && node["queued"] == 0).then_some(())
    });
}

/// The present, in seconds since 1970.
pub(crate) fn now_s() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}
