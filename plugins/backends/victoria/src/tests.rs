use std::io::Read;

use saker_sdk::http::{HttpError, Response};
use saker_sdk::testing::{Posted, answer, logged, posted};

use super::*;

fn open(settings: &str) -> Result<Victoria, OpenError> {
    Victoria::open(saker_sdk::settings::parse(settings)?)
}

fn error(settings: &str) -> String {
    match open(settings).err() {
        Some(OpenError::Settings(message)) => message,
        other => panic!("{settings}: {other:?}"),
    }
}

fn series(metric: &str, tags: &[(&str, &str)]) -> Series {
    Series {
        endpoint: "web1".into(),
        metric: metric.into(),
        tags: tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        metric_type: MetricType::Counter,
        step_s: 10,
    }
}

fn backend(more: &str) -> Victoria {
    let mut backend = open(&format!(r#"{{"url": "http://127.0.0.1:8428"{more}}}"#)).unwrap();
    backend.define(vec![
        Definition { id: 0, series: series("cpu.idle", &[("core", "0")]) },
        Definition { id: 1, series: series("cpu.user", &[("core", "0")]) },
        Definition { id: 2, series: series("load", &[]) },
    ]);
    backend
}

fn point(series: u32, value: f64) -> Point {
    Point { series, timestamp_ms: 1_700_000_000_123, value }
}

fn points() -> Vec<Point> {
    vec![point(0, 99.25), point(2, 3.0), point(1, -0.5)]
}

const LINES: &str =
    ",core=0,endpoint=web1 cpu.idle=99.25,cpu.user=-0.5 1700000000123\n,endpoint=web1 load=3 1700000000123\n";

fn header<'a>(posted: &'a Posted, name: &str) -> Option<&'a str> {
    posted.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn text(posted: &Posted) -> String {
    let mut text = String::new();
    match header(posted, "content-encoding") {
        Some("gzip") => drop(flate2::read::GzDecoder::new(&posted.body[..]).read_to_string(&mut text).unwrap()),
        Some("zstd") => text = String::from_utf8(zstd::decode_all(&posted.body[..]).unwrap()).unwrap(),
        None => text = String::from_utf8(posted.body.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
    text
}

fn says(status: u16, body: &str) {
    answer(Ok(Response { status, retry_after_s: Some(2), body: body.into() }));
}

#[test]
fn a_call_is_one_request_with_a_line_for_each_set_of_tags() {
    assert_eq!(backend("").write(points()).unwrap(), 3);
    let posted = posted();
    assert_eq!((posted.len(), posted[0].target.path.as_str()), (1, "/write?precision=ms"));
    assert_eq!(text(&posted[0]), LINES);
    assert_eq!(header(&posted[0], "content-encoding"), Some("gzip"));
    assert_eq!(header(&posted[0], "authorization"), None);
}

#[test]
fn no_points_are_no_request() {
    assert_eq!(backend("").write(Vec::new()).unwrap(), 0);
    assert!(posted().is_empty());
}

#[test]
fn the_path_is_the_single_servers_the_tenants_or_the_operators() {
    for (settings, path) in [
        (r#""url": "http://h:1""#, "/write?precision=ms"),
        (r#""url": "http://h:1/?extra_label=a=b""#, "/write?extra_label=a=b&precision=ms"),
        (r#""url": "http://h:1", "tenant": "0""#, "/insert/0/influx/write?precision=ms"),
        (r#""url": "http://h:1", "tenant": "42:7""#, "/insert/42:7/influx/write?precision=ms"),
        (r#""url": "http://h:1", "tenant": "multitenant""#, "/insert/multitenant/influx/write?precision=ms"),
        (r#""url": "http://h:1/insert/1/influx/write""#, "/insert/1/influx/write?precision=ms"),
    ] {
        let mut backend = open(&format!("{{{settings}}}")).unwrap();
        backend.define(vec![Definition { id: 0, series: series("m", &[]) }]);
        backend.write(vec![point(0, 1.0)]).unwrap();
        assert_eq!(posted()[0].target.path, path);
    }
}

#[test]
fn what_cannot_be_meant_is_named() {
    assert!(error(r#"{"url": "http://h/x", "tenant": "0"}"#).starts_with("tenant: the path of url says it"));
    for tenant in ["", "a", "1:", ":1", "+1", "1:2:3", "4294967296", "1/../2"] {
        let message = error(&format!(r#"{{"url": "http://h", "tenant": "{tenant}"}}"#));
        assert!(message.starts_with("tenant: write an account"), "{tenant}: {message}");
    }
    assert!(error(r#"{"url": "http://h/w?precision=s"}"#).starts_with("url: precision= stands in it"));
    assert_eq!(error(r#"{"url": "http://h", "level": 10}"#), "level: expected 1 to 9, found 10");
    assert_eq!(error(r#"{"url": "http://h", "level": 0}"#), "level: expected 1 to 9, found 0");
    assert!(error(r#"{"url": "http://h", "level": 1, "compression": "none"}"#).starts_with("level: there is nothing"));
    assert!(error(r#"{"url": "http://h", "endpoint_label": "__name__"}"#).starts_with("endpoint_label: "));
    assert!(error(r#"{"url": "http://h", "token": "t", "username": "u"}"#).starts_with("token: "));
}

#[test]
fn the_compression_and_its_level_can_be_chosen() {
    for (more, encoding) in [
        (r#", "compression": "none""#, None),
        (r#", "compression": "gzip", "level": 9"#, Some("gzip")),
        ("", Some("gzip")),
    ] {
        backend(more).write(points()).unwrap();
        let posted = posted();
        assert_eq!((header(&posted[0], "content-encoding"), text(&posted[0]).as_str()), (encoding, LINES));
    }
}

#[test]
fn zstd_is_sent_to_a_server_that_cannot_read_a_comment_as_zstd() {
    let mut backend = backend(r#", "compression": "zstd""#);
    says(400, "cannot decompress zstd body");
    backend.write(points()).unwrap();
    backend.write(points()).unwrap();
    let posted = posted();
    assert_eq!(posted[0].body[0], b'#');
    assert_eq!(header(&posted[0], "content-encoding"), Some("zstd"));
    assert_eq!((text(&posted[1]).as_str(), text(&posted[2]).as_str()), (LINES, LINES));
    assert_eq!(header(&posted[2], "content-encoding"), Some("zstd"));
    assert_eq!(posted.len(), 3);
}

#[test]
fn a_server_that_takes_any_bytes_for_lines_gets_gzip_in_place_of_zstd() {
    for status in [204, 415] {
        let mut backend = backend(r#", "compression": "zstd""#);
        says(status, "");
        backend.write(points()).unwrap();
        let posted = posted();
        assert_eq!((posted.len(), header(&posted[1], "content-encoding")), (2, Some("gzip")));
        assert_eq!(text(&posted[1]), LINES);
        assert!(logged().last().unwrap().1.contains("127.0.0.1:8428 reads no zstd"));
    }
}

#[test]
fn whether_zstd_is_taken_is_asked_again_after_a_failure() {
    let mut backend = backend(r#", "compression": "zstd""#);
    says(401, "");
    assert!(matches!(backend.write(points()), Err(WriteError::Retry(_))));
    assert_eq!(posted().len(), 1);
    says(400, "");
    says(503, "");
    assert!(matches!(backend.write(points()), Err(WriteError::Retry(_))));
    assert_eq!(posted().len(), 2);
    // An older server has taken its place.
    says(204, "");
    backend.write(points()).unwrap();
    assert_eq!(header(&posted()[1], "content-encoding"), Some("gzip"));
}

#[test]
fn what_a_server_would_drop_silently_is_rejected_before_a_send() {
    let mut backend = backend(r#", "max_labels": 2, "retention_days": 3650"#);
    backend.define(vec![Definition { id: 3, series: series("wide", &[("a", "1"), ("b", "2")]) }]);
    let rejected = |backend: &mut Victoria, points| match backend.write(points) {
        Err(WriteError::Reject(reject)) => (reject.points, reject.message),
        other => panic!("{other:?}"),
    };
    let at = |timestamp_ms| Point { series: 0, timestamp_ms, value: 1.0 };
    for (bad, why) in [
        (point(3, 1.0), "series wide: 3 labels, and max_labels is 2"),
        (point(0, f64::NAN), "a value that is not finite"),
        (at(0), "a time before 1970, which VictoriaMetrics does not keep"),
        (at(-5), "a time before 1970, which VictoriaMetrics does not keep"),
        (at(1), "a time more than 3650 days back, which is retention_days"),
        (at(4_102_444_800_000), "a time more than 2 days ahead, which is future_days"),
    ] {
        assert_eq!(rejected(&mut backend, vec![point(1, 1.0), bad, point(2, 1.0)]), (vec![1], why.to_owned()));
    }
    assert!(posted().is_empty());
    // A series that is defined again in a way that can be kept.
    backend.define(vec![Definition { id: 3, series: series("narrow", &[("a", "1")]) }]);
    backend.write(vec![point(3, 1.0)]).unwrap();
    assert_eq!(text(&posted()[0]), ",a=1,endpoint=web1 narrow=1 1700000000123\n");
}

#[test]
fn a_series_that_is_not_defined_breaks_the_instance() {
    let mut backend = backend("");
    assert!(matches!(backend.write(vec![point(0, 1.0), point(9, 1.0)]), Err(WriteError::Broken(_))));
    backend.forget(vec![0]);
    let error = backend.write(vec![point(0, 1.0)]).unwrap_err();
    assert!(matches!(error, WriteError::Broken(text) if text == "series 0 was not defined"));
    assert!(posted().is_empty());
}

#[test]
fn a_huge_call_goes_in_several_bodies_each_sent_once() {
    let mut backend = backend(r#", "compression": "none""#);
    let definitions =
        (0..100_000).map(|id| Definition { id, series: series("metric.of.some.length", &[("id", &id.to_string())]) });
    backend.define(definitions.collect());
    let points: Vec<_> = (0..100_000).map(|id| point(id, 1.0)).collect();
    says(204, "");
    says(503, "no room");
    let error = backend.write(points.clone()).unwrap_err();
    assert!(
        matches!(error, WriteError::Retry(retry) if retry.message == "503 no room" && retry.after_ms == Some(2000))
    );
    let first = posted();
    assert_eq!(first.len(), 2);
    assert!(first[0].body.len() < BODY_MAX + 100);
    assert_eq!(backend.write(points).unwrap(), 100_000);
    let second = posted();
    assert_eq!(second[0].body, first[1].body);
    let lines = |posted: &[Posted]| posted.iter().map(|posted| text(posted).lines().count()).sum::<usize>();
    assert_eq!(lines(&first[..1]) + lines(&second), 100_000);
}

#[test]
fn a_body_that_is_too_large_is_halved() {
    let mut backend = backend(r#", "compression": "none""#);
    says(413, "");
    assert_eq!(backend.write(points()).unwrap(), 3);
    let bodies: Vec<_> = posted().iter().map(text).collect();
    let (first, second) = LINES.split_at(LINES.find('\n').unwrap() + 1);
    assert_eq!(bodies, [LINES, first, second]);
}

#[test]
fn an_answer_decides_between_giving_up_and_trying_again() {
    let respond = |status, body: &str| {
        says(status, body);
        backend("").write(points()).unwrap_err()
    };
    assert!(matches!(respond(400, "cannot unmarshal"), WriteError::Reject(reject) if reject.points.is_empty()));
    for status in [401, 403, 404, 429, 500, 503] {
        assert!(matches!(respond(status, ""), WriteError::Retry(retry) if retry.after_ms == Some(2000)), "{status}");
    }
    let error = respond(400, "remoteAddr: \"h\"; unsupported path requested: \"/write\"\n");
    assert!(matches!(error, WriteError::Retry(retry) if retry.message.ends_with("or give the tenant of a cluster")));
    answer(Err(HttpError::Denied("127.0.0.1:8428".into())));
    let error = backend("").write(points()).unwrap_err();
    assert!(matches!(error, WriteError::Denied(Permission::Connect(address)) if address == "127.0.0.1:8428"));
}

#[test]
fn credentials_go_with_every_request() {
    for (more, value) in
        [(r#", "token": "abc""#, "Bearer abc"), (r#", "username": "me", "password": "pw""#, "Basic bWU6cHc=")]
    {
        backend(more).write(points()).unwrap();
        assert_eq!(header(&posted()[0], "authorization"), Some(value));
    }
}
