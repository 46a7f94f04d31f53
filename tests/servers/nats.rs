//! The `nats` backend against Debian's `nats-server` with JetStream, read back by a small client of our own.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::exact::{agent, awkward, delivered, fails_with, identities, identities_of_json, plain, push};
use crate::servers::Server;

/// A client that asks and reads.
struct Client {
    reader: BufReader<TcpStream>,
    stream: TcpStream,
    /// What came from a stream before the answer that was waited for.
    early: VecDeque<String>,
}

/// The numbers of what a client has subscribed to.
const ANSWER: &str = "1";
const STORED: &str = "2";

/// Nothing that a client waits for takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

impl Client {
    fn connect(server: &Server, login: Value) -> Self {
        let stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let mut client = Self { reader, stream, early: VecDeque::new() };
        let mut hello = json!({"verbose": false, "pedantic": false, "headers": true, "no_responders": true});
        hello.as_object_mut().unwrap().extend(login.as_object().unwrap().clone());
        write!(client.stream, "CONNECT {hello}\r\nSUB answer {ANSWER}\r\nSUB stored {STORED}\r\n").unwrap();
        client
    }

    /// The next message: which subscription it is for, and what it holds.
    fn message(&mut self) -> (String, String) {
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).unwrap();
            assert!(!line.is_empty() && !line.starts_with("-ERR"), "{line}");
            if line.starts_with("PING") {
                self.stream.write_all(b"PONG\r\n").unwrap();
            }
            let words: Vec<_> = line.split_ascii_whitespace().collect();
            let size = |word: &str| word.parse::<usize>().unwrap();
            let (head, total) = match words[0] {
                "MSG" => (0, size(words[words.len() - 1])),
                "HMSG" => (size(words[words.len() - 2]), size(words[words.len() - 1])),
                _ => continue,
            };
            let mut bytes = vec![0; total + 2];
            self.reader.read_exact(&mut bytes).unwrap();
            return (words[2].into(), String::from_utf8(bytes[head..total].to_vec()).unwrap());
        }
    }

    fn ask(&mut self, what: &str, body: &Value) -> Value {
        let body = body.to_string();
        write!(self.stream, "PUB $JS.API.{what} answer {}\r\n{body}\r\n", body.len()).unwrap();
        // A stream that is asked to deliver may do so before it answers.
        let answer = loop {
            match self.message() {
                (to, answer) if to == ANSWER => break answer,
                (_, stored) => self.early.push_back(stored),
            }
        };
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_null(), "{what}: {answer}");
        answer
    }

    fn count(&mut self, stream: &str) -> u64 {
        self.ask(&format!("STREAM.INFO.{stream}"), &json!({}))["state"]["messages"].as_u64().unwrap()
    }

    /// Everything in a stream, as it was published.
    fn stored(&mut self, stream: &str) -> Vec<String> {
        let count = self.count(stream);
        let config = json!({"deliver_subject": "stored", "ack_policy": "none", "deliver_policy": "all"});
        self.ask(&format!("CONSUMER.CREATE.{stream}"), &json!({"stream_name": stream, "config": config}));
        (0..count).map(|_| self.early.pop_front().unwrap_or_else(|| self.message().1)).collect()
    }
}

fn settings(server: &Server, more: &str) -> String {
    format!("address = \"{}\"\n{more}", server.address)
}

#[test]
fn a_stream_that_the_backend_has_made_holds_each_point_as_it_was_pushed() {
    let server = Server::nats(&[]);
    let agent = agent("nats", &settings(&server, "create_stream = true\nstream = \"metrics\""), &[&server.address]);
    let values = awkward();
    push(&agent, &values);
    delivered(&agent, values.len());
    let stored = Client::connect(&server, json!({})).stored("metrics");
    assert_eq!(identities_of_json(stored.iter().map(String::as_str)), identities(&values));
}

#[test]
fn without_a_stream_it_says_how_to_make_one_and_waits() {
    let server = Server::nats(&[]);
    let agent = agent("nats", &settings(&server, "subject = \"m.${metric}\""), &[&server.address]);
    push(&agent, &plain(5, 1));
    fails_with(&agent, "no stream takes m.>; create one (nats stream add saker --subjects 'm.>' --defaults)");
    let mut client = Client::connect(&server, json!({}));
    client.ask("STREAM.CREATE.saker", &json!({"name": "saker", "subjects": ["m.>"]}));
    delivered(&agent, 5);
    assert_eq!(client.count("saker"), 5);
}

#[test]
fn a_server_that_is_full_or_dies_gets_every_point_once() {
    let mut server = Server::nats(&[]);
    let agent = agent("nats", &settings(&server, ""), &[&server.address]);
    let stream = |most: i64| json!({"name": "saker", "subjects": ["saker.>"], "discard": "new", "max_msgs": most});
    let mut client = Client::connect(&server, json!({}));
    client.ask("STREAM.CREATE.saker", &stream(1000));
    let first = plain(3000, 1);
    push(&agent, &first);
    fails_with(&agent, "maximum messages exceeded (stream saker is full");
    client.ask("STREAM.UPDATE.saker", &stream(-1));
    delivered(&agent, 3000);
    let second = plain(30_000, 2);
    push(&agent, &second);
    agent.until("a part of them is there", |_| {
        (Client::connect(&server, json!({})).count("saker") > 4000).then_some(())
    });
    server.kill();
    let third = plain(100, 3);
    push(&agent, &third);
    fails_with(&agent, "");
    server.start_again();
    delivered(&agent, 33_100);
    let stored = Client::connect(&server, json!({})).stored("saker");
    assert_eq!(identities_of_json(stored.iter().map(String::as_str)), identities(&[first, second, third].concat()));
}

#[test]
fn a_token_is_asked_for() {
    let server = Server::nats(&["--auth", "open sesame"]);
    let agent = agent("nats", &settings(&server, "create_stream = true"), &[&server.address]);
    push(&agent, &plain(1, 1));
    fails_with(&agent, "Authorization Violation (username, password or token are missing or wrong)");
    agent
        .home
        .write_config(&format!("{}token = \"open sesame\"\n", agent.home.config_text().trim_end().to_owned() + "\n"));
    delivered(&agent, 1);
    assert_eq!(Client::connect(&server, json!({"auth_token": "open sesame"})).count("saker"), 1);
}
