//! Reads lines: `{"metric":{"__name__":…},"values":[…],"timestamps":[milliseconds…]}`.

use std::collections::BTreeMap;

use saker_model::{Point, RejectReason, Sample};

use crate::batch::{Batch, Decoder, shown};
use crate::json::{self, Fields, List};
use crate::naming::Naming;

/// A line is no longer: VictoriaMetrics' limit.
const LINE_BYTES_MAX: usize = 10 << 20;
/// How much of a line is shown in a message.
const SHOWN_BYTES: usize = 64;
/// The label that is the name.
const NAME: &str = "__name__";

/// Reads the lines of a body.
pub(super) struct ImportLines {
    pub(super) naming: Naming,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum What {
    #[error("a line must be one JSON object")]
    NoObject,
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} must be a list")]
    NoList(&'static str),
    #[error("values and timestamps must be as many, found {values} and {timestamps}")]
    Uneven { values: usize, timestamps: usize },
    #[error("metric must be an object of texts: {0}")]
    BadMetric(String),
    #[error("metric must have a {NAME}")]
    NoName,
    #[error("a value must be a number or null, found {0}")]
    BadValue(String),
    #[error("a timestamp must be whole milliseconds since 1970, found {0}")]
    BadTimestamp(String),
    #[error("the line has more than {LINE_BYTES_MAX} bytes")]
    TooLong,
}

impl Decoder for ImportLines {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        out.each_line(input, |out, at, line| {
            out.begin(at);
            if let Err(what) = self.line(line, at, out) {
                out.malformed(|| message(line, &what));
            }
        })
    }

    /// An export writes null where a series has ended; nobody has to be told.
    fn silent(&self) -> &'static [RejectReason] {
        &[RejectReason::Processor, RejectReason::NotFinite]
    }
}

impl ImportLines {
    fn line<'a>(&'a self, line: &'a [u8], at: usize, out: &mut Batch<'a>) -> Result<(), What> {
        if line.len() > LINE_BYTES_MAX {
            return Err(What::TooLong);
        }
        if json::value_end(line, 0) != Some(line.len()) {
            return Err(What::NoObject);
        }
        let (mut metric, mut values, mut times) = (None, None, None);
        for (name, place) in Fields::of(line).ok_or(What::NoObject)? {
            match name {
                b"metric" => metric = Some(place),
                b"values" => values = Some(place),
                b"timestamps" => times = Some(place),
                _ => {}
            }
        }
        let metric = &line[metric.ok_or(What::Missing("metric"))?];
        let values = List::of(&line[values.ok_or(What::Missing("values"))?]).ok_or(What::NoList("values"))?;
        let times = List::of(&line[times.ok_or(What::Missing("timestamps"))?]).ok_or(What::NoList("timestamps"))?;
        let pairs = || values.zip(times);
        let counts = (values.count(), times.count());
        if counts.0 != counts.1 {
            return Err(What::Uneven { values: counts.0, timestamps: counts.1 });
        }
        // Nothing of a line is taken that anything is wrong with, so it is looked at first.
        for (value, time) in pairs() {
            read_value(value)?;
            read_time(time)?;
        }
        let key = self.naming.key(metric);
        let mut target = out.known(&key).map(|known| known.target(0));
        let sample = match target {
            Some(_) => None,
            None => Some(self.sample(metric)?),
        };
        for (value, time) in pairs() {
            let (value, time) = (read_value(value)?, read_time(time)?);
            out.begin(at);
            match (&mut target, &sample) {
                (Some(target), _) => out.value(*target, b"", value),
                (None, Some(sample)) => {
                    if !out.again(&key, value) {
                        out.new_value(key, b"", Sample { value, ..sample.clone() });
                    }
                }
                (None, None) => {}
            }
            out.end(Some(time), 1);
        }
        Ok(())
    }

    fn sample(&self, metric: &[u8]) -> Result<Sample, What> {
        let labels = serde_json::from_slice::<BTreeMap<String, String>>(metric);
        let mut labels = labels.map_err(|error| What::BadMetric(json::bare(&error)))?;
        let name = labels.remove(NAME).filter(|name| !name.is_empty()).ok_or(What::NoName)?;
        labels.remove("");
        Ok(self.naming.sample(&name, labels.into_iter().collect(), 0.0))
    }
}

/// A number, or what is none by intent.
#[inline]
fn read_value(token: &[u8]) -> Result<f64, What> {
    if token == b"null" {
        return Ok(f64::NAN);
    }
    json::number(token).ok_or_else(|| What::BadValue(cut(token)))
}

#[inline]
fn read_time(token: &[u8]) -> Result<i64, What> {
    let time = std::str::from_utf8(token).ok().and_then(|text| text.parse().ok());
    time.ok_or_else(|| What::BadTimestamp(cut(token)))
}

/// Memory for the points of the longest line of a body, which are charged only when it was read: each takes two commas, and
/// is kept twice where its series is new.
pub(super) fn points_bytes(body: &[u8]) -> usize {
    let points = |line: &[u8]| memchr::memchr_iter(b',', line).count() / 2 + 1;
    body.split(|&byte| byte == b'\n').map(points).max().unwrap_or(0) * 2 * size_of::<Point>()
}

fn cut(text: &[u8]) -> String {
    let more = if text.len() > SHOWN_BYTES { "…" } else { "" };
    format!("{}{more}", shown(&text[..text.len().min(SHOWN_BYTES)]))
}

fn message(line: &[u8], what: &What) -> String {
    format!("unable to parse '{}': {what}", cut(line))
}
