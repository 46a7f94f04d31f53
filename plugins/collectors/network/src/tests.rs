//! The collector as a whole, over `tests/fixtures/proc/net/dev` and `tests/fixtures/sys/class/net`.

use saker_sdk::testing;

use super::*;

fn open(rest: &str) -> Network {
    let directories = r#""proc": "../../../tests/fixtures/proc", "sys": "../../../tests/fixtures/sys""#;
    Network::open(saker_sdk::settings::parse(&format!("{{{directories}{rest}}}")).unwrap()).unwrap()
}

fn collect(collector: &mut Network, timestamp_ms: i64) -> Vec<Sample> {
    collector.collect(Run { timestamp_ms, interval_ms: 10_000 }).unwrap()
}

fn interfaces<'a>(values: &'a [Sample], metric: &str) -> Vec<&'a str> {
    values.iter().filter(|value| value.metric == metric).map(|value| value.tags[0].1.as_str()).collect()
}

fn find<'a>(values: &'a [Sample], metric: &str, interface: &str) -> &'a Sample {
    let tags = [("iface".to_owned(), interface.to_owned())];
    let found: Vec<_> = values.iter().filter(|value| value.metric == metric && value.tags == tags).collect();
    assert_eq!(found.len(), 1, "{metric} {interface}");
    found[0]
}

#[test]
fn the_defaults_choose_what_carries_the_hosts_own_traffic() {
    let values = collect(&mut open(""), 0);
    assert_eq!(interfaces(&values, "net.if.in.bytes"), ["eno1", "enp3s0f0", "enp3s0f1", "bond0", "wlp2s0", "wg0"],);
    assert_eq!(interfaces(&values, "net.if.speed.bits"), ["eno1", "enp3s0f0", "bond0"]);
    assert_eq!(find(&values, "net.if.speed.bits", "bond0").value, 1e10);
}

#[test]
fn other_interfaces_are_chosen_by_pattern() {
    let values = collect(&mut open(r#", "include": ["en*", "docker*"], "exclude": ["*f1"]"#), 0);
    assert_eq!(interfaces(&values, "net.if.in.bytes"), ["eno1", "enp3s0f0", "docker0"]);
}

#[test]
fn the_first_run_brings_counters_and_speeds_and_the_second_shares() {
    let mut collector = open("");
    let first = collect(&mut collector, 50_000);
    assert_eq!(first.len(), 6 * 23 + 3);
    let bits = find(&first, "net.if.in.bits", "eno1");
    assert_eq!((bits.value, bits.metric_type), (8.0 * 918_203_344_120.0, MetricType::Counter));

    // As if less had come and gone one run before.
    collector.rates.begin(&Run { timestamp_ms: 50_000, interval_ms: 10_000 });
    let text = text::read(collector.file.path()).unwrap();
    for interface in dev::parse(&text, |_| true, &mut Gaps::default().of("dev")) {
        let [received, sent] = interface.bytes().unwrap();
        let less = if interface.name == "eno1" { [125_000_000, 12_500_000] } else { [0, 0] };
        collector.rates.change(&interface.name, [received - less[0], sent - less[1]]);
    }
    let second = collect(&mut collector, 60_000);
    assert_eq!(second.len(), first.len() + 2 * 3);
    let share = find(&second, "net.if.in.percent", "eno1");
    assert_eq!((share.value, share.metric_type), (10.0, MetricType::Gauge));
    assert_eq!(find(&second, "net.if.out.percent", "eno1").value, 1.0);
    assert_eq!(find(&second, "net.if.out.percent", "bond0").value, 0.0);
}

#[test]
fn a_successor_goes_on_from_the_saved_reading() {
    let first = collect(&mut open(""), 50_000);
    assert!(testing::saved_state().is_some());
    let second = collect(&mut open(""), 60_000);
    assert_eq!(second.len(), first.len() + 2 * 3);
}

#[test]
fn a_line_that_is_changed_costs_at_most_its_own_interface() {
    let text = std::fs::read_to_string("../../../tests/fixtures/proc/net/dev").unwrap();
    let directory = std::env::temp_dir().join(format!("saker-network-{}", std::process::id()));
    std::fs::create_dir_all(directory.join("net")).unwrap();
    let of = |text: &str| {
        std::fs::write(directory.join("net/dev"), text).unwrap();
        let settings = format!(r#"{{"proc": {directory:?}, "sys": "/nowhere", "exclude": []}}"#);
        collect(&mut Network::open(saker_sdk::settings::parse(&settings).unwrap()).unwrap(), 0)
    };
    let sound = of(&text);
    testing::each_line_changed(&text, |changed, line| {
        let name = line.split(':').next().unwrap().trim_start();
        testing::same_but(&sound, &of(changed), |value| value.tags[0].1 == name);
    });
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn a_missing_file_is_named() {
    let settings = saker_sdk::settings::parse(r#"{"proc": "/nowhere"}"#).unwrap();
    let mut collector = Network::open(settings).unwrap();
    let error = collector.collect(Run { timestamp_ms: 0, interval_ms: 1000 }).unwrap_err();
    assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/net/dev: ")));
}
