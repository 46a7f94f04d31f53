//! The `statsd` backend to a socket that reads as a StatsD server does. Debian has none to install.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::time::Duration;

use super::one_destination::{agent, now_s, push, until_delivered};

/// What a server holds: the last of each gauge, the sum of each counter, by name and tags.
#[derive(Default)]
struct Server {
    gauges: BTreeMap<String, f64>,
    counters: BTreeMap<String, f64>,
    lines: usize,
}

impl Server {
    /// Reads one datagram, by the rules of Etsy's `stats.js`: a gauge with a sign changes what it was, unless it was
    /// nothing.
    fn receive(&mut self, socket: &UdpSocket) {
        let mut bytes = [0; 70_000];
        let length = socket.recv(&mut bytes).expect("a datagram within the time");
        assert!(length <= 1432, "{length}");
        for line in std::str::from_utf8(&bytes[..length]).unwrap().lines() {
            self.lines += 1;
            let (name, rest) = line.split_once(':').unwrap();
            let mut parts = rest.split('|');
            let (value, kind) = (parts.next().unwrap(), parts.next().unwrap());
            let key = format!("{name}{}", parts.next().unwrap_or_default());
            let number: f64 = value.parse().unwrap();
            match kind {
                "g" => {
                    let gauge = self.gauges.entry(key).or_default();
                    *gauge = if value.starts_with(['+', '-']) && *gauge != 0.0 { *gauge + number } else { number };
                }
                "c" => *self.counters.entry(key).or_default() += number,
                other => panic!("{other}: {line}"),
            }
        }
    }
}

fn listen() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

#[test]
fn a_server_holds_each_gauge_and_what_each_counter_gained() {
    let (socket, address) = listen();
    let agent = agent("statsd", &format!("address = \"{address}\", tags = \"dogstatsd\""), &address);
    let now = now_s();
    let mut pushed = Vec::new();
    for number in 0..100_u32 {
        let time = now - 100 + u64::from(number);
        pushed.push(("load", "", "GAUGE", time, 3.5 - f64::from(number)));
        pushed.push(("net.bytes", "iface=eth0", "COUNTER", time, 1000.0 + 10.0 * f64::from(number)));
        pushed.push(("level", "", "DERIVE", time, -f64::from(number)));
    }
    push(&agent, &pushed);
    until_delivered(&agent, 300);
    let mut server = Server::default();
    // A gauge below zero takes two lines, and the first of a total none: from 3.5 down to -95.5, four are above.
    while server.lines < 4 + 2 * 96 + 99 + 99 {
        server.receive(&socket);
    }
    assert_eq!(server.gauges, BTreeMap::from([("load#endpoint:web-1.eu".to_owned(), 3.5 - 99.0)]));
    let expected =
        [("level#endpoint:web-1.eu".to_owned(), -99.0), ("net.bytes#endpoint:web-1.eu,iface:eth0".into(), 990.0)];
    assert_eq!(server.counters, BTreeMap::from(expected));
}

#[test]
fn names_without_tags_have_everything_in_them() {
    let (socket, address) = listen();
    let agent = agent("statsd", &format!("address = \"udp://{address}\""), &address);
    push(&agent, &[("df.used|%", "mount=/a:b", "GAUGE", now_s(), 0.25)]);
    let mut server = Server::default();
    server.receive(&socket);
    assert_eq!(server.gauges, BTreeMap::from([("web-1_eu.df.used__.mount._a_b".to_owned(), 0.25)]));
    until_delivered(&agent, 1);
}

#[test]
fn a_name_that_is_granted_is_reached() {
    let (socket, address) = listen();
    let port = address.rsplit_once(':').unwrap().1;
    let name = format!("localhost:{port}");
    let agent = agent("statsd", &format!("address = \"{name}\", tags = \"influx\", endpoint_tag = \"\""), &name);
    let values: Vec<_> = (0..500).map(|number| ("m", "", "GAUGE", now_s(), f64::from(number))).collect();
    push(&agent, &values);
    let mut server = Server::default();
    while server.lines < 500 {
        server.receive(&socket);
    }
    assert_eq!(server.gauges, BTreeMap::from([("m".to_owned(), 499.0)]));
    until_delivered(&agent, 500);
}
