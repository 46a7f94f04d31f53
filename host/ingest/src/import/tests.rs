//! Lines over HTTP, from senders that mean well and from others.

use saker_model::RejectReason;
use serde_json::Value;

use super::*;
use crate::HttpConfig;
use crate::naming::Naming;
use crate::testing::{Open, neighbours, read};

const PATH: &str = "/api/v1/import";

async fn open() -> Open<Import> {
    Open::new(HttpConfig::default()).await
}

/// Expects these points of a body, when its names are new and when they are known.
async fn check(query: &str, body: &str, expected: &[&str]) {
    let open = open().await;
    for round in ["new", "known"] {
        assert_eq!(open.post(&format!("{PATH}?{query}"), body).await, (204, String::new()), "{body}");
        assert_eq!(open.points(), expected, "{round}: {body}");
    }
}

#[tokio::test]
async fn a_line_is_a_series_with_its_values_and_times() {
    let one = r#"{"metric":{"__name__":"m","foo":"bar"},"values":[1.23],"timestamps":[1700000000000]}"#;
    check("", one, &["m{foo=bar} of self = 1.23 at 1700000000000"]).await;
    let body = "{\"metric\":{\"__name__\":\"a\"},\"values\":[1],\"timestamps\":[1700000000000]}\r\n\n\
         { \"timestamps\" : [ 1700000000000 , 1700000001000 ], \"values\":[34, \"5\" ],\"metric\":{\"__name__\":\"b\",\"instance\":\"web-1\"}}\n";
    let expected =
        ["a of self = 1 at 1700000000000", "b of web-1 = 34 at 1700000000000", "b of web-1 = 5 at 1700000001000"];
    check("", body, &expected).await;
    let nulls = r#"{"metric":{"__name__":"m"},"values":[null,1.2,"NaN"],"timestamps":[1700000000000,1700000001000,1700000002000]}"#;
    check("", nulls, &["m of self = 1.2 at 1700000001000"]).await;
    let empty =
        r#"{"metric":{"__name__":"m","":"bar","baz":"xx","no":""},"values":[1.23],"timestamps":[1700000000000]}"#;
    check("", empty, &["m{baz=xx} of self = 1.23 at 1700000000000"]).await;
    check("extra_label=foo=x", one, &["m{foo=x} of self = 1.23 at 1700000000000"]).await;
    check("", r#"{"metric":{"__name__":"m"},"values":[],"timestamps":[]}"#, &[]).await;
}

#[tokio::test]
async fn a_bad_line_costs_itself_and_is_named_with_its_number() {
    let open = open().await;
    for (line, expected) in [
        ("x", "a line must be one JSON object"),
        ("{}", "metric is missing"),
        ("{} {}", "a line must be one JSON object"),
        (r#"{"metric":{"__name__":"m"}"#, "a line must be one JSON object"),
        (r#"{"metric":{"__name__":"m"},"timestamps":[1]}"#, "values is missing"),
        (r#"{"metric":{"__name__":"m"},"values":[1]}"#, "timestamps is missing"),
        (r#"{"metric":{"__name__":"m"},"values":1,"timestamps":[1]}"#, "values must be a list"),
        (r#"{"metric":{"__name__":"m"},"values":[1],"timestamps":1}"#, "timestamps must be a list"),
        (
            r#"{"metric":{"__name__":"m"},"values":[1,2],"timestamps":[1]}"#,
            "values and timestamps must be as many, found 2 and 1",
        ),
        (
            r#"{"metric":123,"values":[1],"timestamps":[1]}"#,
            "metric must be an object of texts: invalid type: integer `123`, expected a map",
        ),
        (
            r#"{"metric":null,"values":[1],"timestamps":[1]}"#,
            "metric must be an object of texts: invalid type: null, expected a map",
        ),
        (
            r#"{"metric":{"__name__":"m","a":1},"values":[1],"timestamps":[1]}"#,
            "metric must be an object of texts: invalid type: integer `1`, expected a string",
        ),
        (r#"{"metric":{"a":"b"},"values":[1],"timestamps":[1]}"#, "metric must have a __name__"),
        (
            r#"{"metric":{"__name__":"m"},"values":[1,"x"],"timestamps":[1,2]}"#,
            "a value must be a number or null, found \"x\"",
        ),
        (
            r#"{"metric":{"__name__":"m"},"values":[1,2],"timestamps":[1,2.5]}"#,
            "a timestamp must be whole milliseconds since 1970, found 2.5",
        ),
    ] {
        let good = r#"{"metric":{"__name__":"good"},"values":[1],"timestamps":[1700000000000]}"#;
        let (status, answer) = open.post(PATH, format!("{good}\n{line}\n{good}\n")).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let error = answer["errors"][0]["error"].as_str().unwrap();
        assert!(
            error.starts_with("unable to parse '") && error.ends_with(&format!("': {expected}")),
            "{line}: {error}"
        );
        assert_eq!(
            (status, &answer["errors"][0]["line"], answer["rejected"].as_u64()),
            (200, &2.into(), Some(1)),
            "{line}"
        );
        assert_eq!(open.points().len(), 2, "{line}");
    }
    let ahead = r#"{"metric":{"__name__":"m"},"values":[1,2,3],"timestamps":[9999999999999,1700000000000,-1]}"#;
    for _ in 0..2 {
        let (status, answer) = open.post(PATH, ahead).await;
        assert!(status == 200 && answer.contains(&RejectReason::AheadOfClock.to_string()), "{answer}");
        assert_eq!(open.points(), ["m of self = 2 at 1700000000000"]);
    }
}

#[tokio::test]
async fn a_new_series_may_have_a_hundred_thousand_values_in_a_line() {
    let open = open().await;
    let numbers: Vec<_> =
        (0..100_000).map(|number: u64| (number.to_string(), (1_700_000_000_000 + number).to_string())).collect();
    let list = |pick: fn(&(String, String)) -> &str| numbers.iter().map(pick).collect::<Vec<_>>().join(",");
    let (values, times) = (list(|pair| &pair.0), list(|pair| &pair.1));
    let line = format!(r#"{{"metric":{{"__name__":"m"}},"values":[{values}],"timestamps":[{times}]}}"#);
    for _ in 0..2 {
        assert_eq!(open.post(PATH, format!("{line}\n{line}")).await.0, 204);
        let points = std::mem::take(&mut *open.kept.points.lock());
        assert!(
            points.len() == 200_000
                && points[99_999].value == 99_999.0
                && points[99_999].timestamp_ms == 1_700_000_099_999
        );
    }
    assert_eq!(open.pipeline.table().len(), 1);
}

#[tokio::test]
async fn whatever_is_sent_is_read_to_its_end() {
    let open = open().await;
    let lines = ImportLines { naming: Naming::new("instance", 60, &"self".into()) };
    let seed = br#"{"metric":{"__name__":"m","a":"b"},"values":[1,null,"2"],"timestamps":[1,2,3]}"#;
    for bytes in neighbours(seed) {
        read(&open.pipeline, &lines, &bytes).await;
    }
}
