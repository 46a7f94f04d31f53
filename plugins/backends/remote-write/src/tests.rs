use saker_sdk::http::HttpError;
use saker_sdk::testing::{Posted, answer, answer_with, posted};

use super::*;
use crate::proto::reading::{self, DecodedSeries};

fn open(settings: &str) -> Result<RemoteWrite, OpenError> {
    RemoteWrite::open(saker_sdk::settings::parse(settings)?)
}

const SETTINGS: &str = r#"{"url": "http://127.0.0.1:9090/api/v1/write"}"#;

fn backend() -> RemoteWrite {
    let mut backend = open(SETTINGS).unwrap();
    let series = |metric: &str| Series {
        endpoint: "web1".into(),
        metric: metric.into(),
        tags: vec![("core".into(), "0".into())],
        metric_type: MetricType::Counter,
        step_s: 10,
    };
    backend.define((0..3).map(|id| Definition { id, series: series(&format!("m.{id}")) }).collect());
    backend
}

fn point(series: u32, timestamp_ms: i64, value: f64) -> Point {
    Point { series, timestamp_ms, value }
}

fn read(posted: &Posted) -> Vec<DecodedSeries> {
    reading::request(&snap::raw::Decoder::new().decompress_vec(&posted.body).unwrap())
}

fn samples(points: Vec<Point>) -> Vec<(String, Vec<(i64, f64)>)> {
    let count = points.len();
    assert_eq!(backend().write(points).unwrap(), count);
    read(&posted()[0]).into_iter().map(|series| (series.labels[0].1.clone(), series.samples)).collect()
}

#[test]
fn a_call_is_one_request_as_the_specification_demands() {
    assert_eq!(backend().write(vec![point(0, 1_700_000_000_123, 1.5)]).unwrap(), 1);
    let posted = posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(posted[0].target.path, "/api/v1/write");
    let expected = [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
        ("user-agent", concat!("saker/", env!("CARGO_PKG_VERSION"))),
    ];
    assert_eq!(posted[0].headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        read(&posted[0]),
        [DecodedSeries {
            labels: vec![
                label("__name__", "m_0"),
                label("core", "0"),
                label("instance", "web1"),
                label("job", "saker")
            ],
            samples: vec![(1_700_000_000_123, 1.5)],
        }]
    );
}

#[test]
fn the_points_of_a_series_stand_together_sorted_by_time() {
    let points = vec![point(2, 30, 1.0), point(0, 20, 2.0), point(2, 10, 3.0), point(0, 10, 4.0), point(2, 20, 5.0)];
    assert_eq!(
        samples(points),
        [("m_0".to_owned(), vec![(10, 4.0), (20, 2.0)]), ("m_2".to_owned(), vec![(10, 3.0), (20, 5.0), (30, 1.0)]),]
    );
}

#[test]
fn of_two_points_for_the_same_time_the_later_one_is_sent() {
    let points = vec![point(0, 10, 1.0), point(1, 10, 2.0), point(0, 10, 3.0), point(0, 10, 4.0)];
    assert_eq!(samples(points), [("m_0".to_owned(), vec![(10, 4.0)]), ("m_1".to_owned(), vec![(10, 2.0)])]);
}

#[test]
fn buffers_of_a_larger_call_leave_nothing_in_a_smaller_one() {
    let mut backend = backend();
    backend.write((0..1000).map(|time| point((time % 3) as u32, time, time as f64)).collect()).unwrap();
    backend.write(vec![point(1, 7, 8.0)]).unwrap();
    let posted = posted();
    assert_eq!(read(&posted[0]).iter().map(|series| series.samples.len()).sum::<usize>(), 1000);
    let second = read(&posted[1]);
    assert_eq!((second.len(), &second[0].samples), (1, &vec![(7, 8.0)]));
}

#[test]
fn no_points_are_no_request_and_neither_are_points_of_no_series() {
    let mut backend = backend();
    assert_eq!(backend.write(Vec::new()).unwrap(), 0);
    let error = backend.write(vec![point(0, 1, 1.0), point(9, 1, 1.0)]).unwrap_err();
    assert!(matches!(error, WriteError::Broken(text) if text == "series 9 was not defined"));
    backend.forget(vec![0]);
    assert!(matches!(backend.write(vec![point(0, 1, 1.0)]), Err(WriteError::Broken(_))));
    assert!(posted().is_empty());
}

#[test]
fn a_request_that_is_too_large_is_halved_between_times() {
    let mut backend = backend();
    answer(Ok(Response { status: 413, retry_after_s: None, body: String::new() }));
    // One series, two values for each time: of each pair the second one counts.
    let points: Vec<_> = (0..2000).map(|number| point(0, i64::from(number / 2), f64::from(number))).collect();
    assert_eq!(backend.write(points).unwrap(), 2000);
    let requests: Vec<_> = posted().iter().map(read).collect();
    assert!(requests.len() > 2);
    assert_eq!(requests[0][0].samples.len(), 1000);
    let rest: Vec<_> = requests[1..].iter().flat_map(|request| request[0].samples.clone()).collect();
    let expected: Vec<_> = (0..1000).map(|time| (time, (2 * time + 1) as f64)).collect();
    assert_eq!(rest, expected);
}

#[test]
fn an_answer_decides_between_giving_up_and_trying_again() {
    let respond = |status, body: &str| {
        answer(Ok(Response { status, retry_after_s: Some(2), body: body.into() }));
        backend().write(vec![point(0, 1, 1.0)]).unwrap_err()
    };
    let error = respond(400, "out of order sample\n");
    assert!(matches!(error, WriteError::Reject(reject) if reject.message == "400 out of order sample"));
    for status in [401, 403, 404, 429, 500, 503] {
        assert!(matches!(respond(status, ""), WriteError::Retry(retry) if retry.after_ms == Some(2000)), "{status}");
    }
}

#[test]
fn a_sample_too_old_for_an_old_prometheus_does_not_block_the_queue() {
    answer(Ok(Response { status: 500, retry_after_s: None, body: "too old sample\n".into() }));
    let error = backend().write(vec![point(0, 1, 1.0)]).unwrap_err();
    assert!(matches!(error, WriteError::Reject(reject) if reject.message == "too old sample"));
}

#[test]
fn a_receiver_of_version_2_says_how_many_samples_it_has_written() {
    let written = |count: &str| {
        answer_with(
            Response { status: 204, retry_after_s: None, body: String::new() },
            &[("x-prometheus-remote-write-samples-written", count)],
        );
        // Two of them are for the same time, and one is sent.
        backend().write(vec![point(0, 1, 1.0), point(0, 1, 2.0), point(0, 2, 3.0)])
    };
    for count in ["0", "1"] {
        let error = written(count).unwrap_err();
        let message = format!("{count} of 2 samples written: 204");
        assert!(matches!(&error, WriteError::Retry(retry) if retry.message == message), "{error:?}");
    }
    for count in ["2", "3", "", "-1", "x"] {
        assert_eq!(written(count).unwrap(), 3, "{count}");
    }
}

#[test]
fn an_address_that_is_not_granted_is_named() {
    answer(Err(HttpError::Denied("127.0.0.1:9090".into())));
    let error = backend().write(vec![point(0, 1, 1.0)]).unwrap_err();
    assert!(matches!(error, WriteError::Denied(Permission::Connect(address)) if address == "127.0.0.1:9090"));
}

#[test]
fn a_bare_address_gets_the_path_of_prometheus() {
    for (url, path) in [
        ("http://h:1", "/api/v1/write"),
        ("http://h:1/", "/api/v1/write"),
        ("http://h:1/?a=b", "/api/v1/write?a=b"),
        ("http://h:1/api/v1/push", "/api/v1/push"),
    ] {
        assert_eq!(open(&format!(r#"{{"url": "{url}"}}"#)).unwrap().requests.target.path, path);
    }
}

#[test]
fn credentials_and_headers_go_with_every_request() {
    for (settings, name, value) in [
        (r#""token": "abc""#, "authorization", "Bearer abc"),
        (r#""username": "me", "password": "pw""#, "authorization", "Basic bWU6cHc="),
        (r#""headers": {"X-Scope-OrgID": "a"}"#, "x-scope-orgid", "a"),
    ] {
        let backend = open(&format!(r#"{{"url": "http://h", {settings}}}"#)).unwrap();
        assert!(backend.requests.headers.contains(&(name.to_owned(), value.to_owned())), "{settings}");
    }
    for settings in [r#""endpoint_label": "a b""#, r#""headers": {"Host": "x"}"#, r#""password": "x""#] {
        let opened = open(&format!(r#"{{"url": "http://h", {settings}}}"#));
        assert!(matches!(opened.err(), Some(OpenError::Settings(_))), "{settings}");
    }
}
