use saker_sdk::http::{HttpError, Response};
use saker_sdk::settings::serde_json::{self, Value, json};
use saker_sdk::testing::{Posted, answer, posted};

use super::*;

fn open(settings: &str) -> Result<Bigquery, OpenError> {
    Bigquery::open(saker_sdk::settings::parse(settings)?)
}

fn backend() -> Bigquery {
    let mut backend = open(r#"{"project": "p-1", "dataset": "d", "token": "t"}"#).unwrap();
    let series = |id: u32| Series {
        endpoint: "web1".into(),
        metric: format!("m.\"{id}\""),
        tags: vec![("core".into(), "0\n".into()), ("zone".into(), "é".into())],
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
    (0..4).map(|id| point(id, f64::from(id) / 2.0)).collect()
}

fn says(status: u16, body: &str) {
    answer(Ok(Response { status, retry_after_s: Some(2), body: body.into() }));
}

/// What the API says of rows: their index, and a reason.
fn errors(rows: &[(u32, &str)]) -> String {
    let row = |(index, reason): &(u32, &str)| {
        let error = json!({"reason": reason, "location": "value", "debugInfo": "", "message": format!("why {index}")});
        json!({"index": index, "errors": [error]})
    };
    let rows: Vec<_> = rows.iter().map(row).collect();
    json!({"kind": "bigquery#tableDataInsertAllResponse", "insertErrors": rows}).to_string()
}

const WELL: &str = r#"{"kind": "bigquery#tableDataInsertAllResponse"}"#;

fn rows(posted: &Posted) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&posted.body).unwrap();
    assert_eq!(
        (&body["skipInvalidRows"], body["kind"].as_str()),
        (&json!(true), Some("bigquery#tableDataInsertAllRequest"))
    );
    body["rows"].as_array().unwrap().clone()
}

fn values(posted: &Posted) -> Vec<f64> {
    rows(posted).iter().map(|row| row["json"]["value"].as_f64().unwrap()).collect()
}

#[test]
fn a_call_is_one_request_of_a_row_for_each_point() {
    says(200, WELL);
    assert_eq!(backend().write(points()).unwrap(), 4);
    let posted = posted();
    assert_eq!(posted.len(), 1);
    assert!(posted[0].target.tls && posted[0].target.authority == "bigquery.googleapis.com");
    assert_eq!(posted[0].target.path, "/bigquery/v2/projects/p-1/datasets/d/tables/saker/insertAll");
    assert!(posted[0].headers.contains(&("authorization".into(), "Bearer t".into())));
    let rows = rows(&posted[0]);
    assert_eq!(
        rows[1]["json"],
        json!({
            "timestamp": "2023-11-14T22:13:20.123Z", "endpoint": "web1", "metric": "m.\"1\"",
            "tags": [{"key": "core", "value": "0\n"}, {"key": "zone", "value": "é"}], "type": "counter", "value": 0.5,
        })
    );
    let mut ids: Vec<_> = rows.iter().map(|row| row["insertId"].as_str().unwrap()).collect();
    assert!(ids.iter().all(|id| id.len() == 46 && id.ends_with("-1700000000123")));
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn rows_that_do_not_fit_are_rejected_by_index() {
    let mut backend = backend();
    says(200, &errors(&[(2, "stopped"), (1, "invalid")]));
    let error = backend.write(points()).unwrap_err();
    assert!(
        matches!(error, WriteError::Reject(reject) if reject.points == [1] && reject.message == "invalid value: why 1")
    );
    says(200, WELL);
    assert_eq!(backend.write([&points()[..1], &points()[2..]].concat()).unwrap(), 3);
    assert_eq!(values(&posted()[1]), [1.0]);
}

#[test]
fn rows_that_had_bad_luck_are_offered_again() {
    let mut backend = backend();
    says(200, &errors(&[(0, "backendError"), (3, "timeout")]));
    let error = backend.write(points()).unwrap_err();
    assert!(matches!(error, WriteError::Retry(retry) if retry.message == "backendError value: why 0"));
    says(200, WELL);
    assert_eq!(backend.write(points()).unwrap(), 4);
    assert_eq!(values(&posted()[1]), [0.0, 1.5]);
}

#[test]
fn a_recorded_exchange_goes_as_the_documentation_tells_it() {
    // A token that has expired, a table that was just made, a quota, and then success.
    let mut backend = backend();
    for (status, reason) in [(401, "authError"), (404, "notFound"), (403, "rateLimitExceeded"), (503, "backendError")] {
        let body = json!({"error": {"code": status, "message": "why", "errors": [
            {"message": "why", "domain": "global", "reason": reason}], "status": "X"}});
        says(status, &body.to_string());
        let error = backend.write(points()).unwrap_err();
        assert!(
            matches!(error, WriteError::Retry(retry) if retry.after_ms == Some(2000) && retry.message.contains(reason))
        );
    }
    says(200, WELL);
    assert_eq!(backend.write(points()).unwrap(), 4);
    let posted = posted();
    assert_eq!(posted.len(), 5);
    assert!(posted.iter().all(|each| each.body == posted[0].body), "the same rows with the same ids each time");
}

#[test]
fn an_answer_that_is_none_of_the_methods_is_no_success() {
    for body in
        ["", "<xml>", "[]", r#"{"insertErrors":1}"#, &errors(&[(4, "invalid")]), r#"{"kind":"bigquery#queryResponse"}"#]
    {
        says(200, body);
        let error = backend().write(points()).unwrap_err();
        assert!(
            matches!(error, WriteError::Retry(retry) if retry.message.starts_with("an answer that is none")),
            "{body}"
        );
    }
    says(400, "{}");
    assert!(matches!(backend().write(points()), Err(WriteError::Reject(_))));
    answer(Err(HttpError::Denied("bigquery.googleapis.com:443".into())));
    assert!(matches!(backend().write(points()), Err(WriteError::Denied(_))));
}

#[test]
fn bigquery_says_an_error_of_the_whole_request_with_200() {
    for body in [r#"{"error":{"code":500,"message":"why"}}"#, r#"{"error":"why","kind":"bigquery#x"}"#] {
        says(200, body);
        let error = backend().write(points()).unwrap_err();
        assert!(
            matches!(&error, WriteError::Retry(retry) if retry.message.starts_with("an error with a status of success")
                && retry.message.contains("why")),
            "{error:?}"
        );
    }
    says(200, "{}");
    assert_eq!(backend().write(points()).unwrap(), 4);
}

#[test]
fn a_request_that_is_too_large_is_halved_and_a_huge_call_cut() {
    let mut backend = backend();
    says(413, "");
    says(200, WELL);
    says(200, WELL);
    assert_eq!(backend.write(points()).unwrap(), 4);
    let counts: Vec<_> = posted().iter().map(|posted| rows(posted).len()).collect();
    assert_eq!(counts, [4, 2, 2]);
    let mut backend = self::backend();
    (0..100).for_each(|_| says(200, WELL));
    let many: Vec<_> = (0..100_000).map(|number| point(number % 4, f64::from(number))).collect();
    assert_eq!(backend.write(many).unwrap(), 100_000);
    let posted = posted();
    assert!(posted.iter().all(|posted| posted.body.len() < 10_000_000 && rows(posted).len() <= 50_000));
    assert_eq!(posted.iter().map(|posted| rows(posted).len()).sum::<usize>(), 100_000);
}

#[test]
fn what_cannot_be_said_sends_nothing() {
    let mut backend = backend();
    let at = |timestamp_ms| Point { series: 0, timestamp_ms, value: 1.0 };
    for bad in [point(0, f64::NAN), at(-62_135_596_800_001), at(i64::MAX)] {
        let error = backend.write(vec![point(1, 1.0), bad]).unwrap_err();
        assert!(matches!(error, WriteError::Reject(reject) if reject.points == [1]));
    }
    backend.forget(vec![0]);
    assert!(matches!(backend.write(vec![point(0, 1.0)]), Err(WriteError::Broken(_))));
    assert_eq!(backend.write(Vec::new()).unwrap(), 0);
    assert!(posted().is_empty());
}

#[test]
fn settings_that_cannot_be_meant_are_named() {
    for (settings, named) in [
        (r#"{"dataset": "d"}"#, "project: missing"),
        (r#"{"project": "p/../q", "dataset": "d"}"#, "project: must be"),
        (r#"{"project": "p", "dataset": ""}"#, "dataset: must be"),
        (r#"{"project": "p", "dataset": "d", "table": "a b"}"#, "table: must be"),
        (r#"{"project": "p", "dataset": "d", "url": "http://h/x"}"#, "url: leave out the path"),
        (r#"{"project": "p", "dataset": "d", "token": "a\nb"}"#, "token: must be"),
    ] {
        let Some(OpenError::Settings(message)) = open(settings).err() else { panic!("{named}") };
        assert!(message.starts_with(named), "{message}");
    }
}
