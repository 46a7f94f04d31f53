//! Calls over real sockets, byte by byte as Go's client and server say them, and records over HTTP.

use saker_model::RejectReason;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::http::Records;
use super::lines::{TransferLines, TransferLinesConfig, UpdateLines};
use super::*;
use crate::testing::{NOWHERE_YET, Open, neighbours, read};

async fn open() -> Open<Transfer> {
    let mut config = TransferConfig::default();
    config.sockets.tcp = Some(NOWHERE_YET);
    Open::new(config).await
}

/// A record with one of its fields set otherwise.
fn record(field: &str, value: &str) -> String {
    let fields = [
        ("endpoint", "\"h\""),
        ("metric", "\"m\""),
        ("value", "1.5"),
        ("step", "60"),
        ("counterType", "\"GAUGE\""),
        ("tags", "\"a=b\""),
        ("timestamp", "1700000000"),
    ];
    let fields = fields.map(|(name, own)| format!("\"{name}\":{}", if name == field { value } else { own }));
    format!("{{{}}}", fields.join(","))
}

fn update(records: &str) -> String {
    format!("{{\"method\":\"Transfer.Update\",\"params\":[[{records}]],\"id\":0}}\n")
}

/// An answer without its latency.
fn timeless(answer: &str) -> String {
    let (before, behind) = answer.split_once("\"Latency\":").unwrap_or((answer, ""));
    format!("{before}{}", behind.trim_start_matches(|digit: char| digit.is_ascii_digit()))
}

#[tokio::test]
async fn a_call_is_answered_to_the_letter_as_transfer_does() {
    let open = open().await;
    for round in ["new", "known"] {
        let answer = open.say(update(&record("", ""))).await;
        let expected = "{\"id\":0,\"result\":{\"Message\":\"ok\",\"Total\":1,\"Invalid\":0,},\"error\":null}\n";
        assert_eq!(timeless(&answer), expected, "{round}");
        assert_eq!(open.points(), ["m{a=b} of h = 1.5 at 1700000000000"]);
    }
    for (call, expected) in [
        (r#"{"method":"Transfer.Ping","params":[{}],"id":7}"#, r#"{"id":7,"result":{"code":0},"error":null}"#),
        (
            r#"{"METHOD":"Transfer.Ping","Params":[{}],"Id":{"a": [1, "x y"]}}"#,
            r#"{"id":{"a":[1,"x y"]},"result":{"code":0},"error":null}"#,
        ),
        (r#"{"method":"Transfer.Ping","params":[{}]}"#, r#"{"id":null,"result":{"code":0},"error":null}"#),
        (
            r#"{"method":"Transfer.Ping","id":1}"#,
            r#"{"id":1,"result":null,"error":"jsonrpc: request body missing params"}"#,
        ),
        (
            r#"{"method":"Transfer.Update","id":1}"#,
            r#"{"id":1,"result":null,"error":"jsonrpc: request body missing params"}"#,
        ),
        (
            r#"{"method":"Transfer.No","params":[{}],"id":1}"#,
            r#"{"id":1,"result":null,"error":"rpc: can't find method Transfer.No"}"#,
        ),
        (
            r#"{"method":"Agent.<No>","params":[{}],"id":1}"#,
            "{\"id\":1,\"result\":null,\"error\":\"rpc: can't find service Agent.\\u003cNo\\u003e\"}",
        ),
        (
            r#"{"method":"No","params":[{}],"id":1}"#,
            r#"{"id":1,"result":null,"error":"rpc: service/method request ill-formed: No"}"#,
        ),
        (
            r#"{"method":"Transfer.Update","params":{},"id":1}"#,
            r#"{"id":1,"result":null,"error":"json: cannot unmarshal object into Go value of type [1]interface {}"}"#,
        ),
        (
            r#"{"method":"Transfer.Update","params":[{}],"id":1}"#,
            r#"{"id":1,"result":null,"error":"json: cannot unmarshal object into Go value of type []*model.Sample"}"#,
        ),
    ] {
        assert_eq!(open.say(call).await, format!("{expected}\n"), "{call}");
    }
    let nothing = open.say(r#"{"method":"Transfer.Update","params":[],"id":1}"#).await;
    assert_eq!(
        timeless(&nothing),
        "{\"id\":1,\"result\":{\"Message\":\"ok\",\"Total\":0,\"Invalid\":0,},\"error\":null}\n"
    );
}

#[tokio::test]
async fn one_wrong_type_rejects_the_call_in_gos_words_and_the_connection_stays() {
    let open = open().await;
    for (field, value, expected) in [
        ("timestamp", "1700000000.5", "number 1700000000.5 into Go struct field Sample.timestamp of type int64"),
        ("timestamp", "\"1700000000\"", "string into Go struct field Sample.timestamp of type int64"),
        ("step", "true", "bool into Go struct field Sample.step of type int64"),
        ("step", "99999999999999999999", "number 99999999999999999999 into Go struct field Sample.step of type int64"),
        ("endpoint", "1", "number into Go struct field Sample.endpoint of type string"),
        ("metric", "[1]", "array into Go struct field Sample.metric of type string"),
        ("tags", "{\"a\":\"b\"}", "object into Go struct field Sample.tags of type string"),
        ("counterType", "false", "bool into Go struct field Sample.counterType of type string"),
    ] {
        let calls = update(&format!("{},{}", record("", ""), record(field, value))) + &update(&record("", ""));
        let answer = open.say(calls).await;
        let (first, second) = answer.split_once('\n').unwrap();
        assert_eq!(first, format!("{{\"id\":0,\"result\":null,\"error\":\"json: cannot unmarshal {expected}\"}}"));
        assert!(second.contains("\"Total\":1,\"Invalid\":0"), "{second}");
        assert_eq!(open.points().len(), 1, "{field}");
    }
    let answer = open.say(update("7")).await;
    assert!(answer.contains("json: cannot unmarshal number into Go value of type model.Sample"), "{answer}");
}

#[tokio::test]
async fn records_that_are_invalid_are_counted_and_spoil_no_other() {
    let open = open().await;
    let long = format!("\"{}\"", "x".repeat(510));
    for (bad, expected) in [
        ("null".to_owned(), "it is null"),
        (record("metric", "\"kernel.hostname\""), "the metric kernel.hostname is not taken"),
        (record("metric", "\"\""), "endpoint and metric must not be empty"),
        (record("endpoint", "null"), "endpoint and metric must not be empty"),
        (record("counterType", "\"gauge\""), "counterType must be COUNTER, GAUGE or DERIVE"),
        (record("counterType", "null"), "counterType must be COUNTER, GAUGE or DERIVE"),
        (record("value", "\"\""), "value must be a number, or text that is one"),
        (record("value", "\"x\""), "value must be a number, or text that is one"),
        (record("value", "\" 1\""), "value must be a number, or text that is one"),
        (record("value", "true"), "value must be a number, or text that is one"),
        (record("value", "null"), "value must be a number, or text that is one"),
        (record("value", "[1]"), "value must be a number, or text that is one"),
        (record("value", "\"1__0\""), "value must be a number, or text that is one"),
        (record("step", "0"), "step must be more than 0"),
        (record("step", "-60"), "step must be more than 0"),
        (record("tags", &long), "metric and tags must have at most 510 bytes"),
        (record("value", "\"NaN\""), &RejectReason::NotFinite.to_string()),
        (record("step", "604801"), &RejectReason::BadStep.to_string()),
    ] {
        let records = format!("{},{bad},{}", record("", ""), record("", ""));
        let answer = open.say(update(&records)).await;
        assert!(answer.contains("\"Total\":3,\"Invalid\":1,"), "{bad}: {answer}");
        assert_eq!(open.points().len(), 2, "{bad}");
        let (status, answer) = open.post("/api/push", format!("[{records}]")).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((status, &answer["data"]["Errors"]), (200, &json!([{"Item": 1, "Error": expected}])), "{bad}");
        assert_eq!(open.points().len(), 2, "{bad}");
    }
}

#[tokio::test]
async fn what_go_forgives_is_forgiven() {
    let open = open().await;
    for (bent, expected) in [
        (record("value", "\"1e3\""), "m{a=b} of h = 1000 at 1700000000000"),
        (record("value", "\"1_000\""), "m{a=b} of h = 1000 at 1700000000000"),
        (record("tags", "\" b = 2 , a=1,none,a=3,\""), "m{a=3,b=2} of h = 1.5 at 1700000000000"),
        (record("tags", "null"), "m of h = 1.5 at 1700000000000"),
        (record("timestamp", "0"), "m{a=b} of h = 1.5 at now"),
        (record("timestamp", "-5"), "m{a=b} of h = 1.5 at now"),
        (record("timestamp", "null"), "m{a=b} of h = 1.5 at now"),
        (record("timestamp", "99999999999"), "m{a=b} of h = 1.5 at now"),
        (
            record("", "").replace("counterType", "COUNTERTYPE").replace("value", "Value"),
            "m{a=b} of h = 1.5 at 1700000000000",
        ),
        (record("endpoint", "\"h\",\"unknown\":[{\"value\":7}]"), "m{a=b} of h = 1.5 at 1700000000000"),
    ] {
        for _ in 0..2 {
            open.say(update(&bent)).await;
            assert_eq!(open.points(), [expected], "{bent}");
        }
    }
    assert_eq!(open.listeners.dropped_tags(), [("transfer", 2)], "none, and nothing behind the last comma");
}

#[tokio::test]
async fn calls_may_come_in_pieces_or_many_at_once() {
    let open = open().await;
    let mut stream = TcpStream::connect(open.tcp().await).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for byte in update(&record("tags", "\"a=}]\\\"{[,b=\\\\\\\\\"")).bytes() {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = [0; 1024];
    let length = stream.read(&mut answer).await.unwrap();
    assert!(String::from_utf8_lossy(&answer[..length]).contains("\"Total\":1,\"Invalid\":0"));
    let many: String = (0..500).map(|_| r#" {"method":"Transfer.Ping","params":[{}],"id":1}"#).collect();
    assert_eq!(open.say(many).await.lines().count(), 500);
    let list: Vec<_> = (0..5000).map(|number| record("metric", &format!("\"m{number}\""))).collect();
    for _ in 0..2 {
        assert!(open.say(update(&list.join(","))).await.contains("\"Total\":5000,\"Invalid\":0"));
    }
}

#[tokio::test]
async fn what_is_no_call_ends_the_connection() {
    let open = open().await;
    for bytes in ["GET / HTTP/1.1\r\n\r\n", "[]", "5", "x", "{\"method\":5}", "}"] {
        assert_eq!(open.say(bytes).await, "", "{bytes}");
    }
    let mut stream = TcpStream::connect(open.tcp().await).await.unwrap();
    let endless = b"{\"method\":\"Transfer.Update\",\"params\":[[".to_vec();
    stream.write_all(&endless).await.unwrap();
    let used = open.pipeline.memory().used();
    let more = record("", "") + ",";
    let mut sent = 0;
    while stream.write_all(more.as_bytes()).await.is_ok() {
        sent += more.len();
        assert!(sent < 64 << 20, "an endless call ends");
    }
    assert!(open.pipeline.memory().used() <= used.max(8 << 20));
}

#[tokio::test]
async fn a_list_is_pushed_over_http() {
    let open = open().await;
    let (status, answer) = open.post("/api/push", format!("[{}]", record("", ""))).await;
    let expected = "{\"data\":{\"Invalid\":0,\"Latency\":";
    assert!(status == 200 && answer.starts_with(expected) && answer.contains("\"msg\":\"success\""), "{answer}");
    assert_eq!(open.points(), ["m{a=b} of h = 1.5 at 1700000000000"]);
    for (body, expected) in [
        ("", "blank body"),
        ("{}", "connot decode body: json: cannot unmarshal object into Go value of type []*model.Sample"),
        ("[", "connot decode body: unexpected end of JSON input"),
        (
            "[{\"step\":1.5}]",
            "connot decode body: json: cannot unmarshal number 1.5 into Go struct field Sample.step of type int64",
        ),
    ] {
        let (status, answer) = open.post("/api/push", body).await;
        assert!(status == 400 && answer.contains(expected), "{body}: {answer}");
    }
}

#[tokio::test]
async fn lines_are_taken_as_they_come_and_quit_ends() {
    let mut config = TransferLinesConfig::default();
    config.sockets.tcp = Some(NOWHERE_YET);
    let open = Open::<TransferLines>::new(config).await;
    let at = "at 1700000000000";
    for _ in 0..2 {
        let lines = "update h cpu.idle 1700000000 98.5\nupdate h df/mount=/,fstype=ext4 1700000000 1 GAUGE 30\n\n\
             update h a/b 1700000000 2 DERIVE 120:0:U:60\nquit\nupdate h after 1700000000 1\n";
        assert_eq!(open.say(lines).await, "");
        let expected = ["cpu.idle of h = 98.5", "df{fstype=ext4,mount=/} of h = 1", "a/b of h = 2"];
        assert_eq!(open.points(), expected.map(|point| format!("{point} {at}")));
    }
    let series = open.pipeline.table().get(saker_model::SeriesId(0)).unwrap();
    assert_eq!(&*series.metric, "cpu.idle");
    for line in [
        "update h m 1700000000",
        "set h m 1700000000 1",
        "update h m soon 1",
        "update h m 1700000000 x",
        "update h m 1700000000 1 gauge",
        "update h m 1700000000 1 GAUGE x",
        "update h m 1700000000 1 GAUGE 60 more",
    ] {
        let before = open.counts().rejected.malformed_count();
        open.say(format!("{line}\nupdate h good 1700000000 1\n")).await;
        assert_eq!((open.points().len(), open.counts().rejected.malformed_count() - before), (1, 1), "{line}");
    }
}

#[tokio::test]
async fn whatever_is_sent_is_read_to_its_end() {
    let open = open().await;
    let call = update(&record("value", "\"1\\u0030\""));
    for bytes in neighbours(call.as_bytes()) {
        read(&open.pipeline, &Calls, &bytes).await;
        let _ = call::reply(&bytes, &Report::of_fault("x"), Duration::ZERO);
        let mut frames = call::Frames::default();
        let _ = frames.whole(&bytes);
    }
    for bytes in neighbours(format!("[{}]", record("", "")).as_bytes()) {
        read(&open.pipeline, &Records, &bytes).await;
    }
    for bytes in neighbours(b"update h m/a=b 1700000000 1 GAUGE 0:1:2:60\nquit\n") {
        read(&open.pipeline, &UpdateLines, &bytes).await;
    }
}
