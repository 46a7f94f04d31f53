//! The `graphite` backend where nobody may be spoken to, and where nobody is there at first.

use std::net::UdpSocket;

use super::one_destination::{agent, destination, now_s, push, until_delivered};
use crate::agent::Home;

#[test]
fn without_its_grant_it_says_which_is_missing_over_tcp_and_over_udp() {
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_nonblocking(true).unwrap();
    let port = tcp.local_addr().unwrap().port();
    for (address, granted) in [
        (format!("127.0.0.1:{port}"), format!("127.0.0.1:{port}")),
        (format!("udp://{}", udp.local_addr().unwrap()), udp.local_addr().unwrap().to_string()),
        // No name is granted, so none is looked up.
        (format!("localhost:{port}"), format!("localhost:{port}")),
    ] {
        let agent =
            Home::new(&["graphite"]).config(&destination("graphite", &format!("address = \"{address}\""), "")).start();
        push(&agent, &[("m", "", "GAUGE", now_s(), 1.0)]);
        let error = agent.until("it is denied", |agent| agent.destination("a")["error"].as_str().map(str::to_owned));
        let line = format!("write under [destination.a]: grant.connect = [\"{granted}\"]");
        assert!(error.contains(&line), "{error}");
    }
    tcp.set_nonblocking(true).unwrap();
    assert!(tcp.accept().is_err() && udp.recv(&mut [0; 9]).is_err(), "nobody was spoken to");
}

#[test]
fn a_server_by_name_is_found_and_one_that_is_away_is_waited_for() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let address = format!("localhost:{port}");
    let agent = agent("graphite", &format!("address = \"{address}\""), &address);
    push(&agent, &[("m", "", "GAUGE", 1_700_000_000, 1.0)]);
    let error = agent.until("it is away", |agent| agent.destination("a")["error"].as_str().map(str::to_owned));
    assert_eq!(error, format!("{address}: connection refused"));
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    until_delivered(&agent, 1);
    agent.stop();
    let mut text = String::new();
    std::io::Read::read_to_string(&mut listener.accept().unwrap().0, &mut text).unwrap();
    assert_eq!(text, "m;endpoint=web-1.eu 1 1700000000\n");
}
