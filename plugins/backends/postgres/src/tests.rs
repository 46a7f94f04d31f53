//! The backend against a server that a test plays: it reads rows strictly, and answers as it is told.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use super::*;

/// What a server does with a question, or with a copy once all its rows are there.
enum Deed {
    Fine,
    Fail(&'static str, String),
    Close,
    /// Says so that it is done, and that it is ready so.
    End(&'static str, &'static str),
    /// Answers with one row of one column.
    Say(&'static str),
}

/// What has arrived: statements, and the metrics' names and times of a copy's rows.
#[derive(Debug, PartialEq)]
enum Seen {
    Asked(String),
    Copied(Vec<(String, i64)>),
}

struct Server {
    address: String,
    seen: Receiver<Seen>,
}

/// More than any test sends.
const SEEN_MAX: usize = 10_000;

impl Server {
    fn start(act: impl Fn(&Seen, usize) -> Deed + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (sender, seen) = sync_channel(SEEN_MAX);
        thread::spawn(move || {
            let mut number = 0;
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut stream = stream;
                let length = u32::from_be_bytes(bytes(&mut reader, 4).unwrap().try_into().unwrap());
                bytes(&mut reader, length as usize - 4).unwrap();
                say(&mut stream, b'R', &[0; 4]);
                say(&mut stream, b'Z', b"I");
                while let Some((kind, body)) = message(&mut reader) {
                    assert_eq!(kind, b'Q');
                    let sql = String::from_utf8(body[..body.len() - 1].to_vec()).unwrap();
                    let seen = if sql.contains("COPY") {
                        say(&mut stream, b'D', b"\0\x01\0\0\0\x0277");
                        say(&mut stream, b'G', &[1, 0, 0]);
                        Seen::Copied(rows(&mut reader))
                    } else {
                        Seen::Asked(sql)
                    };
                    let deed = act(&seen, number);
                    number += 1;
                    sender.send(seen).unwrap();
                    match deed {
                        Deed::Fine => {
                            say(&mut stream, b'N', b"SWARNING\0C01000\0Ma notice is no error\0\0");
                            say(&mut stream, b'C', b"COPY 1\0");
                            say(&mut stream, b'C', b"COMMIT\0");
                        }
                        Deed::End(tag, status) => {
                            say(&mut stream, b'C', tag.as_bytes());
                            say(&mut stream, b'Z', status.as_bytes());
                            continue;
                        }
                        Deed::Close => break,
                        Deed::Say(text) => {
                            let mut row = b"\0\x01".to_vec();
                            row.extend((text.len() as u32).to_be_bytes());
                            row.extend(text.as_bytes());
                            say(&mut stream, b'D', &row);
                        }
                        Deed::Fail(code, context) => {
                            say(&mut stream, b'E', format!("SERROR\0C{code}\0Mbad\0W{context}\0\0").as_bytes());
                        }
                    }
                    say(&mut stream, b'Z', b"I");
                }
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.try_iter().collect()
    }

    /// The copies alone: how many rows each had.
    fn copies(&self) -> Vec<usize> {
        self.seen()
            .iter()
            .filter_map(|seen| if let Seen::Copied(rows) = seen { Some(rows.len()) } else { None })
            .collect()
    }
}

fn bytes(reader: &mut impl Read, count: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; count];
    reader.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn message(reader: &mut BufReader<TcpStream>) -> Option<(u8, Vec<u8>)> {
    let head = bytes(reader, 5)?;
    let length = u32::from_be_bytes(head[1..].try_into().unwrap()) as usize;
    Some((head[0], bytes(reader, length - 4)?))
}

fn say(stream: &mut TcpStream, kind: u8, body: &[u8]) {
    let mut message = vec![kind];
    message.extend((body.len() as u32 + 4).to_be_bytes());
    message.extend(body);
    // The backend may have gone, which the next read shows.
    let _ = stream.write_all(&message);
}

/// The rows of a binary copy, taken apart.
fn rows(reader: &mut BufReader<TcpStream>) -> Vec<(String, i64)> {
    let mut all = Vec::new();
    loop {
        let (kind, body) = message(reader).unwrap();
        match kind {
            b'd' => all.extend(body),
            b'c' => break,
            other => panic!("{other}"),
        }
    }
    let mut rest = all.strip_prefix(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0").unwrap();
    let mut rows = Vec::new();
    while rest != b"\xff\xff" {
        let mut take = |count: usize| {
            let (taken, after) = rest.split_at(count);
            rest = after;
            taken.to_vec()
        };
        assert_eq!(take(2), [0, 5]);
        let fields: Vec<Vec<u8>> = (0..5)
            .map(|_| {
                let length = u32::from_be_bytes(take(4).try_into().unwrap());
                take(length as usize)
            })
            .collect();
        let time = i64::from_be_bytes(fields[3].clone().try_into().unwrap()) / 1000 + 946_684_800_000;
        assert_eq!((fields[2][0], fields[4].len()), (1, 8));
        rows.push((String::from_utf8(fields[1].clone()).unwrap(), time));
    }
    rows
}

fn open(address: &str, rest: &str) -> Postgres {
    let settings = format!(r#"{{"address": "{address}", "username": "me", "timeout_ms": 5000{rest}}}"#);
    let mut postgres = Postgres::open(saker_sdk::settings::parse(&settings).unwrap()).unwrap();
    let series = |metric: &str| Series {
        endpoint: "h".into(),
        metric: metric.into(),
        tags: vec![],
        metric_type: MetricType::Gauge,
        step_s: 10,
    };
    postgres
        .define(["a", "b", "c"].iter().zip(0..).map(|(name, id)| Definition { id, series: series(name) }).collect());
    postgres
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
fn a_batch_is_one_copy_and_calls_share_a_connection() {
    let server = Server::start(|_, _| Deed::Fine);
    let mut postgres = open(&server.address, "");
    assert_eq!(postgres.write(vec![]).unwrap(), 0);
    assert_eq!(postgres.write(points(2)).unwrap(), 2);
    assert_eq!(postgres.write(points(50_000)).unwrap(), 50_000);
    let seen = server.seen();
    assert_eq!(seen[0], Seen::Copied(vec![("a".into(), 1000), ("b".into(), 1001)]));
    let Seen::Copied(rows) = &seen[1] else { panic!("{:?}", seen[1]) };
    assert!(rows.len() == 50_000 && rows.iter().zip(1000..).all(|(row, time)| row.1 == time));
}

#[test]
fn after_a_lost_answer_the_transaction_is_asked_about_first() {
    for (status, copies) in [("committed", 1), ("aborted", 2)] {
        let server = Server::start(move |seen, number| match seen {
            _ if number == 0 => Deed::Close,
            Seen::Asked(sql) => {
                assert_eq!(sql, "SELECT txid_status(77)");
                Deed::Say(if number == 1 { "in progress" } else { status })
            }
            Seen::Copied(_) => Deed::Fine,
        });
        let mut postgres = open(&server.address, "");
        assert!(retry(postgres.write(points(9)).unwrap_err()).starts_with(&server.address));
        let WriteError::Retry(busy) = postgres.write(points(9)).unwrap_err() else { panic!("not a retry") };
        assert_eq!(
            (busy.after_ms, busy.message.as_str()),
            (Some(500), "transaction 77 of the batch is still under way")
        );
        assert_eq!(postgres.write(points(9)).unwrap(), 9);
        assert_eq!(server.copies(), vec![9; copies], "{status}");
    }
}

#[test]
fn rows_that_are_named_are_rejected_and_the_others_written() {
    // Points of `b` are not taken.
    let server = Server::start(|seen, _| match seen {
        Seen::Copied(rows) => match rows.iter().position(|row| row.0 == "b") {
            Some(row) => Deed::Fail("23514", format!("COPY metrics, line {}: \"x\"", row + 1)),
            None => Deed::Fine,
        },
        Seen::Asked(sql) => {
            assert_eq!(sql, "ROLLBACK");
            Deed::Fine
        }
    });
    let mut postgres = open(&server.address, "");
    let WriteError::Reject(reject) = postgres.write(points(8)).unwrap_err() else { panic!("not a reject") };
    assert_eq!((reject.points, reject.message.as_str()), (vec![1, 4, 7], "bad (23514)"));
    server.seen();
    let rest = points(8).into_iter().filter(|point| point.series != 1).collect();
    assert_eq!(postgres.write(rest).unwrap(), 5);
    assert_eq!(server.copies(), vec![0; 0], "they are there already");
}

#[test]
fn a_row_that_is_not_named_is_found_by_halves() {
    let server = Server::start(|seen, _| match seen {
        Seen::Copied(rows) if rows.iter().any(|row| row.1 == 1013) => Deed::Fail("23503", String::new()),
        _ => Deed::Fine,
    });
    let mut postgres = open(&server.address, "");
    let WriteError::Reject(reject) = postgres.write(points(32)).unwrap_err() else { panic!("not a reject") };
    assert_eq!(reject.points, [13]);
    let copies = server.copies();
    assert!(copies.len() <= 2 * 5 + 1, "{copies:?}");
    let rest = points(32).into_iter().filter(|point| point.timestamp_ms != 1013).collect();
    assert_eq!(postgres.write(rest).unwrap(), 31);
    assert_eq!(server.copies(), vec![0; 0]);
}

#[test]
fn a_table_that_is_missing_is_made_or_asked_for() {
    let act = |seen: &Seen, number| match seen {
        Seen::Copied(_) if number == 0 => Deed::Fail("42P01", String::new()),
        _ => Deed::Fine,
    };
    let server = Server::start(act);
    let message = retry(open(&server.address, "").write(points(1)).unwrap_err());
    assert!(message.starts_with("bad (42P01); set create_table = true, or create it: CREATE TABLE"), "{message}");

    let server = Server::start(act);
    assert_eq!(open(&server.address, r#", "create_table": true"#).write(points(1)).unwrap(), 1);
    let statements = server.seen();
    assert!(matches!(&statements[2], Seen::Asked(sql) if sql.starts_with("CREATE TABLE IF NOT EXISTS \"metrics\"")));
}

#[test]
fn a_server_that_stops_is_left_and_one_that_is_full_kept() {
    for (code, is_kept) in [("57P01", false), ("53100", true)] {
        let server = Server::start(move |_, number| match number {
            0 => Deed::Fail(code, String::new()),
            _ => Deed::Fine,
        });
        let mut postgres = open(&server.address, "");
        assert!(retry(postgres.write(points(1)).unwrap_err()).starts_with(&format!("bad ({code}")));
        assert_eq!(postgres.session.is_some(), is_kept, "{code}");
        assert_eq!(postgres.write(points(1)).unwrap(), 1);
        let rows = || Seen::Copied(vec![("a".into(), 1000)]);
        assert_eq!(server.seen(), [rows(), Seen::Asked("ROLLBACK".into()), rows()]);
    }
}

#[test]
fn postgresql_says_that_a_transaction_was_not_committed() {
    // COMMIT of a transaction that has failed is no error; its tag tells. Notices are none either.
    for (tag, state) in [("ROLLBACK\0", "I"), ("COMMIT\0", "T"), ("COMMIT\0", "E"), ("COPY 9\0", "I")] {
        let server = Server::start(move |_, number| if number == 0 { Deed::End(tag, state) } else { Deed::Fine });
        let mut postgres = open(&server.address, "");
        let message = retry(postgres.write(points(9)).unwrap_err());
        assert!(message.starts_with("the transaction was not committed"), "{message}");
        assert_eq!(postgres.write(points(9)).unwrap(), 9);
        assert_eq!(server.copies(), [9, 9], "{tag}");
    }
}

#[test]
fn settings_that_cannot_be_meant_are_named() {
    for (settings, what) in [
        (r#"{"address": "h", "username": "u"}"#, "address: no port"),
        (r#"{"address": "udp://h:1", "username": "u"}"#, "address: PostgreSQL is reached by TCP"),
        (r#"{"address": "h:1"}"#, "username: missing"),
        (r#"{"address": "h:1", "username": ""}"#, "username: must be given"),
        (r#"{"address": "h:1", "username": "u", "password": "\u0000"}"#, "username: must be given, and neither"),
        (r#"{"address": "h:1", "username": "u", "table": "a.b.c"}"#, "table: must be"),
    ] {
        let error = saker_sdk::settings::parse(settings).and_then(Postgres::open).err().unwrap();
        let OpenError::Settings(message) = error else { panic!("{error:?}") };
        assert!(message.starts_with(what), "{message}");
    }
}
