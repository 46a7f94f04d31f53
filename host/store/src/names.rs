//! Names in files and in the journal: keys in any order, each with what it shares with the one before left out.
//!
//! ```text
//! name:  varint bytes shared with the name before, varint bytes, bytes, type u8, varint step
//! ```

use crate::key::{KEY_BYTES_MAX, StoredAttributes};
use crate::wire::{Wire, put_text, put_varint};

/// Writes names one behind the other.
#[derive(Default)]
pub(crate) struct NameWriter {
    last: Vec<u8>,
}

impl NameWriter {
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, key: &str, attributes: StoredAttributes) {
        let shared = self.last.iter().zip(key.as_bytes()).take_while(|(left, right)| left == right).count();
        put_varint(out, shared as u64);
        put_text(out, &key.as_bytes()[shared..]);
        out.push(attributes.type_byte());
        put_varint(out, u64::from(attributes.step_s));
        self.last.truncate(shared);
        self.last.extend_from_slice(&key.as_bytes()[shared..]);
    }
}

/// Reads what a [`NameWriter`] wrote.
#[derive(Default)]
pub(crate) struct NameReader {
    last: Vec<u8>,
}

impl NameReader {
    pub(crate) fn read(&mut self, wire: &mut Wire) -> Option<(&str, StoredAttributes)> {
        let shared = usize::try_from(wire.varint()?).ok().filter(|shared| *shared <= self.last.len())?;
        let rest = wire.text()?;
        if shared + rest.len() > KEY_BYTES_MAX {
            return None;
        }
        self.last.truncate(shared);
        self.last.extend_from_slice(rest);
        let attributes = StoredAttributes::from_wire(wire.u8()?, wire.varint()?)?;
        std::str::from_utf8(&self.last).ok().map(|key| (key, attributes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saker_model::MetricType;

    #[test]
    fn names_come_back_without_what_they_share() {
        let keys = ["cpu.idle", "cpu.idle/1", "cpu.iowait", "", "ö"];
        let attributes = StoredAttributes { metric_type: MetricType::Derive, step_s: 60 };
        let (mut out, mut writer) = (Vec::new(), NameWriter::default());
        for key in keys {
            writer.put(&mut out, key, attributes);
        }
        assert!(out.len() < 45, "{}", out.len());
        let (mut wire, mut reader) = (Wire(&out), NameReader::default());
        for key in keys {
            assert_eq!(reader.read(&mut wire), Some((key, attributes)));
        }
        assert!(reader.read(&mut wire).is_none());
    }
}
