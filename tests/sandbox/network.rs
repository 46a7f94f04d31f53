//! Connections by socket and by HTTP: rejected without a grant, with the address and the line that would give it.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};

use saker_sandbox::{Blame, InstanceSpec};
use serde_json::json;

use crate::support::http::serve;
use crate::support::{in_time, once, open, run, spec, turn, value};

/// The guest is rejected, and told so in these words.
async fn check_denied(guest: &str, spec: &InstanceSpec, address: &str) {
    let error = once(guest, spec).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), ("denied", Blame::Operator), "{error}");
    let line = format!("grant.connect = [\"{address}\"]");
    let words = format!("denied: connecting to {address}; to allow it, write under [plugin.guest]: {line}");
    assert_eq!(error.to_string(), words);
}

fn dialing(how: &str, address: &str, granted: &[&str]) -> InstanceSpec {
    let mut spec = spec(json!({ "address": address, "how": how }));
    spec.grants.connect = granted.iter().map(|address| address.parse().unwrap()).collect();
    spec
}

fn fetching(url: &str, granted: &[&str]) -> InstanceSpec {
    let mut spec = spec(json!({ "url": url }));
    spec.grants.connect = granted.iter().map(|address| address.parse().unwrap()).collect();
    spec
}

#[tokio::test]
async fn a_socket_reaches_only_granted_addresses() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    check_denied("socket-dialer", &dialing("connect", &address, &[]), &address).await;
    check_denied("socket-dialer", &dialing("connect", &address, &["127.0.0.1:1", "10.0.0.0/8:*"]), &address).await;
    assert!(listener.accept().is_err(), "nobody has knocked");
    once("socket-dialer", &dialing("connect", &address, &[&address])).await.unwrap();
    assert!(listener.accept().is_ok());
}

#[tokio::test]
async fn a_datagram_reaches_only_granted_addresses() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    check_denied("socket-dialer", &dialing("send", &address, &[]), &address).await;
    check_denied("socket-dialer", &dialing("send", &address, &["127.0.0.1:1"]), &address).await;
    assert!(socket.recv(&mut [0; 9]).is_err(), "nothing has come");
    once("socket-dialer", &dialing("send", &address, &[&address])).await.unwrap();
    assert_eq!(socket.recv(&mut [0; 9]).unwrap(), 5);
}

#[tokio::test]
async fn nothing_can_listen_whatever_is_granted() {
    for address in ["127.0.0.1:0", "0.0.0.0:0"] {
        let error = once("socket-dialer", &dialing("listen", address, &["0.0.0.0/0:*"])).await.unwrap_err();
        let words = format!("unavailable: {address}: Permission denied (os error 2)");
        assert_eq!(error.to_string(), words, "no grant is suggested that would not help");
    }
}

#[tokio::test]
async fn http_reaches_only_granted_addresses() {
    let server = serve(200, "hello back").await;
    let (url, address) = (server.url("127.0.0.1"), server.address("127.0.0.1"));
    check_denied("http-post", &fetching(&url, &[]), &address).await;
    check_denied("http-post", &fetching(&url, &["127.0.0.1:1", "10.0.0.0/8:*"]), &address).await;
    assert_eq!(server.connections(), 0);
    let values = once("http-post", &fetching(&url, &[&address])).await.unwrap();
    assert_eq!((value(&values, "fetch.status"), value(&values, "fetch.body_bytes")), (200.0, 10.0));
    assert_eq!(server.bodies(), ["hello"]);
}

#[tokio::test]
async fn a_name_leads_to_this_machine_only_if_it_is_localhost() {
    let server = serve(200, "").await;
    // A name to us, and the address 127.0.0.1 to every resolver.
    let (name, address) = (server.url("127.1"), server.address("127.1"));
    let real = server.address("127.0.0.1");
    for (guest, spec) in [
        ("http-post", fetching(&name, &[&address])),
        ("socket-dialer", dialing("connect", &address, &["127.1:1", &address])),
    ] {
        let error = once(guest, &spec).await.unwrap_err();
        assert_eq!((error.kind(), error.blame()), ("denied", Blame::Operator), "{guest}: {error}");
        assert!(error.to_string().contains(&real), "{guest}: {error}");
    }
    assert_eq!(server.connections(), 0);
    // With the address beside the name it is what the operator wants.
    once("http-post", &fetching(&name, &[&address, &real])).await.unwrap();
    server.until_connections(1).await;

    let (name, address) = (server.url("localhost"), server.address("localhost"));
    check_denied("http-post", &fetching(&name, &[]), &address).await;
    once("http-post", &fetching(&name, &[&address])).await.unwrap();
    once("socket-dialer", &dialing("connect", &address, &[&address])).await.unwrap();
    server.until_connections(3).await;
}

#[tokio::test]
async fn calls_of_one_instance_share_a_connection() {
    let server = serve(204, "").await;
    let mut collector =
        open("http-post", &fetching(&server.url("127.0.0.1"), &[&server.address("127.0.0.1")])).await.unwrap();
    for _ in 0..5 {
        assert_eq!(value(&run(&mut collector).await.unwrap(), "fetch.status"), 204.0);
    }
    assert_eq!((server.connections(), server.bodies().len()), (1, 5));
}

#[tokio::test]
async fn a_destination_that_is_away_is_not_the_plugins_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = once("http-post", &fetching(&format!("http://{address}/"), &[&address])).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), ("unavailable", Blame::Operator));
    let words = format!("unavailable: cannot connect to {address}: Connection refused (os error 111)");
    assert_eq!(error.to_string(), words);
}

#[tokio::test]
async fn a_server_that_never_answers_is_told_to_the_guest_before_its_deadline() {
    let _turn = turn().await;
    // Connections are taken by the system, and nobody ever reads from them.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut spec = fetching(&format!("http://{address}/"), &[&address]);
    spec.limits.deadlines.collect *= 5;
    let mut collector = open("http-post", &spec).await.unwrap();
    let error = in_time("a silent server", spec.limits.deadlines.collect, run(&mut collector)).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), ("unavailable", Blame::Operator), "{error}");
    assert!(error.to_string().contains("Timeout"), "{error}");
    assert!(collector.is_alive());
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_cut_off() {
    let server = serve(200, &"x".repeat(4000)).await;
    let mut spec = fetching(&server.url("127.0.0.1"), &[&server.address("127.0.0.1")]);
    assert_eq!(value(&once("http-post", &spec).await.unwrap(), "fetch.body_bytes"), 4000.0);
    spec.limits.max_response_bytes = 100;
    let error = once("http-post", &spec).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), ("unavailable", Blame::Operator), "{error}");
    assert!(error.to_string().contains(": the answer broke off: "), "{error}");
}

/// A server that sends this after each request, and then nothing more without closing.
fn falls_silent(says: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            // A request of these tests comes at once.
            let _ = stream.read(&mut request);
            stream.write_all(says.as_bytes()).unwrap();
            open.push(stream);
        }
    });
    address
}

#[tokio::test]
async fn a_body_that_never_comes_is_told_to_the_guest_before_its_deadline() {
    let _turn = turn().await;
    for (says, words) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n", Some("200: the answer broke off: ")),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", Some("200 ok: the answer broke off: ")),
        ("HTTP/1.1 400 Bad\r\ncontent-length: 100\r\n\r\nx", Some("400 x: the answer broke off: ")),
        ("HTTP/1.1 503 Away\r\ncontent-length: 100\r\n\r\n", None),
    ] {
        let address = falls_silent(says);
        let mut spec = fetching(&format!("http://{address}/"), &[&address]);
        spec.limits.deadlines.collect *= 5;
        let mut collector = open("http-post", &spec).await.unwrap();
        let told = in_time("a silent server", spec.limits.deadlines.collect, run(&mut collector)).await;
        assert!(collector.is_alive(), "{says}");
        match (told, words) {
            (Ok(values), None) => assert_eq!(value(&values, "fetch.status"), 503.0),
            (Err(error), Some(words)) => {
                assert_eq!((error.kind(), error.blame()), ("unavailable", Blame::Operator), "{error}");
                assert!(error.to_string().contains(words), "{error}");
            }
            (told, _) => panic!("{says}: {told:?}"),
        }
    }
}

#[tokio::test]
async fn only_granted_names_are_looked_up() {
    let looking = |name: &str, granted: &[&str]| {
        let mut spec = spec(json!({ "name": name }));
        spec.grants.connect = granted.iter().map(|address| address.parse().unwrap()).collect();
        spec
    };
    check_denied("lookup", &looking("secret-word.attacker.example", &[]), "secret-word.attacker.example:*").await;
    // Neither another name nor any address opens the way to a name server.
    let granted = ["localhost:80", "0.0.0.0/0:*", "[::/0]:*"];
    check_denied("lookup", &looking("secret-word.attacker.example", &granted), "secret-word.attacker.example:*").await;
    check_denied("lookup", &looking("a.localhost", &granted), "a.localhost:*").await;
    assert!(value(&once("lookup", &looking("localhost", &granted)).await.unwrap(), "lookup.addresses") > 0.0);
    let url = "http://secret-word.attacker.example:80/";
    check_denied("http-post", &fetching(url, &granted), "secret-word.attacker.example:80").await;
}

#[tokio::test]
async fn sockets_have_a_number_and_one_that_is_closed_counts_no_longer() {
    let mut spec = spec(json!({}));
    spec.limits.max_connections = 3;
    let mut collector = open("leak-sockets", &spec).await.unwrap();
    for new in [3.0, 0.0] {
        assert_eq!(value(&run(&mut collector).await.unwrap(), "leak-sockets.new"), new);
    }
    spec.settings = json!({ "close": true }).to_string();
    let mut collector = open("leak-sockets", &spec).await.unwrap();
    for _ in 0..3 {
        assert_eq!(value(&run(&mut collector).await.unwrap(), "leak-sockets.new"), 3.0);
    }
}
