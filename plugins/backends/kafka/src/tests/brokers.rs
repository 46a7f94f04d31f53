//! Brokers that a test plays: they read requests strictly, sums and all, and answer as they are told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::*;
use crate::batch::reading::{Record, records};

/// What a leader does with a batch.
pub(super) enum Deed {
    Take,
    Fail(i16),
    /// Takes nothing, and names these records.
    Blame(Vec<i32>),
    /// Takes it, and closes the connection without an answer.
    Vanish,
}

pub(super) type Act = Box<dyn Fn(&[Record], usize) -> Deed + Send>;

pub(super) struct State {
    pub(super) addresses: Vec<String>,
    /// Which broker leads each partition.
    pub(super) leaders: Vec<i32>,
    pub(super) logs: Vec<Vec<Record>>,
    /// The greatest versions of `Produce` and `Metadata`.
    pub(super) versions: (i16, i16),
    pub(super) act: Act,
    pub(super) batches: usize,
    /// Partitions and sizes of the batches of each request to append, and how many asked for metadata.
    pub(super) requests: Vec<Vec<(i32, usize)>>,
    pub(super) asked: usize,
    pub(super) logins: Vec<String>,
    pub(super) topic_error: i16,
    /// Who leads after the next question about it.
    pub(super) next_leaders: Option<Vec<i32>>,
}

pub(super) struct Brokers(Arc<Mutex<State>>);

impl Brokers {
    pub(super) fn start(
        brokers: usize,
        leaders: &[i32],
        act: impl Fn(&[Record], usize) -> Deed + Send + 'static,
    ) -> Self {
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

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    pub(super) fn open(&self, rest: &str) -> Kafka {
        let settings = format!(
            r#"{{"brokers": ["{}"], "timeout_ms": 5000{rest}}}"#,
            self.with(|state| state.addresses[0].clone())
        );
        let mut kafka = Kafka::open(saker_sdk::settings::parse(&settings).unwrap()).unwrap();
        kafka.define((0..50).map(|id| Definition { id, series: series(&format!("m{id}")) }).collect());
        kafka
    }

    /// The times of all records, sorted.
    pub(super) fn times(&self) -> Vec<i64> {
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
