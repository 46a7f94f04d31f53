//! Reads lines: `name{label="value"} value [timestamp] [# exemplar]`.
//!
//! As Prometheus and OpenMetrics write them, with the forgiveness of VictoriaMetrics: blanks where they do no harm, and a
//! timestamp that tells by its size what it counts. Types are not read: every series is a gauge.

use saker_model::RejectReason;

use super::labels;
use crate::batch::{Batch, Decoder, shown};
use crate::json;
use crate::naming::Naming;

/// A line is no longer: VictoriaMetrics' limit.
const LINE_BYTES_MAX: usize = 256 << 10;
/// How much of a line is shown in a message.
const SHOWN_BYTES: usize = 64;

/// Reads the lines of a body.
pub(super) struct ExpositionLines {
    pub(super) naming: Naming,
    /// The time of lines that have none.
    pub(super) time_ms: Option<i64>,
    /// Timestamps are seconds, whatever their size.
    pub(super) is_openmetrics: bool,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum What {
    #[error("the line has no metric's name")]
    NoName,
    #[error("labels must be name=\"value\" within braces, with commas between them")]
    BadLabels,
    #[error("a value must follow the name and its labels")]
    NoValue,
    #[error("the value must be a number")]
    BadValue,
    #[error("behind the value only a timestamp and an exemplar may stand")]
    BadTimestamp,
    #[error("name and labels must be UTF-8")]
    NotUtf8,
    #[error("the line has more than 262144 bytes")]
    TooLong,
}

impl Decoder for ExpositionLines {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        out.each_line(input, |out, at, line| {
            if !line.starts_with(b"#") {
                out.begin(at);
                if let Err(what) = self.line(line, out) {
                    out.malformed(|| message(line, what));
                }
            }
        })
    }

    /// A summary without observations has quantiles that are no numbers; nobody has to be told.
    fn silent(&self) -> &'static [RejectReason] {
        &[RejectReason::Processor, RejectReason::NotFinite]
    }
}

impl ExpositionLines {
    #[inline]
    fn line<'a>(&'a self, line: &'a [u8], out: &mut Batch<'a>) -> Result<(), What> {
        if line.len() > LINE_BYTES_MAX {
            return Err(What::TooLong);
        }
        let (key, rest) = line.split_at(key_end(line)?);
        let (value, rest) = word(rest.trim_ascii_start());
        if value.is_empty() {
            return Err(What::NoValue);
        }
        let value = number(value).ok_or(What::BadValue)?;
        let (time, rest) = match word(rest) {
            ([] | [b'#', ..], _) => (None, &b""[..]),
            (time, rest) => (Some(time), rest),
        };
        if !matches!(rest.first(), None | Some(b'#')) {
            return Err(What::BadTimestamp);
        }
        let time_ms = match time {
            Some(time) => self.time_ms(time).ok_or(What::BadTimestamp)?,
            None => self.time_ms.unwrap_or_else(|| out.now_ms()),
        };
        let raw = self.naming.key(key);
        match out.known(&raw).map(|known| known.target(0)) {
            Some(target) => out.value(target, b"", value),
            None => {
                let (name, labels) = labels::read(std::str::from_utf8(key).map_err(|_| What::NotUtf8)?)?;
                out.new_value(raw, b"", self.naming.sample(&name, labels, value));
            }
        }
        out.end(Some(time_ms), 1);
        Ok(())
    }

    /// A timestamp that fits into 32 bits, or has a fraction, counts seconds; else milliseconds.
    fn time_ms(&self, text: &[u8]) -> Option<i64> {
        let text = std::str::from_utf8(text).ok()?;
        match text.parse::<i64>() {
            Ok(time) if self.is_openmetrics || i32::try_from(time).is_ok() => time.checked_mul(1000),
            Ok(time) => Some(time),
            Err(_) => {
                text.parse::<f64>().ok().filter(|time| time.is_finite()).map(|time| (time * 1000.0).round() as i64)
            }
        }
    }
}

/// Where name and labels end.
#[inline]
fn key_end(line: &[u8]) -> Result<usize, What> {
    let name = line.iter().position(|byte| matches!(byte, b'{' | b' ' | b'\t')).ok_or(What::NoValue)?;
    let mut at = json::skip_blanks(line, name);
    if line.get(at) != Some(&b'{') {
        return Ok(name);
    }
    loop {
        at += memchr::memchr2(b'"', b'}', &line[at..]).ok_or(What::BadLabels)?;
        if line[at] == b'}' {
            return Ok(at + 1);
        }
        at = json::value_end(line, at).ok_or(What::BadLabels)?;
    }
}

/// The first word, and what stands behind it.
#[inline]
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr2(b' ', b'\t', text) {
        Some(end) => (&text[..end], text[end..].trim_ascii_start()),
        None => (text, b""),
    }
}

#[inline]
fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn message(line: &[u8], what: What) -> String {
    let more = if line.len() > SHOWN_BYTES { "…" } else { "" };
    format!("unable to parse '{}{more}': {what}", shown(&line[..line.len().min(SHOWN_BYTES)]))
}
