//! Requests to `/api/put`, each as large as a server takes, until all points of a call are stored or rejected.

use saker_sdk::encode::opentsdb::OpentsdbNames;
use saker_sdk::encode::{Lines, header};
use saker_sdk::http::{Response, Rest, Target};
use saker_sdk::net::Deadline;
use saker_sdk::prelude::*;
use saker_sdk::{Progress, encode};

use crate::OpentsdbSettings;
use crate::answer::{self, PutAnswer};

/// The least that `max_body_bytes` may be: a request of one point with some tags.
const BODY_BYTES_MIN: u32 = 512;

/// How much of an answer is read, in bytes: a failure names its point and quotes what the storage has said, at length.
const ANSWER_MAX: usize = 2 << 20;

pub(crate) struct Put {
    target: Target,
    authorization: Option<String>,
    names: OpentsdbNames,
    max_body_bytes: usize,
}

/// A point, and its place in the call.
pub(crate) type Placed = (usize, Point);

/// What has been found out in a call so far.
#[derive(Default)]
struct Findings {
    /// Places of points that will never be taken, and why the first was not.
    rejected: Vec<u32>,
    why: String,
    /// Why points were not stored that may be the next time.
    failed: Option<String>,
}

impl Put {
    pub(crate) fn new(settings: &OpentsdbSettings, names: OpentsdbNames) -> Result<Self, OpenError> {
        let mut target = Target::parse(&settings.url)?;
        if target.path == "/" {
            target.path = "/api/put".into();
        }
        // Without it, OpenTSDB does not say which points it could not take.
        target = target.with_query("details", "true");
        if settings.sync {
            target = target.with_query("sync", "true");
        }
        let authorization = header::authorization(
            "Bearer",
            settings.token.as_deref(),
            settings.username.as_deref(),
            settings.password.as_deref(),
        )?;
        if settings.max_body_bytes < BODY_BYTES_MIN {
            let what = format!("max_body_bytes: must be at least {BODY_BYTES_MIN}, found {}", settings.max_body_bytes);
            return Err(OpenError::Settings(what));
        }
        Ok(Self { target, authorization, names, max_body_bytes: settings.max_body_bytes as usize })
    }

    /// Stores what is left of a call. What was stored is noted in `progress`, also if the rest was not.
    pub(crate) fn write(&self, lines: &Lines, progress: &mut Progress, deadline: Deadline) -> Result<(), WriteError> {
        let left: Vec<Placed> = progress.left().collect();
        let mut findings = Findings::default();
        let sent = self.send_all(lines, &left, progress, &mut findings, deadline);
        if !findings.rejected.is_empty() {
            return Err(WriteError::Reject(Reject { points: findings.rejected, message: findings.why }));
        }
        sent?;
        findings.failed.map_or(Ok(()), |why| Err(WriteError::retry(why, None)))
    }

    fn send_all(
        &self,
        lines: &Lines,
        mut left: &[Placed],
        progress: &mut Progress,
        findings: &mut Findings,
        deadline: Deadline,
    ) -> Result<(), WriteError> {
        while !left.is_empty() {
            let (body, length) = self.gather(lines, left)?;
            let (now, later) = left.split_at(length);
            self.send(lines, now, &body, progress, findings, deadline)?;
            left = later;
        }
        Ok(())
    }

    /// The body of the next request, and how many points are in it: at least one.
    fn gather(&self, lines: &Lines, points: &[Placed]) -> Result<(Vec<u8>, usize), WriteError> {
        let mut body = Vec::with_capacity(self.max_body_bytes + 1);
        body.push(b'[');
        let mut length = 0;
        for (_, point) in points {
            let before = body.len();
            // All were checked before the first was sent.
            lines.push(point, &mut body)?;
            if body.len() > self.max_body_bytes && length > 0 {
                body.truncate(before);
                break;
            }
            length += 1;
        }
        // The last comma ends the list.
        body.pop();
        body.push(b']');
        Ok((body, length))
    }

    /// Sends one request. Where its answer does not say which points it is about, halves are sent until it does.
    fn send(
        &self,
        lines: &Lines,
        points: &[Placed],
        body: &[u8],
        progress: &mut Progress,
        findings: &mut Findings,
        deadline: Deadline,
    ) -> Result<(), WriteError> {
        if deadline.is_over() {
            return Err(WriteError::retry(
                format!("{}: not all points could be sent in time", self.target.address()),
                None,
            ));
        }
        let (response, rest) = self.post(body)?;
        let is_of = |point: &Point, metric: &str, tags: &[(&str, &str)], timestamp: i64| {
            let start = encode::opentsdb::PutForm::start(metric, tags.iter().copied());
            self.names.time(point) == timestamp && lines.head(point.series) == Some(start.as_bytes())
        };
        match answer::read(&response, rest.bytes(), points, is_of)? {
            PutAnswer::Stored => points.iter().for_each(|(place, _)| progress.take(*place)),
            PutAnswer::Partly { rejected, failed, why } => {
                for (index, (place, _)) in points.iter().enumerate() {
                    if rejected.contains(&index) {
                        findings.reject(*place, &why);
                    } else if failed.contains(&index) {
                        findings.failed.get_or_insert_with(|| why.clone());
                    } else {
                        progress.take(*place);
                    }
                }
            }
            // The operator can mend that, but for a point that is larger than all that was said to be enough.
            PutAnswer::TooLarge(why) if body.len() > self.max_body_bytes => findings.reject(points[0].0, &why),
            PutAnswer::TooLarge(why) => return Err(WriteError::retry(why, None)),
            PutAnswer::Unclear(why) if points.len() == 1 => findings.reject(points[0].0, &why),
            PutAnswer::Unclear(_) => {
                let (first, second) = points.split_at(points.len() / 2);
                for half in [first, second] {
                    self.send_all(lines, half, progress, findings, deadline)?;
                }
            }
        }
        Ok(())
    }

    fn post(&self, body: &[u8]) -> Result<(Response, Rest), WriteError> {
        let mut headers = vec![
            ("content-type", "application/json; charset=utf-8"),
            ("user-agent", concat!("saker/", env!("CARGO_PKG_VERSION"))),
        ];
        if let Some(authorization) = &self.authorization {
            headers.push(("authorization", authorization));
        }
        Ok(self.target.exchange(&headers, body, ANSWER_MAX, &[])?)
    }
}

impl Findings {
    fn reject(&mut self, place: usize, why: &str) {
        if self.rejected.is_empty() {
            self.why = why.into();
        }
        self.rejected.push(u32::try_from(place).unwrap_or(u32::MAX));
    }
}
