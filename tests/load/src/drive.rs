//! Sends a workload, as fast as it is told to, and remembers what was acknowledged.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::{Acks, Client, Workload};

/// The pause before another attempt, if the server does not say one.
const PAUSE: Duration = Duration::from_millis(50);

/// Where to send, how much and how fast.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Host and port.
    pub address: String,
    /// The path, such as `/write`.
    pub path: String,
    /// Points a second over all connections; none is as fast as they are taken.
    pub rate: Option<u64>,
    /// Rounds of each connection.
    pub rounds: u64,
    /// No attempt begins later than so long after the start.
    pub limit: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Points that were acknowledged with 2xx.
    pub acknowledged: u64,
    /// Bytes of the bodies that held them.
    pub bytes: u64,
    /// Attempts that the server rejected: 4xx and 5xx.
    pub rejected: u64,
    /// Attempts whose end is unknown, for the connection broke off: their points may have been taken.
    pub unknown: u64,
    /// Attempts to connect that failed.
    pub unconnected: u64,
    /// The last rejection or failure, in words.
    pub last_failure: String,
    /// From the first attempt to the last acknowledgement, in milliseconds.
    pub elapsed_ms: u64,
}

/// Sends every round of every connection, in their order, each until it is acknowledged or the time is up.
#[must_use]
pub fn drive(workload: &Workload, plan: &Plan) -> (Summary, Acks) {
    let start = Instant::now();
    let mut all = (Summary::default(), Acks::new(workload));
    std::thread::scope(|scope| {
        let connections: Vec<_> =
            (0..workload.connections).map(|number| scope.spawn(move || one(workload, plan, number, start))).collect();
        for connection in connections {
            let (summary, acks) = connection.join().expect("a connection's thread does not panic");
            all.0.add(summary);
            all.1.merge(acks);
        }
    });
    all
}

impl Summary {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.bytes += other.bytes;
        self.rejected += other.rejected;
        self.unknown += other.unknown;
        self.unconnected += other.unconnected;
        self.elapsed_ms = self.elapsed_ms.max(other.elapsed_ms);
        if !other.last_failure.is_empty() {
            self.last_failure = other.last_failure;
        }
    }
}

fn one(workload: &Workload, plan: &Plan, number: usize, start: Instant) -> (Summary, Acks) {
    let (mut summary, mut acks) = (Summary::default(), Acks::new(workload));
    let points = workload.points(number) as u64;
    let all = (workload.hosts * crate::FIELDS.len()) as f64;
    // Connections take turns: they do not all send at the same moment.
    let round_time = plan.rate.map_or(0.0, |rate| all / rate as f64);
    let mut due = start + Duration::from_secs_f64(round_time * number as f64 / workload.connections as f64);
    let mut share = workload.share(number);
    let mut client = None;
    for _ in 0..plan.rounds {
        let (round, body) = share.next_round();
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        while let Err(pause) = attempt(&mut client, plan, body, &mut summary) {
            std::thread::sleep(pause);
            if start.elapsed() > plan.limit {
                return (summary, acks);
            }
        }
        acks.add(number, round);
        summary.acknowledged += points;
        summary.bytes += body.len() as u64;
        summary.elapsed_ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        // After an outage the rate is the same: what was not sent meanwhile is not made up for.
        due = (due + Duration::from_secs_f64(round_time)).max(Instant::now() - Duration::from_secs_f64(round_time));
        if start.elapsed() > plan.limit {
            break;
        }
    }
    (summary, acks)
}

/// One attempt to have a body acknowledged; if it fails, how long to wait.
fn attempt(client: &mut Option<Client>, plan: &Plan, body: &[u8], summary: &mut Summary) -> Result<(), Duration> {
    let mut failed = |count: fn(&mut Summary) -> &mut u64, what: String| {
        *count(summary) += 1;
        summary.last_failure = what;
    };
    if client.is_none() {
        match Client::connect(&plan.address) {
            Ok(connected) => *client = Some(connected),
            Err(error) => {
                failed(|summary| &mut summary.unconnected, error.to_string());
                return Err(PAUSE);
            }
        }
    }
    match client.as_mut().map(|client| client.post(&plan.path, body)) {
        Some(Ok(answer)) if (200..300).contains(&answer.status) => Ok(()),
        Some(Ok(answer)) => {
            let text = String::from_utf8_lossy(&answer.body);
            failed(|summary| &mut summary.rejected, format!("{} {}", answer.status, text.trim()));
            Err(answer.retry_after_s.map_or(PAUSE, Duration::from_secs))
        }
        Some(Err(error)) => {
            *client = None;
            failed(|summary| &mut summary.unknown, error.to_string());
            Err(PAUSE)
        }
        None => Err(PAUSE),
    }
}
