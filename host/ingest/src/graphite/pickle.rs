//! Graphite's pickles over TCP, as carbon relays send them: four bytes that say how long, then a list of
//! `(name, (time, value))` that Python has pickled.
//!
//! A pickle is a program. Of its language only what makes numbers, texts, lists and tuples is understood here; nothing in
//! one can name a class or call anything.

mod machine;

use std::sync::Arc;

use self::machine::{Machine, Value};
use super::GraphiteConfig;
use super::line::{GraphiteLines, GraphiteTime, number};
use crate::batch::{Batch, Decoder, shown};
use crate::{Framer, LineListener, LineProtocol, SocketConfig};

/// Graphite's port of pickles.
pub type Pickle = LineListener<PickleProtocol>;

/// Graphite's pickles.
pub struct PickleProtocol;

/// What can be set: `[listen.pickle]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PickleConfig(GraphiteConfig);

/// Reads pickles.
pub struct Pickles {
    names: GraphiteLines,
}

/// What one may have: carbon's limit.
const PICKLE_BYTES_MAX: usize = 1 << 20;
const LENGTH_BYTES: usize = 4;
/// Points of one: twenty times what carbon sends at once. New ones hold memory until they are named.
const POINTS_MAX: usize = 10_000;
/// How much of a name is shown in a message.
const SHOWN_BYTES: usize = 64;

impl PickleConfig {
    /// Reads its table; what is not written has its default.
    #[must_use]
    pub fn read(table: &mut saker_config::ConfigTable<'_>) -> Self {
        let sockets = SocketConfig::read_connections(table);
        Self(GraphiteConfig::read_mapping(table, sockets))
    }
}

impl LineProtocol for PickleProtocol {
    const NAME: &'static str = "pickle";
    const MESSAGE_BYTES_MAX: usize = LENGTH_BYTES + PICKLE_BYTES_MAX + 1;
    type Config = PickleConfig;
    type Decoder = Pickles;

    fn sockets(config: &PickleConfig) -> &SocketConfig {
        &config.0.sockets
    }

    fn decoder(PickleConfig(config): &PickleConfig, endpoint: &Arc<str>) -> Pickles {
        let (endpoint_tag, endpoint) = (config.endpoint_tag.clone(), endpoint.clone());
        Pickles { names: GraphiteLines { endpoint_tag, step_s: config.step_s, endpoint } }
    }

    fn framer() -> Box<dyn Framer> {
        Box::new(Frames)
    }
}

/// Finds the ends of pickles.
struct Frames;

impl Framer for Frames {
    fn whole(&mut self, received: &[u8]) -> Result<usize, &'static str> {
        let mut end = 0;
        while let Some((length, _)) = received[end..].split_first_chunk::<LENGTH_BYTES>() {
            let length = u32::from_be_bytes(*length) as usize;
            if length > PICKLE_BYTES_MAX {
                return Err("a pickle must be at most 1048576 bytes, and its length come before it");
            }
            if received.len() - end - LENGTH_BYTES < length {
                break;
            }
            end += LENGTH_BYTES + length;
        }
        Ok(end)
    }
}

impl Decoder for Pickles {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        let mut at = 0;
        while !out.is_full()
            && let Some((length, rest)) = input[at..].split_first_chunk::<LENGTH_BYTES>()
        {
            let length = (u32::from_be_bytes(*length) as usize).min(rest.len());
            self.pickle(&rest[..length], at, out);
            at += LENGTH_BYTES + length;
        }
        // What is shorter than a length is none.
        if out.is_full() { at } else { input.len() }
    }
}

impl Pickles {
    fn pickle<'a>(&'a self, pickle: &'a [u8], at: usize, out: &mut Batch<'a>) {
        let mut machine = Machine::default();
        out.begin(at);
        let list = match machine.run(pickle) {
            Ok(list) => list,
            Err(what) => return out.malformed(|| format!("the pickle cannot be read: {what}")),
        };
        let Some(items) = machine.items(list) else {
            return out.malformed(|| "the pickle must be a list of (name, (time, value))".to_owned());
        };
        for (place, item) in items.iter().enumerate() {
            out.begin(at);
            if place == POINTS_MAX {
                return out.malformed(|| {
                    format!("the pickle has {} points; no more than {POINTS_MAX} are taken", items.len())
                });
            }
            if let Err(what) = self.point(&machine, *item, out) {
                out.malformed(|| format!("point {}: {what}", place + 1));
            }
        }
    }

    fn point<'a>(&'a self, machine: &Machine<'a>, item: Value<'a>, out: &mut Batch<'a>) -> Result<(), String> {
        let shape = || "it must be (name, (time, value))".to_owned();
        let Some([Value::Text(name), pair]) = machine.items(item) else { return Err(shape()) };
        let Some([time, value]) = machine.items(*pair) else { return Err(shape()) };
        let what = |what: &str| format!("'{}': {what}", shown(&name[..name.len().min(SHOWN_BYTES)]));
        let value = as_number(*value).ok_or_else(|| what("the value must be a number"))?;
        let time = as_number(*time).and_then(GraphiteTime::of);
        let time = time.ok_or_else(|| what("the time must be seconds since 1970, or -1 or 0 for now"))?;
        self.names.point(name.trim_ascii(), value, time, out).map_err(|wrong| what(&wrong.to_string()))
    }
}

/// A number, or a text that is one, as carbon takes it.
fn as_number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Number(value) => Some(value),
        Value::Text(text) => number(text.trim_ascii()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
