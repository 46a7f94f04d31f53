//! Reads lines: `name[;tag=value…] value [timestamp]`.
//!
//! As carbon reads them, and more forgiving where VictoriaMetrics is: value and timestamp are taken from the right, so
//! that names may hold spaces, and a line without a timestamp is of now.

use std::sync::Arc;

use saker_model::{MetricType, Sample};

use crate::batch::{Batch, Decoder, shown};
use crate::keys::RawKey;

/// How much of a line is shown in a message.
const SHOWN_BYTES: usize = 64;
/// Tags that are looked at: more than any series may have, so that one with more is rejected for having too many.
const TAGS_MAX: usize = 257;

/// Reads Graphite's lines.
pub struct GraphiteLines {
    pub(super) endpoint_tag: String,
    pub(super) step_s: u32,
    /// Whose values these are where no tag says it.
    pub(super) endpoint: Arc<str>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum GraphiteLineError {
    #[error("a line must be a name, a value, and a timestamp or none")]
    NoValue,
    #[error("the value must be a number")]
    BadValue,
    #[error("the timestamp must be seconds since 1970, or -1, 0 or N for now")]
    BadTimestamp,
    #[error("name and tags must be UTF-8")]
    NotUtf8,
    #[error("the line begins with tags instead of a name")]
    NoName,
}

impl Decoder for GraphiteLines {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        out.each_line(input, |out, at, line| {
            out.begin(at);
            if let Err(what) = self.line(line, out) {
                out.malformed(|| message(line, what));
            }
        })
    }
}

impl GraphiteLines {
    #[inline]
    fn line<'a>(&'a self, line: &'a [u8], out: &mut Batch<'a>) -> Result<(), GraphiteLineError> {
        let (rest, last) = last_word(line).ok_or(GraphiteLineError::NoValue)?;
        let (name, value, time) = match last_word(rest) {
            Some((name, value)) => (name, value, Some(last)),
            None => (rest, last, None),
        };
        let value = number(value).ok_or(GraphiteLineError::BadValue)?;
        self.point(name, value, time.map_or(Ok(GraphiteTime::Now), GraphiteTime::read)?, out)
    }

    /// A value of a name.
    #[inline]
    pub(super) fn point<'a>(
        &'a self,
        name: &'a [u8],
        value: f64,
        time: GraphiteTime,
        out: &mut Batch<'a>,
    ) -> Result<(), GraphiteLineError> {
        let timestamp_ms = time.in_ms(out.now_ms());
        let key = RawKey::new(name, None, 0);
        match out.known(&key).map(|known| known.target(0)) {
            Some(target) => out.value(target, b"", value),
            None => out.new_value(key, b"", self.sample(name, value)?),
        }
        out.end(timestamp_ms, 1);
        Ok(())
    }

    /// What a name says. Of a tag that stands twice the last holds, and one without a name, a value or an equals sign is
    /// left out, as in Graphite and VictoriaMetrics.
    fn sample(&self, name: &[u8], value: f64) -> Result<Sample, GraphiteLineError> {
        let text = std::str::from_utf8(name).map_err(|_| GraphiteLineError::NotUtf8)?;
        let mut parts = text.split(';');
        let metric = parts.next().filter(|metric| !metric.is_empty()).ok_or(GraphiteLineError::NoName)?;
        let mut tags: Vec<(String, String)> = Vec::new();
        let is_whole = |(name, value): &(&str, &str)| !name.is_empty() && !value.is_empty();
        for (name, value) in parts.filter_map(|part| part.split_once('=')).filter(is_whole).take(TAGS_MAX) {
            match tags.iter_mut().find(|(known, _)| known == name) {
                Some((_, before)) => value.clone_into(before),
                None => tags.push((name.to_owned(), value.to_owned())),
            }
        }
        let named = tags.iter().position(|(name, _)| *name == self.endpoint_tag);
        let endpoint = named.map_or_else(|| self.endpoint.clone(), |place| tags.swap_remove(place).1.into());
        Ok(Sample {
            endpoint,
            metric: metric.to_owned(),
            tags,
            metric_type: MetricType::Gauge,
            value,
            timestamp_ms: 0,
            step_s: self.step_s,
        })
    }
}

/// When a value is of.
#[derive(Clone, Copy)]
pub(super) enum GraphiteTime {
    Now,
    /// Since 1970.
    Seconds(i64),
}

impl GraphiteTime {
    /// Whole seconds, or those with a fraction, which is cut off.
    #[inline]
    fn read(text: &[u8]) -> Result<Self, GraphiteLineError> {
        if text.eq_ignore_ascii_case(b"n") {
            return Ok(Self::Now);
        }
        number(text).and_then(Self::of).ok_or(GraphiteLineError::BadTimestamp)
    }

    /// Seconds, if they are some.
    #[inline]
    pub(super) fn of(seconds: f64) -> Option<Self> {
        if !seconds.is_finite() {
            return None;
        }
        Some(if seconds == 0.0 || seconds == -1.0 { Self::Now } else { Self::Seconds(seconds as i64) })
    }

    /// In milliseconds, of whole seconds; none if that is more than fits.
    #[inline]
    fn in_ms(self, now_ms: i64) -> Option<i64> {
        match self {
            Self::Now => Some(now_ms - now_ms.rem_euclid(1000)),
            Self::Seconds(seconds) => seconds.checked_mul(1000),
        }
    }
}

/// What stands behind the last blank, and what before it.
#[inline]
fn last_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memrchr2(b' ', b'\t', text)?;
    Some((text[..at].trim_ascii_end(), &text[at + 1..]))
}

#[inline]
pub(super) fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn message(line: &[u8], what: GraphiteLineError) -> String {
    let more = if line.len() > SHOWN_BYTES { "…" } else { "" };
    format!("unable to parse '{}{more}': {what}", shown(&line[..line.len().min(SHOWN_BYTES)]))
}

#[cfg(test)]
mod tests;
