//! The `redis` backend against Debian's `redis-server`, read back with its own `redis-cli`.

use serde_json::{Value, json};

use crate::exact::{agent, awkward, delivered, fails_with, identities, identities_of_json, identity, plain, push};
use crate::servers::{Server, printed};

fn cli(server: &Server, words: &[&str]) -> Value {
    let port = server.address.split_once(':').unwrap().1;
    let answer = printed("redis-cli", &[&["-p", port, "--json"], words].concat());
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// The points in a stream, as the identities of what was pushed.
fn stored(server: &Server, key: &str) -> Vec<String> {
    let entries = cli(server, &["XRANGE", key, "-", "+"]);
    let mut all: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let words: Vec<_> = entry[1].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            let field = |name: &str| words.chunks(2).find(|pair| pair[0] == name).unwrap()[1];
            let (time, value) = (field("timestamp_ms").parse().unwrap(), field("value").parse().unwrap());
            identity(field("endpoint"), field("metric"), field("tags"), time, value)
        })
        .collect();
    all.sort();
    all
}

fn settings(server: &Server, more: &str) -> String {
    format!("address = \"{}\"\n{more}", server.address)
}

#[test]
fn a_stream_holds_each_point_as_it_was_pushed() {
    let server = Server::redis(&[]);
    let agent = agent("redis", &settings(&server, "database = 2"), &[&server.address]);
    let values = awkward();
    push(&agent, &values);
    delivered(&agent, values.len());
    let port = server.address.split_once(':').unwrap().1;
    let length = printed("redis-cli", &["-p", port, "-n", "2", "XLEN", "saker"]);
    assert_eq!(length.trim(), values.len().to_string());
    cli(&server, &["SWAPDB", "0", "2"]);
    assert_eq!(stored(&server, "saker"), identities(&values));
}

#[test]
fn lists_by_endpoint_hold_lines_and_no_more_than_they_may() {
    let server = Server::redis(&[]);
    let more = "shape = \"list\"\nkey = \"m:${endpoint}\"\npush = \"left\"\nmax_length = 100";
    let agent = agent("redis", &settings(&server, more), &[&server.address]);
    let (values, rest) = (awkward(), plain(250, 1));
    push(&agent, &[values.clone(), rest.clone()].concat());
    delivered(&agent, values.len() + rest.len());
    let mut found = Vec::new();
    for place in 0..values.len() {
        let lines = cli(&server, &["LRANGE", &format!("m:host {place}\"\\'"), "0", "-1"]);
        found.extend(identities_of_json(lines.as_array().unwrap().iter().map(|line| line.as_str().unwrap())));
    }
    found.sort();
    assert_eq!(found, identities(&values));
    let lines = cli(&server, &["LRANGE", "m:box", "0", "-1"]);
    let newest = lines.as_array().unwrap();
    assert_eq!(newest.len(), 100);
    assert!(newest[0].as_str().unwrap().contains("\"metric\":\"m.249\""), "{}", newest[0]);
}

#[test]
fn what_reads_cadvisors_list_finds_its_records_in_it() {
    let server = Server::redis(&[]);
    let agent = agent("redis", &settings(&server, "shape = \"cadvisor\"\nmax_length = 4"), &[&server.address]);
    let value = |endpoint: &str, metric: &str, tags: &str, second: u64, value: f64| {
        json!({
            "endpoint": endpoint, "metric": metric, "tags": tags, "timestamp": 1_700_000_000 + second, "value": value,
            "step": 10,
        })
    };
    push(&agent, &[value("web-1", "memory_usage", "container=old", 0, 1.0)]);
    delivered(&agent, 1);
    push(
        &agent,
        &[
            value("web-1", "cpu_usage_total", "container=/docker/abc", 0, 81_250_000.0),
            value("web-2", "cpu_usage_total", "container=/docker/abc", 0, 1e18),
            value("web-1", "memory_usage", "container=/docker/abc", 0, 52_428_800.0),
            value("web-1", "fs_usage", "container=/docker/abc,device=/dev/sda1", 0, 1024.0),
            value("web-1", "app \"é💡\"", "code=200,container=/docker/abc", 0, -7.5),
            value("web-1", "load.1min", "", 1, 0.25),
        ],
    );
    delivered(&agent, 7);
    push(&agent, &[value("web-1", "cpu_usage_total", "container=/docker/abc", 10, 81_250_001.0)]);
    delivered(&agent, 8);
    let record = |machine: &str, container: &str, second: u64, stats: Value| {
        let mut stats = stats;
        stats["timestamp"] = at(second).into();
        let timestamp = (1_700_000_000 + second) * 1_000_000;
        json!({
            "timestamp": timestamp, "machine_name": machine, "container_Name": container, "container_stats": stats,
        })
    };
    let custom = |labels: Value, second: u64, value: f64| {
        let mut entry = json!({"timestamp": at(second), "float_value": value});
        if !labels.is_null() {
            entry["labels"] = labels;
        }
        json!([entry])
    };
    let list = cli(&server, &["LRANGE", "cadvisor", "0", "-1"]);
    let found: Vec<Value> =
        list.as_array().unwrap().iter().map(|text| serde_json::from_str(text.as_str().unwrap()).unwrap()).collect();
    // The newest first, and no more than four.
    assert_eq!(
        found,
        [
            record("web-1", "/docker/abc", 10, json!({"cpu": {"usage": {"total": 81_250_001}}})),
            record("web-1", "/", 1, json!({"custom_metrics": {"load.1min": custom(Value::Null, 1, 0.25)}})),
            record("web-2", "/docker/abc", 0, json!({"cpu": {"usage": {"total": 1_000_000_000_000_000_000_u64}}})),
            record(
                "web-1",
                "/docker/abc",
                0,
                json!({
                    "cpu": {"usage": {"total": 81_250_000}}, "memory": {"usage": 52_428_800},
                    "filesystem": [{"device": "/dev/sda1", "usage": 1024}],
                    "custom_metrics": {"app \"é💡\"": custom(json!({"code": "200"}), 0, -7.5)},
                })
            ),
        ]
    );
}

/// So many seconds after 1,700,000,000, as cAdvisor writes times; less than forty.
fn at(second: u64) -> String {
    format!("2023-11-14T22:13:{}.000Z", 20 + second)
}

#[test]
fn a_server_that_is_full_or_dies_gets_every_point_once() {
    let mut server = Server::redis(&["--maxmemory-policy", "noeviction"]);
    let agent = agent("redis", &settings(&server, ""), &[&server.address]);
    let mut all = Vec::new();
    let mut send = |round, count| {
        let values = plain(count, round);
        push(&agent, &values);
        all.extend(values);
    };
    send(1, 300);
    delivered(&agent, 300);
    cli(&server, &["CONFIG", "SET", "maxmemory", "1"]);
    send(2, 3000);
    fails_with(&agent, "OOM command not allowed");
    cli(&server, &["CONFIG", "SET", "maxmemory", "0"]);
    delivered(&agent, 3300);
    server.kill();
    send(3, 500);
    fails_with(&agent, "connection refused");
    server.start_again();
    delivered(&agent, 3800);
    assert_eq!(stored(&server, "saker"), identities(&all));
}

#[test]
fn a_password_is_asked_for_and_a_wrong_type_named() {
    let server = Server::redis(&["--requirepass", "open sesame"]);
    let config = settings(&server, "password = \"open sesame\"");
    let without = agent("redis", &settings(&server, ""), &[&server.address]);
    push(&without, &plain(1, 1));
    fails_with(&without, "unauthenticated multibulk length (give username and password)");
    without.home.write_config(&without.home.config_text().replace(&settings(&server, ""), &config));
    delivered(&without, 1);
    let port = server.address.split_once(':').unwrap().1;
    let cli = |words: &[&str]| {
        printed("redis-cli", &[&["-p", port, "--no-auth-warning", "-a", "open sesame"], words].concat())
    };
    cli(&["DEL", "saker"]);
    cli(&["SET", "saker", "x"]);
    push(&without, &plain(2, 2));
    fails_with(&without, "key saker: WRONGTYPE");
    cli(&["DEL", "saker"]);
    delivered(&without, 3);
    assert_eq!(cli(&["XLEN", "saker"]).trim(), "2");
}

#[test]
fn without_its_grant_it_says_which_line_is_missing() {
    let server = Server::redis(&[]);
    let agent = agent("redis", &settings(&server, ""), &[]);
    push(&agent, &plain(1, 1));
    fails_with(&agent, &format!("write under [destination.there]: grant.connect = [\"{}\"]", server.address));
}
