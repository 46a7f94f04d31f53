use std::io::Read;

use saker_sdk::http::{HttpError, Response};
use saker_sdk::testing::{answer, answer_with, posted};

use super::*;

fn open(settings: &str) -> Result<Clickhouse, OpenError> {
    Clickhouse::open(saker_sdk::settings::parse(settings)?)
}

fn backend(more: &str) -> Clickhouse {
    let mut backend = open(&format!(r#"{{"url": "http://127.0.0.1:8123"{more}}}"#)).unwrap();
    let series = |id: u32| Series {
        endpoint: "web1".into(),
        metric: format!("m.{id}"),
        tags: vec![("core".into(), "0".into())],
        metric_type: MetricType::Counter,
        step_s: 10,
    };
    backend.define((0..2).map(|id| Definition { id, series: series(id) }).collect());
    backend
}

fn point(series: u32, value: f64) -> Point {
    Point { series, timestamp_ms: 1_700_000_000_123, value }
}

fn points() -> Vec<Point> {
    vec![point(1, 7.0), point(0, 99.25)]
}

/// The row of such a point.
fn row(series: u32, value: f64) -> Vec<u8> {
    let mut row = format!("\u{4}web1\u{3}m.{series}\u{1}\u{4}core\u{1}0\u{7}counter").into_bytes();
    row.extend(1_700_000_000_123_i64.to_le_bytes());
    row.extend(value.to_le_bytes());
    row
}

#[test]
fn a_call_is_one_insert_of_a_row_for_each_point() {
    assert_eq!(backend("").write(points()).unwrap(), 2);
    let posted = posted();
    assert_eq!(posted.len(), 1);
    let statement = "INSERT%20INTO%20%60default%60.%60saker%60%20%28endpoint%2C%20metric%2C%20tags%2C%20type%2C%20\
                     timestamp%2C%20value%29%20FORMAT%20RowBinary";
    assert_eq!(posted[0].target.path, format!("/?query={statement}"));
    assert!(posted[0].headers.contains(&("content-encoding".into(), "gzip".into())));
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(&posted[0].body[..]).read_to_end(&mut body).unwrap();
    assert_eq!(body, [row(1, 7.0), row(0, 99.25)].concat());
}

#[test]
fn the_table_and_parameters_can_be_chosen() {
    let more = r#", "database": "my`db", "table": "a\\b", "tags": "arrays", "compression": "none",
        "parameters": {"async_insert": "1", "wait_for_async_insert": "1"}, "username": "me", "password": "pw""#;
    backend(more).write(points()).unwrap();
    let posted = posted();
    let path = &posted[0].target.path;
    assert!(path.starts_with("/?query=INSERT%20INTO%20%60my%5C%60db%60.%60a%5C%5Cb%60%20%28endpoint"), "{path}");
    assert!(path.ends_with("%60tags.key%60%2C%20%60tags.value%60%2C%20type%2C%20timestamp%2C%20value%29%20FORMAT%20RowBinary&async_insert=1&wait_for_async_insert=1"), "{path}");
    assert!(posted[0].headers.contains(&("authorization".into(), "Basic bWU6cHc=".into())));
    for (settings, named) in [
        (r#""table": """#, "database and table"),
        (r#""parameters": {"query": "x"}"#, "parameters.query: "),
        (r#""parameters": {"a=b": "x"}"#, "parameters.a=b: "),
        (r#""password": "x""#, "password: "),
    ] {
        let Some(OpenError::Settings(message)) = open(&format!(r#"{{"url": "http://h", {settings}}}"#)).err() else {
            panic!("{named}")
        };
        assert!(message.starts_with(named), "{message}");
    }
    assert!(
        matches!(open(r#"{"url": "http://h/?user=x"}"#), Err(OpenError::Settings(text)) if text.starts_with("url: leave out"))
    );
}

#[test]
fn an_exception_is_waited_out_whatever_its_status_is_but_for_a_constraint() {
    let respond = |status, body: &str| {
        answer(Ok(Response { status, retry_after_s: None, body: body.into() }));
        backend("").write(points())
    };
    for (status, body) in [
        (404, "Code: 60, e.displayText() = DB::Exception: Table default.saker doesn't exist."),
        (400, "Code: 62. DB::Exception: Syntax error"),
        (500, "Code: 33, e.displayText() = DB::Exception: Cannot read all data."),
        (200, "Code: 241. DB::Exception: Memory limit exceeded"),
        (401, "Code: 193"),
        (413, "Code: 1"),
        (503, ""),
    ] {
        let message = format!("{status} {body}").trim_end().to_owned();
        assert!(matches!(respond(status, body), Err(WriteError::Retry(retry)) if retry.message == message), "{body}");
    }
    let error = respond(500, "Code: 469. DB::Exception: Constraint `c` for table is violated").unwrap_err();
    assert!(matches!(error, WriteError::Reject(_)));
    assert!(matches!(respond(400, "<html>Bad Request"), Err(WriteError::Reject(_))));
    assert_eq!(respond(200, "").unwrap(), 2);
    answer(Err(HttpError::Denied("127.0.0.1:8123".into())));
    assert!(matches!(backend("").write(points()), Err(WriteError::Denied(_))));
}

#[test]
fn clickhouse_says_an_exception_in_a_header_or_at_the_end_with_200() {
    let respond = |body: &str, headers: &[(&str, &str)]| {
        answer_with(Response { status: 200, retry_after_s: None, body: body.into() }, headers);
        backend("").write(points())
    };
    const CODE: &str = "x-clickhouse-exception-code";
    // Before 24.8: nothing was inserted, and only a header, or a trailer, tells.
    for (headers, message) in [
        (&[(CODE, "209")][..], "exception 209: 200"),
        (&[(CODE, "0"), (CODE, "241")], "exception 241: 200"),
        (&[(CODE, " 252 ")], "exception 252: 200"),
    ] {
        let error = respond("", headers).unwrap_err();
        assert!(matches!(&error, WriteError::Retry(retry) if retry.message == message), "{error:?}");
    }
    assert!(matches!(respond("", &[(CODE, "469")]), Err(WriteError::Reject(_))));
    for late in [
        "1\n__exception__\r\nabcdefgh\r\nCode: 159. DB::Exception: Timeout exceeded\r\n60 abcdefgh\r\n__exception__\r\n",
        "Code: 159, e.displayText() = DB::Exception: Timeout exceeded",
        "__exception__ cut",
    ] {
        assert!(matches!(respond(late, &[]), Err(WriteError::Retry(_))), "{late}");
    }
    let late = "\r\n__exception__\r\nabcdefgh\r\nCode: 469. DB::Exception: Constraint `c`";
    assert!(matches!(respond(late, &[]), Err(WriteError::Reject(_))));
    assert_eq!(respond("", &[(CODE, "0"), ("x-clickhouse-summary", "{}")]).unwrap(), 2);
}

#[test]
fn a_body_that_a_proxy_calls_too_large_is_halved_and_a_huge_call_cut() {
    let mut backend = backend(r#", "compression": "none""#);
    answer(Ok(Response { status: 413, retry_after_s: None, body: "<html>".into() }));
    assert_eq!(backend.write(points()).unwrap(), 2);
    let bodies: Vec<_> = posted().into_iter().map(|posted| posted.body).collect();
    assert_eq!(bodies, [[row(1, 7.0), row(0, 99.25)].concat(), row(1, 7.0), row(0, 99.25)]);
    let mut backend = self::backend(r#", "compression": "none""#);
    let many: Vec<_> = (0..100_000).map(|number| point(number % 2, f64::from(number))).collect();
    assert_eq!(backend.write(many).unwrap(), 100_000);
    let posted = posted();
    assert!(posted.len() > 1);
    assert_eq!(posted.iter().map(|posted| posted.body.len()).sum::<usize>(), 100_000 * row(0, 0.0).len());
}

#[test]
fn what_cannot_be_said_sends_nothing() {
    let mut backend = backend("");
    let error = backend.write(vec![point(0, 1.0), point(1, f64::NAN)]).unwrap_err();
    assert!(matches!(error, WriteError::Reject(reject) if reject.points == [1]));
    backend.forget(vec![0]);
    assert!(matches!(backend.write(vec![point(0, 1.0)]), Err(WriteError::Broken(_))));
    assert_eq!(backend.write(Vec::new()).unwrap(), 0);
    assert!(posted().is_empty());
}
