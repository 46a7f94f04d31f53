use std::path::PathBuf;

use saker_config::{ConfigSource, Problem, ReadContext};
use toml::de::DeTable;

use super::*;

const HOUR_MS: i64 = 3_600_000;

fn read(text: &str) -> (StoreConfig, Vec<Problem>) {
    let source = ConfigSource { file: Some((PathBuf::from("agent.toml"), text.into())), ..ConfigSource::default() };
    let reading = ReadContext::new(&source);
    let parsed = DeTable::parse(text).expect("it is TOML");
    let mut root = reading.root(Some(&parsed));
    let config = StoreConfig::read(root.table("store"));
    root.finish();
    let (problems, _) = reading.finish(true);
    (config, problems)
}

#[test]
fn nothing_written_is_the_default() {
    assert_eq!(read(""), (StoreConfig::default(), vec![]));
    assert_eq!(read("[store]\nmax_bytes = \"2GiB\"\nsync_interval = \"10s\"\nmax_head_bytes = \"64MiB\""), read(""));
}

#[test]
fn policies_and_rules_are_read() {
    let text = r#"
        [store]
        durability = "disk"
        [store.policy.disks]
        raw = "7d"
        back_window = "2h"
        aggregation_methods = ["mean", "std", "95pct", "rate:mean"]
        clock = "data"
        definition = [{ granularity = "5m", points = 8640 }, { granularity = "1h" }]
        [[store.rule]]
        metric = "df.*"
        tags = { mount = "/data*" }
        policy = "disks"
        [[store.rule]]
        metric = "cpu.*"
        policy = "falcon"
    "#;
    let (config, problems) = read(text);
    assert_eq!(problems, []);
    assert_eq!(config.durability, StoreDurability::Disk);
    let policy = config.policies.policies().iter().find(|policy| policy.name == "disks").unwrap();
    let (raw_ms, window_ms) = (7 * DAY_MS, 2 * HOUR_MS);
    assert_eq!((policy.raw_ms, policy.back_window_ms, policy.by_data), (raw_ms, window_ms, true));
    assert!(policy.std && policy.percentiles);
    let spans: Vec<_> = policy.definition.iter().map(|each| (each.granularity_ms, each.timespan_ms)).collect();
    assert_eq!(spans, [(300_000, 30 * DAY_MS), (HOUR_MS, FOREVER_MS)]);
    let series = |metric: &str, mount: &str| saker_model::Series {
        endpoint: "h".into(),
        metric: metric.into(),
        tags: [("mount".into(), mount.into())].into(),
        metric_type: saker_model::MetricType::Gauge,
        step_s: 10,
    };
    let of = |metric, mount| config.policies.of(&series(metric, mount)).name.clone();
    assert_eq!([of("df.used", "/data1"), of("df.used", "/"), of("cpu.busy", "/")], ["disks", "default", "falcon"]);
}

#[test]
fn each_mistake_is_told_with_its_key() {
    for (text, key, what) in [
        ("max_bytes = \"1MiB\"", "store.max_bytes", "at least 64MiB"),
        ("sync_interval = \"1ms\"", "store.sync_interval", "at least 1s"),
        ("durability = \"memory\"", "store.durability", "expected \"process\" or \"disk\""),
        ("colour = 1", "store.colour", "no such key"),
        ("policy.x.raw = \"soon\"", "store.policy.x.raw", "forever"),
        ("policy.x = {}", "store.policy.x.definition", "raw"),
        ("policy.x = { raw = \"1d\", aggregation_methods = [\"mode\"] }", "store.policy.x.aggregation_methods", "mode"),
        ("policy.x.definition = [{ granularity = \"10ms\", timespan = \"1d\" }]", "store.policy.x", "a second or more"),
        (
            "policy.x.definition = [{ granularity = \"1m\", timespan = \"1d\", points = 5 }]",
            "store.policy.x.definition[0].points",
            "not the timespan",
        ),
        ("policy.x.definition = [{ timespan = \"1d\" }]", "store.policy.x.definition[0].granularity", "missing"),
        ("rule = [{ metric = \"*\" }]", "store.rule[0].policy", "missing"),
        ("rule = [{ policy = \"none\" }]", "store.rule[0].policy", "no such policy"),
    ] {
        let (_, problems) = read(&format!("[store]\n{text}\n"));
        assert!(
            problems.iter().any(|problem| problem.key == key && problem.what.contains(what)),
            "{text}: {problems:?}"
        );
    }
}
