//! The backend natively, with transfers that are played.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use saker_sdk::settings::serde_json::{self, Value};
use saker_sdk::testing::{custom_metric, logged};

use super::*;

fn open(settings: &str) -> Result<Falcon, OpenError> {
    Falcon::open(saker_sdk::settings::parse(settings)?)
}

fn series(metric: &str) -> Series {
    Series {
        endpoint: "web1".into(),
        metric: metric.into(),
        tags: vec![("a".into(), "b c".into()), ("iface".into(), "eth0".into())],
        metric_type: MetricType::Counter,
        step_s: 60,
    }
}

fn to(addresses: &[&str], more: &str) -> Falcon {
    let mut backend = open(&format!(r#"{{"addresses": {addresses:?}{more}}}"#)).unwrap();
    backend.define((0..10).map(|id| Definition { id, series: series(&format!("m{id}")) }).collect());
    backend
}

fn point(series: SeriesId, value: f64) -> Point {
    Point { series, timestamp_ms: 1_700_000_000_999, value }
}

fn points(count: u32) -> Vec<Point> {
    (0..count).map(|number| point(number % 10, f64::from(number))).collect()
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Takes one connection and answers call after call in these words, in which `ID` and `TOTAL` stand for the call's; then
/// it closes. Answers what was called.
fn play(listener: TcpListener, answers: Vec<String>) -> JoinHandle<Vec<String>> {
    thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        serve(stream, answers)
    })
}

fn serve(stream: TcpStream, answers: Vec<String>) -> Vec<String> {
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    let mut calls = Vec::new();
    for answer in answers {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap() == 0 {
            break;
        }
        let call: Value = serde_json::from_str(&line).unwrap();
        let total = call["params"][0].as_array().unwrap().len();
        writer
            .write_all(answer.replace("ID", &call["id"].to_string()).replace("TOTAL", &total.to_string()).as_bytes())
            .unwrap();
        calls.push(line);
    }
    calls
}

fn ok(invalid: u32) -> String {
    let result = format!(r#"{{"Message":"ok","Total":TOTAL,"Invalid":{invalid},"Latency":0}}"#);
    format!("{{\"id\":ID,\"result\":{result},\"error\":null}}\n")
}

fn error(text: &str) -> String {
    format!("{{\"id\":ID,\"result\":null,\"error\":{text:?}}}\n")
}

fn values(calls: &[String]) -> Vec<Vec<i64>> {
    let of = |call: &String| -> Vec<i64> {
        let call: Value = serde_json::from_str(call).unwrap();
        call["params"][0].as_array().unwrap().iter().map(|record| record["value"].as_i64().unwrap()).collect()
    };
    calls.iter().map(of).collect()
}

#[test]
fn the_bytes_are_those_of_falcons_own_agent() {
    let (listener, address) = listen();
    let server = play(listener, vec![ok(0), ok(0)]);
    let mut backend = to(&[&address], "");
    assert_eq!(backend.write(vec![point(1, 1.5), point(0, -2.0)]).unwrap(), 2);
    assert_eq!(backend.write(vec![point(0, 3.0)]).unwrap(), 1);
    let record = |metric: &str, value: &str| {
        format!(
            "{{\"endpoint\":\"web1\",\"metric\":\"{metric}\",\"value\":{value},\"step\":60,\"counterType\":\"COUNTER\",\
             \"tags\":\"a=b_c,iface=eth0\",\"timestamp\":1700000000}}"
        )
    };
    let first = format!(
        "{{\"method\":\"Transfer.Update\",\"params\":[[{},{}]],\"id\":0}}\n",
        record("m1", "1.5"),
        record("m0", "-2")
    );
    let second = format!("{{\"method\":\"Transfer.Update\",\"params\":[[{}]],\"id\":1}}\n", record("m0", "3"));
    assert_eq!(server.join().unwrap(), [first, second]);
}

#[test]
fn a_call_has_no_more_points_than_it_may_and_they_keep_their_order() {
    let (listener, address) = listen();
    let server = play(listener, vec![ok(0); 3]);
    assert_eq!(to(&[&address], "").write(points(450)).unwrap(), 450);
    let values = values(&server.join().unwrap());
    assert_eq!(values.iter().map(Vec::len).collect::<Vec<_>>(), [200, 200, 50]);
    assert!(values.concat().into_iter().eq(0..450));
}

#[test]
fn points_that_transfer_finds_invalid_do_not_count_as_written() {
    let (listener, address) = listen();
    let _server = play(listener, vec![ok(0), ok(2)]);
    let mut backend = to(&[&address], r#", "call_points": 5"#);
    assert_eq!(backend.write(points(10)).unwrap(), 8);
    assert_eq!(custom_metric("invalid"), Some(2.0));
    assert_eq!(logged()[0].1, "transfer found 2 of 10 points invalid, and does not say which");
}

#[test]
fn what_transfer_would_count_as_invalid_is_rejected_by_its_place() {
    let mut backend = to(&["127.0.0.1:1"], "");
    let with = |change: fn(&mut Series)| {
        let mut series = series("m");
        change(&mut series);
        series
    };
    let series = [
        with(|series| series.metric = "kernel.hostname".into()),
        with(|series| series.metric.clear()),
        with(|series| series.endpoint.clear()),
        with(|series| series.step_s = 0),
        with(|series| series.metric = "x".repeat(495)),
        // With its tags, as many bytes as it may have.
        with(|series| series.metric = "x".repeat(494)),
    ];
    backend.define((20..).zip(series).map(|(id, series)| Definition { id, series }).collect());
    let mut points: Vec<_> = (20..25).map(|id| point(id, 1.0)).collect();
    let twice_now_ms = 2 * now_s() * 1000;
    for timestamp_ms in [0, -1, 999, twice_now_ms + 10_000, i64::MIN, i64::MAX] {
        points.push(Point { timestamp_ms, ..point(0, 1.0) });
    }
    points.push(point(0, f64::INFINITY));
    let bad = points.len() as u32;
    points.push(Point { timestamp_ms: twice_now_ms - 10_000, ..point(0, 1.0) });
    points.push(Point { timestamp_ms: 1000, ..point(0, f64::MAX) });
    points.push(point(25, 1.0));
    let Err(WriteError::Reject(reject)) = backend.write(points) else { panic!("not rejected") };
    assert!(reject.points.into_iter().eq(0..bad));
}

#[test]
fn a_transfer_that_fails_half_way_leaves_the_rest_to_the_next() {
    let ((first, first_address), (second, second_address)) = (listen(), listen());
    // It closes after two calls, the third of which it may have read.
    let first = play(first, vec![ok(0), ok(0)]);
    let second = play(second, vec![ok(0); 2]);
    let mut backend = to(&[&first_address, &second_address], r#", "order": "first", "call_points": 100"#);
    assert_eq!(backend.write(points(400)).unwrap(), 400);
    assert!(values(&first.join().unwrap()).concat().into_iter().eq(0..200));
    assert!(values(&second.join().unwrap()).concat().into_iter().eq(200..400));
}

#[test]
fn when_all_have_failed_only_the_rest_comes_again() {
    let (listener, address) = listen();
    let again = listener.try_clone().unwrap();
    let server = play(listener, vec![ok(1), error("rpc: service/method request ill-formed: x")]);
    let mut backend = to(&[&address], r#", "call_points": 2"#);
    let Err(WriteError::Retry(retry)) = backend.write(points(6)) else { panic!("not to be tried again") };
    assert_eq!(retry.message, format!("{address}: rpc: service/method request ill-formed: x"));
    server.join().unwrap();
    let server = play(again, vec![ok(0); 2]);
    assert_eq!(backend.write(points(6)).unwrap(), 5, "one was invalid before");
    assert_eq!(values(&server.join().unwrap()), [[2, 3], [4, 5]]);
}

#[test]
fn a_call_that_transfer_cannot_read_costs_its_own_points() {
    let (listener, address) = listen();
    let misfit = "json: cannot unmarshal string into Go value of type int64";
    let _server = play(listener, vec![ok(0), error(misfit), ok(0)]);
    let mut backend = to(&[&address], r#", "call_points": 2"#);
    let Err(WriteError::Reject(reject)) = backend.write(points(6)) else { panic!("not rejected") };
    assert_eq!((reject.points, reject.message), (vec![2, 3], format!("{address}: {misfit}")));
    // The agent calls again without them, and nothing is left to send.
    let rest = [0, 1, 4, 5].map(|number| points(6)[number]).to_vec();
    assert_eq!(backend.write(rest).unwrap(), 4);
}

#[test]
fn a_silent_transfer_leaves_time_for_the_next() {
    let ((_silent, silent_address), (listener, address)) = (listen(), listen());
    let server = play(listener, vec![ok(0)]);
    let addresses = [silent_address.as_str(), &address];
    let mut backend = to(&addresses, r#", "order": "first", "timeout_ms": 400"#);
    assert_eq!(backend.write(points(3)).unwrap(), 3);
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn nobody_to_take_points_is_said_with_the_first_address() {
    let ((first, first_address), (second, second_address)) = (listen(), listen());
    drop((first, second));
    let mut backend = to(&[&first_address, &second_address], r#", "order": "first""#);
    let Err(WriteError::Retry(retry)) = backend.write(points(1)) else { panic!("not to be tried again") };
    assert_eq!(retry.message, format!("{first_address}: connection refused"));
}

#[test]
fn the_order_is_the_lists_or_another_each_time() {
    assert_eq!(order(3, TransferOrder::First), [0, 1, 2]);
    let mut firsts = [0; 3];
    for _ in 0..300 {
        let mut places = order(3, TransferOrder::Random);
        firsts[places[0]] += 1;
        places.sort_unstable();
        assert_eq!(places, [0, 1, 2]);
    }
    assert!(firsts.iter().all(|&first| first > 40), "{firsts:?}");
}

#[test]
fn no_points_and_unknown_series_call_nobody() {
    let mut backend = to(&["127.0.0.1:1"], "");
    assert_eq!(backend.write(Vec::new()).unwrap(), 0);
    backend.forget(vec![3]);
    assert!(matches!(backend.write(points(10)), Err(WriteError::Broken(_))));
}

#[test]
fn unusable_settings_are_named() {
    for (settings, what) in [
        (r#"{"addresses": []}"#, "addresses: must not be empty"),
        (r#"{"addresses": ["h:8433", "h"]}"#, "addresses: no port; write host:port"),
        (r#"{"addresses": ["udp://h:1"]}"#, "addresses: transfer is reached by TCP"),
        (r#"{"addresses": ["h:1"], "call_points": 0}"#, "call_points: must be at least 1"),
        (r#"{"addresses": ["h:1"], "order": "last"}"#, "order: expected one of random, first"),
    ] {
        let Err(OpenError::Settings(message)) = open(settings) else { panic!("{settings}") };
        assert!(message.starts_with(what), "{message}");
    }
}
