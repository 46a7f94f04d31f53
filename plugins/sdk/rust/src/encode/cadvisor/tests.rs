use super::*;
use crate::bindings::types::MetricType;
use crate::settings::serde_json::{self, Value, json};

const TIME: i64 = 1_700_000_000_123;
const AT: &str = "2023-11-14T22:13:20.123Z";

fn series(metric: &str, tags: &[(&str, &str)]) -> Series {
    Series {
        endpoint: "web1".into(),
        metric: metric.into(),
        tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        metric_type: MetricType::Gauge,
        step_s: 10,
    }
}

fn records(all: &[Series]) -> CadvisorRecords {
    let mut records = CadvisorRecords::new("container".into());
    (0..).zip(all).for_each(|(id, series)| records.define(id, series));
    records
}

fn point(series: u32, timestamp_ms: i64, value: f64) -> Point {
    Point { series, timestamp_ms, value }
}

/// The records of these points, in bodies of `most` bytes.
fn written(records: &mut CadvisorRecords, points: &[Point], most: usize) -> Vec<Value> {
    let mut places = (0..points.len() as u32).collect();
    records.arrange(points, &mut places);
    let (mut all, mut rest) = (Vec::new(), &places[..]);
    while !rest.is_empty() {
        let mut body = Vec::new();
        let done = records.push(points, rest, most, b"\n", &mut body);
        assert!(done > 0);
        rest = &rest[done..];
        let text = String::from_utf8(body).unwrap();
        all.extend(
            text.lines()
                .map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))),
        );
    }
    all
}

fn stats(all: &[Series], values: &[f64]) -> Value {
    let points: Vec<_> = (0..).zip(values).map(|(id, value)| point(id, TIME, *value)).collect();
    let all = written(&mut records(all), &points, usize::MAX);
    assert_eq!(all.len(), 1);
    assert_eq!((&all[0]["timestamp"], &all[0]["container_stats"]["timestamp"]), (&json!(TIME * 1000), &json!(AT)));
    let mut stats = all[0]["container_stats"].clone();
    stats.as_object_mut().unwrap().remove("timestamp");
    stats
}

#[test]
fn what_a_container_measured_at_one_time_is_one_record() {
    let docker = ("container", "/docker/abc");
    let mut records = records(&[
        series("cpu_usage_total", &[docker]),
        series("cpu_usage_total", &[]),
        series("memory_usage", &[docker]),
        Series { endpoint: "web2".into(), ..series("memory_usage", &[docker]) },
    ]);
    let points = [
        point(0, TIME, 1.0),
        point(1, TIME, 2.0),
        point(2, TIME, 3.0),
        point(3, TIME, 4.0),
        point(0, TIME - 1000, 5.0),
    ];
    let written = written(&mut records, &points, usize::MAX);
    let record = |time: i64, machine: &str, container: &str, at: &str, stats: Value| {
        let mut stats = stats;
        stats["timestamp"] = at.into();
        json!({"timestamp": time * 1000, "machine_name": machine, "container_Name": container, "container_stats": stats})
    };
    assert_eq!(
        written,
        [
            record(
                TIME - 1000,
                "web1",
                "/docker/abc",
                "2023-11-14T22:13:19.123Z",
                json!({"cpu": {"usage": {"total": 5}}})
            ),
            record(TIME, "web1", "/docker/abc", AT, json!({"cpu": {"usage": {"total": 1}}, "memory": {"usage": 3}})),
            record(TIME, "web1", "/", AT, json!({"cpu": {"usage": {"total": 2}}})),
            record(TIME, "web2", "/docker/abc", AT, json!({"memory": {"usage": 4}})),
        ]
    );
}

#[test]
fn the_names_of_cadvisors_own_drivers_go_where_they_belong() {
    let names = [
        "cpu_usage_total",
        "cpu_usage_user",
        "cpu_usage_system",
        "load_average",
        "memory_usage",
        "memory_max_usage",
        "memory_cache",
        "memory_rss",
        "memory_swap",
        "memory_mapped_file",
        "memory_working_set",
        "memory_total_active_file",
        "memory_total_inactive_file",
        "memory_failcnt",
        "rx_bytes",
        "rx_errors",
        "tx_bytes",
        "tx_errors",
        "referenced_memory",
    ];
    let mut all: Vec<_> = names.iter().map(|name| series(name, &[])).collect();
    for (scope, failure) in [
        ("container", "pgfault"),
        ("container", "pgmajfault"),
        ("hierarchical", "pgfault"),
        ("hierarchical", "pgmajfault"),
    ] {
        all.push(series("memory_failure", &[("failure_type", failure), ("scope", scope)]));
    }
    for (name, device) in [("fs_limit", "/dev/sda1"), ("fs_usage", "/dev/sda1"), ("fs_usage", "/dev/\"b")] {
        all.push(series(name, &[("device", device)]));
    }
    // Backwards, so that the order of points is not what puts the values where they are.
    all.reverse();
    let values: Vec<_> = (0..all.len()).map(|number| (all.len() - 1 - number) as f64).collect();
    assert_eq!(
        stats(&all, &values),
        json!({
            "cpu": {"usage": {"total": 0, "user": 1, "system": 2}, "load_average": 3},
            "memory": {
                "usage": 4, "max_usage": 5, "cache": 6, "rss": 7, "swap": 8, "mapped_file": 9, "working_set": 10,
                "total_active_file": 11, "total_inactive_file": 12, "failcnt": 13,
                "container_data": {"pgfault": 19, "pgmajfault": 20}, "hierarchical_data": {"pgfault": 21, "pgmajfault": 22},
            },
            "network": {"rx_bytes": 14, "rx_errors": 15, "tx_bytes": 16, "tx_errors": 17}, "referenced_memory": 18,
            "filesystem": [{"device": "/dev/\"b", "usage": 25}, {"device": "/dev/sda1", "capacity": 23, "usage": 24}],
        })
    );
}

#[test]
fn everything_else_is_a_custom_metric_with_its_labels() {
    let all = [
        series("cpu.idle", &[("core", "0"), ("container", "/")]),
        series("cpu.idle", &[("core", "\"1\"\n")]),
        series("größe", &[]),
        // cAdvisor's names, with tags or values that it does not have.
        series("cpu_usage_total", &[("cpu", "0")]),
        series("memory_usage", &[]),
        series("memory_other", &[]),
        series("fs_usage", &[]),
        series("memory_failure", &[("failure_type", "other"), ("scope", "container")]),
        // Too large for a whole number without an exponent.
        series("memory_cache", &[]),
    ];
    let entry = |labels: Value, value: f64| match labels {
        Value::Null => json!({"timestamp": AT, "float_value": value}),
        labels => json!({"labels": labels, "timestamp": AT, "float_value": value}),
    };
    let whole = |value: i64| json!({"timestamp": AT, "float_value": value});
    assert_eq!(
        stats(&all, &[0.5, -1.5, 1e300, 0.25, -2.0, 4.0, 5.0, 0.125, 9.25e18])["custom_metrics"],
        json!({
            "cpu.idle": [entry(json!({"core": "0"}), 0.5), entry(json!({"core": "\"1\"\n"}), -1.5)],
            "größe": [entry(Value::Null, 1e300)],
            "cpu_usage_total": [entry(json!({"cpu": "0"}), 0.25)],
            "memory_usage": [whole(-2)],
            "memory_other": [whole(4)],
            "fs_usage": [whole(5)],
            "memory_failure": [entry(json!({"failure_type": "other", "scope": "container"}), 0.125)],
            "memory_cache": [entry(Value::Null, 9.25e18)],
        })
    );
}

#[test]
fn of_two_points_for_the_same_value_the_later_one_counts() {
    let mut records = records(&[series("memory_usage", &[]), series("cpu.idle", &[])]);
    let points = [point(0, TIME, 1.0), point(1, TIME, 2.0), point(0, TIME, 3.0), point(1, TIME, 4.0)];
    let stats = &written(&mut records, &points, usize::MAX)[0]["container_stats"];
    assert_eq!(stats["memory"], json!({"usage": 3}));
    let values: Vec<_> =
        stats["custom_metrics"]["cpu.idle"].as_array().unwrap().iter().map(|entry| &entry["float_value"]).collect();
    assert_eq!(values, [2, 4]);
}

#[test]
fn records_are_also_written_one_by_one() {
    let mut records = records(&[series("a", &[]), series("b", &[("container", "/x")])]);
    let points = [point(0, TIME, 1.0), point(1, TIME, 2.0), point(0, TIME, 3.0), point(0, TIME + 1, 4.0)];
    let mut places = vec![0, 1, 2, 3];
    records.arrange(&points, &mut places);
    let counts = [0, 2, 3].map(|from| records.push_record(&points, &places[from..], usize::MAX, &mut Vec::new()));
    assert_eq!(counts, [2, 1, 1]);
}

#[test]
fn records_that_do_not_fit_into_a_body_are_written_in_parts() {
    let names: Vec<_> = (0..20).map(|number| series(&format!("m{number:02}"), &[])).collect();
    let mut records = records(&names);
    let points: Vec<_> = (0..20).map(|id| point(id, TIME + i64::from(id / 15), f64::from(id))).collect();
    for most in [0, 200, 400, 1000, usize::MAX] {
        let written = written(&mut records, &points, most);
        let found: usize =
            written.iter().map(|record| record["container_stats"]["custom_metrics"].as_object().unwrap().len()).sum();
        assert_eq!(found, 20, "bodies of {most} bytes");
    }
}

#[test]
fn a_series_that_is_defined_again_or_forgotten_lets_its_texts_go() {
    let mut records =
        records(&[series("fs_usage", &[("device", "a"), ("container", "c")]), series("m", &[("k", "v")])]);
    records.define(0, &series("n", &[]));
    assert_eq!(written(&mut records, &[point(0, TIME, 1.0)], 9)[0]["container_Name"], "/");
    records.forget(0);
    records.forget(1);
    assert!(!records.knows(0) && !records.knows(7));
    let (containers, texts) = (records.containers.bound(), records.texts.bound());
    records.define(5, &series("fs_usage", &[("device", "b"), ("container", "d")]));
    assert_eq!((records.containers.bound(), records.texts.bound()), (containers, texts));
    assert!(fits(&point(0, 0, 1.0)) && !fits(&point(0, i64::MAX, 1.0)) && !fits(&point(0, 0, f64::NAN)));
}
