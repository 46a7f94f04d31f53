//! The `falcon` backend to a transfer that is played: its bytes are those that Falcon's own agent and transfer exchange.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use super::one_destination::{agent, destination, push, until_delivered};
use crate::agent::Home;

const ANSWER: &str = r#"{"id":ID,"result":{"Message":"ok","Total":TOTAL,"Invalid":0,"Latency":0},"error":null}"#;

/// A transfer: keeps the lines that it is called with, and answers all of them.
fn transfer(listener: TcpListener) -> Arc<Mutex<Vec<String>>> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = lines.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = kept.clone();
            thread::spawn(move || serve(stream, &kept));
        }
    });
    lines
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<String>>) {
    let mut writer = stream.try_clone().unwrap();
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        let call: serde_json::Value = serde_json::from_str(&line).unwrap();
        let total = call["params"][0].as_array().unwrap().len();
        kept.lock().unwrap().push(line);
        let answer = ANSWER.replace("ID", &call["id"].to_string()).replace("TOTAL", &total.to_string());
        if writeln!(writer, "{answer}").is_err() {
            return;
        }
    }
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[test]
fn transfer_is_called_with_the_bytes_of_falcons_own_agent() {
    let (listener, address) = listen();
    let lines = transfer(listener);
    let agent = agent("falcon", &format!("addresses = [\"{address}\"]"), &address);
    push(
        &agent,
        &[
            ("cpu.idle", "b=2,a=1", "GAUGE", 1_700_000_000, 99.25),
            ("net.if.in.bytes", "iface=eth0", "COUNTER", 1_700_000_010, 1e15),
            ("level", "", "DERIVE", 1_700_000_020, -3.0),
        ],
    );
    until_delivered(&agent, 3);
    let record = |metric: &str, value: &str, kind: &str, tags: &str, time: &str| {
        format!(
            "{{\"endpoint\":\"web-1.eu\",\"metric\":\"{metric}\",\"value\":{value},\"step\":10,\"counterType\":\"{kind}\",\
             \"tags\":\"{tags}\",\"timestamp\":{time}}}"
        )
    };
    let expected = format!(
        "{{\"method\":\"Transfer.Update\",\"params\":[[{},{},{}]],\"id\":0}}",
        record("cpu.idle", "99.25", "GAUGE", "a=1,b=2", "1700000000"),
        record("net.if.in.bytes", "1000000000000000", "COUNTER", "iface=eth0", "1700000010"),
        record("level", "-3", "DERIVE", "", "1700000020"),
    );
    assert_eq!(*lines.lock().unwrap(), [expected]);
    push(&agent, &[("m", "", "GAUGE", 1_700_000_000, 1.0)]);
    until_delivered(&agent, 4);
    assert!(lines.lock().unwrap()[1].ends_with("]],\"id\":1}"), "over the same connection");
}

#[test]
fn another_transfer_takes_over_until_the_first_is_back() {
    let ((first, first_address), (second, second_address)) = (listen(), listen());
    drop(first);
    let second = transfer(second);
    let settings = format!("addresses = [\"{first_address}\", \"{second_address}\"], order = \"first\"");
    let grant = format!("grant.connect = [\"{first_address}\", \"{second_address}\"]");
    let agent = Home::new(&["falcon"]).config(&destination("falcon", &settings, &grant)).start();
    let values: Vec<_> = (0..500).map(|number| ("m", "", "GAUGE", 1_700_000_000 + number, 1.0)).collect();
    push(&agent, &values);
    until_delivered(&agent, 500);
    assert!(second.lock().unwrap().len() >= 3, "no more than 200 points to a call");
    let first = transfer(TcpListener::bind(first_address).unwrap());
    push(&agent, &[("m", "", "GAUGE", 1_700_000_900, 1.0)]);
    until_delivered(&agent, 501);
    assert_eq!(first.lock().unwrap().len(), 1);
}

#[test]
fn a_transfer_that_is_not_granted_is_named() {
    let (listener, address) = listen();
    let settings = format!("addresses = [\"{address}\"]");
    let agent = Home::new(&["falcon"]).config(&destination("falcon", &settings, "")).start();
    push(&agent, &[("m", "", "GAUGE", 1_700_000_000, 1.0)]);
    let error = agent.until("it is denied", |agent| agent.destination("a")["error"].as_str().map(str::to_owned));
    assert!(error.contains(&format!("write under [destination.a]: grant.connect = [\"{address}\"]")), "{error}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nobody has knocked");
}
