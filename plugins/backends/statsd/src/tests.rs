//! The backend natively, with a socket of the standard library.

use std::net::UdpSocket as Receiver;
use std::time::Duration;

use super::*;

const START_MS: i64 = 1_700_000_000_000;

fn open(settings: &str) -> Result<Statsd, OpenError> {
    Statsd::open(saker_sdk::settings::parse(settings)?)
}

fn definition(id: SeriesId, metric: &str, metric_type: MetricType) -> Definition {
    let tags = vec![("core".into(), "0".into())];
    Definition { id, series: Series { endpoint: "web1".into(), metric: metric.into(), tags, metric_type, step_s: 10 } }
}

fn receiver() -> Receiver {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    receiver
}

fn to(receiver: &Receiver, more: &str) -> Statsd {
    let address = receiver.local_addr().unwrap();
    let mut backend = open(&format!(r#"{{"address": "{address}"{more}}}"#)).unwrap();
    backend.define(vec![
        definition(0, "load", MetricType::Gauge),
        definition(1, "bytes", MetricType::Counter),
        definition(2, "level", MetricType::Derive),
    ]);
    backend
}

fn point(series: SeriesId, seconds: i64, value: f64) -> Point {
    Point { series, timestamp_ms: START_MS + seconds * 1000, value }
}

fn datagram(receiver: &Receiver) -> String {
    let mut bytes = [0; 70_000];
    let length = receiver.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..length].to_vec()).unwrap()
}

/// Nothing is on its way: what is sent now comes next.
fn check_silent(receiver: &Receiver) {
    let marker = Receiver::bind("127.0.0.1:0").unwrap();
    marker.send_to(b"marker", receiver.local_addr().unwrap()).unwrap();
    assert_eq!(datagram(receiver), "marker");
}

#[test]
fn gauges_are_sent_as_they_are_and_totals_as_what_was_added() {
    let receiver = receiver();
    let mut backend = to(&receiver, "");
    assert_eq!(backend.write(vec![point(0, 0, 1.5), point(1, 0, 100.0), point(2, 0, 8.0)]).unwrap(), 3);
    assert_eq!(datagram(&receiver), "web1.load.core.0:1.5|g");
    assert_eq!(backend.write(vec![point(1, 10, 130.0), point(1, 20, 140.0), point(2, 10, 5.0)]).unwrap(), 3);
    assert_eq!(datagram(&receiver), "web1.bytes.core.0:30|c\nweb1.bytes.core.0:10|c\nweb1.level.core.0:-3|c");
}

#[test]
fn a_negative_gauge_comes_after_a_zero_in_the_same_datagram() {
    let receiver = receiver();
    // Room for two lines.
    let mut backend = to(&receiver, r#", "datagram_bytes": 47, "tags": "dogstatsd""#);
    backend.write(vec![point(0, 0, 1.0), point(0, 1, -5.5), point(0, 2, 2.0)]).unwrap();
    assert_eq!(datagram(&receiver), "load:1|g|#core:0,endpoint:web1");
    assert_eq!(datagram(&receiver), "load:0|g|#core:0,endpoint:web1\nload:-5.5|g|#core:0,endpoint:web1");
    assert_eq!(datagram(&receiver), "load:2|g|#core:0,endpoint:web1");
}

#[test]
fn datagrams_are_filled_and_no_longer_than_they_may_be() {
    let receiver = receiver();
    let mut backend = to(&receiver, r#", "tags": "influx", "endpoint_tag": "host""#);
    let points: Vec<_> = (0..300).map(|number| point(0, number, number as f64)).collect();
    backend.write(points).unwrap();
    let mut lines = Vec::new();
    while lines.len() < 300 {
        let datagram = datagram(&receiver);
        assert!(datagram.len() <= 1432);
        assert!(datagram.len() > 1400 || datagram.ends_with("web1:299|g"), "{}", datagram.len());
        lines.extend(datagram.lines().map(str::to_owned));
    }
    assert_eq!(lines[0], "load,core=0,host=web1:0|g");
    assert_eq!(lines[299], "load,core=0,host=web1:299|g");
}

#[test]
fn totals_may_be_sent_as_gauges() {
    let receiver = receiver();
    let mut backend = to(&receiver, r#", "counters": "gauge""#);
    backend.write(vec![point(1, 0, 100.0), point(2, 0, 8.0)]).unwrap();
    assert_eq!(datagram(&receiver), "web1.bytes.core.0:100|g\nweb1.level.core.0:8|g");
}

#[test]
fn the_same_points_again_add_nothing() {
    let receiver = receiver();
    let mut backend = to(&receiver, "");
    let points = vec![point(1, 0, 100.0), point(1, 10, 130.0)];
    backend.write(points.clone()).unwrap();
    assert_eq!(datagram(&receiver), "web1.bytes.core.0:30|c");
    backend.write(points).unwrap();
    check_silent(&receiver);
    // Nor does it count from anew what is only defined again, while another series does.
    backend.define(vec![definition(1, "bytes", MetricType::Counter)]);
    backend.write(vec![point(1, 20, 131.0)]).unwrap();
    assert_eq!(datagram(&receiver), "web1.bytes.core.0:1|c");
    backend.define(vec![definition(1, "other", MetricType::Counter)]);
    backend.write(vec![point(1, 30, 1000.0), point(1, 40, 1001.0)]).unwrap();
    assert_eq!(datagram(&receiver), "web1.other.core.0:1|c");
}

#[test]
fn a_destination_where_nobody_listens_loses_no_count() {
    let receiver = receiver();
    let address = receiver.local_addr().unwrap();
    // One line to a datagram.
    let mut backend = to(&receiver, r#", "datagram_bytes": 1"#);
    backend.write(vec![point(1, 0, 100.0)]).unwrap();
    drop(receiver);
    // The machine answers the first datagram that nobody listens there, and the second one fails by that.
    let points: Vec<_> = (1..=20).map(|number| point(1, number, 100.0 + number as f64)).collect();
    let Err(WriteError::Retry(retry)) = backend.write(points.clone()) else { panic!("nothing was noticed") };
    assert_eq!(retry.message, format!("{address}: connection refused"));
    let receiver = Receiver::bind(address).unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(backend.write(points).unwrap(), 20);
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "web1.end.core.0:1|g") {
        if lines.is_empty() {
            backend.define(vec![definition(9, "end", MetricType::Gauge)]);
            backend.write(vec![point(9, 0, 1.0)]).unwrap();
        }
        lines.push(datagram(&receiver));
    }
    // Those that were handed to the kernel before the failure are not sent a second time.
    assert!(lines.len() < 21 && lines.len() > 10, "{lines:?}");
    assert!(lines[..lines.len() - 1].iter().all(|line| line == "web1.bytes.core.0:1|c"), "{lines:?}");
}

#[test]
fn any_time_is_taken_and_no_endless_value_or_name() {
    let receiver = receiver();
    let mut backend = to(&receiver, "");
    let extreme = |timestamp_ms, value| Point { series: 0, timestamp_ms, value };
    backend.write(vec![extreme(i64::MIN, f64::MAX), extreme(i64::MAX, 5e-324)]).unwrap();
    assert_eq!(datagram(&receiver), "web1.load.core.0:1.7976931348623157e+308|g\nweb1.load.core.0:5e-324|g");
    backend.define(vec![definition(3, &"x".repeat(40_000), MetricType::Gauge)]);
    let points = vec![extreme(0, 1.0), extreme(0, f64::INFINITY), point(3, 0, 1.0)];
    let Err(WriteError::Reject(reject)) = backend.write(points) else { panic!("not rejected") };
    assert_eq!(reject.points, [1, 2]);
    check_silent(&receiver);
}

#[test]
fn no_points_and_unknown_series_send_nothing() {
    let receiver = receiver();
    let mut backend = to(&receiver, "");
    assert_eq!(backend.write(Vec::new()).unwrap(), 0);
    backend.forget(vec![1]);
    assert!(matches!(backend.write(vec![point(0, 0, 1.0), point(1, 0, 1.0)]), Err(WriteError::Broken(_))));
    check_silent(&receiver);
}

#[test]
fn unusable_settings_are_named() {
    for (settings, what) in [
        (r#"{"address": "h"}"#, "address: no port; write host:port or udp://host:port"),
        (r#"{"address": "tcp://h:1"}"#, "address: StatsD is reached by UDP"),
        (r#"{"address": "h:1", "datagram_bytes": 70000}"#, "datagram_bytes: must be 1 to"),
        (r#"{"address": "h:1", "path": "a"}"#, "path: must have ${metric}"),
        (r#"{"address": "h:1", "tags": "graphite"}"#, "tags: expected one of none, dogstatsd, influx"),
    ] {
        let Err(OpenError::Settings(message)) = open(settings) else { panic!("{settings}") };
        assert!(message.starts_with(what), "{message}");
    }
}
