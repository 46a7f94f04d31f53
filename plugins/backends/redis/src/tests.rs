//! The backend against a server that a test plays: it reads commands strictly, and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::*;

/// Words of commands, as they arrive.
struct Server {
    address: String,
    commands: Receiver<Vec<String>>,
}

/// More commands than any test sends.
const COMMANDS_MAX: usize = 100_000;

impl Server {
    /// Answers every command with what `answer` makes of its words and of how many came before it; an empty answer
    /// closes the connection.
    fn start(answer: impl Fn(&[String], usize) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (seen, commands) = sync_channel(COMMANDS_MAX);
        thread::spawn(move || {
            let mut number = 0;
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut stream = stream;
                while let Some(words) = command(&mut reader) {
                    let text = answer(&words, number);
                    number += 1;
                    let _ = seen.send(words);
                    if text.is_empty() || stream.write_all(text.as_bytes()).is_err() {
                        break;
                    }
                }
            }
        });
        Self { address, commands }
    }

    fn commands(&self) -> Vec<Vec<String>> {
        self.commands.try_iter().collect()
    }
}

fn command(reader: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let mut number = |kind: char| {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let number = line.strip_prefix(kind)?.strip_suffix("\r\n")?.parse::<usize>().ok()?;
        if kind == '*' {
            return Some((number, String::new()));
        }
        let mut word = vec![0; number + 2];
        reader.read_exact(&mut word).ok()?;
        Some((number, String::from_utf8(word).unwrap().strip_suffix("\r\n").unwrap().to_owned()))
    };
    let (count, _) = number('*')?;
    (0..count).map(|_| number('$').map(|(_, word)| word)).collect()
}

fn open(address: &str, rest: &str) -> Redis {
    let settings = format!(r#"{{"address": "{address}", "timeout_ms": 5000{rest}}}"#);
    let mut redis = Redis::open(saker_sdk::settings::parse(&settings).unwrap()).unwrap();
    let series = |metric: &str| Series {
        endpoint: "h".into(),
        metric: metric.into(),
        tags: vec![],
        metric_type: MetricType::Gauge,
        step_s: 10,
    };
    redis.define(["a", "b", "c"].iter().zip(0..).map(|(name, id)| Definition { id, series: series(name) }).collect());
    redis
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

#[test]
fn it_logs_in_chooses_its_database_and_keeps_the_connection() {
    let server = Server::start(|_, _| "+OK\r\n".into());
    let mut redis = open(&server.address, r#", "username": "me", "password": "p w", "database": 3, "shape": "list""#);
    assert_eq!(redis.write(vec![]).unwrap(), 0);
    assert_eq!(redis.write(points(2)).unwrap(), 2);
    assert_eq!(redis.write(points(1)).unwrap(), 1);
    let commands = server.commands();
    assert_eq!(commands[0], ["AUTH", "me", "p w"]);
    assert_eq!(commands[1], ["SELECT", "3"]);
    let names: Vec<_> = commands[2..].iter().map(|words| words[0].as_str()).collect();
    assert_eq!(names, ["RPUSH", "RPUSH", "LTRIM", "RPUSH", "LTRIM"]);
}

#[test]
fn a_wrong_password_is_waited_for_and_never_repeated_in_words() {
    let server = Server::start(|_, _| "-WRONGPASS invalid username-password pair\r\n".into());
    let mut redis = open(&server.address, r#", "password": "secret""#);
    let message = retry(redis.write(points(1)).unwrap_err());
    assert_eq!(message, "AUTH: WRONGPASS invalid username-password pair (username or password is wrong)");
    assert_eq!(server.commands(), [["AUTH", "secret"]]);
}

#[test]
fn a_huge_batch_goes_out_in_order_and_its_answers_are_all_read() {
    let server = Server::start(|_, _| "$3\r\n1-0\r\n".into());
    let mut redis = open(&server.address, "");
    assert_eq!(redis.write(points(50_000)).unwrap(), 50_000);
    let commands = server.commands();
    assert_eq!(commands.len(), 50_000);
    assert!(commands.iter().zip(1000..).all(|(words, time)| words[words.len() - 3] == time.to_string()));
}

#[test]
fn a_full_server_is_tried_again_with_what_it_has_not_taken() {
    let server = Server::start(|_, number| match number {
        2.. if number < 7 => "-OOM command not allowed when used memory > 'maxmemory'.\r\n".into(),
        _ => "$3\r\n1-0\r\n".into(),
    });
    let mut redis = open(&server.address, "");
    let message = retry(redis.write(points(7)).unwrap_err());
    assert!(message.starts_with("OOM command not allowed") && message.contains("maxmemory is reached"), "{message}");
    assert_eq!(redis.write(points(7)).unwrap(), 7);
    let times: Vec<_> = server.commands().iter().map(|words| words[words.len() - 3].clone()).collect();
    assert_eq!(times[..7], ["1000", "1001", "1002", "1003", "1004", "1005", "1006"]);
    assert_eq!(times[7..], ["1002", "1003", "1004", "1005", "1006"]);
}

#[test]
fn redis_says_of_each_command_in_a_row_whether_it_was_carried_out() {
    let server = Server::start(|_, number| match number {
        1 => "-BUSY Redis is busy running a script.\r\n".into(),
        3 => "$-1\r\n".into(),
        _ => "$3\r\n1-0\r\n".into(),
    });
    let mut redis = open(&server.address, "");
    let message = retry(redis.write(points(6)).unwrap_err());
    assert_eq!(message, "BUSY Redis is busy running a script.");
    server.commands();
    assert_eq!(redis.write(points(6)).unwrap(), 6);
    let times: Vec<_> = server.commands().iter().map(|words| words[words.len() - 3].clone()).collect();
    assert_eq!(times, ["1001", "1003"]);
}

#[test]
fn a_broken_connection_is_opened_again_and_nothing_sent_twice() {
    let server = Server::start(|_, number| if number == 3 { String::new() } else { ":1\r\n".into() });
    let mut redis = open(&server.address, r#", "shape": "list", "max_length": 0"#);
    let message = retry(redis.write(points(5)).unwrap_err());
    assert!(message.starts_with(&server.address), "{message}");
    server.commands();
    assert_eq!(redis.write(points(5)).unwrap(), 5);
    assert_eq!(server.commands().len(), 2);
    // Another call with the same points is another call.
    assert_eq!(redis.write(points(5)).unwrap(), 5);
    assert_eq!(server.commands().len(), 5);
}

#[test]
fn a_key_of_another_type_loses_only_its_own_points() {
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    let answer = move |words: &[String], _| if words[1] == "m:b" { wrong.into() } else { "$3\r\n1-0\r\n".to_owned() };
    let server = Server::start(answer);
    let mut redis = open(&server.address, r#", "key": "m:${metric}""#);
    let WriteError::Reject(reject) = redis.write(points(6)).unwrap_err() else { panic!("not a reject") };
    assert_eq!(reject.points, [1, 4]);
    assert!(reject.message.starts_with("key m:b: WRONGTYPE"), "{}", reject.message);
    server.commands();
    let rest = points(6).into_iter().filter(|point| point.series != 1).collect();
    assert_eq!(redis.write(rest).unwrap(), 4);
    assert_eq!(server.commands().len(), 0, "all the others were taken the first time");

    let server = Server::start(answer);
    let mut redis = open(&server.address, r#", "key": "m:b""#);
    let message = retry(redis.write(points(2)).unwrap_err());
    assert!(message.ends_with("(delete it, or choose another key)"), "{message}");
}

#[test]
fn a_record_that_was_not_taken_is_sent_again_whole_and_the_others_are_not() {
    let server = Server::start(|words, number| match number {
        1 => "-OOM command not allowed when used memory > 'maxmemory'.\r\n".into(),
        _ if words[0] == "LTRIM" => "+OK\r\n".into(),
        _ => ":1\r\n".into(),
    });
    let mut redis = open(&server.address, r#", "shape": "cadvisor""#);
    // What was measured at one time is not side by side.
    let points: Vec<_> =
        (0..).zip(points(6)).map(|(place, point)| Point { timestamp_ms: place % 2, ..point }).collect();
    let message = retry(redis.write(points.clone()).unwrap_err());
    assert!(message.contains("maxmemory is reached"), "{message}");
    assert_eq!(redis.write(points).unwrap(), 6);
    let commands = server.commands();
    let names: Vec<_> = commands.iter().map(|words| words[0].as_str()).collect();
    assert_eq!(names, ["LPUSH", "LPUSH", "LTRIM", "LPUSH", "LTRIM"]);
    for (words, time) in commands.iter().zip(["0", "1000"]) {
        let record = &words[2];
        assert!(record.starts_with(&format!(r#"{{"timestamp":{time},"machine_name":"h","container_Name":"/","#)));
        assert!(["a", "b", "c"].iter().all(|metric| record.contains(&format!(r#""{metric}":[{{"#))), "{record}");
        assert_eq!(record.matches("float_value").count(), 3);
    }
    assert_eq!(commands[3], commands[1]);
}

#[test]
fn another_server_and_a_silent_one_are_told_apart_from_redis() {
    let server = Server::start(|_, _| "HTTP/1.1 400 Bad Request\r\n\r\n".into());
    let message = retry(open(&server.address, "").write(points(1)).unwrap_err());
    assert!(message.contains("is no answer of Redis'"), "{message}");

    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let mut redis = open(&address, "");
    redis.settings.timeout_ms = 30;
    assert_eq!(retry(redis.write(points(1)).unwrap_err()), format!("{address}: no answer in time"));
}

#[test]
fn settings_that_cannot_be_meant_are_named() {
    for (settings, what) in [
        (r#"{"address": "h"}"#, "address: no port"),
        (r#"{"address": "udp://h:1"}"#, "address: Redis is reached by TCP"),
        (r#"{"address": "h:1", "username": "u"}"#, "username: give the password too"),
        (r#"{"address": "h:1", "key": "${x}"}"#, "key: `${x}` refers to nothing"),
        (r#"{"address": "h:1", "format": "influx"}"#, "format: is for shape = \"list\""),
        (r#"{"address": "h:1", "shape": "cadvisor", "format": "falcon"}"#, "format: is for shape = \"list\""),
        (r#"{"address": "h:1", "shape": "cadvisor", "key": "m:${metric}"}"#, "key: cAdvisor's records are of many"),
        (r#"{"address": "h:1", "shape": "set"}"#, "shape: expected one of stream, list, cadvisor"),
    ] {
        let error = saker_sdk::settings::parse(settings).and_then(Redis::open).err().unwrap();
        let OpenError::Settings(message) = error else { panic!("{error:?}") };
        assert!(message.starts_with(what), "{message}");
    }
}
