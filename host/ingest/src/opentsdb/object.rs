//! Reads objects: `{"metric":…,"timestamp":…,"value":…,"tags":{…}}`, one or a list of them. Value and timestamp may be
//! text; without a timestamp, a value is of now.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::batch::{Batch, Decoder};
use crate::json::{self, Fields};
use crate::naming::Naming;

/// Reads the objects of a body.
pub(super) struct PutObjects {
    pub(super) naming: Naming,
}

/// What an object says of its series.
#[derive(Deserialize)]
struct Put {
    metric: String,
    tags: Option<BTreeMap<String, String>>,
}

impl Decoder for PutObjects {
    fn decode<'a>(&'a self, input: &'a [u8], out: &mut Batch<'a>) -> usize {
        json::read_list(input, out, |text, out| self.object(text, out))
    }
}

impl PutObjects {
    fn object<'a>(&'a self, text: &'a [u8], out: &mut Batch<'a>) -> Result<(), String> {
        let (mut value, mut time) = (None, None);
        for (name, at) in Fields::of(text).ok_or("a data point must be an object")? {
            match name {
                b"value" => value = Some(at),
                b"timestamp" => time = Some(at),
                _ => {}
            }
        }
        let value_at = value.ok_or("value is missing")?;
        let time_at = time.unwrap_or(text.len()..text.len());
        let value = json::number(&text[value_at.clone()]).ok_or("value must be a number")?;
        let time = match &text[time_at.clone()] {
            b"" | b"null" => 0.0,
            token => json::number(token).ok_or("timestamp must be seconds or milliseconds since 1970")?,
        };
        let key = self.naming.key_in_parts(json::without(text, &value_at, &time_at));
        match out.known(&key).map(|known| known.target(0)) {
            Some(target) => out.value(target, b"", value),
            None => {
                let put: Put = serde_json::from_slice(text).map_err(|error| json::bare(&error))?;
                let tags = put.tags.unwrap_or_default().into_iter().collect();
                out.new_value(key, b"", self.naming.sample(&put.metric, tags, value));
            }
        }
        out.end(super::time_ms(time, out.now_ms()), 1);
        Ok(())
    }
}
