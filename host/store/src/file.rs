//! What every file of the store begins with, and what it is called.
//!
//! ```text
//! header (384 bytes):  twice:  "skstore1"  kind u8  lane  varint span begins  varint span ms
//!                              merged:  varint generation, first time, last time, points, names, index at, index again at,
//!                                       rolled from, rolled to
//!                              zeros  crc u32 of the 188 bytes before
//! name:  GRANULARITY_MS-KEPT_MS[d]-SPAN_BEGIN_MS-NUMBER.log or .merged
//! ```
//!
//! A file by such a name that does not begin so, or in a version that is not known, is set aside by another name; it is
//! never removed.

use crate::lane::Lane;
use crate::wire::{Wire, put_signed, put_varint};

const MAGIC: &[u8; 8] = b"skstore1";
const COPY_BYTES: usize = 192;
pub(crate) const HEADER_BYTES: usize = 2 * COPY_BYTES;
/// A file that is being made. What a dying process left of it is removed.
pub(crate) const NEW_SUFFIX: &str = ".new";
pub(crate) const ASIDE_SUFFIX: &str = ".damaged";

/// How a file came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FileOrigin {
    /// By appending.
    Log,
    /// At once, from others.
    Merged,
}

/// Whose points a file holds, and when they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct FileScope {
    pub(crate) lane: Lane,
    /// Its points are from here on,
    pub(crate) begin_ms: i64,
    /// and before here.
    pub(crate) end_ms: i64,
    pub(crate) form: FileOrigin,
}

impl FileScope {
    pub(crate) fn of(lane: Lane, time_ms: i64, form: FileOrigin) -> Self {
        let begin_ms = lane.span_of(time_ms);
        Self { lane, begin_ms, end_ms: begin_ms.saturating_add(lane.span_ms()), form }
    }

    pub(crate) fn name(&self, number: u64) -> String {
        let by_data = if self.lane.by_data { "d" } else { "" };
        let suffix = match self.form {
            FileOrigin::Log => "log",
            FileOrigin::Merged => "merged",
        };
        let Lane { granularity_ms, kept_ms, .. } = self.lane;
        format!("{granularity_ms}-{kept_ms}{by_data}-{}-{number}.{suffix}", self.begin_ms)
    }
}

/// What a merged file's header says beside its place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    /// The newest of what it was made of.
    pub(crate) generation: u64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) points: u64,
    pub(crate) names: u64,
    /// Where its index is, twice.
    pub(crate) index_at: [u64; 2],
    /// All series were rolled up from here to there; a tier only.
    pub(crate) rolled: Option<(i64, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) place: FileScope,
    pub(crate) summary: Summary,
}

impl Header {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(self.place.form as u8);
        self.place.lane.put(&mut out);
        put_signed(&mut out, self.place.begin_ms);
        put_signed(&mut out, self.place.end_ms);
        let Summary { generation, first_ms, last_ms, points, names, index_at, rolled } = self.summary;
        put_signed(&mut out, first_ms);
        put_signed(&mut out, last_ms);
        for number in [generation, points, names, index_at[0], index_at[1]] {
            put_varint(&mut out, number);
        }
        let (from, to) = rolled.unwrap_or((0, 0));
        put_signed(&mut out, from);
        put_signed(&mut out, to);
        out.resize(COPY_BYTES - 4, 0);
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_within(..);
        out
    }

    /// The header that the bytes begin with, by the first of its copies that is good.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.chunks_exact(COPY_BYTES).take(2).find_map(Self::parse_copy)
    }

    fn parse_copy(bytes: &[u8]) -> Option<Self> {
        let (body, crc) = bytes.split_at(COPY_BYTES - 4);
        if crc != crc32fast::hash(body).to_le_bytes() {
            return None;
        }
        let mut wire = Wire(body.strip_prefix(MAGIC)?);
        let form = match wire.u8()? {
            0 => FileOrigin::Log,
            1 => FileOrigin::Merged,
            _ => return None,
        };
        let lane = Lane::read(&mut wire)?;
        let (begin_ms, end_ms) = (wire.signed()?, wire.signed()?);
        let (first_ms, last_ms) = (wire.signed()?, wire.signed()?);
        let mut number = || wire.varint();
        let (generation, points, names) = (number()?, number()?, number()?);
        let index_at = [number()?, number()?];
        let rolled = Some((wire.signed()?, wire.signed()?)).filter(|(from, to)| from < to);
        let summary = Summary { generation, first_ms, last_ms, points, names, index_at, rolled };
        (begin_ms < end_ms).then_some(Self { place: FileScope { lane, begin_ms, end_ms, form }, summary })
    }
}

/// Whether a name is one of the store's files, and its number.
pub(crate) fn parse_name(name: &str) -> Option<(FileOrigin, u64)> {
    let (stem, form) = match name.strip_suffix(".log") {
        Some(stem) => (stem, FileOrigin::Log),
        None => (name.strip_suffix(".merged")?, FileOrigin::Merged),
    };
    let number = stem.rsplit('-').next()?.parse().ok()?;
    Some((form, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_comes_back_whichever_byte_is_flipped() {
        let lane = Lane { granularity_ms: 60_000, kept_ms: i64::MAX, by_data: true };
        let place = FileScope::of(lane, 1_700_000_000_000, FileOrigin::Merged);
        let summary = Summary {
            generation: u64::MAX,
            first_ms: -5,
            points: 1 << 60,
            rolled: Some((-7, i64::MAX)),
            ..Summary::default()
        };
        let header = Header { place, summary };
        let bytes = header.to_bytes();
        assert_eq!(bytes.len(), HEADER_BYTES);
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            assert_eq!(Header::parse(&flipped), Some(header));
        }
        assert_eq!(Header::parse(&bytes[..100]), None);
        assert_eq!(parse_name(&place.name(17)), Some((FileOrigin::Merged, 17)));
    }
}
