//! Clients that push without a pause: they knock while nobody listens, and write down what they were told.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use super::decode::METRIC;
use super::ledger::{Ledger, Outcome};
use crate::random::Random;
use crate::{Answer, Client};

/// A door of an agent: a protocol, and the path where it is spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// Influx line protocol.
    Influx(String),
    /// Open-Falcon's push.
    Falcon(String),
}

/// Points of an ordinary body, at most.
const SMALL_BODY: u64 = 200;
/// And of a large one, which is read a part at a time.
const LARGE_BODY: u64 = 3000;
/// Between two attempts to connect: the port is found open when it is.
const KNOCK: Duration = Duration::from_micros(500);
/// After a rejection; what the server asks for is cut to this, for who comes again early finds more.
const REFUSED: Duration = Duration::from_millis(20);
/// No answer is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest pause in the middle of a body.
const HALF_WAY_MS: u64 = 2000;

/// What all clients share.
pub(crate) struct Shared {
    pub(crate) address: String,
    pub(crate) ledger: Arc<Ledger>,
    /// What the agent wants to see; clients that are rejected look at it again.
    pub(crate) token: Mutex<Option<String>>,
    /// Points a second of each.
    pub(crate) rate: u64,
    paused: AtomicBool,
    ended: AtomicBool,
    busy: AtomicUsize,
    /// What was said at the last rejection.
    pub(crate) rejection: Mutex<String>,
}

/// Pushing clients and slow ones.
pub(crate) struct Clients {
    pub(crate) shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Starts so many, which take turns at the doors, each with a tag `client` of its own number.
    pub(crate) fn start(
        address: &str,
        ledger: &Arc<Ledger>,
        doors: &[Door],
        count: usize,
        rate: u64,
        random: &mut Random,
    ) -> Self {
        let shared = Arc::new(Shared {
            address: address.to_owned(),
            ledger: ledger.clone(),
            token: Mutex::default(),
            rate: rate / count as u64,
            paused: AtomicBool::new(true),
            ended: AtomicBool::new(false),
            busy: AtomicUsize::new(0),
            rejection: Mutex::default(),
        });
        let threads = (0..count).map(|number| {
            let (shared, random) = (shared.clone(), random.branch());
            let door = doors[number % doors.len()].clone();
            thread::spawn(move || Pusher { shared, door, number, random, client: None }.run())
        });
        Self { threads: threads.collect(), shared }
    }

    pub(crate) fn go_on(&self) {
        self.shared.paused.store(false, Ordering::SeqCst);
    }

    /// Lets them finish what they are at; nothing is sent afterwards.
    pub(crate) fn pause(&self) {
        self.shared.paused.store(true, Ordering::SeqCst);
        while self.shared.busy.load(Ordering::SeqCst) > 0 {
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends the first half of some bodies, waits, and sends the second of some of them. Does not wait for the end.
    pub(crate) fn send_slowly(&self, count: u64, door: &Door, random: &mut Random) {
        for _ in 0..count {
            let (shared, mut random, door) = (self.shared.clone(), random.branch(), door.clone());
            if !shared.begin() {
                return;
            }
            thread::spawn(move || {
                let points = shared.ledger.take(1 + random.below(LARGE_BODY) as usize);
                let (pause, whole) = (random.millis(HALF_WAY_MS), random.one_in(2));
                if let Ok(mut client) = shared.connect() {
                    let answer = client.post_slowly(door.path(), door.body(0, &points).as_bytes(), pause, whole);
                    shared.heard(&points, answer.as_ref().ok());
                }
                shared.busy.fetch_sub(1, Ordering::SeqCst);
            });
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            // One that has panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Says that something is about to be sent, unless there is a pause.
    fn begin(&self) -> bool {
        self.busy.fetch_add(1, Ordering::SeqCst);
        // Looked at after it was said, so that whoever pauses sees one or the other.
        let may = !self.paused.load(Ordering::SeqCst);
        if !may {
            self.busy.fetch_sub(1, Ordering::SeqCst);
        }
        may
    }

    pub(crate) fn connect(&self) -> std::io::Result<Client> {
        let client = Client::connect(&self.address)?.with_token(self.token.lock().clone());
        client.set_patience(PATIENCE)?;
        Ok(client)
    }

    fn heard(&self, points: &Range<u64>, answer: Option<&Answer>) {
        let Some(answer) = answer else { return };
        if !(200..300).contains(&answer.status) {
            return self.ledger.settle(points, Outcome::Rejected);
        }
        self.ledger.settle(points, Outcome::Acknowledged);
        for rejected in left_out(&answer.body) {
            let end = (points.start + rejected.end).min(points.end);
            self.ledger.settle(&(points.start + rejected.start..end), Outcome::Rejected);
        }
    }
}

/// The items that a taken body was told no destination has room for: `data.full[].items`, from one to another, both
/// included.
fn left_out(body: &[u8]) -> Vec<Range<u64>> {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let destinations = answer["data"]["full"].as_array().into_iter().flatten();
    let items = destinations.filter_map(|destination| destination["items"].as_array()).flatten();
    items.filter_map(|item| Some(item[0].as_u64()?..item[1].as_u64()? + 1)).collect()
}

struct Pusher {
    shared: Arc<Shared>,
    door: Door,
    number: usize,
    random: Random,
    client: Option<Client>,
}

impl Pusher {
    fn run(mut self) {
        while !self.shared.ended.load(Ordering::SeqCst) {
            if !self.shared.begin() {
                thread::sleep(Duration::from_millis(2));
                continue;
            }
            let pause = self.push();
            self.shared.busy.fetch_sub(1, Ordering::SeqCst);
            thread::sleep(pause);
        }
    }

    /// Answers how long to wait before the next.
    fn push(&mut self) -> Duration {
        let Some(mut client) = self.client.take().or_else(|| self.shared.connect().ok()) else { return KNOCK };
        let most = if self.random.one_in(20) { LARGE_BODY } else { SMALL_BODY };
        let points = self.shared.ledger.take(1 + self.random.below(most) as usize);
        let (count, start) = (points.end - points.start, Instant::now());
        let answer = client.post(self.door.path(), self.door.body(self.number, &points).as_bytes());
        self.shared.heard(&points, answer.as_ref().ok());
        match answer {
            Ok(answer) if (200..300).contains(&answer.status) => {
                self.client = Some(client);
                Duration::from_micros(count * 1_000_000 / self.shared.rate).saturating_sub(start.elapsed())
            }
            Ok(answer) => {
                *self.shared.rejection.lock() =
                    format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body).trim());
                // One with another token knocks anew.
                self.client = Some(client).filter(|_| answer.status != 401);
                REFUSED.min(answer.retry_after_s.map_or(REFUSED, Duration::from_secs))
            }
            Err(_) => KNOCK,
        }
    }
}

impl Door {
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Influx(path) | Self::Falcon(path) => path,
        }
    }

    /// A body with these points, each of another series as long as there are no more than a thousand.
    fn body(&self, client: usize, points: &Range<u64>) -> String {
        let now_ms = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
        let mut body = String::new();
        for point in points.clone() {
            let series = point % 1000;
            match self {
                Self::Influx(_) => {
                    writeln!(body, "{METRIC},client={client},series={series} value={point} {now_ms}000000")
                }
                Self::Falcon(_) => write!(
                    body,
                    "{}{{\"endpoint\":\"h\",\"metric\":\"{METRIC}\",\"timestamp\":{},\"step\":10,\"value\":{point},\
                     \"counterType\":\"GAUGE\",\"tags\":\"client={client},series={series}\"}}",
                    if body.is_empty() { '[' } else { ',' },
                    now_ms / 1000
                ),
            }
            .expect("writing to memory does not fail");
        }
        if matches!(self, Self::Falcon(_)) {
            body.push(']');
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::super::decode;
    use super::*;

    #[test]
    fn what_a_taken_body_was_told_to_send_again_is_read_from_the_answer() {
        let answer =
            br#"{"msg": "", "data": {"full": [{"destination": "n1", "items": [[0, 2], [5, 5]]}, {"items": [[9, 9]]}]}}"#;
        assert_eq!(left_out(answer), [0..3, 5..6, 9..10]);
        assert_eq!(left_out(b""), []);
    }

    #[test]
    fn a_body_holds_its_points_and_each_is_of_another_series() {
        let influx = Door::Influx("/write".into());
        let body = influx.body(3, &(7..10));
        assert!(body.starts_with("torture,client=3,series=7 value=7 "), "{body}");
        assert_eq!(decode::values(body.as_bytes(), ""), Some(vec![7, 8, 9]));
        let body = Door::Falcon("/v1/push".into()).body(3, &(7..9));
        let items: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
        assert_eq!(
            (items.len(), items[1]["value"].as_u64(), items[1]["tags"].as_str()),
            (2, Some(8), Some("client=3,series=8"))
        );
    }
}
