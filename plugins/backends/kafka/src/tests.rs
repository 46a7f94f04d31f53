//! The backend against brokers that a test plays: they read requests strictly, sums and all, and answer as they are told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::batch::reading::{Record, records};

/// What a leader does with a batch.
enum Deed {
    Take,
    Fail(i16),
    /// Takes nothing, and names these records.
    Blame(Vec<i32>),
    /// Takes it, and closes the connection without an answer.
    Vanish,
}

type Act = Box<dyn Fn(&[Record], usize) -> Deed + Send>;

struct State {
    addresses: Vec<String>,
    /// Which broker leads each partition.
    leaders: Vec<i32>,
    logs: Vec<Vec<Record>>,
    /// The greatest versions of `Produce` and `Metadata`.
    versions: (i16, i16),
    act: Act,
    batches: usize,
    /// Partitions and sizes of the batches of each request to append, and how many asked for metadata.
    requests: Vec<Vec<(i32, usize)>>,
    asked: usize,
    logins: Vec<String>,
    topic_error: i16,
    /// Who leads after the next question about it.
    next_leaders: Option<Vec<i32>>,
}

struct Brokers(Arc<Mutex<State>>);

impl Brokers {
    fn start(brokers: usize, leaders: &[i32], act: impl Fn(&[Record], usize) -> Deed + Send + 'static) -> Self {
        let listeners: Vec<_> = (0..brokers).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let state = State {
            addresses: listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect(),
            leaders: leaders.to_vec(),
            logs: vec![Vec::new(); leaders.len()],
            versions: (9, 12),
            act: Box::new(act),
            batches: 0,
            requests: Vec::new(),
            asked: 0,
            logins: Vec::new(),
            topic_error: 0,
            next_leaders: None,
        };
        let state = Arc::new(Mutex::new(state));
        for (number, listener) in (0..).zip(listeners) {
            let state = state.clone();
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = state.clone();
                    thread::spawn(move || serve(stream, number, &state));
                }
            });
        }
        Self(state)
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    fn open(&self, rest: &str) -> Kafka {
        let settings = format!(
            r#"{{"brokers": ["{}"], "timeout_ms": 5000{rest}}}"#,
            self.with(|state| state.addresses[0].clone())
        );
        let mut kafka = Kafka::open(saker_sdk::settings::parse(&settings).unwrap()).unwrap();
        kafka.define((0..50).map(|id| Definition { id, series: series(&format!("m{id}")) }).collect());
        kafka
    }

    /// The times of all records, sorted.
    fn times(&self) -> Vec<i64> {
        let mut times: Vec<_> = self.with(|state| state.logs.iter().flatten().map(|record| record.0).collect());
        times.sort_unstable();
        times
    }
}

fn bytes(stream: &mut TcpStream, count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Takes bytes from the beginning of a request; panics where they are missing.
struct Request<'b>(&'b [u8]);

impl<'b> Request<'b> {
    fn cut(&mut self, count: usize) -> &'b [u8] {
        let (head, rest) = self.0.split_at(count);
        self.0 = rest;
        head
    }

    fn i16(&mut self) -> i16 {
        i16::from_be_bytes(self.cut(2).try_into().unwrap())
    }

    fn i32(&mut self) -> i32 {
        i32::from_be_bytes(self.cut(4).try_into().unwrap())
    }

    fn string(&mut self) -> String {
        let length = self.i16();
        String::from_utf8(self.cut(length as usize).to_vec()).unwrap()
    }
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as i16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn serve(mut stream: TcpStream, broker: i32, state: &Mutex<State>) {
    while let Some(length) = bytes(&mut stream, 4) {
        let length = u32::from_be_bytes(length.try_into().unwrap());
        let body = bytes(&mut stream, length as usize).unwrap();
        let mut request = Request(&body);
        let (api, version, correlation) = (request.i16(), request.i16(), request.i32());
        assert_eq!(request.string(), "saker");
        let mut state = state.lock().unwrap();
        let answer = match api {
            0 => state.append(version, broker, &mut request),
            3 => Some(state.describe(version, &mut request)),
            17 => Some(handshake(&request.string())),
            18 => Some(state.versions(version)),
            36 => Some(state.log_in(&mut request)),
            other => panic!("request {other}"),
        };
        assert!(request.0.is_empty(), "request {api}: {:?}", request.0);
        let Some(answer) = answer else { return };
        let mut out = ((answer.len() + 4) as i32).to_be_bytes().to_vec();
        out.extend(correlation.to_be_bytes());
        out.extend(answer);
        if stream.write_all(&out).is_err() {
            return;
        }
    }
}

fn handshake(mechanism: &str) -> Vec<u8> {
    let error: i16 = if mechanism == "PLAIN" { 0 } else { 33 };
    [&error.to_be_bytes()[..], &1_i32.to_be_bytes(), &string("PLAIN")].concat()
}

impl State {
    fn versions(&self, version: i16) -> Vec<u8> {
        assert_eq!(version, 0);
        let mut out = vec![0, 0, 0, 0, 0, 4];
        for (api, last) in [(0_i16, self.versions.0), (3, self.versions.1), (17, 1), (36, 2)] {
            for number in [api, 0, last] {
                out.extend(number.to_be_bytes());
            }
        }
        out
    }

    fn log_in(&mut self, request: &mut Request) -> Vec<u8> {
        let length = request.i32();
        let said = String::from_utf8(request.cut(length as usize).to_vec()).unwrap();
        let is_right = said == "\0me\0open sesame";
        self.logins.push(said);
        let mut out =
            if is_right { vec![0, 0, 0xff, 0xff] } else { [&58_i16.to_be_bytes()[..], &string("no")].concat() };
        out.extend([0; 4]);
        out
    }

    fn describe(&mut self, version: i16, request: &mut Request) -> Vec<u8> {
        assert_eq!((request.i32(), request.string().as_str()), (1, "saker"));
        if version >= 4 {
            assert_eq!(request.cut(1), [0]);
        }
        self.asked += 1;
        let mut out = Vec::new();
        if version >= 3 {
            out.extend([0; 4]);
        }
        out.extend((self.addresses.len() as i32).to_be_bytes());
        for (number, address) in (0_i32..).zip(&self.addresses) {
            let (host, port) = address.split_once(':').unwrap();
            out.extend(number.to_be_bytes());
            out.extend(string(host));
            out.extend(port.parse::<i32>().unwrap().to_be_bytes());
            out.extend([0xff, 0xff]);
        }
        if version >= 2 {
            out.extend(string("cluster"));
        }
        out.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        out.extend(self.topic_error.to_be_bytes());
        out.extend(string("saker"));
        out.push(0);
        let count = if self.topic_error == 0 { self.leaders.len() } else { 0 };
        out.extend((count as i32).to_be_bytes());
        for (partition, leader) in (0_i32..).zip(&self.leaders[..count]) {
            out.extend([0, 0]);
            out.extend(partition.to_be_bytes());
            out.extend(leader.to_be_bytes());
            out.extend([0; 8]);
        }
        self.leaders = self.next_leaders.take().unwrap_or_else(|| self.leaders.clone());
        out
    }

    fn append(&mut self, version: i16, broker: i32, request: &mut Request) -> Option<Vec<u8>> {
        assert_eq!((version, request.i16(), request.i16(), request.i32()), (self.versions.0.min(8), -1, -1, 2500));
        assert_eq!((request.i32(), request.string().as_str()), (1, "saker"));
        let count = request.i32();
        let mut out = [&1_i32.to_be_bytes()[..], &string("saker"), &count.to_be_bytes()].concat();
        let mut sizes = Vec::new();
        for _ in 0..count {
            let (partition, length) = (request.i32(), request.i32());
            let batch = records(request.cut(length as usize));
            sizes.push((partition, length as usize));
            let mut blamed = Vec::new();
            let error = if self.leaders[partition as usize] == broker {
                self.batches += 1;
                match (self.act)(&batch, self.batches - 1) {
                    Deed::Take => {
                        self.logs[partition as usize].extend(batch);
                        0
                    }
                    Deed::Fail(code) => code,
                    Deed::Blame(places) => {
                        blamed = places;
                        87
                    }
                    Deed::Vanish => {
                        self.logs[partition as usize].extend(batch);
                        self.requests.push(sizes);
                        request.0 = &[];
                        return None;
                    }
                }
            } else {
                6
            };
            out.extend(partition.to_be_bytes());
            out.extend(error.to_be_bytes());
            out.extend([0; 16]);
            if version >= 5 {
                out.extend([0; 8]);
            }
            if version >= 8 {
                out.extend((blamed.len() as i32).to_be_bytes());
                for place in blamed {
                    out.extend(place.to_be_bytes());
                    out.extend(string("bad record"));
                }
                out.extend([0xff, 0xff]);
            }
        }
        out.extend([0; 4]);
        self.requests.push(sizes);
        Some(out)
    }
}

fn series(metric: &str) -> Series {
    Series { endpoint: "h".into(), metric: metric.into(), tags: vec![], metric_type: MetricType::Gauge, step_s: 10 }
}

/// Points of fifty series, each with a time of its own.
fn points(number: u32) -> Vec<Point> {
    (0..number).map(|place| Point { series: place % 50, timestamp_ms: i64::from(place), value: 0.5 }).collect()
}

fn retry(error: WriteError) -> String {
    match error {
        WriteError::Retry(retry) => retry.message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_point_is_a_record_in_the_partition_of_its_series_whatever_versions_a_broker_speaks() {
    for (versions, compression) in
        [((3, 1), "none"), ((5, 2), "gzip"), ((7, 3), "zstd"), ((8, 4), "snappy"), ((13, 13), "none")]
    {
        let brokers = Brokers::start(2, &[0, 1, 1, 0], |_, _| Deed::Take);
        brokers.with(|state| state.versions = versions);
        let mut kafka = brokers.open(&format!(r#", "compression": "{compression}""#));
        assert_eq!(kafka.write(vec![]).unwrap(), 0);
        assert_eq!(kafka.write(points(10_000)).unwrap(), 10_000);
        assert_eq!(kafka.write(points(1)).unwrap(), 1);
        assert_eq!(brokers.times().len(), 10_001);
        brokers.with(|state| {
            assert_eq!((state.asked, state.requests.len()), (1, 3), "both leaders at once, then one of them");
            for (partition, log) in state.logs.iter().enumerate() {
                assert!(log.len() > 1000, "partition {partition} has a share");
                for (_, key, value) in log {
                    let metric =
                        std::str::from_utf8(key).unwrap().strip_prefix("h/").unwrap().strip_suffix('/').unwrap();
                    assert_eq!(partition::partition(partition::murmur2(key), 4), partition);
                    assert!(std::str::from_utf8(value).unwrap().contains(&format!("\"metric\":\"{metric}\"")));
                }
                let mut times: Vec<_> = log.iter().map(|record| record.0).filter(|&time| time > 0).collect();
                times.dedup();
                assert!(times.is_sorted(), "in their order");
            }
        });
    }
}

#[test]
fn a_huge_batch_goes_in_parts_that_a_topic_takes() {
    let brokers = Brokers::start(1, &[0, 0], |_, _| Deed::Take);
    let mut kafka = brokers.open(r#", "max_batch_bytes": 100000"#);
    assert_eq!(kafka.write(points(20_000)).unwrap(), 20_000);
    assert_eq!(brokers.times(), (0..20_000).collect::<Vec<_>>());
    brokers.with(|state| {
        assert!(state.requests.len() > 10);
        let sizes = state.requests.iter().flatten().map(|(_, size)| *size);
        assert!(sizes.max() <= Some(100_000), "{:?}", state.requests);
        for request in &state.requests {
            let mut partitions: Vec<_> = request.iter().map(|(partition, _)| *partition).collect();
            partitions.dedup();
            assert_eq!(partitions.len(), request.len(), "one batch for a partition at a time");
        }
    });
}

#[test]
fn a_leader_that_has_changed_is_asked_for_and_followed() {
    let brokers = Brokers::start(3, &[0, 1, 2], |_, _| Deed::Take);
    let mut kafka = brokers.open("");
    assert_eq!(kafka.write(points(50)).unwrap(), 50);
    brokers.with(|state| state.leaders = vec![2, 2, 0]);
    assert_eq!(kafka.write(points(50)).unwrap(), 50);
    brokers.with(|state| assert_eq!((state.asked, state.logs.iter().map(Vec::len).sum::<usize>()), (2, 100)));
}

#[test]
fn leaders_that_change_again_and_again_are_waited_for_without_writing_twice() {
    let brokers = Brokers::start(2, &[0, 1], |_, _| Deed::Take);
    let mut kafka = brokers.open("");
    brokers.with(|state| {
        // What is told is no longer true, twice.
        state.next_leaders = Some(vec![0, 0]);
    });
    kafka.cluster.begin(&kafka.settings, Deadline::after_ms(5000)).unwrap();
    brokers.with(|state| state.next_leaders = Some(vec![0, 1]));
    let WriteError::Retry(again) = kafka.write(points(50)).unwrap_err() else { panic!("not a retry") };
    assert_eq!((again.after_ms, again.message.as_str()), (Some(250), "partition 1: NOT_LEADER_OR_FOLLOWER"));
    assert_eq!(kafka.write(points(50)).unwrap(), 50);
    assert_eq!(brokers.times(), (0..50).collect::<Vec<_>>());
}

#[test]
fn what_one_leader_has_taken_is_not_sent_again_when_another_could_not() {
    let brokers = Brokers::start(2, &[0, 1], |_, number| if number == 1 { Deed::Fail(19) } else { Deed::Take });
    let mut kafka = brokers.open("");
    let message = retry(kafka.write(points(50)).unwrap_err());
    assert!(message.contains("NOT_ENOUGH_REPLICAS (fewer are in sync"), "{message}");
    assert_eq!(kafka.write(points(50)).unwrap(), 50);
    assert_eq!(brokers.times(), (0..50).collect::<Vec<_>>());
}

#[test]
fn a_batch_that_is_too_large_is_cut_until_it_fits_and_a_single_record_given_up() {
    // A topic that takes three records at a time, and none of the time 13.
    let brokers = Brokers::start(1, &[0], |batch, _| match batch {
        _ if batch.len() > 3 => Deed::Fail(10),
        _ if batch.iter().any(|record| record.0 == 13) => Deed::Fail(18),
        _ => Deed::Take,
    });
    let mut kafka = brokers.open("");
    let WriteError::Reject(reject) = kafka.write(points(20)).unwrap_err() else { panic!("not a reject") };
    assert_eq!(
        (reject.points, reject.message.as_str()),
        (vec![13], "partition 0: RECORD_LIST_TOO_LARGE (lower max_batch_bytes)")
    );
    let rest: Vec<_> = points(20).into_iter().filter(|point| point.timestamp_ms != 13).collect();
    assert_eq!(kafka.write(rest).unwrap(), 19);
    assert_eq!(brokers.times(), (0..20).filter(|&time| time != 13).collect::<Vec<_>>());
}

#[test]
fn records_that_a_broker_names_are_refused_and_where_it_names_none_they_are_found() {
    let bad = |record: &Record| record.0 % 7 == 3;
    let named = move |batch: &[Record], _: usize| {
        let places: Vec<_> = (0..).zip(batch).filter(|(_, record)| bad(record)).map(|(place, _)| place).collect();
        if places.is_empty() { Deed::Take } else { Deed::Blame(places) }
    };
    let unnamed = move |batch: &[Record], _: usize| if batch.iter().any(bad) { Deed::Fail(32) } else { Deed::Take };
    for brokers in [Brokers::start(1, &[0], named), Brokers::start(1, &[0], unnamed)] {
        let mut kafka = brokers.open("");
        let WriteError::Reject(reject) = kafka.write(points(30)).unwrap_err() else { panic!("not a reject") };
        assert_eq!(reject.points, [3, 10, 17, 24]);
        let rest: Vec<_> = points(30).into_iter().filter(|point| point.timestamp_ms % 7 != 3).collect();
        assert_eq!(kafka.write(rest).unwrap(), 26);
        assert_eq!(brokers.times(), (0..30).filter(|time| time % 7 != 3).collect::<Vec<_>>());
    }
}

#[test]
fn a_broker_that_vanishes_is_asked_again_with_what_it_has_not_acknowledged() {
    let brokers = Brokers::start(2, &[0, 1], |_, number| if number == 1 { Deed::Vanish } else { Deed::Take });
    let mut kafka = brokers.open("");
    // The answer is lost, so that batch is there twice: that is all that can be done without a producer's number.
    assert_eq!(kafka.write(points(50)).unwrap(), 50);
    let mut times = brokers.times();
    assert!(times.len() > 50 && times.len() < 100, "{}", times.len());
    times.dedup();
    assert_eq!(times, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_topic_that_is_not_there_and_a_cluster_that_is_away_are_waited_for() {
    let brokers = Brokers::start(1, &[0], |_, _| Deed::Take);
    brokers.with(|state| state.topic_error = 3);
    let mut kafka = brokers.open("");
    let message = retry(kafka.write(points(1)).unwrap_err());
    assert!(message.starts_with("topic saker: UNKNOWN_TOPIC_OR_PARTITION (create the topic"), "{message}");
    brokers.with(|state| state.topic_error = 0);
    assert_eq!(kafka.write(points(1)).unwrap(), 1);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap().to_string();
    let mut kafka = brokers.open("");
    kafka.cluster = Cluster::new(&KafkaSettings { brokers: vec![silent.clone()], ..kafka.settings.clone() }).unwrap();
    kafka.settings.timeout_ms = 30;
    assert_eq!(retry(kafka.write(points(1)).unwrap_err()), format!("{silent}: no answer in time"));
}

#[test]
fn a_login_says_name_and_password_and_what_is_wrong_with_them() {
    let brokers = Brokers::start(1, &[0], |_, _| Deed::Take);
    let mut kafka = brokers.open(r#", "sasl": "plain", "username": "me", "password": "open sesame""#);
    assert_eq!(kafka.write(points(1)).unwrap(), 1);
    brokers.with(|state| assert_eq!(state.logins[0], "\0me\0open sesame"));
    let mut kafka = brokers.open(r#", "sasl": "plain", "username": "me", "password": "wrong""#);
    let message = retry(kafka.write(points(1)).unwrap_err());
    assert!(message.ends_with(": cannot log in: no"), "{message}");
    let mut kafka = brokers.open(r#", "sasl": "scram-sha-256", "username": "me", "password": "x""#);
    let message = retry(kafka.write(points(1)).unwrap_err());
    assert!(message.ends_with("the broker offers PLAIN, and not SCRAM-SHA-256"), "{message}");
}

#[test]
fn brokers_that_are_too_old_or_none_at_all_are_told_by_what_they_say() {
    let brokers = Brokers::start(1, &[0], |_, _| Deed::Take);
    brokers.with(|state| state.versions = (2, 1));
    let message = retry(brokers.open("").write(points(1)).unwrap_err());
    assert!(message.ends_with("speaks no version 3 to 8 of Produce; Kafka 0.11 and later do"), "{message}");
}

#[test]
fn settings_that_cannot_be_meant_are_named() {
    for (settings, what) in [
        (r#"{"brokers": []}"#, "brokers: give at least one"),
        (r#"{"brokers": ["h"]}"#, "brokers: no port"),
        (r#"{"brokers": ["udp://h:1"]}"#, "brokers: Kafka is reached by TCP"),
        (r#"{"brokers": ["h:1"], "topic": "a b"}"#, "topic: must be 1 to 249"),
        (r#"{"brokers": ["h:1"], "topic": ".."}"#, "topic: must be 1 to 249"),
        (r#"{"brokers": ["h:1"], "key": "${x}"}"#, "key: `${x}` refers to nothing"),
        (r#"{"brokers": ["h:1"], "max_batch_bytes": 10}"#, "max_batch_bytes: must be 1100"),
        (r#"{"brokers": ["h:1"], "username": "u"}"#, "sasl: say how to log in"),
        (r#"{"brokers": ["h:1"], "sasl": "plain", "username": "u"}"#, "sasl: give username and password"),
        (r#"{"brokers": ["h:1"], "acks": "none"}"#, "acks: expected one of leader, all"),
    ] {
        let error = saker_sdk::settings::parse(settings).and_then(Kafka::open).err().unwrap();
        let OpenError::Settings(message) = error else { panic!("{error:?}") };
        assert!(message.starts_with(what), "{message}");
    }
}
