//! Backends: what they are given, and what each of their answers becomes.

use std::sync::Arc;
use std::time::Duration;

use saker_model::{MetricType, Point, Series, SeriesId};
use saker_sandbox::{Backend, CallError, InstanceSpec, Kill, WriteError};
use serde_json::{Value, json};

use crate::support::http::serve;
use crate::support::{DEADLINE, in_time, plugin, sandbox, spec, turn};

fn define(id: u32, metric: &str) -> (SeriesId, Arc<Series>) {
    let series = Series {
        endpoint: Arc::from("host-1"),
        metric: metric.into(),
        tags: Default::default(),
        metric_type: MetricType::Gauge,
        step_s: 10,
    };
    (SeriesId(id), Arc::new(series))
}

fn points(series: &[u32]) -> Vec<Point> {
    series.iter().map(|&id| Point { series: SeriesId(id), timestamp_ms: 1000, value: 0.5 }).collect()
}

async fn open(spec: &InstanceSpec) -> Backend {
    Backend::open(sandbox(), plugin("scripted-backend").await, spec).await.unwrap()
}

/// Offers four points to a backend with these settings.
async fn offer(settings: Value) -> (Backend, Result<u32, WriteError>) {
    let mut backend = open(&spec(settings)).await;
    let answer = backend.write(Vec::new(), &[define(0, "a"), define(1, "b")], &points(&[0, 1, 0, 1])).await;
    (backend, answer)
}

#[tokio::test]
async fn a_write_takes_handles_back_before_it_gives_new_ones_and_writes_last() {
    let spec = spec(json!({"log": true}));
    let mut backend = open(&spec).await;
    assert_eq!(backend.write(Vec::new(), &[define(0, "a"), define(1, "b")], &points(&[1, 0])).await, Ok(2));
    assert_eq!(backend.write(vec![SeriesId(0)], &[define(0, "c")], &points(&[0])).await, Ok(1));
    assert_eq!(backend.write(Vec::new(), &[], &[]).await, Ok(0));
    let told = [
        "define 0 a",
        "define 1 b",
        "write 1 1000 0.5",
        "write 0 1000 0.5",
        "forget 0",
        "define 0 c",
        "write 0 1000 0.5",
    ];
    assert_eq!(spec.log_tail.lines(), told);
    let unknown = backend.write(vec![SeriesId(1)], &[], &points(&[1])).await;
    assert_eq!(unknown, Err(WriteError::Broken("series 1 was not defined".into())));
}

#[tokio::test]
async fn points_reach_a_granted_destination_and_no_other() {
    let server = serve(204, "").await;
    let address = server.address("127.0.0.1");
    let mut spec = spec(json!({"url": server.url("127.0.0.1")}));
    spec.section = "destination.a".into();
    let mut backend = open(&spec).await;
    let denied = backend.write(Vec::new(), &[define(0, "a")], &points(&[0])).await.unwrap_err();
    let WriteError::Call(error) = denied else { panic!("{denied:?}") };
    let line = format!("write under [destination.a]: grant.connect = [\"{address}\"]");
    assert!(matches!(error, CallError::Denied(_)) && error.to_string().contains(&line), "{error}");

    spec.grants.connect = vec![address.parse().unwrap()];
    let mut backend = open(&spec).await;
    assert_eq!(backend.write(Vec::new(), &[define(0, "a")], &points(&[0, 0])).await, Ok(2));
    let line =
        r#"{"endpoint":"host-1","metric":"a","tags":{},"type":"gauge","step":10,"timestamp_ms":1000,"value":0.5}"#;
    assert_eq!(server.bodies(), [format!("{line}\n{line}\n")]);
}

#[tokio::test]
async fn a_destination_that_is_away_or_rejects_decides_what_becomes_of_points() {
    for (status, retry) in [(503, true), (400, false)] {
        let server = serve(status, "why").await;
        let mut spec = spec(json!({"url": server.url("127.0.0.1")}));
        spec.grants.connect = vec![server.address("127.0.0.1").parse().unwrap()];
        let error = open(&spec).await.write(Vec::new(), &[define(0, "a")], &points(&[0])).await.unwrap_err();
        let message = format!("{status} why");
        let expected = if retry {
            WriteError::Retry { after: None, message }
        } else {
            WriteError::Reject { points: vec![], message }
        };
        assert_eq!(error, expected);
    }
}

#[tokio::test]
async fn a_destination_that_never_answers_costs_no_point_and_no_instance() {
    let _turn = turn().await;
    // Connections are taken by the system, and nobody ever reads from them.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut spec = spec(json!({"url": format!("http://{address}/")}));
    spec.grants.connect = vec![address.to_string().parse().unwrap()];
    spec.limits.deadlines.write *= 5;
    let mut backend = open(&spec).await;
    let error = backend.write(Vec::new(), &[define(0, "a")], &points(&[0])).await.unwrap_err();
    assert!(matches!(&error, WriteError::Retry { message, .. } if message.contains("Timeout")), "{error:?}");
    assert!(backend.is_alive());
}

#[tokio::test]
async fn every_answer_of_a_backend_keeps_its_sort_and_the_instance_lives() {
    let after = Some(Duration::from_millis(1500));
    let reject = |points, message: &str| WriteError::Reject { points, message: message.into() };
    for (answer, expected) in [
        ("take", Ok(4)),
        ("retry", Err(WriteError::Retry { after, message: "told to retry".into() })),
        ("reject-some", Err(reject(vec![1, 3], "told to reject some"))),
        ("reject-all", Err(reject(vec![], "told to reject all"))),
        ("broken", Err(WriteError::Broken("told to be broken".into()))),
    ] {
        let (backend, found) = offer(json!({ "answer": answer })).await;
        assert_eq!(found, expected, "{answer}");
        assert!(backend.is_alive(), "{answer}");
    }
    let (_, denied) = offer(json!({"answer": "denied"})).await;
    assert!(matches!(denied, Err(WriteError::Call(CallError::Denied(_)))), "{denied:?}");
}

#[tokio::test]
async fn a_backend_that_panics_or_never_ends_is_gone() {
    let (backend, trapped) = offer(json!({"answer": "trap"})).await;
    assert!(matches!(trapped, Err(WriteError::Call(CallError::Killed(Kill::Trap { .. })))), "{trapped:?}");
    assert!(!backend.is_alive());

    let _turn = turn().await;
    let mut backend = open(&spec(json!({"answer": "spin"}))).await;
    let error = in_time("scripted-backend", DEADLINE, backend.write(Vec::new(), &[], &points(&[0]))).await.unwrap_err();
    assert_eq!(error, WriteError::Call(CallError::Killed(Kill::Deadline { export: "write", limit: DEADLINE })));
    assert!(!backend.is_alive());
}

#[tokio::test]
async fn a_backend_that_never_ends_is_ended_at_the_deadline_of_a_write() {
    let _turn = turn().await;
    for at in ["define", "write", "forget"] {
        let spec = spec(json!({ "at": at }));
        let mut backend = Backend::open(sandbox(), plugin("spin-write").await, &spec).await.unwrap();
        let (series, points) = ([define(0, "a")], points(&[0]));
        let write = backend.write(vec![SeriesId(9)], &series, &points);
        let error = in_time(at, DEADLINE, write).await.unwrap_err();
        assert_eq!(error, WriteError::Call(CallError::Killed(Kill::Deadline { export: "write", limit: DEADLINE })));
    }
}

#[tokio::test]
async fn a_backend_cannot_say_more_than_it_was_given() {
    for (guest, words) in [
        ("overclaiming-backend", "it says it has written 4294967295 points, and there were 2"),
        ("reject-bomb", "none of these"),
    ] {
        let mut backend = Backend::open(sandbox(), plugin(guest).await, &spec(json!({}))).await.unwrap();
        let answer = backend.write(Vec::new(), &[define(0, "a")], &points(&[0, 0])).await;
        match (guest, answer) {
            ("overclaiming-backend", Err(WriteError::Broken(message))) => assert_eq!(message, words),
            // Only places that there are; the million others are nobody's.
            ("reject-bomb", Err(WriteError::Reject { points, message })) => {
                assert_eq!((points, message.as_str()), (vec![0, 1], words));
            }
            (_, other) => panic!("{guest}: {other:?}"),
        }
    }
}
