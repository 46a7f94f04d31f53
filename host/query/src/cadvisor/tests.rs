//! A fixed tree: a machine with a container of Docker's and a service.

use saker_model::MetricType;
use saker_pipeline::reader::{Attributes, Cancel, Identity, ReadBudget, ReadLimits, TimeRange};
use serde_json::{Value, json};

use super::*;
use crate::MemoryReader;

const ID: &str = "8b3a1cd4f7e2958b3a1cd4f7e2958b3a1cd4f7e2958b3a1cd4f7e2958b3a1cd4";
const WEB: &str = "/docker/web";
const NOW: i64 = 1_700_000_100_000;
const RANGE: TimeRange = TimeRange { start_ms: NOW - 300_000, end_ms: NOW };

/// Tests of the doors ask over the same tree, as of another time.
pub(crate) fn tree(now_ms: i64) -> MemoryReader {
    let mut reader = MemoryReader::default();
    let mut push = |metric: &str, container: &str, tags: &[(&str, &str)], values: &[f64]| {
        let mut tags: Vec<(Box<str>, Box<str>)> =
            tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        if !container.is_empty() {
            tags.push(("container".into(), container.into()));
        }
        tags.sort();
        let series = Identity { endpoint: "web-1".into(), metric: metric.into(), tags: tags.into() };
        reader.set_attributes(&series, Attributes { metric_type: MetricType::Gauge, step_s: 10 });
        for (place, value) in values.iter().rev().enumerate() {
            reader.push(&series, now_ms - 10_000 * place as i64, *value);
        }
    };
    let info = [
        ("id", ID),
        ("name", "web"),
        ("namespace", "docker"),
        ("image", "nginx:1"),
        ("label.com.docker.compose/service", "front \"x\""),
    ];
    push("container_info", WEB, &info, &[1.0]);
    push("creation_time_seconds", WEB, &[], &[1_699_999_990.5]);
    push("start_time_seconds", WEB, &[], &[1_699_999_991.0]);
    push("spec_cpu_shares", WEB, &[], &[1024.0]);
    push("spec_cpu_quota", WEB, &[], &[50_000.0]);
    push("spec_cpu_period", WEB, &[], &[100_000.0]);
    push("spec_memory_limit", WEB, &[], &[268_435_456.0]);
    push("cpu_usage_total", WEB, &[], &[1e9, 2e9, 6e9]);
    push("cpu_usage_user", WEB, &[], &[3e9]);
    push("cpu_usage_per_cpu", WEB, &[("instance", "1")], &[4e9]);
    push("cpu_cfs_throttled_time", WEB, &[], &[1.5e9]);
    push("memory_usage", WEB, &[], &[5000.0, 6000.0, 7000.0]);
    push("memory_working_set", WEB, &[], &[1000.0, 2000.0, 3000.0]);
    push("memory_failure", WEB, &[("failure_type", "pgfault"), ("scope", "hierarchical")], &[9.0]);
    push("oom_events", WEB, &[], &[0.0, 0.0, 1.0]);
    let disk = [("device", "/dev/sda"), ("major", "8"), ("minor", "0")];
    for (operation, bytes) in [("Read", 10.0), ("Write", 20.0)] {
        let tags = [&disk[..], &[("operation", operation)]].concat();
        push("io_service_bytes", WEB, &tags, &[bytes]);
        push("io_serviced", WEB, &tags, &[bytes / 10.0]);
    }
    push("psi_io_total", WEB, &[("kind", "full")], &[2_500_000.0]);
    push("psi_io_avg10", WEB, &[("kind", "full")], &[1.5]);
    push("rx_bytes", WEB, &[], &[100.0]);
    push("network_rx_bytes", WEB, &[("interface", "eth0")], &[100.0]);
    push("processes", WEB, &[], &[2.0]);
    push("threads", WEB, &[], &[17.0]);
    push("cpu_usage_total", "/", &[], &[9e9]);
    push("cpu_usage_total", "/docker", &[], &[6e9]);
    push("cpu_usage_total", "/docker/web/inner", &[], &[1e9]);
    push("cpu_cfs_throttled_time", "/docker", &[], &[0.0]);
    push("machine_info", "", &[("machine_id", "m"), ("boot_id", "b"), ("kernel_version", "6.1")], &[1.0]);
    push("machine_cpu_cores", "", &[], &[2.0]);
    push("machine_memory_bytes", "", &[], &[1024.0]);
    let thread = [("node_id", "0"), ("socket_id", "0"), ("core_id", "0")];
    push("machine_cpu_thread", "", &[&thread[..], &[("thread_id", "0")]].concat(), &[1.0]);
    push("machine_cpu_thread", "", &[&thread[..], &[("thread_id", "1")]].concat(), &[1.0]);
    let disk = [("name", "sda"), ("major", "8"), ("minor", "0"), ("scheduler", "none")];
    push("machine_disk_size_bytes", "", &disk, &[512.0]);
    push("machine_network_mtu_bytes", "", &[("name", "eth0"), ("mac_address", "02:00")], &[1500.0]);
    reader
}

fn budget() -> ReadBudget {
    ReadBudget::new(ReadLimits::default(), Cancel::default())
}

fn found(wanted: &Wanted) -> Result<Found, CadvisorError> {
    find(&tree(NOW), wanted, None, RANGE, 1000)
}

fn paths(wanted: &Wanted) -> Vec<String> {
    found(wanted).unwrap().containers.into_iter().map(|container| container.path).collect()
}

#[test]
fn containers_are_found_by_path_runtime_name_and_id() {
    assert_eq!(paths(&Wanted::All), ["/", "/docker", "/docker/web", "/docker/web/inner"]);
    assert_eq!(paths(&Wanted::Path("/docker".into())), ["/docker"]);
    assert_eq!(paths(&Wanted::Below("/docker/web".into())), ["/docker/web", "/docker/web/inner"]);
    assert_eq!(paths(&Wanted::Below("/".into())).len(), 4);
    assert_eq!(paths(&Wanted::Namespace("docker")), ["/docker/web"]);
    for name in ["web", ID, &ID[..12]] {
        assert_eq!(paths(&Wanted::Named("docker", name.into())), ["/docker/web"], "{name}");
    }
    for wanted in [
        Wanted::Path("/dock".into()),
        Wanted::Below("/docker/we".into()),
        Wanted::Named("docker", "8b".into()),
        Wanted::Named("podman", "web".into()),
    ] {
        assert!(matches!(found(&wanted), Err(CadvisorError::Unknown(_))), "{wanted:?}");
    }
    assert_eq!(paths(&Wanted::Namespace("podman")), [""; 0]);
}

#[test]
fn containers_of_several_hosts_are_told_apart_by_their_endpoint() {
    let mut reader = tree(NOW);
    let other = Identity {
        endpoint: "web-2".into(),
        metric: "cpu_usage_total".into(),
        tags: vec![("container".into(), "/".into())].into(),
    };
    reader.push(&other, NOW, 1.0);
    let found = |endpoint| find(&reader, &Wanted::All, endpoint, RANGE, 1000);
    assert!(matches!(found(None), Err(CadvisorError::Endpoints(names)) if names == "web-1, web-2"));
    assert_eq!(found(Some("web-2")).unwrap().containers.len(), 1);
}

#[test]
fn a_container_is_answered_in_cadvisors_shape() {
    let reader = tree(NOW);
    let found = find(&reader, &Wanted::Path(WEB.into()), None, RANGE, 1000).unwrap();
    let info = info(&reader, &found, &found.containers[0], (RANGE, Count(Some(2))), &budget()).unwrap();
    let expected = json!({
        "id": ID,
        "name": "/docker/web",
        "aliases": ["web", ID],
        "namespace": "docker",
        "subcontainers": [{"name": "/docker/web/inner"}],
        "spec": {
            "creation_time": "2023-11-14T22:13:10.5Z",
            "start_time": "2023-11-14T22:13:11Z",
            "labels": {"com.docker.compose/service": "front \"x\""},
            "image": "nginx:1",
            "has_cpu": true,
            "cpu": {"limit": 1024, "quota": 50_000, "period": 100_000},
            "has_memory": true,
            "memory": {"limit": 268_435_456},
            "has_hugetlb": false,
            "has_network": true,
            "has_processes": true,
            "has_filesystem": false,
            "has_diskio": true,
            "has_custom_metrics": false,
        },
        "stats": [
            {
                "timestamp": "2023-11-14T22:14:50Z",
                "cpu": {"usage": {"total": 2_000_000_000_u64}},
                "memory": {"usage": 6000, "working_set": 2000},
                "oom_events": 0,
            },
            {
                "timestamp": "2023-11-14T22:15:00Z",
                "cpu": {
                    "usage": {"total": 6_000_000_000_u64, "user": 3_000_000_000_u64, "per_cpu_usage": [0, 4_000_000_000_u64]},
                    "cfs": {"throttled_time": 1_500_000_000},
                },
                "memory": {"usage": 7000, "working_set": 3000, "hierarchical_data": {"pgfault": 9}},
                "oom_events": 1,
                "diskio": {
                    "io_service_bytes": [{"device": "/dev/sda", "major": 8, "minor": 0, "stats": {"Read": 10, "Write": 20}}],
                    "io_serviced": [{"device": "/dev/sda", "major": 8, "minor": 0, "stats": {"Read": 1, "Write": 2}}],
                    "psi": {"full": {"total": 2_500_000, "avg10": 1.5}},
                },
                "network": {"rx_bytes": 100, "interfaces": [{"name": "eth0", "rx_bytes": 100}]},
                "processes": {"process_count": 2, "threads_current": 17},
            },
        ],
    });
    assert_eq!(info, expected, "{}", serde_json::to_string_pretty(&info).unwrap());
}

#[test]
fn version_2_has_the_use_of_processors_a_second_where_it_is_known() {
    let reader = tree(NOW);
    let found = find(&reader, &Wanted::Path(WEB.into()), None, RANGE, 1000).unwrap();
    let stats = stats(&reader, &found.containers[0], Form::Two, (RANGE, Count(None)), &budget()).unwrap();
    let rates: Vec<_> =
        stats.iter().map(|stats| stats.pointer("/cpu_inst/usage/total").and_then(Value::as_u64)).collect();
    assert_eq!(rates, [None, Some(100_000_000), Some(400_000_000)]);
}

#[test]
fn a_summary_is_of_what_is_kept_and_says_how_much_that_covers() {
    let reader = tree(NOW);
    let found = find(&reader, &Wanted::Path(WEB.into()), None, RANGE, 1000).unwrap();
    let summary = summary(&reader, &found.containers[0], NOW, &budget()).unwrap();
    assert_eq!(summary["latest_usage"], json!({"cpu": 400.0, "memory": 3000.0}));
    assert_eq!(summary["minute_usage"]["percent_complete"], 33);
    assert_eq!(summary["day_usage"]["percent_complete"], 0);
    let memory = json!({"present": true, "mean": 2000.0, "std": 816.0, "max": 3000.0, "fifty": 2000.0, "ninety": 3000.0,
        "ninetyfive": 3000.0, "count": 3});
    assert_eq!(summary["hour_usage"]["memory"], memory);
}

#[test]
fn events_are_what_values_tell() {
    let reader = tree(NOW);
    let found = find(&reader, &Wanted::Below(WEB.into()), None, RANGE, 1000).unwrap();
    let events = |now_ms| {
        let events = events(&reader, &found, (RANGE, now_ms), &budget()).unwrap();
        events.into_iter().map(|event| (event.container, event.kind, event.time_ms)).collect::<Vec<_>>()
    };
    let killed = (WEB.to_owned(), EventKind::OomKill, NOW);
    assert_eq!(events(NOW), [(WEB.to_owned(), EventKind::Creation, 1_699_999_990_500), killed.clone()]);
    let later = events(NOW + 40_000);
    assert_eq!(later.iter().filter(|event| event.1 == EventKind::Deletion).count(), 2);
    assert!(later.contains(&killed));
}

#[test]
fn the_machine_is_answered_in_cadvisors_shape() {
    let machine = machine(&tree(NOW), None, RANGE, 1000, &budget()).unwrap();
    let expected = json!({
        "timestamp": "2023-11-14T22:15:00Z",
        "vendor_id": "",
        "machine_id": "m",
        "system_uuid": "",
        "boot_id": "b",
        "num_cores": 2,
        "memory_capacity": 1024,
        "hugepages": [],
        "disk_map": {"8:0": {"name": "sda", "major": 8, "minor": 0, "size": 512, "scheduler": "none"}},
        "network_devices": [{"name": "eth0", "mac_address": "02:00", "mtu": 1500}],
        "topology": [{
            "node_id": 0, "memory": null, "hugepages": [],
            "cores": [{"core_id": 0, "thread_ids": [0, 1], "caches": [], "socket_id": 0}],
            "caches": [], "distances": [],
        }],
    });
    assert_eq!(machine, expected);
    let none = super::machine(&MemoryReader::default(), None, RANGE, 1000, &budget());
    assert!(matches!(none, Err(CadvisorError::NoMachine)));
}

#[test]
fn families_have_cadvisors_names_and_units_and_no_timestamps() {
    let page = exposition(&tree(NOW), (None, "0.1.0"), RANGE, 1000, &budget()).unwrap();
    let golden = include_str!("golden.txt");
    if let Some((found, expected)) = page.lines().zip(golden.lines()).find(|(found, expected)| found != expected) {
        panic!("found    {found}\nexpected {expected}\n\n{page}");
    }
    assert_eq!(page.lines().count(), golden.lines().count(), "{page}");
}
