//! A series in bytes, by what it has not in common with the one defined before it.

use std::sync::Arc;

use saker_model::{LIMITS, MetricType, Series};

use super::MAX_SERIES_BYTES;
use super::bytes::{ByteReader, put_number};

/// The longest text of a series. With the next two it bounds what a definition of a few bytes can grow to.
const MAX_TEXT_BYTES: usize = 4096;
/// The most tags of a series.
const MAX_TAGS: usize = 256;

/// The lengths of a text and of what it shares take two bytes each; flags and step take six.
const TEXT_FRONT_BYTES: usize = 4;
const OTHER_BYTES: usize = 8;

/// A validated series can always be defined.
const _: () = assert!(MAX_TEXT_BYTES >= LIMITS.tag_value_bytes && MAX_TEXT_BYTES >= LIMITS.text_bytes);
const _: () = assert!(MAX_TAGS >= LIMITS.tags_most);
const _: () = assert!(OTHER_BYTES + LIMITS.series_bytes + 2 * (MAX_TAGS + 1) * TEXT_FRONT_BYTES <= MAX_SERIES_BYTES);

const TYPE_BITS: u8 = 0b0000_0011;
const SAME_ENDPOINT: u8 = 0b0000_0100;
const SAME_STEP: u8 = 0b0000_1000;
const SAME_TAGS: u8 = 0b0001_0000;

/// What stands in for the one before the first.
pub(super) fn nothing() -> Series {
    Series {
        endpoint: Arc::from(""),
        metric: Box::from(""),
        tags: Arc::default(),
        metric_type: MetricType::Gauge,
        step_s: 0,
    }
}

/// Whether [`get`] will take it: a validated one always.
pub(super) fn is_definable(series: &Series) -> bool {
    let texts = || {
        let tags = series.tags.iter().flat_map(|(key, value)| [&**key, &**value]);
        tags.chain([&*series.endpoint, &*series.metric]).map(str::len)
    };
    series.tags.len() <= MAX_TAGS
        && texts().all(|bytes| bytes <= MAX_TEXT_BYTES)
        && texts().map(|bytes| bytes + TEXT_FRONT_BYTES).sum::<usize>() + OTHER_BYTES <= MAX_SERIES_BYTES
        && is_sorted(&series.tags)
}

fn is_sorted(tags: &[(Box<str>, Box<str>)]) -> bool {
    tags.is_sorted_by(|left, right| left.0 < right.0)
}

pub(super) fn put(out: &mut Vec<u8>, series: &Series, before: &Series) {
    let kind = match series.metric_type {
        MetricType::Gauge => 0,
        MetricType::Counter => 1,
        MetricType::Derive => 2,
    };
    let flag = |same: bool, flag: u8| if same { flag } else { 0 };
    let same_endpoint = Arc::ptr_eq(&series.endpoint, &before.endpoint) || series.endpoint == before.endpoint;
    let same_tags = series.tags == before.tags;
    let same_step = series.step_s == before.step_s;
    out.push(kind | flag(same_endpoint, SAME_ENDPOINT) | flag(same_step, SAME_STEP) | flag(same_tags, SAME_TAGS));
    if !same_endpoint {
        put_text(out, &series.endpoint, &before.endpoint);
    }
    put_text(out, &series.metric, &before.metric);
    if !same_step {
        put_number(out, u64::from(series.step_s));
    }
    if !same_tags {
        put_number(out, series.tags.len() as u64);
        for (index, (key, value)) in series.tags.iter().enumerate() {
            let before = tag(before, index);
            put_text(out, key, before.0);
            put_text(out, value, before.1);
        }
    }
}

pub(super) fn get(bytes: &mut ByteReader<'_>, before: &Series) -> Option<Series> {
    let flags = bytes.byte()?;
    let metric_type = match flags & TYPE_BITS {
        0 => MetricType::Gauge,
        1 => MetricType::Counter,
        2 => MetricType::Derive,
        _ => return None,
    };
    let endpoint = match flags & SAME_ENDPOINT {
        0 => get_text(bytes, &before.endpoint)?.into(),
        _ => before.endpoint.clone(),
    };
    let metric = get_text(bytes, &before.metric)?.into();
    let step_s = match flags & SAME_STEP {
        0 => u32::try_from(bytes.number()?).ok()?,
        _ => before.step_s,
    };
    let tags = match flags & SAME_TAGS {
        0 => get_tags(bytes, before)?,
        _ => before.tags.clone(),
    };
    let series = Series { endpoint, metric, tags, metric_type, step_s };
    // Texts that are shared with the one before take next to nothing here, and all that they are in memory.
    is_definable(&series).then_some(series)
}

fn get_tags(bytes: &mut ByteReader<'_>, before: &Series) -> Option<saker_model::Tags> {
    let count = bytes.length(MAX_TAGS)?;
    let mut tags = Vec::new();
    for index in 0..count {
        let before = tag(before, index);
        let key = get_text(bytes, before.0)?.into();
        tags.push((key, get_text(bytes, before.1)?.into()));
    }
    Some(tags.into())
}

fn tag(series: &Series, index: usize) -> (&str, &str) {
    series.tags.get(index).map_or(("", ""), |(key, value)| (key, value))
}

fn put_text(out: &mut Vec<u8>, text: &str, before: &str) {
    let shared = text.bytes().zip(before.bytes()).take_while(|(left, right)| left == right).count();
    put_number(out, shared as u64);
    put_number(out, (text.len() - shared) as u64);
    out.extend_from_slice(&text.as_bytes()[shared..]);
}

fn get_text(bytes: &mut ByteReader<'_>, before: &str) -> Option<String> {
    let shared = bytes.length(before.len())?;
    let further = bytes.length(MAX_TEXT_BYTES - shared.min(MAX_TEXT_BYTES))?;
    let further = bytes.take(further)?;
    // Characters may be shared in part, so only the whole has to be text.
    String::from_utf8([&before.as_bytes()[..shared], further].concat()).ok()
}
