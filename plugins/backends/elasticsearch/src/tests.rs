use std::io::Read;

use saker_sdk::http::{HttpError, Response};
use saker_sdk::settings::serde_json::{Value, json};
use saker_sdk::testing::{Posted, answer, posted};

use super::*;

fn open(settings: &str) -> Result<Elasticsearch, OpenError> {
    Elasticsearch::open(saker_sdk::settings::parse(settings)?)
}

fn backend(more: &str) -> Elasticsearch {
    let mut backend = open(&format!(r#"{{"url": "http://127.0.0.1:9200"{more}}}"#)).unwrap();
    let series = |id: u32| Series {
        endpoint: "web1".into(),
        metric: format!("m.{id}"),
        tags: vec![("core".into(), "0".into())],
        metric_type: MetricType::Counter,
        step_s: 10,
    };
    backend.define((0..4).map(|id| Definition { id, series: series(id) }).collect());
    backend
}

fn point(series: u32, value: f64) -> Point {
    Point { series, timestamp_ms: 1_700_000_000_123, value }
}

fn points() -> Vec<Point> {
    (0..4).map(|id| point(id, f64::from(id))).collect()
}

/// The metrics of the documents, in order.
fn metrics(posted: &Posted) -> Vec<String> {
    let mut text = String::new();
    flate2::read::GzDecoder::new(&posted.body[..]).read_to_string(&mut text).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| saker_sdk::settings::serde_json::from_str(line).unwrap()).collect();
    assert!(text.ends_with('\n') && lines.iter().step_by(2).all(|line| line["create"].is_object()));
    lines.iter().skip(1).step_by(2).map(|document| document["metric"].as_str().unwrap().to_owned()).collect()
}

fn says(status: u16, body: impl Into<String>) {
    answer(Ok(Response { status, retry_after_s: Some(2), body: body.into() }));
}

/// The answer to a bulk request whose documents had these statuses.
fn statuses(statuses: &[u16]) -> String {
    let item = |status: &u16| match status {
        201 => json!({"create": {"status": 201}}),
        status => json!({"create": {"status": status, "error": {"type": format!("t{status}"), "reason": "why"}}}),
    };
    let items: Vec<_> = statuses.iter().map(item).collect();
    json!({"errors": statuses.iter().any(|status| *status != 201), "items": items}).to_string()
}

#[test]
fn a_call_is_one_request_of_two_lines_for_each_point() {
    says(200, statuses(&[201; 4]));
    assert_eq!(backend("").write(points()).unwrap(), 4);
    let posted = posted();
    assert_eq!(posted.len(), 1);
    let query = "filter_path=errors%2Citems.%2A.status%2Citems.%2A.error.type%2Citems.%2A.error.reason";
    assert_eq!(posted[0].target.path, format!("/metrics-saker-default/_bulk?{query}"));
    assert!(posted[0].headers.contains(&("content-type".into(), "application/x-ndjson".into())));
    assert_eq!(metrics(&posted[0]), ["m.0", "m.1", "m.2", "m.3"]);
}

#[test]
fn documents_that_are_too_many_at_once_are_offered_again() {
    let mut backend = backend("");
    says(200, statuses(&[201, 429, 201, 503]));
    let error = backend.write(points()).unwrap_err();
    assert!(matches!(error, WriteError::Retry(retry) if retry.message == "429 t429: why"));
    says(200, statuses(&[201, 201]));
    assert_eq!(backend.write(points()).unwrap(), 4);
    assert_eq!(metrics(&posted()[1]), ["m.1", "m.3"]);
}

#[test]
fn documents_that_do_not_fit_the_mapping_are_rejected_by_index() {
    let mut backend = backend("");
    says(200, statuses(&[201, 400, 429, 201]));
    let error = backend.write(points()).unwrap_err();
    assert!(matches!(error, WriteError::Reject(reject) if reject.points == [1] && reject.message == "400 t400: why"));
    says(200, statuses(&[201]));
    assert_eq!(backend.write([&points()[..1], &points()[2..]].concat()).unwrap(), 3);
    assert_eq!(metrics(&posted()[1]), ["m.2"]);
}

#[test]
fn a_document_that_is_there_already_counts_as_taken_if_it_has_an_id() {
    says(200, statuses(&[409, 201, 409, 409]));
    assert_eq!(backend("").write(points()).unwrap(), 4);
    says(200, statuses(&[409, 201, 201, 201]));
    let error = backend(r#", "ids": false"#).write(points()).unwrap_err();
    assert!(matches!(error, WriteError::Reject(reject) if reject.points == [0]));
}

#[test]
fn a_missing_right_or_index_costs_no_points() {
    for status in [401, 403, 404, 500] {
        says(200, statuses(&[status; 4]));
        assert!(matches!(backend("").write(points()), Err(WriteError::Retry(_))), "{status}");
        says(status, "no");
        assert!(matches!(backend("").write(points()), Err(WriteError::Retry(retry)) if retry.after_ms == Some(2000)));
    }
    says(400, "malformed");
    assert!(matches!(backend("").write(points()), Err(WriteError::Reject(_))));
    answer(Err(HttpError::Denied("127.0.0.1:9200".into())));
    assert!(matches!(backend("").write(points()), Err(WriteError::Denied(_))));
}

#[test]
fn an_answer_that_is_none_of_the_apis_is_no_success() {
    for body in ["", "<xml>", "{}", r#"{"errors":true}"#, &statuses(&[400, 201]), &statuses(&[201; 4])[..40]] {
        says(200, body.replace(r#""errors":false"#, r#""errors":true"#));
        let error = backend("").write(points()).unwrap_err();
        assert!(
            matches!(error, WriteError::Retry(retry) if retry.message.starts_with("an answer that is none")),
            "{body}"
        );
    }
    says(200, r#"{"took":3,"errors":false}"#);
    assert_eq!(backend("").write(points()).unwrap(), 4);
}

#[test]
fn a_body_that_is_too_large_is_halved() {
    let mut backend = backend("");
    says(413, "");
    says(200, statuses(&[201; 2]));
    says(200, statuses(&[201; 2]));
    assert_eq!(backend.write(points()).unwrap(), 4);
    let counts: Vec<_> = posted().iter().map(|posted| metrics(posted).len()).collect();
    assert_eq!(counts, [4, 2, 2]);
}

#[test]
fn what_cannot_be_said_sends_nothing() {
    let mut backend = backend("");
    let error = backend.write(vec![point(0, 1.0), point(1, f64::NAN)]).unwrap_err();
    assert!(matches!(error, WriteError::Reject(reject) if reject.points == [1]));
    assert!(matches!(backend.write(vec![point(9, 1.0)]), Err(WriteError::Broken(_))));
    backend.forget(vec![0]);
    assert!(matches!(backend.write(vec![point(0, 1.0)]), Err(WriteError::Broken(_))));
    assert_eq!(backend.write(Vec::new()).unwrap(), 0);
    assert!(posted().is_empty());
}

#[test]
fn settings_make_address_and_headers_or_are_named() {
    for (more, path, header) in [
        (
            r#", "data_stream": "metrics-a-b", "api_key": "a2V5""#,
            "/metrics-a-b/_bulk?",
            ("authorization", "ApiKey a2V5"),
        ),
        (r#", "index": "s-%Y.%m", "username": "me", "password": "pw""#, "/_bulk?", ("authorization", "Basic bWU6cHc=")),
        (r#", "headers": {"X-A": "b"}"#, "/metrics-saker-default/_bulk?", ("x-a", "b")),
    ] {
        says(200, statuses(&[201; 4]));
        backend(more).write(points()).unwrap();
        let posted = posted();
        assert!(posted[0].target.path.starts_with(path), "{}", posted[0].target.path);
        assert!(posted[0].headers.contains(&(header.0.into(), header.1.into())));
    }
    for (settings, named) in [
        (r#"{"url": "http://h/?a=b"}"#, "url: leave out"),
        (r#"{"url": "http://h", "api_key": "k", "username": "u"}"#, "api_key: give either"),
        (r#"{"url": "http://h", "index": "a", "data_stream": "b"}"#, "index: give either"),
        (r#"{"url": "http://h", "index": "A"}"#, "index: must be"),
    ] {
        let Some(OpenError::Settings(message)) = open(settings).err() else { panic!("{named}") };
        assert!(message.starts_with(named), "{message}");
    }
    assert!(
        target("https://h/es/", &Index::new(None, None).unwrap())
            .unwrap()
            .path
            .starts_with("/es/metrics-saker-default/_bulk?")
    );
}
