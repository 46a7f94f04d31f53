//! The `kafka` backend against the brokers that come with Debian's `kcat`: those of librdkafka, which it has for tests of
//! clients. `kcat` itself reads back, and checks every sum.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use crate::exact::{agent, awkward, delivered, fails_with, identities, identities_of_json, plain, push};
use crate::servers::{command, printed};

/// Two brokers in one process, with a topic `saker` of four partitions. They forget everything at their end.
struct Brokers {
    child: Child,
    addresses: Vec<String>,
}

/// How long they may take to start.
const START_MAX: Duration = Duration::from_secs(30);

impl Brokers {
    fn start() -> Self {
        let mut kcat = command("kcat");
        // A producer that never gets anything to produce; the broker that it is given is not asked.
        kcat.args(["-P", "-b", "127.0.0.1:1", "-t", "saker", "-X", "test.mock.num.brokers=2", "-d", "mock"]);
        let started = kcat.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("kcat: {error}; tests/install.sh installs it"));
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (found, addresses) = sync_channel(1);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, addresses)) = line.split_once("bootstrap.servers=") {
                    let _ = found.try_send(addresses.split(',').map(str::to_owned).collect());
                }
            }
        });
        let addresses = addresses.recv_timeout(START_MAX).expect("kcat tells where its brokers are");
        Self { child, addresses }
    }

    fn settings(&self, more: &str) -> String {
        format!("brokers = [\"{}\"]\n{more}", self.addresses[0])
    }

    fn grants(&self) -> Vec<&str> {
        self.addresses.iter().map(String::as_str).collect()
    }

    /// What every record holds, from all partitions: its time, its key, its value.
    fn records(&self) -> Vec<(i64, String, String)> {
        let format = "%T\u{1}%k\u{1}%s\n";
        let arguments = ["-C", "-e", "-q", "-t", "saker", "-X", "check.crcs=true", "-f", format, "-b"];
        let text = printed("kcat", &[&arguments[..], &[&self.addresses[0]]].concat());
        text.lines()
            .map(|line| {
                let [time, key, value] = line.split('\u{1}').collect::<Vec<_>>()[..] else { panic!("{line}") };
                (time.parse().unwrap(), key.to_owned(), value.to_owned())
            })
            .collect()
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn records_are_read_back_however_they_are_compressed() {
    for compression in ["none", "gzip", "snappy", "zstd"] {
        let brokers = Brokers::start();
        let settings = brokers.settings(&format!("compression = \"{compression}\""));
        let agent = agent("kafka", &settings, &brokers.grants());
        let values = [awkward(), plain(20_000, 1)].concat();
        push(&agent, &values);
        delivered(&agent, values.len());
        let records = brokers.records();
        assert_eq!(identities_of_json(records.iter().map(|record| record.2.as_str())), identities(&values));
        for (time, _, value) in &records {
            assert!(value.contains(&format!("\"timestamp_ms\":{time},")), "{time}: {value}");
        }
        assert!(records.iter().any(|record| record.1 == "box/m.7/"), "a key is its series");
    }
}

#[test]
fn a_broker_that_is_only_learnt_of_needs_a_grant_of_its_own() {
    let brokers = Brokers::start();
    let agent = agent("kafka", &brokers.settings(""), &[&brokers.addresses[0]]);
    push(&agent, &plain(100, 1));
    fails_with(&agent, &format!("write under [destination.there]: grant.connect = [\"{}\"]", brokers.addresses[1]));
    let one = format!("grant.connect = [{:?}]", brokers.addresses[0]);
    let both = format!("grant.connect = {:?}", brokers.addresses);
    agent.home.write_config(&agent.home.config_text().replace(&one, &both));
    delivered(&agent, 100);
}
