//! The backend natively, with servers of the standard library.

use std::io::{BufRead, BufReader, Read};
use std::net::{TcpListener, UdpSocket as Receiver};
use std::time::Duration;

use super::*;

fn open(settings: &str) -> Result<Graphite, OpenError> {
    Graphite::open(saker_sdk::settings::parse(settings)?)
}

fn definition(id: SeriesId, metric: &str) -> Definition {
    let series = Series {
        endpoint: "web1".into(),
        metric: metric.into(),
        tags: vec![("core".into(), "0".into())],
        metric_type: MetricType::Gauge,
        step_s: 10,
    };
    Definition { id, series }
}

fn backend(address: &str, more: &str) -> Graphite {
    let mut backend = open(&format!(r#"{{"address": "{address}"{more}}}"#)).unwrap();
    backend.define(vec![definition(0, "cpu.idle"), definition(1, "cpu.user")]);
    backend
}

fn point(series: SeriesId, value: f64) -> Point {
    Point { series, timestamp_ms: 1_700_000_000_999, value }
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn retry(result: Result<usize, WriteError>) -> String {
    match result {
        Err(WriteError::Retry(retry)) => retry.message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn calls_write_their_lines_into_one_connection() {
    let (listener, address) = listen();
    let mut backend = backend(&address, "");
    assert_eq!(backend.write(vec![point(1, 7.0), point(0, 99.25)]).unwrap(), 2);
    assert_eq!(backend.write(vec![point(0, -1e300)]).unwrap(), 1);
    drop(backend);
    let mut text = String::new();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(
        text,
        "cpu.user;core=0;endpoint=web1 7 1700000000\n\
         cpu.idle;core=0;endpoint=web1 99.25 1700000000\n\
         cpu.idle;core=0;endpoint=web1 -1e+300 1700000000\n"
    );
}

#[test]
fn no_points_connect_to_nobody() {
    let (listener, address) = listen();
    drop(listener);
    let mut backend = backend(&address, "");
    assert_eq!(backend.write(Vec::new()).unwrap(), 0);
    assert_eq!(retry(backend.write(vec![point(0, 1.0)])), format!("{address}: connection refused"));
}

#[test]
fn a_closed_connection_is_opened_again_before_anything_is_lost() {
    let (listener, address) = listen();
    let mut backend = backend(&format!("tcp://{address}"), "");
    backend.write(vec![point(0, 1.0)]).unwrap();
    drop(listener.accept().unwrap());
    backend.write(vec![point(0, 2.0)]).unwrap();
    drop(backend);
    let mut text = String::new();
    listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
    assert_eq!(text, "cpu.idle;core=0;endpoint=web1 2 1700000000\n");
}

#[test]
fn a_server_that_closes_during_a_write_is_offered_all_again() {
    let (listener, address) = listen();
    let mut backend = backend(&address, "");
    let points: Vec<_> = (0..300_000).map(|number| point(0, f64::from(number))).collect();
    let reader = std::thread::spawn(move || {
        let mut lines = BufReader::new(listener.accept().unwrap().0);
        lines.read_line(&mut String::new()).unwrap();
        drop(lines);
        let mut all = String::new();
        listener.accept().unwrap().0.read_to_string(&mut all).unwrap();
        all
    });
    let message = retry(backend.write(points.clone()));
    assert!(message.starts_with(&format!("{address}: ")), "{message}");
    assert_eq!(backend.write(points).unwrap(), 300_000);
    drop(backend);
    let all = reader.join().unwrap();
    assert_eq!(all.lines().count(), 300_000);
    assert!(all.starts_with("cpu.idle;core=0;endpoint=web1 0 1700000000\n"));
}

#[test]
fn a_server_that_reads_nothing_is_left_before_the_deadline() {
    let (_listener, address) = listen();
    let mut backend = backend(&address, r#", "timeout_ms": 100"#);
    let points: Vec<_> = (0..1_000_000).map(|_| point(0, 1.0)).collect();
    assert_eq!(retry(backend.write(points)), format!("{address}: no answer in time"));
}

#[test]
fn datagrams_hold_whole_lines() {
    let receiver = Receiver::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let address = format!("udp://{}", receiver.local_addr().unwrap());
    let mut backend = backend(&address, r#", "datagram_bytes": 90, "path": "${endpoint}.${metric}.${tags.core}""#);
    backend.write(vec![point(0, 1.0), point(1, 2.0), point(0, 3.0), point(1, 4.0)]).unwrap();
    let mut got = Vec::new();
    while got.len() < 2 {
        let mut bytes = [0; 200];
        let length = receiver.recv(&mut bytes).unwrap();
        got.push(String::from_utf8(bytes[..length].to_vec()).unwrap());
    }
    assert_eq!(
        got,
        [
            "web1.cpu.idle.0 1 1700000000\nweb1.cpu.user.0 2 1700000000\nweb1.cpu.idle.0 3 1700000000",
            "web1.cpu.user.0 4 1700000000"
        ]
    );
}

#[test]
fn points_that_graphite_cannot_keep_are_rejected_before_anything_is_sent() {
    let (listener, address) = listen();
    drop(listener);
    let mut backend = backend(&address, "");
    let early = Point { timestamp_ms: 0, ..point(0, 1.0) };
    let Err(WriteError::Reject(reject)) = backend.write(vec![point(0, 1.0), early, point(1, f64::NAN)]) else {
        panic!("not rejected")
    };
    assert_eq!(reject.points, [1, 2]);
}

#[test]
fn a_series_is_known_from_its_definition_until_it_is_forgotten() {
    let (_listener, address) = listen();
    let mut backend = backend(&address, "");
    assert!(matches!(backend.write(vec![point(7, 1.0)]), Err(WriteError::Broken(_))));
    backend.forget(vec![0]);
    assert!(matches!(backend.write(vec![point(0, 1.0)]), Err(WriteError::Broken(_))));
    assert!(backend.write(vec![point(1, 1.0)]).is_ok());
}

#[test]
fn unusable_settings_are_named() {
    for (settings, what) in [
        (r#"{"address": "h"}"#, "address: no port"),
        (r#"{"address": "udp://h:1", "datagram_bytes": 0}"#, "datagram_bytes: must be 1 to"),
        (r#"{"address": "h:1", "path": "${endpoint}"}"#, "path: must have ${metric}"),
        (r#"{"address": "h:1", "pth": "x"}"#, "pth: no such setting"),
    ] {
        let Err(OpenError::Settings(message)) = open(settings) else { panic!("{settings}") };
        assert!(message.starts_with(what), "{message}");
    }
}
