//! Graphite's lines: from another agent's `graphite` backend, from sockets, and from nobody else.

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};

use serde_json::json;

use crate::agent::{Agent, Home};
use crate::stores::one_destination;

const BOTH: &str = "[listen.graphite]\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"";

fn seconds() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// Where it listens over TCP or UDP, as it has logged last.
fn address(agent: &Agent, over: &str) -> String {
    let said = format!("listening over {over}");
    agent.until(&said, |agent| {
        let log = agent.log();
        let line = log.lines().rfind(|line| line.contains(&said))?;
        line.split_once("address=")?.1.split_whitespace().next().map(str::to_owned)
    })
}

fn accepted(agent: &Agent) -> Option<f64> {
    agent.metric("saker_accepted_points_total{source=\"graphite\"}")
}

fn rejected(agent: &Agent, reason: &str) -> Option<f64> {
    agent.metric(&format!("saker_rejected_points_total{{source=\"graphite\",reason=\"{reason}\"}}"))
}

#[test]
fn an_agents_graphite_backend_finds_in_another_agent_what_carbon_would_be() {
    let carbon = Home::new(&[]).config(BOTH).start();
    for (over, scheme) in [("TCP", ""), ("UDP", "udp://")] {
        let to = address(&carbon, over);
        let agent = one_destination::agent("graphite", &format!("address = \"{scheme}{to}\""), &to);
        let metric = format!("from.{over}");
        one_destination::push(&agent, &[(&metric, "core=0", "GAUGE", seconds(), 1.5)]);
        let series = carbon.until("it has arrived", |carbon| {
            let found = carbon.json(&format!("/saker/v1/recent?metric={metric}"));
            found["series"].get(0).cloned()
        });
        assert_eq!((&series["points"][0][1], &series["tags"]["core"]), (&json!(1.5), &json!("0")), "{series}");
        assert_eq!(series["tags"]["endpoint"], "web-1.eu");
    }
}

#[test]
fn a_bad_line_over_tcp_or_udp_is_counted_and_logged_and_spoils_no_other() {
    let agent = Home::new(&[]).keys("endpoint = \"box\"").config(BOTH).start();
    let now = seconds();
    let text = format!("load;dc=ams 1.5 {now}\nload;host=web-1 2\nnot a line\nload;dc=ams 3 N\n");
    TcpStream::connect(address(&agent, "TCP")).unwrap().write_all(text.as_bytes()).unwrap();
    agent.until("they are there", |agent| accepted(agent).filter(|&count| count == 3.0));
    assert_eq!(rejected(&agent, "malformed"), Some(1.0));
    agent.until_logged("unable to parse 'not a line': the value must be a number");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(format!("load {now}\nbad\nload 4").as_bytes(), address(&agent, "UDP")).unwrap();
    agent.until("the datagram is there", |agent| accepted(agent).filter(|&count| count == 5.0));
    assert_eq!(rejected(&agent, "malformed"), Some(2.0));
    let series = agent.json("/saker/v1/series?metric=load");
    assert_eq!(series["total"], 3, "{series}");
    let web = agent.json("/saker/v1/series?metric=load&endpoint=web-1");
    assert_eq!((&web["series"][0]["step_s"], &web["series"][0]["type"]), (&json!(60), &json!("GAUGE")));
    assert_eq!(agent.metric("saker_socket_datagrams_total{listener=\"graphite\"}"), Some(1.0));
}

#[test]
fn a_reload_opens_moves_and_closes_its_sockets_and_no_other() {
    let agent = Home::new(&[]).start();
    let before = agent.home.config_text().to_owned();
    agent.home.write_config(&format!("{before}{BOTH}"));
    let (tcp, udp) = (address(&agent, "TCP"), address(&agent, "UDP"));
    let mut stream = TcpStream::connect(&tcp).unwrap();
    // Nothing differs where it listens: the connection stays.
    agent.home.write_config(&format!("{before}{BOTH}\nstep = \"10s\""));
    agent.until("it is reloaded twice", |agent| {
        (agent.log().matches("configuration reloaded").count() == 2).then_some(())
    });
    assert_eq!((address(&agent, "TCP"), address(&agent, "UDP")), (tcp.clone(), udp));
    stream.write_all(b"a 1\n").unwrap();
    agent.until("its line is there", |agent| accepted(agent).filter(|&count| count == 1.0));
    assert_eq!(agent.json("/saker/v1/series?metric=a")["series"][0]["step_s"], 10);
    agent.home.write_config(&before);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it is closed in order");
    agent.until("nobody listens there", |_| TcpStream::connect(&tcp).is_err().then_some(()));
}

#[test]
fn an_address_that_others_can_reach_needs_senders() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    for (config, expected) in [
        ("[listen.graphite]\ntcp = \"0.0.0.0:0\"".to_owned(), "name their addresses or networks in senders"),
        (
            format!("[listen]\nhttp = \"127.0.0.1:0\"\n[listen.graphite]\ntcp = \"{taken}\""),
            "set listen.graphite to another address",
        ),
    ] {
        let home = Home::new(&[]).replace_config("").config(&config);
        let output = crate::agent::saker(&["run", "--config", "agent.toml"], home.dir.path());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(expected), "{config}: {error}");
    }
}

#[test]
fn names_that_are_made_up_fill_no_more_than_a_listeners_share() {
    let agent = Home::new(&[]).config(&format!("{BOTH}\n[pipeline]\nmax_series = 10000")).start();
    let mut stream = TcpStream::connect(address(&agent, "TCP")).unwrap();
    for thousand in 0..1000 {
        let text: String = (0..1000).map(|name| format!("made.up.{thousand}.{name} 1\n")).collect();
        stream.write_all(text.as_bytes()).unwrap();
    }
    drop(stream);
    agent.until("all are judged", |agent| {
        agent.metric("saker_received_points_total{source=\"graphite\"}").filter(|&count| count == 1_000_000.0)
    });
    assert_eq!((accepted(&agent), rejected(&agent, "listener_series")), (Some(5000.0), Some(995_000.0)));
}

#[test]
fn what_was_sent_before_the_end_is_in_the_account() {
    let agent = Home::new(&[]).config(BOTH).start();
    let mut stream = TcpStream::connect(address(&agent, "TCP")).unwrap();
    for _ in 0..1000 {
        stream.write_all(b"a 1\n").unwrap();
    }
    // What waits in the system for a connection to be taken is still the sender's.
    agent.until("the connection is taken", |agent| {
        agent.metric("saker_socket_accepted_connections_total{listener=\"graphite\"}").filter(|&count| count == 1.0)
    });
    let account = agent.stop();
    let line = account.lines().find(|line| line.contains("graphite")).unwrap_or_else(|| panic!("{account}"));
    assert_eq!(line.split_whitespace().skip(1).collect::<Vec<_>>(), ["1000", "1000", "0"], "{account}");
}
