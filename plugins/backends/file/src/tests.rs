use std::fs;

use tempfile::TempDir;

use super::*;

fn backend(dir: &TempDir, more: &str) -> FileBackend {
    let settings = format!(r#"{{"directory": {:?}{more}}}"#, dir.path().to_str().unwrap());
    let mut backend = FileBackend::open(saker_sdk::settings::parse(&settings).unwrap()).unwrap();
    let series = |id: u32| Series {
        endpoint: "web1".into(),
        metric: format!("m.{id}"),
        tags: vec![("core".into(), "0".into())],
        metric_type: MetricType::Gauge,
        step_s: 10,
    };
    backend.define((0..3).map(|id| Definition { id, series: series(id) }).collect());
    backend
}

fn point(series: u32, value: f64) -> Point {
    Point { series, timestamp_ms: 1_700_000_000_123, value }
}

fn text(dir: &TempDir) -> String {
    let mut paths: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn points_are_lines_in_the_format_that_was_chosen() {
    for (format, extension, part) in [
        ("json", "jsonl", "\"timestamp_ms\":1700000000123"),
        ("influx", "influx", "m.1,core=0,endpoint=web1 value=0.5 1700000000123000000"),
        ("falcon", "jsonl", "\"counterType\":\"GAUGE\""),
    ] {
        let dir = TempDir::new().unwrap();
        assert_eq!(backend(&dir, &format!(r#", "format": "{format}""#)).write(vec![point(1, 0.5)]).unwrap(), 1);
        let text = text(&dir);
        assert!(text.contains(part) && text.ends_with('\n') && text.lines().count() == 1, "{text}");
        let path = fs::read_dir(dir.path()).unwrap().next().unwrap().unwrap().path();
        assert_eq!(path.extension().unwrap(), extension);
    }
}

#[test]
fn a_call_is_appended_after_the_one_before_and_also_by_the_next_instance() {
    let dir = TempDir::new().unwrap();
    let mut first = backend(&dir, r#", "format": "influx""#);
    first.write(vec![point(0, 1.0), point(1, 2.0)]).unwrap();
    first.write(vec![point(2, 3.0)]).unwrap();
    backend(&dir, r#", "format": "influx""#).write(vec![point(0, 4.0)]).unwrap();
    let values: Vec<_> = text(&dir).lines().map(|line| line.split_once("value=").unwrap().1[..1].to_owned()).collect();
    assert_eq!(values, ["1", "2", "3", "4"]);
}

#[test]
fn a_huge_call_is_spread_over_files_of_the_length_that_was_set() {
    let dir = TempDir::new().unwrap();
    let points: Vec<_> = (0..100_000).map(|number| point(number % 3, f64::from(number))).collect();
    let mut backend = backend(&dir, r#", "max_bytes": 4000000, "keep": 0"#);
    assert_eq!(backend.write(points).unwrap(), 100_000);
    let sizes: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).collect();
    assert!(sizes.len() > 2 && sizes.iter().all(|size| *size <= 4_000_000), "{sizes:?}");
    let text = text(&dir);
    assert_eq!(text.lines().count(), 100_000);
    for (number, line) in text.lines().enumerate() {
        assert!(line.ends_with(&format!("\"value\":{number}}}")), "{line}");
    }
}

#[test]
fn what_cannot_be_said_writes_nothing() {
    let dir = TempDir::new().unwrap();
    let mut backend = backend(&dir, "");
    let error = backend.write(vec![point(0, 1.0), point(1, f64::NAN)]).unwrap_err();
    assert!(matches!(error, WriteError::Reject(reject) if reject.points == [1]));
    backend.forget(vec![0]);
    assert!(matches!(backend.write(vec![point(0, 1.0)]), Err(WriteError::Broken(_))));
    assert_eq!(backend.write(Vec::new()).unwrap(), 0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
