//! Texts of guests: however long they are and whatever a terminal would make of them, what is kept is short and plain.

use std::sync::Arc;

use saker_model::text::{MESSAGE_BYTES_MAX, NAME_BYTES_MAX, is_clean};
use saker_model::{MetricType, Point, Sample, Series, SeriesId};
use saker_sandbox::{Backend, CallError, INTERVAL_MIN, InstanceSpec, Processor, Verdict, WriteError};
use serde_json::{Value, json};

use crate::support::{PATIENCE, bytes, once, plugin, sandbox, spec};

/// What stands around a guest's words: whose fault, what was denied and the line that would allow it, which repeats it.
const AROUND: usize = 300;

fn patient(settings: Value) -> InstanceSpec {
    let mut spec = spec(settings);
    let deadlines = &mut spec.limits.deadlines;
    (deadlines.open, deadlines.collect, deadlines.map, deadlines.write) = (PATIENCE, PATIENCE, PATIENCE, PATIENCE);
    spec
}

fn check(what: &str, text: &str, most: usize) {
    assert!(is_clean(text), "{what}: {text:?}");
    assert!(text.len() <= most, "{what}: {} bytes, and {most} is the most: {:?}…", text.len(), &text[..200]);
}

fn check_error(what: &str, error: &CallError) {
    check(what, &error.to_string(), 2 * MESSAGE_BYTES_MAX + AROUND);
    error.frames().iter().for_each(|frame| check(what, frame, NAME_BYTES_MAX + AROUND));
    // What is kept is all of it, and not only what is shown.
    check(what, &format!("{error:?}"), 8 * MESSAGE_BYTES_MAX);
}

#[tokio::test]
async fn the_errors_of_a_collector_are_short_lines() {
    for place in [
        "settings",
        "open-denied",
        "open-other",
        "unavailable",
        "malformed",
        "denied",
        "other",
        "panic",
        "path",
        "usage",
        "host",
    ] {
        let spec = patient(json!({ "place": place, "bytes": 1_000_000 }));
        let error = once("huge-texts", &spec).await.unwrap_err();
        check_error(place, &error);
        spec.log_tail.lines().iter().for_each(|line| check(place, line, spec.limits.max_log_line_bytes + AROUND));
    }
    let error = once("huge-texts", &patient(json!({"place": "other", "bytes": 7_000_000}))).await.unwrap_err();
    assert!(error.to_string().starts_with("1  [2J  2026-01-01T00:00:00Z ERROR forged  xxx"), "{error}");
    check_error("seven megabytes", &error);
}

#[tokio::test]
async fn lines_of_the_log_and_names_of_metrics_are_short_and_plain() {
    for place in ["log", "stdout"] {
        let spec = patient(json!({ "place": place }));
        once("huge-texts", &spec).await.unwrap();
        let lines = spec.log_tail.lines();
        assert!(!lines.is_empty(), "{place}");
        lines.iter().for_each(|line| check(place, line, spec.limits.max_log_line_bytes + '…'.len_utf8()));
    }
    let spec = patient(json!({ "place": "figure" }));
    once("huge-texts", &spec).await.unwrap();
    assert!(spec.custom_metrics.all().is_empty(), "no name of them can be shown");
    assert_eq!(spec.custom_metrics.rejected(), 2);
    for place in ["metric", "tag", "endpoint"] {
        for bytes in [1_000_000, 100] {
            let mut values = once("huge-texts", &patient(json!({ "place": place, "bytes": bytes }))).await.unwrap();
            assert!(values[0].validate(1_700_000_000_000).is_err(), "{place} of {bytes} bytes");
        }
    }
}

async fn write(settings: Value) -> WriteError {
    let mut backend = Backend::open(sandbox(), plugin("huge-texts-backend").await, &patient(settings)).await.unwrap();
    let point = Point { series: SeriesId(0), timestamp_ms: 1000, value: 0.5 };
    let define = [(SeriesId(0), Arc::new(series("a")))];
    backend.write(Vec::new(), &define, &[point, point]).await.unwrap_err()
}

fn series(metric: &str) -> Series {
    let value = Sample {
        endpoint: "host-1".into(),
        metric: metric.into(),
        tags: Vec::new(),
        metric_type: MetricType::Gauge,
        value: 0.0,
        timestamp_ms: 0,
        step_s: 10,
    };
    Series {
        endpoint: value.endpoint,
        metric: value.metric.into(),
        tags: Default::default(),
        metric_type: value.metric_type,
        step_s: value.step_s,
    }
}

#[tokio::test]
async fn texts_and_numbers_of_a_backend_are_bounded() {
    for bytes in [7_000_000, 100] {
        match write(json!({"answer": "retry", "bytes": bytes})).await {
            WriteError::Retry { after, message } => {
                check("retry", &message, MESSAGE_BYTES_MAX + 3);
                assert!(after.unwrap().as_secs() <= 3600, "49 days: {after:?}");
            }
            other => panic!("{other:?}"),
        }
        match write(json!({"answer": "reject", "bytes": bytes})).await {
            WriteError::Reject { points, message } => {
                check("reject", &message, MESSAGE_BYTES_MAX + 3);
                assert_eq!((points.as_slice(), points.capacity() <= 2), (&[0][..], true), "a million times the same");
            }
            other => panic!("{other:?}"),
        }
        match write(json!({"answer": "broken", "bytes": bytes})).await {
            WriteError::Broken(message) => check("broken", &message, MESSAGE_BYTES_MAX + 3),
            other => panic!("{other:?}"),
        }
        match write(json!({"answer": "denied", "bytes": bytes})).await {
            WriteError::Call(error) => check_error("denied", &error),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_reasons_of_a_processor_are_short_lines() {
    let spec = patient(json!({"bytes": 3_000_000}));
    let mut processor = Processor::open(sandbox(), plugin("huge-texts-processor").await, &spec).await.unwrap();
    for verdict in processor.map_series(&[series("a"), series("b")]).await.unwrap() {
        let Verdict::Fail(message) = verdict else { panic!("{verdict:?}") };
        check("fail", &message, MESSAGE_BYTES_MAX + 3);
    }
}

#[tokio::test]
async fn a_description_is_short_and_plain_or_rejected() {
    let error = sandbox().load(&bytes("request-bomb")).await.unwrap_err().to_string();
    check("request-bomb", &error, MESSAGE_BYTES_MAX);
    assert!(error.contains("its permissions and their reasons have 7340095 bytes, and 16384 is the most"), "{error}");
    let hasty = plugin("tiny-interval").await.description();
    assert_eq!(hasty.version, "1.0.0 [2J");
    assert_eq!(hasty.summary, "In a hurry  2026-01-01 ERROR forged");
    assert_eq!(hasty.default_interval_ms, Some(INTERVAL_MIN.as_millis() as u32), "a millisecond was asked for");
}

#[tokio::test]
async fn names_of_exports_imports_and_functions_are_cut() {
    for (file, words) in [
        ("long-export", "it exports aaa"),
        ("long-exports", "and 896 more"),
        ("long-import", "aaa"),
        ("long-version", "it was built for version 0.2.0-aaa"),
        ("long-function", "has 3145728 bytes"),
    ] {
        let error = sandbox().load(&bytes(file)).await.unwrap_err();
        check(file, &error.to_string(), 2 * MESSAGE_BYTES_MAX);
        assert!(error.to_string().contains(words), "{file}: {error}");
        check(file, &format!("{error:?}"), 2 * MESSAGE_BYTES_MAX);
    }
}
