//! The `opentsdb` backend to a server that answers as OpenTSDB does, which Debian has not.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::one_destination::{agent, now_s, push, until_delivered};

#[test]
fn points_that_opentsdb_rejects_are_given_up() {
    let (address, stored) = opentsdb();
    let agent = agent("opentsdb", &format!("url = \"http://{address}\""), &address);
    let now = now_s();
    let values: Vec<_> = ["good", "unknown", "slow", "fine"].map(|name| (name, "", "GAUGE", now, 1.0)).into();
    push(&agent, &values);
    until_delivered(&agent, 3);
    assert_eq!(agent.destination("a")["dropped"]["rejected"], 1);
    assert_eq!(*stored.lock().unwrap(), ["good", "fine", "slow"], "each once");
}

/// A server that knows no metric `unknown`, and whose storage fails at the first `slow`. It keeps the names of what it
/// has stored.
fn opentsdb() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stored = Arc::new(Mutex::new(Vec::new()));
    let kept = stored.clone();
    thread::spawn(move || {
        let mut slow = true;
        for stream in listener.incoming().flatten() {
            let mut writer = stream.try_clone().unwrap();
            let mut reader = BufReader::new(stream);
            while let Some(body) = request(&mut reader) {
                let (mut errors, mut success) = (Vec::new(), 0);
                let points: Vec<Value> = serde_json::from_str(&body).unwrap();
                for point in points {
                    let metric = point["metric"].as_str().unwrap();
                    let error = match metric {
                        "unknown" => "Unknown metric",
                        "slow" if std::mem::take(&mut slow) => "Storage exception: no region",
                        _ => {
                            kept.lock().unwrap().push(metric.to_owned());
                            success += 1;
                            continue;
                        }
                    };
                    errors.push(json!({"datapoint": point, "error": error}));
                }
                let answer = json!({"errors": errors, "failed": errors.len(), "success": success}).to_string();
                let status = if answer.contains("Unknown") { "400 Bad Request" } else { "200 OK" };
                let _ = write!(writer, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len());
            }
        }
    });
    (address, stored)
}

fn request(reader: &mut impl BufRead) -> Option<String> {
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert!(line.starts_with("POST /api/put?details=true&sync=true HTTP/1.1"), "{line}");
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    String::from_utf8(body).ok()
}
