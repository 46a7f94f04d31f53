//! Transfer's line socket: `update ENDPOINT COUNTER TIME VALUE [TYPE] [STEP]`, and `quit`.
//!
//! A counter is a metric, or a metric, a slash and tags; transfer leaves the tags in the metric's name, which is the same
//! name to it. Lines are taken as they come, not when the connection ends.

use std::sync::Arc;
use std::time::Duration;

use saker_config::ConfigTable;
use saker_model::{MetricType, Sample};

use super::{go, tags};
use crate::batch::{Batch, Decoder, shown};
use crate::keys::RawKey;
use crate::reading::Report;
use crate::{LineListener, LineProtocol, Reply, SocketConfig};

/// Transfer's line socket.
pub type TransferLines = LineListener<TransferLineProtocol>;

/// Lines.
pub struct TransferLineProtocol;

/// What can be set: `[listen.transfer_lines]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TransferLinesConfig {
    /// Where, and within which bounds.
    pub sockets: SocketConfig,
}

/// Reads lines.
pub struct UpdateLines;

/// How much of a line is shown in a message.
const SHOWN_BYTES: usize = 64;
const STEP_S: u32 = 60;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum What {
    #[error("a line must be update, an endpoint, a counter, a timestamp and a value, then a type and a step or none")]
    NoUpdate,
    #[error("the timestamp must be whole seconds since 1970")]
    BadTimestamp,
    #[error("the value must be a number")]
    BadValue,
    #[error("the type must be COUNTER, GAUGE or DERIVE")]
    BadType,
    #[error("the step must be whole seconds, or heartbeat:min:max:step")]
    BadStep,
    #[error("the line must be UTF-8")]
    NotUtf8,
}

impl TransferLinesConfig {
    /// Reads its table; what is not written has its default.
    #[must_use]
    pub fn read(table: &mut ConfigTable<'_>) -> Self {
        Self { sockets: SocketConfig::read_connections(table) }
    }
}

impl LineProtocol for TransferLineProtocol {
    const NAME: &'static str = "transfer_lines";
    type Config = TransferLinesConfig;
    type Decoder = UpdateLines;

    fn sockets(config: &TransferLinesConfig) -> &SocketConfig {
        &config.sockets
    }

    fn decoder(_: &TransferLinesConfig, _: &Arc<str>) -> UpdateLines {
        UpdateLines
    }

    fn reply(_: &UpdateLines, messages: &[u8], _: &Report, _: Duration) -> Reply {
        let is_last = messages.split(|&byte| byte == b'\n').any(|line| line.trim_ascii() == b"quit");
        Reply { text: Vec::new(), is_last }
    }
}

impl Decoder for UpdateLines {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        let mut at = 0;
        while at < input.len() && !out.is_full() {
            let end = memchr::memchr(b'\n', &input[at..]).map_or(input.len(), |end| at + end);
            let line = input[at..end].trim_ascii();
            if line == b"quit" {
                return input.len();
            }
            if !line.is_empty() {
                out.begin(at);
                if let Err(what) = update(line, out) {
                    out.malformed(|| message(line, what));
                }
            }
            at = input.len().min(end + 1);
        }
        at
    }
}

fn update<'a>(line: &'a [u8], out: &mut Batch<'a>) -> Result<(), What> {
    let (command, rest) = word(line).ok_or(What::NoUpdate)?;
    if command != b"update" {
        return Err(What::NoUpdate);
    }
    let (endpoint, behind) = word(rest).ok_or(What::NoUpdate)?;
    let (counter, behind) = word(behind).ok_or(What::NoUpdate)?;
    let name = &rest[..rest.len() - behind.len()];
    let (time, behind) = word(behind).ok_or(What::NoUpdate)?;
    let (value, more) = word(behind).unwrap_or((behind, b""));
    let time: i64 = parse(time).ok_or(What::BadTimestamp)?;
    let value = std::str::from_utf8(value).ok().and_then(go::parse_float).ok_or(What::BadValue)?;
    let key = RawKey::in_parts([name, more, b""], None, 0);
    match out.known(&key).map(|known| known.target(0)) {
        Some(target) => out.value(target, b"", value),
        None => {
            let (sample, dropped) = sample(endpoint, counter, more, value)?;
            out.drop_tags(dropped);
            out.new_value(key, b"", sample);
        }
    }
    out.end(time.checked_mul(1000), 1);
    Ok(())
}

fn sample(endpoint: &[u8], counter: &[u8], more: &[u8], value: f64) -> Result<(Sample, u64), What> {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| What::NotUtf8);
    let (endpoint, counter, mut more) = (text(endpoint)?, text(counter)?, text(more)?.split_ascii_whitespace());
    let metric_type = match more.next() {
        Some(name) => MetricType::parse(name).ok_or(What::BadType)?,
        None => MetricType::Counter,
    };
    let step_s = match more.next() {
        Some(step) => step.rsplit(':').next().and_then(|step| step.parse().ok()).ok_or(What::BadStep)?,
        None => STEP_S,
    };
    if more.next().is_some() {
        return Err(What::NoUpdate);
    }
    let (metric, (tags, dropped)) = match counter.split_once('/').filter(|(_, tags)| tags.contains('=')) {
        Some((metric, text)) => (metric, tags::read(text)),
        None => (counter, (Vec::new(), 0)),
    };
    let (endpoint, metric) = (Arc::from(endpoint), metric.to_owned());
    Ok((Sample { endpoint, metric, tags, metric_type, value, timestamp_ms: 0, step_s }, dropped))
}

/// The first word, and what stands behind it, if something does.
#[inline]
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr2(b' ', b'\t', text)?;
    Some((&text[..end], text[end..].trim_ascii_start()))
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn message(line: &[u8], what: What) -> String {
    let more = if line.len() > SHOWN_BYTES { "…" } else { "" };
    format!("unable to parse '{}{more}': {what}", shown(&line[..line.len().min(SHOWN_BYTES)]))
}
