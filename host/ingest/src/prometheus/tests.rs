//! Text over HTTP, from senders that mean well and from others.

use saker_model::RejectReason;
use serde_json::{Value, json};

use super::*;
use crate::HttpConfig;
use crate::naming::Naming;
use crate::testing::{Open, neighbours, read};

const PATH: &str = "/api/v1/import/prometheus";
const MS: &str = "1700000000000";

async fn open() -> Open<Prometheus> {
    Open::new(HttpConfig::default()).await
}

/// Expects these points of a body, when its names are new and when they are known.
async fn check(query: &str, body: &str, expected: &[&str]) {
    let open = open().await;
    for round in ["new", "known"] {
        let path = format!("{PATH}?{query}");
        assert_eq!(open.post(&path, body).await, (204, String::new()), "{body}");
        assert_eq!(open.points(), expected, "{round}: {body}");
    }
}

#[tokio::test]
async fn a_line_is_a_name_labels_a_value_and_a_time() {
    let at = "at 1700000000000";
    check("", "m 78.9\n", &["m of self = 78.9 at now"]).await;
    check("", &format!("m{{}} 123.456 {MS}\n"), &[&format!("m of self = 123.456 {at}")]).await;
    check("", &format!("m{{bar=\"b\\\"a\\\\zq\"}} -1.2 {MS}"), &[&format!("m{{bar=b\"a\\zq}} of self = -1.2 {at}")])
        .await;
    check("", &format!("m{{bar=\"baz\",}} 1 {MS}\r\n"), &[&format!("m{{bar=baz}} of self = 1 {at}")]).await;
    check("", &format!("m {{bar=\"baz\",aa=\"\",x=\"y\"}} 1 {MS}"), &[&format!("m{{bar=baz,x=y}} of self = 1 {at}")])
        .await;
    let spaces = format!("m\t{{   name=\"a\", accountID = \"1\" , projectID=\t\"2\"   }} 277779100 {MS}\n");
    check("", &spaces, &[&format!("m{{accountID=1,name=a,projectID=2}} of self = 277779100 {at}")]).await;
    check("", &format!("{{bar=\"baz\", \"m\"}} 1 {MS}"), &[&format!("m{{bar=baz}} of self = 1 {at}")]).await;
    check("", &format!("{{\"m温度{{房间\"}} 1 {MS}"), &[&format!("m温度{{房间 of self = 1 {at}")]).await;
    check("", &format!("{{__name__=\"m\",\"a b\"=\"c}}\"}} 1 {MS}"), &[&format!("m{{a b=c}}}} of self = 1 {at}")])
        .await;
    check("", &format!("m{{instance=\"web-1\"}} 1 {MS}"), &[&format!("m of web-1 = 1 {at}")]).await;
    check("", "m 1 1700000000\nm 2 1700000000.5", &[&format!("m of self = 1 {at}"), "m of self = 2 at 1700000000500"])
        .await;
}

#[tokio::test]
async fn comments_exemplars_and_quantiles_without_observations_are_passed_over() {
    let body = format!(
        "# HELP m x\n# TYPE m counter\n\nm_bucket{{le=\"1\"}} 5 {MS} # {{trace_id=\"a\"}} 0.67\nm 2 # {{}} 1\n# EOF\n"
    );
    check("", &body, &["m_bucket{le=1} of self = 5 at 1700000000000", "m of self = 2 at now"]).await;
    let open = open().await;
    assert_eq!(open.post(PATH, "m NaN\nm 1\nn +Inf\n").await.0, 204);
    assert_eq!((open.points().len(), open.counts().rejected.of(RejectReason::NotFinite)), (1, 2));
}

#[tokio::test]
async fn a_request_says_labels_and_a_time_for_all_of_its_lines() {
    let query = "extra_label=job=prom-test&extra_label=baz=bar";
    let expected = "m{baz=bar,job=prom-test} of self = 1 at 1700000000000";
    check(query, &format!("m{{baz=\"qux\"}} 1 {MS}\n"), &[expected]).await;
    check(&format!("timestamp={MS}"), "m 5\n", &["m of self = 5 at 1700000000000"]).await;
    let open = open().await;
    let kind = "content-type: application/openmetrics-text; version=1.0.0\r\n";
    assert_eq!(open.ask("POST", PATH, kind, "m 1 1700000000.25\nm 2 0\n").await.0, 204);
    assert_eq!(open.points(), ["m of self = 1 at 1700000000250", "m of self = 2 at 0"]);
    let (status, answer) = open.post(&format!("{PATH}?timestamp=x"), "m 1").await;
    assert!(status == 400 && answer.contains("timestamp must be milliseconds since 1970, found"), "{answer}");
    let (status, answer) = open.post(&format!("{PATH}?extra_label=x"), "m 1").await;
    assert!(status == 400 && answer.contains("extra_label must be name=value"), "{answer}");
    assert_eq!(open.ask("POST", PATH, "content-type: application/vnd.google.protobuf\r\n", "").await.0, 415);
}

#[tokio::test]
async fn a_bad_line_costs_itself_and_is_named_with_its_number() {
    let open = open().await;
    let labels = "labels must be name=\"value\" within braces, with commas between them";
    for (line, expected) in [
        ("m", "a value must follow the name and its labels"),
        ("m{a=\"b\"}", "a value must follow the name and its labels"),
        ("m{foo='bar'} 23", labels),
        ("m{foo=`bar`} 23", labels),
        ("m{host:\"myhost\"} 12", labels),
        ("m{host:\"myhost\",foo=\"bar\"} 12", labels),
        ("m{a=\"b\" c=\"d\"} 12", labels),
        ("m{a=\"b\"", labels),
        ("m{a=\"b} 12", labels),
        ("m{,} 12", labels),
        ("m{=\"b\"} 12", labels),
        ("m{\"a\",\"b\"} 12", labels),
        ("{} 12", "the line has no metric's name"),
        ("{a=\"b\"} 12", "the line has no metric's name"),
        ("m one", "the value must be a number"),
        ("m 123 bar", "behind the value only a timestamp and an exemplar may stand"),
        ("m 123 1 2", "behind the value only a timestamp and an exemplar may stand"),
    ] {
        let (status, answer) = open.post(PATH, format!("good 1\n{line}\nbetter 2\n")).await;
        let what = format!("unable to parse '{line}': {expected}");
        let error = json!({"error": format!("line 2: {what}"), "accepted": 2, "rejected": 1, "errors": [{"line": 2, "error": what}]});
        assert_eq!((status, serde_json::from_str::<Value>(&answer).unwrap()), (200, error), "{line}");
        assert_eq!(open.points().len(), 2, "{line}");
        assert_eq!(open.post(PATH, line).await.0, 400, "nothing of it was taken");
        let (status, _) = open.post(&format!("{PATH}?strict=1"), format!("good 1\n{line}\n")).await;
        assert_eq!((status, open.points().len()), (400, 0), "{line}");
    }
    for (line, expected) in [
        ("m -1 -5", RejectReason::BadTimestamp),
        ("m 1 99999999999999", RejectReason::AheadOfClock),
        ("m{a=\"b\\nc\"} 1", RejectReason::BadTag),
        ("m{a=\"b\",a=\"c\"} 1", RejectReason::DuplicateTag),
    ] {
        let (_, answer) = open.post(PATH, line).await;
        assert!(answer.contains(&expected.to_string()), "{line}: {answer}");
    }
    let long = format!("m{{a=\"{}\"}} 1", "x".repeat(300_000));
    assert!(open.post(PATH, long).await.1.contains("more than 262144 bytes"));
    assert!(open.post(PATH, b"m{a=\"\xff\"} 1").await.1.contains("must be UTF-8"));
}

#[tokio::test]
async fn a_pushgateways_clients_push_and_delete() {
    let open = open().await;
    for (method, path, expected) in [
        ("POST", "/metrics/job/backup", "m{a=b,job=backup} of self = 1 at now"),
        ("PUT", "/metrics/job/a%20b/instance/web-1", "m{a=b,job=a b} of web-1 = 1 at now"),
        ("POST", "/metrics/job@base64/L3Zhcg/a/c", "m{a=c,job=/var} of self = 1 at now"),
        ("POST", "/api/v1/import/prometheus/metrics/job/x?extra_label=y=z", "m{a=b,job=x,y=z} of self = 1 at now"),
    ] {
        for _ in 0..2 {
            assert_eq!(open.ask(method, path, "", "m{a=\"b\"} 1\n").await, (200, String::new()), "{path}");
            assert_eq!(open.points(), [expected]);
        }
    }
    assert_eq!(open.ask("DELETE", "/metrics/job/backup", "", "").await.0, 202);
    for (method, path) in [("POST", "/metrics/job/"), ("PUT", "/metrics/a/b"), ("DELETE", "/metrics/job/a/b")] {
        assert_eq!(open.ask(method, path, "", "").await.0, 400, "{path}");
    }
    assert_eq!(open.ask("POST", "/metrics/job/a", "", "m x\n").await.0, 400);
    assert_eq!(open.ask("GET", "/metrics/job/a", "", "").await.0, 405);
}

fn naming() -> Naming {
    Naming::new("instance", 60, &"self".into())
}

#[tokio::test]
async fn whatever_is_sent_is_read_to_its_end() {
    let open = open().await;
    let lines = ExpositionLines { naming: naming(), time_ms: None, is_openmetrics: false };
    for seed in ["m{a=\"b\\n\",c=\"d\"} 1 2 # {}\n", "{\"m\", \"a b\"=\"c\"} -1e3 1.5\n"] {
        for bytes in neighbours(seed.as_bytes()) {
            read(&open.pipeline, &lines, &bytes).await;
        }
    }
}
