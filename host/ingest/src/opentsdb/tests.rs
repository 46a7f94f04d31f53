//! Points over real sockets and HTTP, from senders that mean well and from others.

use saker_model::RejectReason;
use serde_json::{Value, json};
use tokio::net::UdpSocket;

use super::*;
use crate::testing::{NOWHERE_YET, Open, ask_at, neighbours, read};

const S: &str = "1700000000";

async fn open() -> Open<Opentsdb> {
    let mut config = OpentsdbConfig::default();
    (config.sockets.tcp, config.sockets.udp) = (Some(NOWHERE_YET), Some(NOWHERE_YET));
    Open::new(config).await
}

/// Expects these points of lines, when their names are new and when they are known.
async fn check(lines: &str, expected: &[&str]) {
    let open = open().await;
    for round in ["new", "known"] {
        assert_eq!(open.say(lines).await, "", "{lines}");
        assert_eq!(open.points(), expected, "{round}: {lines}");
    }
}

#[tokio::test]
async fn a_line_is_put_a_metric_a_time_a_value_and_tags() {
    check(&format!("put m {S} -123.456 a=b\n"), &["m{a=b} of self = -123.456 at 1700000000000"]).await;
    check(&format!("put m {S} 1 bar=baz x=y\n"), &["m{bar=baz,x=y} of self = 1 at 1700000000000"]).await;
    check(&format!("put m {S}123 1 a=b\n"), &["m{a=b} of self = 1 at 1700000000123"]).await;
    check(&format!("put m {S}.4 -123.456 a=b\n"), &["m{a=b} of self = -123.456 at 1700000000000"]).await;
    check(&format!("put m {S} 1 bar=baz=aaa x=y\n"), &["m{bar=baz\\=aaa,x=y} of self = 1 at 1700000000000"]).await;
    check(&format!("put m {S}  -1   a=b  \n"), &["m{a=b} of self = -1 at 1700000000000"]).await;
    check(&format!("put m {S} 4 a=b\r\n"), &["m{a=b} of self = 4 at 1700000000000"]).await;
    check(&format!("put m {S} 4 host=web-1\n"), &["m of web-1 = 4 at 1700000000000"]).await;
    check(&format!("put m {S} 4\nput m 0 5\n"), &["m of self = 4 at 1700000000000", "m of self = 5 at now"]).await;
    check(&format!("put m {S} 4 a=1 a=2\n"), &["m{a=2} of self = 4 at 1700000000000"]).await;
}

#[tokio::test]
async fn a_bad_line_costs_itself_and_its_sender_is_told_why() {
    let open = open().await;
    for (line, expected) in [
        ("put m 1", "put must be followed by a metric, a timestamp, a value and tags"),
        ("put", "put must be followed by a metric, a timestamp, a value and tags"),
        ("put m 1700000000", "put must be followed by a metric, a timestamp, a value and tags"),
        ("put m soon 1 a=b", "the timestamp must be seconds or milliseconds since 1970"),
        ("put m 1700000000 one a=b", "the value must be a number"),
        ("put m 1700000000 4.5 foo", "a tag must be name=value"),
        ("put m 1700000000 4.5 =foo", "a tag must be name=value"),
    ] {
        let answer = open.say(format!("put good {S} 1 a=b\n{line}\nput good {S} 2 a=b\n")).await;
        assert_eq!(answer, format!("put: illegal argument: unable to parse '{line}': {expected}\n"));
        assert_eq!(open.points().len(), 2, "{line}");
    }
    for (line, expected) in [
        ("put m -5 1 a=b", RejectReason::BadTimestamp),
        ("put m inf 1 a=b", RejectReason::BadTimestamp),
        ("put m 4000000000 1 a=b", RejectReason::AheadOfClock),
        ("put m 1700000000 nan a=b", RejectReason::NotFinite),
        ("put m\u{7} 1700000000 1 a=b", RejectReason::BadMetric),
    ] {
        assert_eq!(open.say(format!("{line}\n")).await, format!("put: {expected}\n"));
    }
    assert_eq!(open.say("nonsense here\n").await, "unknown command: nonsense.  Try `help'.\n");
    assert!(open.say(b"put \xff 1700000000 1\n").await.contains("metric and tags must be UTF-8"));
}

#[tokio::test]
async fn commands_are_answered_and_exit_ends() {
    let open = open().await;
    let version = concat!("saker ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(
        open.say(format!("version\nput m {S} 1 a=b\nhelp\n")).await,
        format!("{version}{}", "available commands: put version help exit\n")
    );
    assert_eq!(open.say("exit\n").await, "");
    assert_eq!(open.points().len(), 1);
    let mut flood = "version\n".repeat(2000);
    flood.push_str("exit\n");
    assert!(open.say(flood).await.lines().count() <= 16 * 8, "answers are bounded");
}

#[tokio::test]
async fn a_datagram_holds_lines() {
    let open = open().await;
    let socket = UdpSocket::bind(NOWHERE_YET).await.unwrap();
    let lines = format!("put m {S} 1 a=b\nbad\nput m {S} 2 a=c");
    socket.send_to(lines.as_bytes(), open.udp().await).await.unwrap();
    open.received(3).await;
    assert_eq!(open.points(), ["m{a=b} of self = 1 at 1700000000000", "m{a=c} of self = 2 at 1700000000000"]);
}

/// Expects these points of a body, when their names are new and when they are known.
async fn check_body(open: &Open<Opentsdb>, query: &str, body: &str, expected: &[&str]) {
    for round in ["new", "known"] {
        let (status, answer) = open.post(&format!("/api/put?{query}"), body).await;
        assert_eq!((status, &*answer), (204, ""), "{body}");
        assert_eq!(open.points(), expected, "{round}: {body}");
    }
}

#[tokio::test]
async fn objects_one_or_a_list_become_points() {
    let open = open().await;
    let at = "at 1700000000000";
    let body = r#"{"metric":"m","timestamp":"1700000000","value":-1,"tags":{"a":"b"}}"#;
    check_body(&open, "", body, &[&format!("m{{a=b}} of self = -1 {at}")]).await;
    let body = r#"{"metric":"m","timestamp":1700000000000,"value":-1,"tags":{"a":"b"}}"#;
    check_body(&open, "", body, &[&format!("m{{a=b}} of self = -1 {at}")]).await;
    let body = r#"{"metric":"m","timestamp":1700000000.89,"value":-1,"tags":{"host":"web-1"}}"#;
    check_body(&open, "", body, &[&format!("m of web-1 = -1 {at}")]).await;
    for tags in ["", r#","tags":{}"#, r#","tags":null"#] {
        let body = format!(r#" {{ "value" : 1 , "metric" : "m" , "timestamp":1700000000{tags} }} "#);
        check_body(&open, "", &body, &[&format!("m of self = 1 {at}")]).await;
    }
    let body = r#"[{"metric":"m","value":"0.3","timestamp":1700000000,"tags":{"a":"b"}},
        {"metric":"m.baz","value":0.34,"timestamp":1700000001,"tags":{"a":"b"}}]"#;
    let expected = [format!("m{{a=b}} of self = 0.3 {at}"), "m.baz{a=b} of self = 0.34 at 1700000001000".into()];
    check_body(&open, "", body, &[&expected[0], &expected[1]]).await;
    let body = r#"{"metric":"m","value":1001,"tags":{"bar":"baz","x":"y"}}"#;
    check_body(&open, "extra_label=job=t&extra_label=x=z", body, &["m{bar=baz,job=t,x=z} of self = 1001 at now"]).await;
    check_body(&open, "", "[]", &[]).await;
}

#[tokio::test]
async fn a_bad_object_costs_itself_and_is_shown_with_what_is_wrong() {
    let open = open().await;
    for (object, expected) in [
        (r#"{"metric":"x","value":"trt","timestamp":1700000000}"#, "value must be a number"),
        (r#"{"metric":"x","value":"0.0.0","timestamp":1700000000}"#, "value must be a number"),
        (r#"{"metric":"x","value":[0,1],"timestamp":1700000000}"#, "value must be a number"),
        (r#"{"metric":"x","timestamp":1700000000}"#, "value is missing"),
        (r#"{"metric":"x","value":1,"tags":[1,2]}"#, "invalid type: sequence, expected a map"),
        (r#"{"metric":"x","value":1,"tags":{"foo":1}}"#, "invalid type: integer `1`, expected a string"),
        (r#"{"metric":"x","value":1,"timestamp":"foobar"}"#, "timestamp must be seconds or milliseconds since 1970"),
        (r#"{"value":1}"#, "missing field `metric`"),
        (r#"{"metric":"","value":1}"#, &RejectReason::BadMetric.to_string()),
        (r#"{"metric":"x","value":1,"timestamp":-1}"#, &RejectReason::BadTimestamp.to_string()),
        ("7", "a data point must be an object"),
    ] {
        let good = r#"{"metric":"m","value":1,"timestamp":1700000000,"tags":{"a":"b"}}"#;
        let (status, answer) = open.post("/api/put?details", format!("[{good},{object},{good}]")).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let point: Value = serde_json::from_str(object).unwrap();
        let errors = json!([{"datapoint": point, "error": expected}]);
        assert_eq!((status, answer), (400, json!({"success": 2, "failed": 1, "errors": errors})), "{object}");
        assert_eq!(open.points().len(), 2, "{object}");
    }
    let (status, answer) = open.post("/api/put?summary", r#"[{"metric":"m","value":1}, 1]"#).await;
    assert_eq!((status, &*answer), (400, r#"{"failed":1,"success":1}"#));
    let (status, answer) = open.post("/api/put?strict&summary", r#"[{"metric":"m","value":1}, 1]"#).await;
    assert_eq!((status, &*answer), (400, r#"{"failed":1,"success":0}"#));
}

#[tokio::test]
async fn what_is_no_json_is_told() {
    let open = open().await;
    for (body, expected) in [
        ("{g x", "the object does not end"),
        ("x", "expected a list or an object"),
        ("[", "the list does not end"),
        ("[{\"metric\":\"m\",\"value\":1}", "the list does not end"),
        ("[{\"metric\":", "the item does not end"),
        ("[] x", "something follows the list"),
        ("{} x", "value is missing"),
    ] {
        let (status, answer) = open.post("/api/put", body).await;
        assert!(status == 400 && answer.contains(expected), "{body}: {answer}");
    }
    let long = format!(r#"[{{"metric":"m","value":1,"x":"{}"}},{{"metric":"m","value":1}}]"#, "x".repeat(300_000));
    let (status, answer) = open.post("/api/put?details", long).await;
    assert!(status == 400 && answer.contains("more than 262144") && answer.contains("\"success\":1"), "{answer}");
}

#[tokio::test]
async fn both_protocols_are_spoken_at_one_port() {
    let open = open().await;
    let at = open.tcp().await;
    let body = br#"{"metric":"m","timestamp":1700000000,"value":1,"tags":{"a":"b"}}"#;
    assert_eq!(ask_at(at, "POST", "/api/put", "", body).await, (204, String::new()));
    assert_eq!(open.say(format!("put m {S} 2 a=b\n")).await, "");
    assert_eq!(open.points(), ["m{a=b} of self = 1 at 1700000000000", "m{a=b} of self = 2 at 1700000000000"]);
    assert!(ask_at(at, "GET", "/api/version", "", b"").await.1.contains("2.4.0"));
    assert_eq!(ask_at(at, "GET", "/api/none", "", b"").await.0, 404);
    // What a page in a browser sends is rejected as it is at the API's port.
    let origin = "origin: http://evil.example\r\n";
    assert_eq!(ask_at(at, "POST", "/api/put", origin, body).await.0, 403);
    assert_eq!(open.points().len(), 0);
}

#[tokio::test]
async fn a_list_of_more_than_one_batch_is_taken_whole() {
    let open = open().await;
    let item = |number: u32| format!(r#"{{"metric":"m{number}","timestamp":1700000000,"value":{number}}}"#);
    let list: Vec<_> = (0..5000).map(item).collect();
    for _ in 0..2 {
        assert_eq!(
            open.post("/api/put?summary", format!("[{}]", list.join(","))).await.1,
            r#"{"failed":0,"success":5000}"#
        );
        assert_eq!(open.points().len(), 5000);
    }
}

#[tokio::test]
async fn whatever_is_sent_is_read_to_its_end() {
    let open = open().await;
    let naming = || naming(&OpentsdbConfig::default(), &"self".into());
    let (lines, objects) = (PutLines { naming: naming() }, object::PutObjects { naming: naming() });
    for seed in
        [format!("put m {S} 1 a=b c=d\n").into_bytes(), br#"[{"metric":"m","value":1,"tags":{"a":"b"}}]"#.to_vec()]
    {
        for bytes in neighbours(&seed) {
            read(&open.pipeline, &lines, &bytes).await;
            read(&open.pipeline, &objects, &bytes).await;
        }
    }
}
