//! Servers whose answers do not come whole, or that say it beside the status: nothing is lost, and nobody is to blame.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::one_destination::{destination, now_s, push};
use crate::agent::Home;

/// How many requests are answered badly before the server is well again.
const BAD: usize = 2;

/// A server that answers so to the first requests, without closing, and 204 to all others.
fn bad_at_first(says: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let counted = counted.clone();
            thread::spawn(move || serve(stream, says, &counted));
        }
    });
    (address, asked)
}

fn serve(mut stream: TcpStream, says: &str, asked: &AtomicUsize) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while request(&mut reader).is_some() {
        let is_bad = asked.fetch_add(1, Ordering::Relaxed) < BAD;
        let says = if is_bad { says } else { "HTTP/1.1 204 No Content\r\n\r\n" };
        if stream.write_all(says.as_bytes()).is_err() {
            return;
        }
    }
}

/// Reads a request with its body.
fn request(reader: &mut impl BufRead) -> Option<()> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        length = line.strip_prefix("content-length: ").map_or(length, |text| text.parse().unwrap());
    }
    reader.read_exact(&mut vec![0; length]).ok()
}

/// All points arrive, after as many failed attempts, and no instance was killed over it.
fn nothing_is_lost(backend: &str, settings: &str, says: &'static str) {
    let (address, asked) = bad_at_first(says);
    let grant = format!("grant.connect = [\"{address}\"]\nlimits.deadline.write = \"2s\"");
    let settings = format!("url = \"http://{address}\", {settings}");
    let agent = Home::new(&[backend]).config(&destination(backend, &settings, &grant)).start();
    push(&agent, &[("a", "", "GAUGE", now_s(), 1.0), ("b", "", "GAUGE", now_s(), 2.0)]);
    agent.until("all is delivered", |agent| {
        let destination = agent.destination("a");
        (destination["delivered"] == 2 && destination["queued"] == 0).then_some(())
    });
    assert_eq!(asked.load(Ordering::Relaxed), BAD + 1, "{says}");
    let (destination, instance) = (agent.destination("a"), agent.instance("destination a").unwrap());
    let dropped = destination["dropped"].as_object().unwrap();
    assert!(dropped.values().all(|count| *count == 0), "{destination}");
    assert!(!instance["last_fault"].to_string().contains("its deadline"), "{instance}");
}

#[test]
fn a_body_that_never_comes_is_a_failed_attempt_and_costs_no_point() {
    for says in [
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 100\r\n\r\n{\"error\":",
    ] {
        nothing_is_lost("influx", "database = \"d\"", says);
    }
}

#[test]
fn clickhouse_says_with_200_that_nothing_was_inserted() {
    for says in [
        "HTTP/1.1 200 OK\r\nX-ClickHouse-Exception-Code: 209\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-ClickHouse-Exception-Code\r\n\r\n\
         0\r\nX-ClickHouse-Exception-Code: 241\r\n\r\n",
    ] {
        nothing_is_lost("clickhouse", "compression = \"none\"", says);
    }
}
