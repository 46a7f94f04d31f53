//! The backend against a server that a test plays: it reads messages strictly, and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::*;

/// A message as it arrives: subject, the answer's subject, headers, the rest.
type Message = (String, String, String, String);

/// What a server does with a message.
enum Deed {
    /// Answers so.
    Say(String),
    /// Answers nothing.
    Ignore,
    /// Closes the connection.
    Close,
}

struct Server {
    address: String,
    hellos: Receiver<String>,
    messages: Receiver<Message>,
}

/// More messages than any test sends.
const MESSAGES_MAX: usize = 100_000;

impl Server {
    fn start(info: &'static str, act: impl Fn(&Message, usize) -> Deed + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (said, hellos) = sync_channel(MESSAGES_MAX);
        let (seen, messages) = sync_channel(MESSAGES_MAX);
        thread::spawn(move || {
            let mut number = 0;
            for mut stream in listener.incoming().flatten() {
                write!(stream, "INFO {info} \r\n").unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while let Some(line) = line(&mut reader) {
                    let words: Vec<&str> = line.split(' ').collect();
                    match words[0] {
                        "CONNECT" => said.send(line.clone()).unwrap(),
                        "SUB" => assert!(words[1].starts_with("_INBOX.") && words[1].ends_with(".*"), "{line}"),
                        "PING" => stream.write_all(b"PONG\r\n").unwrap(),
                        "PONG" => {}
                        "PUB" | "HPUB" => {
                            let message = message(&words, &mut reader);
                            let deed = act(&message, number);
                            number += 1;
                            let reply = message.1.clone();
                            seen.send(message).unwrap();
                            match deed {
                                Deed::Ignore => {}
                                Deed::Close => break,
                                Deed::Say(text) => {
                                    let text = text.replace("REPLY", &reply);
                                    if stream.write_all(text.as_bytes()).is_err() {
                                        break;
                                    }
                                }
                            }
                        }
                        other => panic!("{other}"),
                    }
                }
            }
        });
        Self { address, hellos, messages }
    }

    fn messages(&self) -> Vec<Message> {
        self.messages.try_iter().collect()
    }
}

fn line(reader: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.strip_suffix("\r\n").map(str::to_owned)
}

/// The rest of a message whose first line is this.
fn message(words: &[&str], reader: &mut BufReader<TcpStream>) -> Message {
    let size = |word: &str| word.parse::<usize>().unwrap();
    let (reply, head, total) = match (words[0], words.len()) {
        ("PUB", 3) => ("", 0, size(words[2])),
        ("PUB", 4) => (words[2], 0, size(words[3])),
        ("HPUB", 5) => (words[2], size(words[3]), size(words[4])),
        _ => panic!("{words:?}"),
    };
    let mut bytes = vec![0; total + 2];
    reader.read_exact(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let text = text.strip_suffix("\r\n").unwrap();
    (words[1].into(), reply.into(), text[..head].into(), text[head..].into())
}

fn stored() -> Deed {
    say(r#"{"stream":"saker", "seq":1}"#)
}

fn say(payload: &str) -> Deed {
    Deed::Say(format!("MSG REPLY 1 {}\r\n{payload}\r\n", payload.len()))
}

fn failed(code: u32, text: &str) -> Deed {
    say(&format!(r#"{{"error":{{"code":400,"err_code":{code},"description":"{text}"}},"stream":"saker","seq":0}}"#))
}

fn nobody() -> Deed {
    Deed::Say("HMSG REPLY 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n".into())
}

const INFO: &str = r#"{"headers":true,"max_payload":1048576,"jetstream":true}"#;

fn open(address: &str, rest: &str) -> Nats {
    let settings = format!(r#"{{"address": "{address}", "timeout_ms": 5000{rest}}}"#);
    let mut nats = Nats::open(saker_sdk::settings::parse(&settings).unwrap()).unwrap();
    let series = |metric: &str| Series {
        endpoint: "h".into(),
        metric: metric.into(),
        tags: vec![],
        metric_type: MetricType::Gauge,
        step_s: 10,
    };
    nats.define(["a", "b", "c"].iter().zip(0..).map(|(name, id)| Definition { id, series: series(name) }).collect());
    nats
}

fn points(number: u32) -> Vec<Point> {
    (0..number).map(|place| Point { series: place % 3, timestamp_ms: 1000 + i64::from(place), value: 0.5 }).collect()
}

fn retry(error: WriteError) -> String {
    match error {
        WriteError::Retry(retry) => retry.message,
        other => panic!("{other:?}"),
    }
}

fn identifiers(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.2.split("Nats-Msg-Id: ").nth(1).unwrap().trim_end().to_owned()).collect()
}

#[test]
fn it_logs_in_once_and_every_message_is_acknowledged() {
    let server = Server::start(INFO, |_, _| stored());
    let mut nats = open(&server.address, r#", "username": "me", "password": "p\"w""#);
    assert_eq!(nats.write(vec![]).unwrap(), 0);
    assert_eq!(nats.write(points(2)).unwrap(), 2);
    assert_eq!(nats.write(points(1)).unwrap(), 1);
    let hello = server.hellos.try_iter().collect::<Vec<_>>();
    assert_eq!(hello.len(), 1);
    assert!(hello[0].contains(r#""user":"me""#) && hello[0].contains(r#""pass":"p\"w""#), "{}", hello[0]);
    let messages = server.messages();
    let subjects: Vec<_> = messages.iter().map(|message| message.0.as_str()).collect();
    assert_eq!(subjects, ["saker.h.a", "saker.h.b", "saker.h.a"]);
    let mut replies: Vec<_> = messages.iter().map(|message| message.1.clone()).collect();
    replies.dedup();
    assert_eq!(replies.len(), 3, "every answer has a subject of its own");
    assert_eq!(identifiers(&messages)[0], identifiers(&messages)[2], "the same point again");
}

#[test]
fn a_huge_batch_is_published_whole_while_the_server_asks_whether_we_live() {
    let server = Server::start(INFO, |_, number| {
        let Deed::Say(text) = stored() else { unreachable!() };
        Deed::Say(if number % 1000 == 0 { format!("PING\r\n{text}") } else { text })
    });
    assert_eq!(open(&server.address, "").write(points(50_000)).unwrap(), 50_000);
    let mut all = identifiers(&server.messages());
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 50_000);
}

#[test]
fn a_full_stream_is_tried_again_with_what_it_has_not_taken() {
    let server = Server::start(INFO, |_, number| match number {
        2..5 => failed(10077, "maximum messages exceeded"),
        _ => stored(),
    });
    let mut nats = open(&server.address, "");
    let message = retry(nats.write(points(6)).unwrap_err());
    assert!(message.starts_with("maximum messages exceeded (stream saker is full"), "{message}");
    let first = identifiers(&server.messages());
    assert_eq!(nats.write(points(6)).unwrap(), 6);
    assert_eq!(identifiers(&server.messages()), first[2..5]);
}

#[test]
fn after_lost_answers_the_same_identifiers_are_sent_again() {
    let server = Server::start(INFO, |_, number| match number {
        2 => Deed::Ignore,
        3 => Deed::Close,
        _ => stored(),
    });
    let mut nats = open(&server.address, "");
    let message = retry(nats.write(points(4)).unwrap_err());
    assert!(message.starts_with(&server.address), "{message}");
    let first = identifiers(&server.messages());
    assert_eq!(nats.write(points(4)).unwrap(), 4);
    assert_eq!(identifiers(&server.messages()), first[2..]);
}

#[test]
fn where_no_stream_listens_it_says_how_to_make_one_or_makes_it() {
    let act = |message: &Message, number| match number {
        0..3 => nobody(),
        3 if message.0.starts_with("$JS") => {
            say(r#"{"type":"io.nats.jetstream.api.v1.stream_create_response","did_create":true}"#)
        }
        _ => stored(),
    };
    let server = Server::start(INFO, act);
    let message = retry(open(&server.address, "").write(points(3)).unwrap_err());
    assert!(
        message.starts_with("no stream takes saker.>; create one (nats stream add saker --subjects 'saker.>'"),
        "{message}"
    );

    let server = Server::start(INFO, act);
    let rest = r#", "create_stream": true, "stream": "metrics""#;
    assert_eq!(open(&server.address, rest).write(points(3)).unwrap(), 3);
    let created = &server.messages()[3];
    assert_eq!(created.0, "$JS.API.STREAM.CREATE.metrics");
    assert!(created.3.contains(r#""subjects":["saker.>"]"#), "{}", created.3);
}

#[test]
fn a_message_that_is_too_long_loses_only_its_point() {
    let server = Server::start(r#"{"headers":true,"max_payload":300}"#, |_, number| match number {
        1 => failed(10054, "message size exceeds maximum allowed"),
        _ => stored(),
    });
    let mut nats = open(&server.address, "");
    let tags = vec![("k".into(), "v".repeat(250))];
    let long = Series { endpoint: "h".into(), metric: "m".into(), tags, metric_type: MetricType::Gauge, step_s: 10 };
    nats.define(vec![Definition { id: 9, series: long }]);
    let mut batch = points(3);
    batch.push(Point { series: 9, timestamp_ms: 1, value: 1.0 });
    let WriteError::Reject(reject) = nats.write(batch).unwrap_err() else { panic!("not a reject") };
    assert_eq!(reject.points, [1, 3]);
    assert_eq!(server.messages().len(), 3);
    assert_eq!(nats.write(vec![points(3)[0], points(3)[2]]).unwrap(), 2);
    assert_eq!(server.messages().len(), 0, "they are there already");
}

#[test]
fn without_a_stream_a_ping_says_that_everything_was_read() {
    let server = Server::start(r#"{"max_payload":1048576}"#, |_, _| Deed::Ignore);
    let mut nats = open(&server.address, r#", "jetstream": false"#);
    assert_eq!(nats.write(points(10_000)).unwrap(), 10_000);
    assert_eq!(server.messages().len(), 10_000);

    let server =
        Server::start(INFO, |_, _| Deed::Say("-ERR 'Permissions Violation for Publish to \"saker.h.a\"'\r\n".into()));
    let mut nats = open(&server.address, r#", "jetstream": false"#);
    let message = retry(nats.write(points(1)).unwrap_err());
    assert!(message.starts_with("Permissions Violation for Publish to \"saker.h.a\" (the user may not"), "{message}");
}

#[test]
fn servers_that_cannot_do_it_are_told_by_what_they_say() {
    for (info, rest, what) in [
        (r#"{"tls_required":true,"headers":true}"#, "", "the server wants TLS"),
        (r#"{"headers":false}"#, "", "the server knows no headers"),
    ] {
        let server = Server::start(info, |_, _| stored());
        let message = retry(open(&server.address, rest).write(points(1)).unwrap_err());
        assert!(message.starts_with(what), "{message}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let mut nats = open(&address, "");
    nats.settings.timeout_ms = 30;
    assert_eq!(retry(nats.write(points(1)).unwrap_err()), format!("{address}: no answer in time"));
}

#[test]
fn settings_that_cannot_be_meant_are_named() {
    for (settings, what) in [
        (r#"{"address": "h"}"#, "address: no port"),
        (r#"{"address": "udp://h:1"}"#, "address: NATS is reached by TCP"),
        (r#"{"address": "h:1", "password": "p"}"#, "password: give the username too"),
        (r#"{"address": "h:1", "token": "t", "username": "u"}"#, "token: give either it or username"),
        (r#"{"address": "h:1", "subject": "a b"}"#, "subject: a space"),
        (r#"{"address": "h:1", "stream": "a.b"}"#, "stream: must be a stream's name"),
        (r#"{"address": "h:1", "jetstream": false, "create_stream": true}"#, "create_stream: is for"),
    ] {
        let error = saker_sdk::settings::parse(settings).and_then(Nats::open).err().unwrap();
        let OpenError::Settings(message) = error else { panic!("{error:?}") };
        assert!(message.starts_with(what), "{message}");
    }
}
