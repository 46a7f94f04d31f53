//! Every protocol that others push by, as the agent has it: one value in by each, and back from the recent window.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use serde_json::{Value, json};

use crate::agent::{Agent, Home};
use crate::http;

/// Where one listens, as it has logged.
fn address(agent: &Agent, listener: &str) -> String {
    agent.until(listener, |agent| {
        let log = agent.log();
        let says = |line: &&str| line.contains("listening over TCP") && line.contains(&format!("\"{listener}\""));
        let line = log.lines().rfind(says)?;
        line.split_once("address=")?.1.split_whitespace().next().map(str::to_owned)
    })
}

/// Says something to one, and closes; answers what it says in return.
fn say(agent: &Agent, listener: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address(agent, listener)).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn ask(agent: &Agent, method: &str, path: &str, body: &str) -> u16 {
    http::request(&agent.address, method, path, &[], body.as_bytes()).unwrap().0
}

/// Endpoint, tags and newest value of a metric's only series, once it is there.
fn newest(agent: &Agent, metric: &str) -> Value {
    agent.until(metric, |agent| {
        let recent = agent.json(&format!("/saker/v1/recent?metric={metric}"));
        let series = recent["series"].get(0)?;
        let newest = series["points"].as_array()?.last()?;
        Some(json!([series["endpoint"], series["tags"], newest[1]]))
    })
}

#[test]
fn a_value_that_comes_in_by_any_protocol_is_there() {
    let listeners: String = ["influx", "pickle", "opentsdb", "transfer", "transfer_lines"]
        .map(|name| format!("[listen.{name}]\ntcp = \"127.0.0.1:0\"\n"))
        .concat();
    let agent = Home::new(&[]).keys("endpoint = \"box\"").config(&listeners).start();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    say(&agent, "influx", format!("by_influx,a=b value=1 {now}\n").as_bytes());
    say(&agent, "opentsdb", format!("put by.opentsdb {now} 2 a=b host=web-1\n").as_bytes());
    let pickle = format!("(lp0\n(Vby.pickle;a=b\n(I{now}\nI3\nttp1\na.");
    say(&agent, "pickle", &[&(pickle.len() as u32).to_be_bytes(), pickle.as_bytes()].concat());
    say(&agent, "transfer_lines", format!("update web-1 by.lines/a=b {now} 4 GAUGE\n").as_bytes());
    let record = json!({
        "endpoint": "web-1", "metric": "by.transfer", "value": "5", "step": 60, "counterType": "GAUGE", "tags": "a=b", "timestamp": now,
    });
    let call = json!({"method": "Transfer.Update", "params": [[record]], "id": 9}).to_string();
    let answer = say(&agent, "transfer", call.as_bytes());
    assert!(answer.starts_with("{\"id\":9,\"result\":{\"Message\":\"ok\",\"Total\":1,\"Invalid\":0,"), "{answer}");
    assert_eq!(
        ask(&agent, "POST", "/api/put", &format!("{{\"metric\":\"by.put\",\"timestamp\":{now},\"value\":6}}")),
        204
    );
    assert_eq!(ask(&agent, "POST", "/api/v1/import/prometheus", "by_text{a=\"b\"} 7\n"), 204);
    assert_eq!(ask(&agent, "PUT", "/metrics/job/backup/instance/web-1", "by_push 8\n"), 200);
    let line = format!("{{\"metric\":{{\"__name__\":\"by_import\"}},\"values\":[9],\"timestamps\":[{now}000]}}");
    assert_eq!(ask(&agent, "POST", "/api/v1/import", &line), 204);
    assert_eq!(ask(&agent, "POST", "/api/v1/import/csv?format=1:metric:by_csv,2:label:a", "10,b\n"), 204);
    for (metric, expected) in [
        ("by_influx", json!(["box", {"a": "b"}, 1.0])),
        ("by.opentsdb", json!(["web-1", {"a": "b"}, 2.0])),
        ("by.pickle", json!(["box", {"a": "b"}, 3.0])),
        ("by.lines", json!(["web-1", {"a": "b"}, 4.0])),
        ("by.transfer", json!(["web-1", {"a": "b"}, 5.0])),
        ("by.put", json!(["box", {}, 6.0])),
        ("by_text", json!(["box", {"a": "b"}, 7.0])),
        ("by_push", json!(["web-1", {"job": "backup"}, 8.0])),
        ("by_import", json!(["box", {}, 9.0])),
        ("by_csv", json!(["box", {"a": "b"}, 10.0])),
    ] {
        assert_eq!(newest(&agent, metric), expected, "{metric}");
    }
    assert_eq!(ask(&agent, "POST", "/metrics/job/", ""), 400);
    let rejected = agent.metric("saker_rejected_bodies_total{listener=\"prometheus\",reason=\"bad\"}");
    assert_eq!(rejected, Some(1.0), "paths below a door's are its own");
}
