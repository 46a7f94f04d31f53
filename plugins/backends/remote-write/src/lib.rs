//! The `remote-write` backend: Prometheus remote write 1.0. README.md has the settings.
//!
//! `labels` makes Prometheus' labels of a series, `proto` writes the message, `headers` checks those of the operator.
//! The specification is <https://prometheus.io/docs/specs/prw/remote_write_spec/>.

mod headers;
mod labels;
mod proto;

use std::collections::BTreeMap;

use saker_sdk::bodies::{Bodies, BodyOutcome, Filled, Request};
use saker_sdk::encode::{Slots, check, header};
use saker_sdk::http::{Response, Target};
use saker_sdk::prelude::*;

use crate::labels::Naming;

/// The longest message before it is compressed, in bytes: a batch of the agent's usual size. Prometheus takes 32 MiB.
const BODY_MAX: usize = 4 << 20;
/// How much of an answer is read, in bytes: a reason.
const ANSWER_MAX: usize = 4 << 10;
/// The header of a receiver of version 2 that says how many samples it has written, of whatever version they were.
const WRITTEN: &str = "x-prometheus-remote-write-samples-written";
/// What a sample takes at most, in bytes: two keys, a length, 64 bits of value and ten bytes of time.
const SAMPLE_BYTES: usize = 22;

saker_sdk::settings! {
    /// Settings of the `remote-write` backend.
    pub struct RemoteWriteSettings {
        /// Where to write: http://host:port, or with a path other than Prometheus' /api/v1/write.
        pub url: String,
        /// The label that names the endpoint; "" leaves it out.
        pub endpoint_label: String = "instance".into(),
        /// The value of the label job; "" leaves it out.
        pub job: String = "saker".into(),
        /// Sent as "Authorization: Bearer …".
        pub token: Option<String> = None,
        /// Sent with the password as basic authorization.
        pub username: Option<String> = None,
        /// The password of the user.
        pub password: Option<String> = None,
        /// More headers, such as X-Scope-OrgID.
        pub headers: BTreeMap<String, String> = BTreeMap::new(),
    }
}

/// The backend, with the series that it knows.
pub struct RemoteWrite {
    bodies: Bodies,
    requests: Requests,
    naming: Naming,
}

/// What makes and sends a request: the buffers are those of the last one.
struct Requests {
    target: Target,
    headers: Vec<(String, String)>,
    /// For each series, its labels as the message has them.
    labels: Slots<Box<[u8]>>,
    samples: Vec<Point>,
    /// How many samples are in the message.
    sent: usize,
    message: Vec<u8>,
    body: Vec<u8>,
    snappy: snap::raw::Encoder,
}

impl Backend for RemoteWrite {
    type Settings = RemoteWriteSettings;

    fn describe() -> Description {
        Description::new("remote-write", env!("CARGO_PKG_VERSION"), "Writes points by Prometheus remote write 1.0")
            .requests(connect("<host:port of url>"), "the points are posted there")
    }

    fn open(settings: RemoteWriteSettings) -> Result<Self, OpenError> {
        let mut target = Target::parse(&settings.url)?;
        if target.path == "/" || target.path.starts_with("/?") {
            target.path = format!("/api/v1/write{}", &target.path[1..]);
        }
        let authorization = header::authorization(
            "Bearer",
            settings.token.as_deref(),
            settings.username.as_deref(),
            settings.password.as_deref(),
        )?;
        let requests = Requests {
            target,
            headers: headers::all(&settings.headers, authorization)?,
            labels: Slots::default(),
            samples: Vec::new(),
            sent: 0,
            message: Vec::new(),
            body: Vec::new(),
            snappy: snap::raw::Encoder::new(),
        };
        Ok(Self {
            bodies: Bodies::new(BODY_MAX),
            requests,
            naming: Naming::new(settings.endpoint_label, settings.job)?,
        })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        for definition in &definitions {
            let labels = self.naming.labels(&definition.series);
            self.requests.labels.insert(definition.id, proto::labels(&labels).into());
        }
        if !definitions.is_empty() {
            self.bodies.forget();
        }
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        check(&points, |id| self.requests.labels.get(id).is_some(), |_| true)?;
        self.bodies.write(points, &mut self.requests)
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        for id in &ids {
            self.requests.labels.remove(*id);
        }
        if !ids.is_empty() {
            self.bodies.forget();
        }
    }
}

saker_sdk::export_backend!(RemoteWrite);

impl Request for Requests {
    /// The points of a series side by side and sorted by time, as the protocol demands.
    fn arrange(&mut self, points: &[Point], places: &mut Vec<u32>) {
        // A stable sort that finds the runs which runs leave: cheap where there is little to sort.
        places.sort_by_key(|place| (points[*place as usize].series, points[*place as usize].timestamp_ms));
    }

    fn fill(&mut self, points: &[Point], places: &[u32], most: usize) -> Filled {
        self.message.clear();
        self.sent = 0;
        let is_same = |one: &u32, next: &u32| points[*one as usize].series == points[*next as usize].series;
        let mut count = 0;
        for group in places.chunk_by(is_same) {
            let room = most.saturating_sub(self.message.len()) / SAMPLE_BYTES;
            let now = whole_times(points, group, room.max(1));
            take_latest(points, now, &mut self.samples);
            let labels = self.labels.get(self.samples[0].series).expect("the whole call was checked");
            proto::push_series(&mut self.message, labels, &self.samples);
            self.sent += self.samples.len();
            count += now.len();
            if self.message.len() >= most || now.len() < group.len() {
                break;
            }
        }
        Filled { points: count, bytes: self.message.len() }
    }

    fn send(&mut self) -> Result<BodyOutcome, WriteError> {
        self.body.resize(snap::raw::max_compress_len(self.message.len()), 0);
        let length = self.snappy.compress(&self.message, &mut self.body);
        self.body.truncate(length.map_err(|error| WriteError::Broken(error.to_string()))?);
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (response, rest) = self.target.exchange(&headers, &self.body, ANSWER_MAX, &[WRITTEN])?;
        if is_too_old(&response) {
            return Err(WriteError::reject(response.body.trim()));
        }
        response.taken_as(|| match rest.header(WRITTEN).and_then(|text| text.parse::<usize>().ok()) {
            // It does not say which. Those that it has do no harm a second time.
            Some(written) if written < self.sent => {
                Err(response.again(&format!("{written} of {} samples written: ", self.sent)))
            }
            _ => Ok(BodyOutcome::All),
        })
    }
}

/// Whether this is how Prometheus before 2.51 rejects a sample that is older than its out-of-order window: with the
/// status of a passing failure, though the same request will fail for ever, and everything behind it would wait.
fn is_too_old(response: &Response) -> bool {
    response.status == 500 && response.body.trim() == "too old sample"
}

/// The first of the sorted places of a series, `most` and those for the same time as the last of them.
fn whole_times<'a>(points: &[Point], places: &'a [u32], most: usize) -> &'a [u32] {
    let time = |place: usize| points[places[place] as usize].timestamp_ms;
    let mut end = places.len().min(most);
    while end < places.len() && time(end) == time(end - 1) {
        end += 1;
    }
    &places[..end]
}

/// The points at these places; of two for the same time the later one, because a server takes one value for a time, and
/// would reject the request for the other.
fn take_latest(points: &[Point], places: &[u32], samples: &mut Vec<Point>) {
    samples.clear();
    for &place in places {
        let point = points[place as usize];
        match samples.last_mut() {
            Some(last) if last.timestamp_ms == point.timestamp_ms => *last = point,
            _ => samples.push(point),
        }
    }
}

#[cfg(test)]
mod tests;
