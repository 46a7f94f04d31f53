//! The lines: the same for the same host and round, whoever asks.

use std::io::Write;

use serde::{Deserialize, Serialize};

/// The fields of every line. A host has so many series.
pub const FIELDS: [&str; 10] = [
    "usage_user",
    "usage_system",
    "usage_idle",
    "usage_nice",
    "usage_iowait",
    "usage_irq",
    "usage_softirq",
    "usage_steal",
    "usage_guest",
    "usage_guest_nice",
];

const REGIONS: [&str; 9] = [
    "us-east-1",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-central-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-northeast-1",
    "sa-east-1",
];
const SYSTEMS: [&str; 3] = ["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"];
const ARCHITECTURES: [&str; 2] = ["x64", "x86"];
const TEAMS: [&str; 4] = ["SF", "NYC", "LON", "CHI"];
const ENVIRONMENTS: [&str; 3] = ["production", "staging", "test"];

/// Who sends, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Hosts, with ten series each.
    pub hosts: usize,
    /// Connections that share them: host `n` belongs to connection `n` modulo their number.
    pub connections: usize,
    /// The time of round 0, in milliseconds since 1970-01-01 UTC.
    pub start_ms: i64,
    /// The time between two rounds, in milliseconds.
    pub step_ms: i64,
}

impl Workload {
    /// Points that a connection sends in each round.
    #[must_use]
    pub fn points(&self, connection: usize) -> usize {
        (connection..self.hosts).step_by(self.connections).len() * FIELDS.len()
    }

    /// The time of a round, in milliseconds since 1970-01-01 UTC.
    #[must_use]
    pub fn time_ms(&self, round: u64) -> i64 {
        self.start_ms + self.step_ms * round as i64
    }

    /// What one connection sends.
    #[must_use]
    pub fn share(&self, connection: usize) -> Share {
        let hosts = (connection..self.hosts).step_by(self.connections).map(Host::new).collect();
        Share { workload: *self, hosts, round: 0, body: Vec::new() }
    }
}

/// The hosts of one connection.
pub struct Share {
    workload: Workload,
    hosts: Vec<Host>,
    round: u64,
    body: Vec<u8>,
}

struct Host {
    key: String,
    values: [u8; FIELDS.len()],
    chance: u64,
}

impl Share {
    /// The lines of the next round, and its number.
    pub fn next_round(&mut self) -> (u64, &[u8]) {
        let round = self.round;
        self.round += 1;
        self.body.clear();
        let time_ns = self.workload.time_ms(round) * 1_000_000;
        for host in &mut self.hosts {
            host.wander();
            self.body.extend_from_slice(host.key.as_bytes());
            for (place, (name, value)) in FIELDS.iter().zip(host.values).enumerate() {
                self.body.push(if place == 0 { b' ' } else { b',' });
                self.body.extend_from_slice(name.as_bytes());
                self.body.push(b'=');
                push_small(&mut self.body, value);
                self.body.push(b'i');
            }
            writeln!(self.body, " {time_ns}").expect("writing to memory does not fail");
        }
        (round, &self.body)
    }
}

impl Host {
    fn new(number: usize) -> Self {
        let mut host =
            Self { key: String::new(), values: [0; FIELDS.len()], chance: 0x9e37_79b9_7f4a_7c15 ^ number as u64 };
        let region = REGIONS[host.roll(REGIONS.len())];
        let zone = ["a", "b", "c"][host.roll(3)];
        host.key = format!(
            "cpu,hostname=host_{number},region={region},datacenter={region}{zone},rack={},os={},arch={},team={},service={},\
             service_version={},service_environment={}",
            host.roll(100),
            SYSTEMS[host.roll(SYSTEMS.len())],
            ARCHITECTURES[host.roll(ARCHITECTURES.len())],
            TEAMS[host.roll(TEAMS.len())],
            host.roll(20),
            host.roll(2),
            ENVIRONMENTS[host.roll(ENVIRONMENTS.len())],
        );
        for place in 0..FIELDS.len() {
            host.values[place] = host.roll(101) as u8;
        }
        host
    }

    /// Every value goes on by a number from -2 to 2, small steps more often, and stays between 0 and 100.
    fn wander(&mut self) {
        for place in 0..FIELDS.len() {
            let step = [-2, -1, -1, 0, 0, 0, 1, 1, 2][self.roll(9)];
            self.values[place] = (i16::from(self.values[place]) + step).clamp(0, 100) as u8;
        }
    }

    /// Chance that always falls the same way.
    fn roll(&mut self, sides: usize) -> usize {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.chance >> 33) as usize % sides
    }
}

fn push_small(text: &mut Vec<u8>, number: u8) {
    if number >= 100 {
        text.push(b'0' + number / 100);
    }
    if number >= 10 {
        text.push(b'0' + number / 10 % 10);
    }
    text.push(b'0' + number % 10);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKLOAD: Workload = Workload { hosts: 10, connections: 3, start_ms: 1_700_000_000_000, step_ms: 10_000 };

    #[test]
    fn every_host_is_in_one_share_and_every_round_the_same_for_all() {
        let mut names = Vec::new();
        for connection in 0..3 {
            let (mut share, mut again) = (WORKLOAD.share(connection), WORKLOAD.share(connection));
            for round in 0..3 {
                let (number, body) = share.next_round();
                assert_eq!((number, body), again.next_round());
                assert_eq!(number, round);
                let text = std::str::from_utf8(body).unwrap();
                assert_eq!(text.lines().count() * FIELDS.len(), WORKLOAD.points(connection));
                assert!(text.lines().all(|line| line.ends_with(&format!(" {}000000", WORKLOAD.time_ms(round)))));
                names.extend(text.lines().map(|line| line.split(',').nth(1).unwrap().to_owned()));
            }
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 10);
    }

    #[test]
    fn a_line_is_as_long_as_those_of_the_benchmark_that_it_follows() {
        let workload = Workload { hosts: 4000, connections: 1, ..WORKLOAD };
        let mut share = workload.share(0);
        let bytes = share.next_round().1.len();
        assert!((320..360).contains(&(bytes / 4000)), "{} bytes a line", bytes / 4000);
    }

    #[test]
    fn small_numbers_are_written_as_they_are() {
        for number in 0..=u8::MAX {
            let mut text = Vec::new();
            push_small(&mut text, number);
            assert_eq!(text, number.to_string().as_bytes());
        }
    }
}
