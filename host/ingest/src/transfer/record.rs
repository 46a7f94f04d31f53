//! One record: what transfer calls valid becomes a sample.

use std::borrow::Cow;
use std::sync::Arc;

use saker_model::{MetricType, Sample};
use serde_json::Value;

use super::{go, tags};
use crate::batch::Batch;
use crate::json::{self, Fields};
use crate::keys::RawKey;

/// Bytes of a metric and its tags together.
const NAME_BYTES_MAX: usize = 510;
/// What no metric is called; older agents send it.
const NO_METRIC: &str = "kernel.hostname";

/// Why a record is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Invalid {
    #[error("it is null")]
    Null,
    #[error("it is no object")]
    NoObject,
    #[error("the metric {NO_METRIC} is not taken")]
    Hostname,
    #[error("endpoint and metric must not be empty")]
    Empty,
    #[error("counterType must be COUNTER, GAUGE or DERIVE")]
    BadType,
    #[error("value must be a number, or text that is one")]
    BadValue,
    #[error("step must be more than 0")]
    BadStep,
    #[error("metric and tags must have at most {NAME_BYTES_MAX} bytes")]
    TooLong,
}

/// Reads one, if it is valid; else says why it is not.
pub(super) fn read<'a>(text: &'a [u8], out: &mut Batch<'a>) -> Result<(), String> {
    point(text, out).map_err(|invalid| invalid.to_string())
}

fn point<'a>(text: &'a [u8], out: &mut Batch<'a>) -> Result<(), Invalid> {
    if text == b"null" {
        return Err(Invalid::Null);
    }
    let (mut value, mut time) = (None, None);
    for (name, at) in Fields::of(text).ok_or(Invalid::NoObject)? {
        if name.eq_ignore_ascii_case(b"value") {
            value = Some(at);
        } else if name.eq_ignore_ascii_case(b"timestamp") {
            time = Some(at);
        }
    }
    let nowhere = text.len()..text.len();
    let (value_at, time_at) = (value.unwrap_or(nowhere.clone()), time.unwrap_or(nowhere));
    let key = RawKey::in_parts(json::without(text, &value_at, &time_at), None, 0);
    let value = number(&text[value_at]).ok_or(Invalid::BadValue);
    match out.known(&key).map(|known| known.target(0)) {
        Some(target) => out.value(target, b"", value?),
        None => {
            // What is wrong with its name is said before what is wrong with its value, as in transfer.
            let (sample, dropped) = sample(text, value)?;
            out.drop_tags(dropped);
            out.new_value(key, b"", sample);
        }
    }
    let now_s = out.now_ms() / 1000;
    let seconds: i64 = std::str::from_utf8(&text[time_at]).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let seconds = if seconds <= 0 || seconds > 2 * now_s { now_s } else { seconds };
    out.end(seconds.checked_mul(1000), 1);
    Ok(())
}

/// What a record says of its series, and how many pieces of its tags were dropped.
fn sample(text: &[u8], value: Result<f64, Invalid>) -> Result<(Sample, u64), Invalid> {
    // Whatever is no JSON was rejected before, or is none within a text: then it is no name.
    let record: Value = serde_json::from_slice(text).map_err(|_| Invalid::NoObject)?;
    let field = |wanted: &str| {
        let fields = record.as_object().into_iter().flatten();
        fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value).next_back()
    };
    let word = |wanted| field(wanted).and_then(Value::as_str).unwrap_or_default();
    let (endpoint, metric, tags) = (word("endpoint"), word("metric"), word("tags"));
    if metric == NO_METRIC {
        return Err(Invalid::Hostname);
    }
    if metric.is_empty() || endpoint.is_empty() {
        return Err(Invalid::Empty);
    }
    let metric_type = MetricType::parse(word("counterType")).ok_or(Invalid::BadType)?;
    if field("value").and_then(Value::as_str) == Some("") {
        return Err(Invalid::BadValue);
    }
    let step = field("step").and_then(Value::as_i64).filter(|step| *step > 0).ok_or(Invalid::BadStep)?;
    if metric.len() + tags.len() > NAME_BYTES_MAX {
        return Err(Invalid::TooLong);
    }
    let (value, (tags, dropped)) = (value?, tags::read(tags));
    let sample = Sample {
        endpoint: Arc::from(endpoint),
        metric: metric.to_owned(),
        tags,
        metric_type,
        value,
        timestamp_ms: 0,
        step_s: u32::try_from(step).unwrap_or(u32::MAX),
    };
    Ok((sample, dropped))
}

/// A number, or a text that is one.
#[inline]
fn number(token: &[u8]) -> Option<f64> {
    match token {
        [b'"', .., b'"'] if token.contains(&b'\\') => {
            go::parse_float(&serde_json::from_slice::<Cow<'_, str>>(token).ok()?)
        }
        [b'"', text @ .., b'"'] => go::parse_float(std::str::from_utf8(text).ok()?),
        [b'0'..=b'9' | b'-', ..] => std::str::from_utf8(token).ok()?.parse().ok(),
        _ => None,
    }
}
