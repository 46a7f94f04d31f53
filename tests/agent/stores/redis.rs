//! The `redis` backend against Debian's `redis-server`, read back with its own `redis-cli`.

use serde_json::Value;

use super::exact::{agent, awkward, delivered, fails_with, identities, identities_of_json, identity, plain, push};
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
    fails_with(&agent, &format!("write under [node.there]: grant.connect = [\"{}\"]", server.address));
}
