//! Values to nodes: all of them, each to its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use crate::agent::{Agent, Home};
use crate::http::{self, Receiver};
use crate::servers::Server;

const COLLECTORS: [&str; 10] =
    ["cpu", "memory", "load", "disk-usage", "disk-io", "network", "tcp", "kernel", "pressure", "process"];

/// How long the agent collects into the three servers; longer where someone wants to see it.
fn seconds() -> u64 {
    std::env::var("SAKER_TEST_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

fn three_nodes(addresses: [&str; 3], replicas: usize) -> String {
    let mut config = String::new();
    for (name, address) in ["a", "b", "c"].iter().zip(addresses) {
        write!(
            config,
            "[node.{name}]\nbackend = \"influx\"\nsettings = {{ url = \"http://{address}/write\" }}\n\
             grant.connect = [\"{address}\"]\nbatch.age = \"200ms\"\n"
        )
        .unwrap();
    }
    write!(config, "[[route]]\nnodes = [\"a\", \"b\", \"c\"]\nreplicas = {replicas}\n").unwrap();
    config
}

fn account(printed: &str, node: &str) -> Vec<u64> {
    let line =
        printed.lines().find(|line| line.starts_with(&format!("{node} "))).unwrap_or_else(|| panic!("{printed}"));
    line.split_whitespace().skip(1).map(|number| number.parse().unwrap()).collect()
}

#[test]
fn three_victoria_metrics_hold_what_the_agent_says_it_delivered_and_no_series_twice() {
    let servers = [Server::victoria_metrics(), Server::victoria_metrics(), Server::victoria_metrics()];
    let addresses = [0, 1, 2].map(|number: usize| servers[number].address.as_str());
    let mut plugins = COLLECTORS.to_vec();
    plugins.push("influx");
    let agent = Home::new(&plugins).keys("interval = \"1s\"").config(&three_nodes(addresses, 1)).start();
    thread::sleep(Duration::from_secs(seconds()));
    let printed = agent.stop();
    let mut homes: BTreeMap<String, usize> = BTreeMap::new();
    for (number, (name, server)) in ["a", "b", "c"].iter().zip(&servers).enumerate() {
        let [0, enqueued, delivered, unsent, dropped] = account(&printed, name)[..] else { panic!("{printed}") };
        assert_eq!((enqueued, unsent, dropped), (delivered, 0, 0), "node {name}: {printed}");
        let stored = server.settled("sum(count_over_time({endpoint!=\"\"}[1h]))", delivered as f64);
        assert_eq!(stored, delivered as f64, "node {name}");
        for series in server.series("{endpoint!=\"\"}") {
            let before = homes.insert(series.to_string(), number);
            assert!(before.is_none_or(|before| before == number), "on two nodes: {series}");
        }
        assert!(delivered > 100, "node {name} has a share: {printed}");
    }
    assert!(homes.len() > 200, "{} series", homes.len());
}

#[test]
fn a_node_that_is_away_keeps_its_points_until_it_comes_back() {
    let receiver = Receiver::start();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let away = closed.local_addr().unwrap();
    drop(closed);
    let config = format!(
        "[node.well]\nbackend = \"influx\"\nsettings = {{ url = \"http://{0}/write\" }}\ngrant.connect = [\"{0}\"]\nbatch.age = \"50ms\"\n\
         [node.away]\nbackend = \"influx\"\nsettings = {{ url = \"http://{away}/write\" }}\ngrant.connect = [\"{away}\"]\nbatch.age = \"50ms\"\n\
         retry = {{ min = \"50ms\", max = \"200ms\" }}\n[[route]]\nnodes = [\"well\", \"away\"]\nreplicas = 2\n",
        receiver.address
    );
    let agent = Home::new(&["influx"]).config(&config).start();
    push(&agent, 0..50);
    agent.until("the well one has them", |_| (receiver.lines().len() == 50).then_some(()));
    agent.until("the other has failed", |agent| agent.node("away")["error"].as_str().map(str::to_owned));
    let back = Receiver::start_at(away);
    agent.until("the other has them too", |_| (back.lines().len() == 50).then_some(()));
    agent.until("the agent knows it", |agent| {
        let node = agent.node("away");
        (node["delivered"] == 50 && node["queued"] == 0 && node["error"].is_null()).then_some(())
    });
}

#[test]
fn a_node_without_its_grant_says_which_line_is_missing_and_sends_when_it_is_there() {
    let receiver = Receiver::start();
    let node = format!(
        "[[route]]\nnodes = [\"a\"]\n[node.a]\nbackend = \"influx\"\nsettings = {{ url = \"http://{}/write\" }}\nbatch.age = \"50ms\"\n",
        receiver.address
    );
    let agent = Home::new(&["influx"]).config(&node).start();
    push(&agent, 0..5);
    let error = agent.until("it is denied", |agent| agent.node("a")["error"].as_str().map(str::to_owned));
    let line = format!("grant.connect = [\"{}\"]", receiver.address);
    assert!(error.contains(&format!("write under [node.a]: {line}")), "{error}");
    agent.home.write_config(&format!("{}{line}\n", agent.home.config_text()));
    agent.until("it is delivered", |_| (receiver.lines().len() == 5).then_some(()));
}

#[test]
fn routes_send_by_name_and_tag_and_tell_where_a_series_goes() {
    let (net, rest) = (Receiver::start(), Receiver::start());
    let config = format!(
        "[node.net]\nbackend = \"influx\"\nsettings = {{ url = \"http://{0}/write\" }}\ngrant.connect = [\"{0}\"]\nbatch.age = \"50ms\"\n\
         [node.rest]\nbackend = \"influx\"\nsettings = {{ url = \"http://{1}/write\" }}\ngrant.connect = [\"{1}\"]\nbatch.age = \"50ms\"\n\
         [[route]]\nmetric = [\"net.*\"]\ntags = {{ iface = [\"eth*\"] }}\nnodes = [\"net\"]\n[[route]]\nnodes = [\"rest\"]\n",
        net.address, rest.address
    );
    let agent = Home::new(&["influx"]).config(&config).start();
    let body = r#"[{"metric":"net.in","value":1,"tags":"iface=eth0"},{"metric":"net.in","value":2,"tags":"iface=lo"},{"metric":"cpu","value":3}]"#;
    assert_eq!(agent.post("/v1/push", body).0, 200);
    agent.until("both have theirs", |_| (net.lines().len() == 1 && rest.lines().len() == 2).then_some(()));
    assert!(net.lines()[0].starts_with("net.in,") && net.lines()[0].contains("iface=eth0"), "{:?}", net.lines());
    let targets = agent.json("/api/v1/routes?metric=net.in&tags=iface=eth1");
    assert_eq!(targets["targets"]["nodes"], serde_json::json!(["net"]));
}

pub(crate) fn push(agent: &Agent, numbers: std::ops::Range<u32>) {
    let items: Vec<_> =
        numbers.map(|number| format!("{{\"metric\":\"m{number}\",\"value\":{number},\"step\":10}}")).collect();
    let (status, body) =
        http::request(&agent.address, "POST", "/v1/push", &[], &format!("[{}]", items.join(","))).unwrap();
    assert_eq!(status, 200, "{body}");
}
