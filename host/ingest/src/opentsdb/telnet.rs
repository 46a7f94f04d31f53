//! Reads lines: `put metric time value [tag=value…]`; and answers those that are none.
//!
//! As OpenTSDB, with two things that VictoriaMetrics forgives: a line needs no tag, and 0 is now.

use crate::batch::{Batch, Decoder, shown};
use crate::naming::Naming;

/// How much of a line is shown in a message.
const SHOWN_BYTES: usize = 64;
/// Tags that are looked at: more than any series may have, so that one with more is rejected for having too many.
const TAGS_MAX: usize = 257;
/// So many commands of one read are answered; nobody has more to ask.
const COMMANDS_MAX: usize = 16;
const HELP: &str = "available commands: put version help exit\n";

/// Reads `put` lines.
pub struct PutLines {
    pub(super) naming: Naming,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum What {
    #[error("put must be followed by a metric, a timestamp, a value and tags")]
    TooShort,
    #[error("the timestamp must be seconds or milliseconds since 1970")]
    BadTimestamp,
    #[error("the value must be a number")]
    BadValue,
    #[error("a tag must be name=value")]
    BadTag,
    #[error("metric and tags must be UTF-8")]
    NotUtf8,
}

impl Decoder for PutLines {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        out.each_line(input, |out, at, line| {
            match line.strip_prefix(b"put").filter(|rest| rest.first().is_none_or(u8::is_ascii_whitespace)) {
                Some(rest) => {
                    out.begin(at);
                    if let Err(what) = self.put(rest.trim_ascii_start(), out) {
                        out.malformed(|| message(line, what));
                    }
                }
                None if Command::read(line).is_some() => {}
                None => {
                    out.begin(at);
                    out.malformed(|| unknown(line));
                }
            }
        })
    }
}

impl PutLines {
    #[inline]
    fn put<'a>(&'a self, rest: &'a [u8], out: &mut Batch<'a>) -> Result<(), What> {
        let (metric, rest) = word(rest).ok_or(What::TooShort)?;
        let (time, rest) = word(rest).ok_or(What::TooShort)?;
        let (value, tags) = word(rest).unwrap_or((rest, b""));
        if value.is_empty() {
            return Err(What::TooShort);
        }
        let time = number(time).ok_or(What::BadTimestamp)?;
        let value = number(value).ok_or(What::BadValue)?;
        let time = super::time_ms(time, out.now_ms());
        let key = self.naming.key_in_parts([metric, b" ", tags]);
        match out.known(&key).map(|known| known.target(0)) {
            Some(target) => out.value(target, b"", value),
            None => {
                let metric = std::str::from_utf8(metric).map_err(|_| What::NotUtf8)?;
                out.new_value(key, b"", self.naming.sample(metric, read_tags(tags)?, value));
            }
        }
        out.end(time, 1);
        Ok(())
    }
}

/// Of a tag that stands twice the last holds.
fn read_tags(text: &[u8]) -> Result<Vec<(String, String)>, What> {
    let text = std::str::from_utf8(text).map_err(|_| What::NotUtf8)?;
    let mut tags: Vec<(String, String)> = Vec::new();
    for tag in text.split_ascii_whitespace().take(TAGS_MAX) {
        let (name, value) = tag.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(What::BadTag)?;
        match tags.iter_mut().find(|(known, _)| known == name) {
            Some((_, before)) => value.clone_into(before),
            None => tags.push((name.to_owned(), value.to_owned())),
        }
    }
    Ok(tags)
}

/// The first word, and what stands behind it, if something does.
#[inline]
fn word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr2(b' ', b'\t', text)?;
    Some((&text[..end], text[end..].trim_ascii_start()))
}

#[inline]
fn number(text: &[u8]) -> Option<f64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn cut(line: &[u8]) -> String {
    let more = if line.len() > SHOWN_BYTES { "…" } else { "" };
    format!("{}{more}", shown(&line[..line.len().min(SHOWN_BYTES)]))
}

fn message(line: &[u8], what: What) -> String {
    format!("put: illegal argument: unable to parse '{}': {what}", cut(line))
}

fn unknown(line: &[u8]) -> String {
    let word = line.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    format!("unknown command: {}.  Try `help'.", cut(word))
}

/// What may be said beside `put`.
#[derive(Clone, Copy, PartialEq)]
enum Command {
    Version,
    Help,
    Exit,
}

impl Command {
    fn read(line: &[u8]) -> Option<Self> {
        match line {
            b"version" => Some(Self::Version),
            b"help" => Some(Self::Help),
            b"exit" | b"quit" => Some(Self::Exit),
            _ => None,
        }
    }
}

/// What is wrong with lines, and the answers to commands; `version` is how tcollector looks whether anybody is there.
pub(super) fn reply(messages: &[u8], report: &crate::Report) -> crate::Reply {
    let mut reply = crate::Reply::default();
    for fault in &report.faults {
        let prefix = if fault.what.starts_with("put:") || fault.what.starts_with("unknown") { "" } else { "put: " };
        reply.text.extend_from_slice(format!("{prefix}{}\n", fault.what).as_bytes());
    }
    let lines = messages.split(|&byte| byte == b'\n').filter(|line| !line.starts_with(b"put"));
    for command in lines.filter_map(|line| Command::read(line.trim_ascii())).take(COMMANDS_MAX) {
        match command {
            Command::Version => {
                reply.text.extend_from_slice(concat!("saker ", env!("CARGO_PKG_VERSION"), "\n").as_bytes());
            }
            Command::Help => reply.text.extend_from_slice(HELP.as_bytes()),
            Command::Exit => {
                reply.is_last = true;
                break;
            }
        }
    }
    reply
}
