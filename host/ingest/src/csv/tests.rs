//! Rows over HTTP, from senders that mean well and from others.

use saker_model::RejectReason;
use serde_json::Value;

use super::*;
use crate::HttpConfig;
use crate::naming::Naming;
use crate::testing::{Open, neighbours, read};

const AT: &str = "at 1700000000000";

async fn open() -> Open<Csv> {
    Open::new(HttpConfig::default()).await
}

fn path(format: &str) -> String {
    format!("/api/v1/import/csv?format={}", format.replace(' ', "%20").replace('+', "%2B"))
}

/// Expects these points of a body, when its names are new and when they are known.
async fn check(format: &str, body: &str, expected: &[&str]) {
    let open = open().await;
    for round in ["new", "known"] {
        assert_eq!(open.post(&path(format), body).await, (204, String::new()), "{body}");
        assert_eq!(open.points(), expected, "{round}: {body}");
    }
}

#[tokio::test]
async fn columns_are_values_times_and_labels() {
    let four = "1:metric:m,2:time:unix_s,3:label:foo,4:label:bar";
    check(four, "123,1700000000,xxx,yy", &[&format!("m{{bar=yy,foo=xxx}} of self = 123 {AT}")]).await;
    check("1:metric:m,2:time:unix_ms", "123,1700000000000\r\n", &[&format!("m of self = 123 {AT}")]).await;
    check("1:metric:m,2:time:unix_ns", "123,1700000000000000000", &[&format!("m of self = 123 {AT}")]).await;
    check("1:metric:m,2:time:rfc3339", "1.5,2023-11-14T22:13:20Z", &[&format!("m of self = 1.5 {AT}")]).await;
    let custom = "1:metric:m,2:time:custom:2006-01-02 15:04:05.999Z";
    check(custom, "123,2023-11-14 22:13:20Z", &[&format!("m of self = 123 {AT}")]).await;
    check("1:metric:a,2:metric:b", "123,", &["a of self = 123 at now"]).await;
    check(
        "1:metric:a,3:metric:b,2:label:instance",
        "1,web-1,2,more",
        &["a of web-1 = 1 at now", "b of web-1 = 2 at now"],
    )
    .await;
    let quotes = "\"a,b\",'c\"d',\"e\"\"f\",1\n";
    check("4:metric:m,1:label:x,2:label:y,3:label:z", quotes, &["m{x=a\\,b,y=c\"d,z=e\"f} of self = 1 at now"]).await;
    let far = "1:label:a,2:metric:m,3:label:b,5:label:c,7:label:d,6:metric:n";
    let row = "1,2,3,x,5,6,7\n";
    let open = open().await;
    for _ in 0..2 {
        assert_eq!(open.post(&path(far), row).await.0, 204);
        let labels = "{a=1,b=3,c=5,d=7} of self";
        assert_eq!(open.points(), [format!("m{labels} = 2 at now"), format!("n{labels} = 6 at now")]);
    }
}

#[tokio::test]
async fn a_head_of_words_is_passed_over() {
    let body = "value,timestamp\n10,1700000000\n20,1700000001";
    check("1:metric:m,2:time:unix_s", body, &[&format!("m of self = 10 {AT}"), "m of self = 20 at 1700000001000"])
        .await;
    let open = open().await;
    let (status, answer) = open.post(&path("1:metric:m,2:time:unix_s"), "10,1700000000\nvalue,timestamp\n").await;
    assert!(status == 200 && answer.contains("line 2: unable to parse 'value,timestamp'"), "{answer}");
}

#[tokio::test]
async fn a_bad_row_costs_itself_and_is_named_with_its_number() {
    let open = open().await;
    for (row, expected) in [
        ("234,foobar,x", "the time in column 2 is not written as the format says"),
        ("one,1700000000,x", "the value in column 1 must be a number"),
        ("1", "the row has 1 columns, fewer than the format"),
        ("1,1700000000,\"x", "a quote has no end, or something follows it"),
        ("1,1700000000,\"x\"y", "a quote has no end, or something follows it"),
    ] {
        let body = format!("1,1700000000,x\n{row}\n2,1700000001,x");
        let (status, answer) = open.post(&path("1:metric:m,2:time:unix_s,3:label:a"), body).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["errors"][0]["error"], format!("unable to parse '{row}': {expected}"));
        assert_eq!((status, &answer["errors"][0]["line"], open.points().len()), (200, &2.into(), 2), "{row}");
    }
    let (_, answer) = open.post(&path("1:metric:m,2:time:unix_s"), "1,9999999999").await;
    assert!(answer.contains(&RejectReason::AheadOfClock.to_string()), "{answer}");
    assert!(open.post(&path("1:metric:m"), b"1,\xff").await.1.contains("the row must be UTF-8"));
    assert!(open.post(&path("1:metric:m"), format!("1,{}", "x".repeat(300_000))).await.1.contains("more than 262144"));
}

#[tokio::test]
async fn what_is_no_format_is_told() {
    let open = open().await;
    for (format, expected) in [
        ("", "format is missing"),
        ("x", "a column of the format must be position:time, label or metric:what, found"),
        ("1:metric", "a column of the format must be position:time, label or metric:what, found"),
        ("1:metric:", "a column of the format must be position:time, label or metric:what, found"),
        ("1:value:m", "a column of the format must be position:time, label or metric:what, found"),
        ("0:metric:m", "a position must be from 1 to 1024, found"),
        ("99999:metric:m", "a position must be from 1 to 1024, found"),
        ("1:metric:m,1:label:a", "two columns of the format stand at position 1"),
        ("1:metric:m,2:time:soon", "a time must be unix_s, unix_ms, unix_ns, rfc3339 or custom:LAYOUT, found"),
        ("1:metric:m,2:time:unix_s,3:time:unix_s", "the format has more than one column of time"),
        ("1:label:a", "the format has no column of a metric"),
    ] {
        let (status, answer) = open.post(&path(format), "m,1").await;
        assert!(status == 400 && answer.contains(expected), "{format}: {answer}");
    }
    assert_eq!(open.post("/api/v1/import/csv", "m,1").await.0, 400);
}

#[tokio::test]
async fn whatever_is_sent_is_read_to_its_end() {
    let open = open().await;
    let format = Format::read("1:metric:m,2:label:a,3:time:custom:2006-01-02,4:label:b").unwrap();
    let rows = CsvRows { naming: Naming::new("instance", 60, &"self".into()), format };
    for bytes in neighbours(b"1.5,\"a\"\"b\",2023-11-14,'x'\n2,y,2023-11-14,z\n") {
        read(&open.pipeline, &rows, &bytes).await;
    }
}
