use super::*;
use crate::MemoryReader;
use saker_pipeline::reader::{Cancel, Identity, ReadLimits};

#[test]
fn times_are_seconds_or_rfc_3339() {
    for (text, expected) in [
        ("1435781451.781", Some(1_435_781_451_781)),
        ("2015-07-01T20:10:51.781Z", Some(1_435_781_451_781)),
        ("2015-07-01T22:10:51.781+02:00", Some(1_435_781_451_781)),
        ("2015-07-01t20:10:51z", Some(1_435_781_451_000)),
        ("-1", Some(-1000)),
        ("1e3", Some(1_000_000)),
        ("NaN", None),
        ("1e300", None),
        ("2015-07-01", None),
        ("2015-13-01T20:10:51Z", None),
        ("2015-07-01T20:10:51", None),
        ("2015-07-01T20:10:51.Z", None),
        ("2015-07-01T20:10:5éZ", None),
        ("2015-07-01T20:10:51+é", None),
        ("now", None),
        ("", None),
    ] {
        assert_eq!(parse_time(text), expected, "{text}");
    }
}

#[test]
fn durations_are_seconds_or_units() {
    for (text, expected) in [
        ("15", Some(15_000)),
        ("0.5", Some(500)),
        ("1h30m", Some(5_400_000)),
        ("0", Some(0)),
        ("-5", Some(-5000)),
        ("up", None),
        ("Inf", None),
        ("5m + 1", None),
    ] {
        assert_eq!(parse_duration(text), expected, "{text}");
    }
}

#[test]
fn series_labels_and_values_are_listed_with_prometheus_names() {
    let mut reader = MemoryReader::default();
    for (metric, core) in [("cpu.busy", "0"), ("cpu.busy", "1"), ("load.1min", "")] {
        let tags = [("cpu.core".into(), core.into())].into();
        reader.push(&Identity { endpoint: "web-1".into(), metric: metric.into(), tags }, 0, 1.0);
    }
    let range = TimeRange { start_ms: 0, end_ms: 1000 };
    let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
    let settings = EvalSettings::default();
    let busy = [selector("cpu_busy").unwrap(), selector("{\"cpu.busy\"}").unwrap()];
    let texts = |labels: Listed<Labels>| labels.items.iter().map(ToString::to_string).collect::<Vec<_>>();
    let found = series(&reader, &settings, &busy, range, 10, &budget).unwrap();
    assert!(!found.cut);
    assert_eq!(
        texts(found),
        [r#"cpu_busy{cpu_core="0", instance="web-1"}"#, r#"cpu_busy{cpu_core="1", instance="web-1"}"#]
    );
    let found = series(&reader, &settings, &[], range, 1, &budget).unwrap();
    assert!(found.cut && found.items.len() == 1);
    let names = label_names(&reader, &settings, &[], range, 10, &budget).unwrap();
    assert_eq!(names.items, ["__name__", "cpu_core", "instance"]);
    let values = |label| label_values(&reader, &settings, label, &[], range, 10, &budget).unwrap().items;
    assert_eq!(values("__name__"), ["cpu_busy", "load_1min"]);
    assert_eq!(values("cpu.core"), ["0", "1"]);
    assert_eq!(values("instance"), ["web-1"]);
    assert!(selector("rate(x[5m])").is_err() && selector("x{").is_err());
}
