//! The backend natively: requests and answers, and lines to a listener of the standard library.

use std::io::{Read, Write};
use std::net::TcpListener;

use saker_sdk::http::{HttpError, Response};
use saker_sdk::settings::serde_json::{self, Value, json};
use saker_sdk::testing::{answer, custom_metric, logged, posted};

use super::*;

fn open(settings: &str) -> Result<Opentsdb, OpenError> {
    Opentsdb::open(saker_sdk::settings::parse(settings)?)
}

fn definition(id: SeriesId, metric: &str) -> Definition {
    let tags = vec![("core".into(), "0".into())];
    let series =
        Series { endpoint: "web1".into(), metric: metric.into(), tags, metric_type: MetricType::Gauge, step_s: 10 };
    Definition { id, series }
}

fn backend(settings: &str) -> Opentsdb {
    let mut backend = open(settings).unwrap();
    backend.define((0..100).map(|id| definition(id, &format!("m{id}"))).collect());
    backend
}

fn point(series: SeriesId, value: f64) -> Point {
    Point { series, timestamp_ms: 1_700_000_000_999, value }
}

fn points(count: u32) -> Vec<Point> {
    (0..count).map(|id| point(id, f64::from(id))).collect()
}

fn respond(status: u16, body: &str) {
    answer(Ok(Response { status, retry_after_s: None, body: body.into() }));
}

/// What OpenTSDB answers about some points of `m…`, with these errors.
fn details(success: u32, errors: &[(u32, &str)]) -> String {
    let errors: Vec<_> = errors
        .iter()
        .map(|(id, error)| {
            let tags = json!({"endpoint": "web1", "core": "0"});
            let datapoint = json!({"metric": format!("m{id}"), "timestamp": 1_700_000_000, "value": "1", "tags": tags});
            json!({"error": error, "datapoint": datapoint})
        })
        .collect();
    json!({"success": success, "failed": errors.len(), "errors": errors}).to_string()
}

/// The metrics of each request.
fn metrics() -> Vec<Vec<String>> {
    posted()
        .iter()
        .map(|request| {
            let body: Value = serde_json::from_slice(&request.body).unwrap();
            body.as_array().unwrap().iter().map(|point| point["metric"].as_str().unwrap().to_owned()).collect()
        })
        .collect()
}

const HTTP: &str = r#"{"url": "http://h:4242"}"#;

#[test]
fn a_call_is_a_list_that_is_stored_before_it_counts() {
    let mut backend = backend(HTTP);
    assert_eq!(backend.write(vec![point(1, 7.0), point(0, -0.5)]).unwrap(), 2);
    let posted = posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].target.path, "/api/put?details=true&sync=true");
    assert_eq!(
        String::from_utf8_lossy(&posted[0].body),
        concat!(
            r#"[{"metric":"m1","tags":{"core":"0","endpoint":"web1"},"timestamp":1700000000,"value":7},"#,
            r#"{"metric":"m0","tags":{"core":"0","endpoint":"web1"},"timestamp":1700000000,"value":-0.5}]"#
        )
    );
    assert!(posted[0].headers.contains(&("content-type".into(), "application/json; charset=utf-8".into())));
}

#[test]
fn settings_make_the_request() {
    let settings = r#"{"url": "https://h/tsdb/api/put?x=y", "sync": false, "precision": "ms", "endpoint_tag": "host", "token": "abc"}"#;
    backend(settings).write(points(1)).unwrap();
    let request = posted().remove(0);
    assert_eq!(request.target.path, "/tsdb/api/put?x=y&details=true");
    assert!(request.headers.contains(&("authorization".into(), "Bearer abc".into())));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body[0]["tags"], json!({"core": "0", "host": "web1"}));
    assert_eq!(body[0]["timestamp"], 1_700_000_000_999_i64);
}

#[test]
fn requests_are_no_larger_than_they_may_be_and_have_every_point_once() {
    let mut backend = backend(r#"{"url": "http://h:4242", "max_body_bytes": 1000}"#);
    let many: Vec<_> = (0..1000).map(|number| point(number % 100, f64::from(number))).collect();
    assert_eq!(backend.write(many).unwrap(), 1000);
    let posted = posted();
    assert!(posted.iter().all(|request| request.body.len() <= 1000) && posted.len() < 120, "{}", posted.len());
    let values: Vec<_> = posted
        .iter()
        .flat_map(|request| serde_json::from_slice::<Vec<Value>>(&request.body).unwrap())
        .map(|point| point["value"].as_i64().unwrap())
        .collect();
    assert!(values.into_iter().eq(0..1000));
    // A point that is larger than that goes alone.
    backend.define(vec![definition(7, &"x".repeat(2000)), definition(8, "short")]);
    backend.write(vec![point(8, 1.0), point(7, 1.0), point(8, 1.0)]).unwrap();
    assert_eq!(metrics().len(), 3);
}

#[test]
fn points_that_are_rejected_are_named_by_their_place() {
    let mut backend = backend(HTTP);
    respond(400, &details(2, &[(3, "Unknown metric"), (1, "Invalid metric name")]));
    let Err(WriteError::Reject(reject)) = backend.write(points(4)) else { panic!("not rejected") };
    assert_eq!((reject.points, reject.message.as_str()), (vec![1, 3], "m3: Unknown metric"));
    assert_eq!(metrics(), [["m0", "m1", "m2", "m3"]]);
    // The agent calls again without them, and nothing is left to send.
    assert_eq!(backend.write(vec![point(0, 0.0), point(2, 2.0)]).unwrap(), 2);
    assert!(posted().is_empty(), "they are stored already");
}

#[test]
fn points_that_could_not_be_stored_now_are_tried_again_alone() {
    let mut backend = backend(HTTP);
    // Answered 200 when only the storage has failed.
    respond(200, &details(3, &[(2, "Storage exception: region is not online")]));
    let Err(WriteError::Retry(retry)) = backend.write(points(4)) else { panic!("not to be tried again") };
    assert_eq!(retry.message, "m2: Storage exception: region is not online");
    assert_eq!(metrics(), [["m0", "m1", "m2", "m3"]]);
    assert_eq!(backend.write(points(4)).unwrap(), 4);
    assert_eq!(metrics(), [["m2"]]);
}

#[test]
fn rejected_points_are_told_before_those_that_wait() {
    let mut backend = backend(HTTP);
    respond(400, &details(1, &[(0, "Please throttle"), (2, "Unknown metric")]));
    let Err(WriteError::Reject(reject)) = backend.write(points(3)) else { panic!("not rejected") };
    assert_eq!(reject.points, [2]);
    let _ = posted();
    assert_eq!(backend.write(points(2)).unwrap(), 2);
    assert_eq!(metrics(), [["m0"]]);
}

#[test]
fn an_answer_that_does_not_say_which_is_asked_about_halves() {
    for body in
        ["cannot parse", &details(0, &[(99, "about another")]), r#"{"failed":1,"success":3}"#, r#"{"errors":[{"err"#]
    {
        let mut backend = backend(HTTP);
        // All four; then the first two are taken, and of the others the second is rejected.
        respond(400, body);
        respond(204, "");
        respond(400, body);
        respond(200, r#"{"failed":0,"success":1}"#);
        respond(400, body);
        let Err(WriteError::Reject(reject)) = backend.write(points(4)) else { panic!("not rejected") };
        assert_eq!(reject.points, [3]);
        assert!(reject.message.contains(body.trim()), "{}", reject.message);
        assert_eq!(
            metrics(),
            [vec!["m0", "m1", "m2", "m3"], vec!["m0", "m1"], vec!["m2", "m3"], vec!["m2"], vec!["m3"]]
        );
    }
}

#[test]
fn opentsdb_says_with_200_what_its_storage_has_not_taken() {
    // What HBase says is quoted whole, for each point.
    let long = format!("Storage exception: {}", "at org.hbase.async ".repeat(100));
    let mut backend = backend(HTTP);
    respond(200, &details(0, &[(0, &long), (1, &long), (2, &long), (3, &long)]));
    assert!(matches!(backend.write(points(4)), Err(WriteError::Retry(_))));
    for (status, body) in [
        (200, r#"{"success":3,"failed":0,"errors":[]}"#),
        (200, r#"{"success":0,"failed":0,"timeouts":0}"#),
        (200, r#"{"error":{"code":500,"message":"why"}}"#),
        (200, r#"{"success":3,"fai"#),
        (200, "<html>Sign in"),
    ] {
        respond(status, body);
        assert!(matches!(backend.write(points(4)), Err(WriteError::Retry(_))), "{body}");
    }
    // One point that could not be stored, without a word why.
    respond(200, r#"{"success":0,"failed":1}"#);
    assert!(matches!(backend.write(points(1)), Err(WriteError::Retry(_))));
    for body in ["", "{}", r#"{"success":4,"failed":0}"#] {
        respond(200, body);
        assert_eq!(backend.write(points(4)).unwrap(), 4, "{body}");
    }
    let _ = posted();
}

#[test]
fn a_request_that_is_too_large_costs_no_points_and_says_what_to_lower() {
    for (status, body) in [(400, r#"{"error":{"message":"Chunked request not supported."}}"#), (413, "")] {
        let mut backend = backend(HTTP);
        respond(status, body);
        let Err(WriteError::Retry(retry)) = backend.write(points(2)) else { panic!("not to be tried again") };
        assert!(retry.message.contains("lower max_body_bytes"), "{}", retry.message);
        // A point that is larger than that by itself would wait for ever.
        backend.define(vec![definition(7, &"x".repeat(9000))]);
        respond(204, "");
        respond(status, body);
        let Err(WriteError::Reject(reject)) = backend.write(vec![point(1, 1.0), point(7, 1.0), point(2, 1.0)]) else {
            panic!("not rejected")
        };
        assert_eq!(reject.points, [1]);
        let _ = posted();
    }
}

#[test]
fn a_server_that_is_away_is_tried_again_from_where_it_went() {
    let mut backend = backend(r#"{"url": "http://h:4242", "max_body_bytes": 512}"#);
    respond(204, "");
    answer(Err(HttpError::Unavailable("gone".into())));
    let Err(WriteError::Retry(retry)) = backend.write(points(20)) else { panic!("not to be tried again") };
    assert_eq!(retry.message, "gone");
    let sent = metrics();
    assert_eq!(sent.len(), 2);
    assert_eq!(backend.write(points(20)).unwrap(), 20);
    let again = metrics().concat();
    assert_eq!((again.len(), &again[0]), (20 - sent[0].len(), &sent[1][0]));
    for status in [401, 404, 500, 503] {
        respond(status, "");
        assert!(matches!(backend.write(points(1)), Err(WriteError::Retry(_))), "{status}");
    }
    answer(Err(HttpError::Denied("h:4242".into())));
    assert!(
        matches!(backend.write(points(1)), Err(WriteError::Denied(Permission::Connect(address))) if address == "h:4242")
    );
    let _ = posted();
}

#[test]
fn a_call_ends_in_time_and_goes_on_in_the_next() {
    let mut backend = backend(r#"{"url": "http://h:4242", "timeout_ms": 0}"#);
    let Err(WriteError::Retry(retry)) = backend.write(points(20)) else { panic!("not to be tried again") };
    assert_eq!(retry.message, "h:4242: not all points could be sent in time");
    assert!(posted().is_empty());
}

#[test]
fn no_points_and_wrong_points_are_no_request() {
    let mut backend = backend(HTTP);
    assert_eq!(backend.write(Vec::new()).unwrap(), 0);
    let early = Point { timestamp_ms: 0, ..point(0, 1.0) };
    let Err(WriteError::Reject(reject)) = backend.write(vec![point(0, f64::NAN), point(1, 1.0), early]) else {
        panic!("not rejected")
    };
    assert_eq!(reject.points, [0, 2]);
    backend.forget(vec![5]);
    assert!(matches!(backend.write(points(6)), Err(WriteError::Broken(_))));
    assert!(posted().is_empty());
}

#[test]
fn telnet_is_a_line_for_each_point_and_complaints_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut backend = backend(&format!(r#"{{"url": "tcp://{address}", "precision": "ms"}}"#));
    backend.write(points(2)).unwrap();
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"put: unknown metric: m1\nput: illegal argument: x\n").unwrap();
    let mut got = [0; 100];
    let length = server.read(&mut got).unwrap();
    let expected = "put m0 1700000000999 0 core=0 endpoint=web1\nput m1 1700000000999 1 core=0 endpoint=web1\n";
    assert_eq!(std::str::from_utf8(&got[..length]).unwrap(), expected);
    backend.write(points(1)).unwrap();
    assert_eq!(custom_metric("complaints"), Some(2.0));
    assert!(logged()[0].1.ends_with("put: unknown metric: m1"), "{:?}", logged());
    drop(server);
    // What it had taken before it closed is not known, so all comes again on a new connection.
    backend.write(points(1)).unwrap();
    let mut text = String::new();
    drop(backend);
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "put m0 1700000000999 0 core=0 endpoint=web1\n");
}

#[test]
fn unusable_settings_are_named() {
    for (settings, what) in [
        (r#"{"url": "h:4242"}"#, "url: neither http:// nor https://"),
        (r#"{"url": "tcp://h"}"#, "url: no port; write host:port or tcp://host:port"),
        (r#"{"url": "tcp://h:1", "token": "t"}"#, "url: telnet knows no token"),
        (r#"{"url": "http://h:1", "max_body_bytes": 9}"#, "max_body_bytes: must be at least 512, found 9"),
        (r#"{"url": "http://h:1", "precision": "ns"}"#, "precision: expected one of s, ms"),
        (r#"{"url": "http://h:1", "password": "p"}"#, "password: give the username too"),
    ] {
        let Err(OpenError::Settings(message)) = open(settings) else { panic!("{settings}") };
        assert!(message.starts_with(what), "{message}");
    }
}
