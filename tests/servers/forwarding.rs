//! Values to destinations: all of them, each to its own.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::agent::Home;
use crate::servers::Server;

const COLLECTORS: [&str; 10] =
    ["cpu", "memory", "load", "disk-usage", "disk-io", "network", "tcp", "kernel", "pressure", "process"];

/// Points that each of the destinations gets at least: a share of each collector's series, some runs of them.
const SHARE: u64 = 300;

fn three_destinations(addresses: [&str; 3], replicas: usize) -> String {
    let mut config = String::new();
    for (name, address) in ["a", "b", "c"].iter().zip(addresses) {
        write!(
            config,
            "[destination.{name}]\nbackend = \"influx\"\nsettings = {{ url = \"http://{address}/write\" }}\n\
             grant.connect = [\"{address}\"]\nbatch.max_age = \"200ms\"\n"
        )
        .unwrap();
    }
    write!(config, "[[route]]\ndestinations = [\"a\", \"b\", \"c\"]\nreplicas = {replicas}\n").unwrap();
    config
}

fn account(printed: &str, destination: &str) -> Vec<u64> {
    let line = printed
        .lines()
        .find(|line| line.starts_with(&format!("{destination} ")))
        .unwrap_or_else(|| panic!("{printed}"));
    line.split_whitespace().skip(1).map(|number| number.parse().unwrap()).collect()
}

#[test]
fn three_victoria_metrics_hold_what_was_delivered() {
    let servers = [Server::victoria_metrics(), Server::victoria_metrics(), Server::victoria_metrics()];
    let addresses = [0, 1, 2].map(|number: usize| servers[number].address.as_str());
    let mut plugins = COLLECTORS.to_vec();
    plugins.push("influx");
    let agent = Home::new(&plugins).keys("interval = \"1s\"").config(&three_destinations(addresses, 1)).start();
    agent.until("every destination has its share", |agent| {
        ["a", "b", "c"]
            .iter()
            .all(|destination| agent.destination(destination)["delivered"].as_u64() >= Some(SHARE))
            .then_some(())
    });
    let printed = agent.stop();
    let mut homes: BTreeMap<String, usize> = BTreeMap::new();
    for (number, (name, server)) in ["a", "b", "c"].iter().zip(&servers).enumerate() {
        let [0, enqueued, delivered, unsent, dropped] = account(&printed, name)[..] else { panic!("{printed}") };
        assert_eq!((enqueued, unsent, dropped), (delivered, 0, 0), "destination {name}: {printed}");
        let stored = server.settled("sum(count_over_time({endpoint!=\"\"}[1h]))", delivered as f64);
        assert_eq!(stored, delivered as f64, "destination {name}");
        for series in server.series("{endpoint!=\"\"}") {
            let before = homes.insert(series.to_string(), number);
            assert!(before.is_none_or(|before| before == number), "on two destinations: {series}");
        }
    }
    assert!(homes.len() > 200, "{} series", homes.len());
}
