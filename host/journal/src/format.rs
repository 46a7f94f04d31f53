//! How segments and records look in a file. All numbers are little-endian.
//!
//! ```text
//! segment:  twice:  "skjrnl"  version "02"  first seq u64  items before u64  created ms u64  crc u32
//! record:   crc u32  check u32  kind and payload bytes u32  items u32  seq u64  items through u64  payload
//! parity:   the same; in place of the last two the numbers of the first and the last record that it covers
//! ```
//!
//! A checksum covers what follows it in a record, what precedes it in a segment's header. *Items through* is the
//! weight of all records up to and with this one, so that any good record tells what came before it. The *check* covers
//! the rest of a record's fixed part: where it holds, the record's end and weight are known even if its payload is not.
//! What parity is for stands in [`crate::parity`].

use crate::position::Position;

const COPY_BYTES: usize = 36;
pub(crate) const HEADER_BYTES: u64 = 2 * COPY_BYTES as u64;
pub(crate) const RECORD_BYTES: u64 = 32;

/// The largest payload of a record: 64 KiB. It bounds what one flipped bit can cost, and what a reader allocates on the
/// word of a file.
pub const MAX_PAYLOAD_BYTES: usize = 64 << 10;
/// Parity holds a whole record.
const MAX_PARITY_BYTES: usize = RECORD_BYTES as usize + MAX_PAYLOAD_BYTES;

/// What every segment begins with: who made it, and in which version of the format.
const MAGIC: &[u8; 8] = b"skjrnl02";
const SUFFIX: &str = ".seg";
/// Numbers beyond this are not ours: 292 years of a billion a second. It keeps sums from overflowing.
const MAX_NUMBER: u64 = 1 << 63;

/// What a segment's file is called: its first record's number, so that names sort as records do.
pub(crate) fn segment_name(first_seq: u64) -> String {
    format!("{first_seq:020}{SUFFIX}")
}

/// The number in a segment's name, or nothing if it is the name of something else.
pub(crate) fn parse_segment_name(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) first: Position,
    pub(crate) created_ms: u64,
}

impl SegmentHeader {
    pub(crate) fn to_bytes(self) -> [u8; HEADER_BYTES as usize] {
        let mut bytes = [0; HEADER_BYTES as usize];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..24].copy_from_slice(&self.first.to_bytes());
        bytes[24..32].copy_from_slice(&self.created_ms.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..32]);
        bytes[32..COPY_BYTES].copy_from_slice(&crc.to_le_bytes());
        bytes.copy_within(..COPY_BYTES, COPY_BYTES);
        bytes
    }

    /// The header that the bytes begin with, by the first of its copies that is good.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.chunks(COPY_BYTES).take(2).find_map(Self::parse_copy)
    }

    fn parse_copy(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; COPY_BYTES] = bytes.try_into().ok()?;
        let first = Position::from_bytes(&bytes[8..24])?;
        let good = &bytes[..8] == MAGIC
            && u32_at(bytes, 32) == crc32fast::hash(&bytes[..32])
            && first.seq < MAX_NUMBER
            && first.items < MAX_NUMBER;
        good.then(|| Self { first, created_ms: u64_at(bytes, 24) })
    }

    /// Whether a file with no more than this in it is a segment that was just being made, and holds nothing.
    pub(crate) fn is_unfinished(bytes: &[u8]) -> bool {
        let magic = bytes.iter().zip(MAGIC).all(|(byte, magic)| byte == magic);
        bytes.len() <= HEADER_BYTES as usize && (magic || bytes.iter().all(|byte| *byte == 0))
    }
}

/// What a record is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordKind {
    Data,
    Parity,
}

/// Adds a record to `out`.
pub(crate) fn write_record(out: &mut Vec<u8>, at: Position, items: u32, payload: &[u8]) {
    write(out, RecordKind::Data, items, [at.seq, at.after(items).items], payload);
}

/// Adds parity of the records between two, both included, to `out`.
pub(crate) fn write_parity(out: &mut Vec<u8>, first: u64, last: u64, parity: &[u8]) {
    write(out, RecordKind::Parity, 0, [first, last], parity);
}

fn write(out: &mut Vec<u8>, kind: RecordKind, items: u32, numbers: [u64; 2], payload: &[u8]) {
    let start = out.len();
    let size = (kind as u32) << 24 | payload.len() as u32;
    let mut header = [0; RECORD_BYTES as usize];
    header[4..8].copy_from_slice(&check(size, items, numbers).to_le_bytes());
    header[8..12].copy_from_slice(&size.to_le_bytes());
    header[12..16].copy_from_slice(&items.to_le_bytes());
    header[16..24].copy_from_slice(&numbers[0].to_le_bytes());
    header[24..].copy_from_slice(&numbers[1].to_le_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(payload);
    let crc = crc32fast::hash(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
}

/// Tells a header from other bytes. It need not be strong, for the checksum over all decides; it must be cheap.
fn check(size: u32, items: u32, numbers: [u64; 2]) -> u32 {
    let mixed = (numbers[0] ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ numbers[1].rotate_left(32)).wrapping_add(u64::from(items) << 32 | u64::from(size));
    let mixed = mixed.wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 32) as u32 ^ mixed as u32
}

/// The fixed part of a record, whose check holds; its payload is not yet believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) kind: RecordKind,
    pub(crate) payload_bytes: usize,
    pub(crate) items: u32,
    /// Its number; of parity, that of the first record it covers.
    pub(crate) seq: u64,
    /// Items through it; of parity, the number of the last record it covers.
    pub(crate) through: u64,
    bytes: [u8; RECORD_BYTES as usize],
}

impl RecordHeader {
    /// `None` if this is no record's beginning.
    pub(crate) fn parse(bytes: &[u8; RECORD_BYTES as usize]) -> Option<Self> {
        let (size, items, seq, through) = (u32_at(bytes, 8), u32_at(bytes, 12), u64_at(bytes, 16), u64_at(bytes, 24));
        let payload_bytes = (size & 0x00ff_ffff) as usize;
        let (kind, most) = match size >> 24 {
            0 => (RecordKind::Data, MAX_PAYLOAD_BYTES),
            1 => (RecordKind::Parity, MAX_PARITY_BYTES),
            _ => return None,
        };
        let good = u32_at(bytes, 4) == check(size, items, [seq, through])
            && payload_bytes <= most
            && seq < MAX_NUMBER
            && through < MAX_NUMBER
            && (kind == RecordKind::Parity || through >= u64::from(items));
        good.then_some(Self { kind, payload_bytes, items, seq, through, bytes: *bytes })
    }

    /// The header at the beginning of some bytes.
    pub(crate) fn first_of(bytes: &[u8]) -> Option<Self> {
        Self::parse(bytes.first_chunk()?)
    }

    /// Behind the record.
    pub(crate) fn end(&self) -> Position {
        Position { seq: self.seq + 1, items: self.through }
    }

    /// Before the record.
    pub(crate) fn start(&self) -> Position {
        Position { seq: self.seq, items: self.through - u64::from(self.items) }
    }

    /// Whether it is the record at that place.
    pub(crate) fn is_at(&self, at: Position) -> bool {
        self.kind == RecordKind::Data && self.start() == at
    }

    /// The bytes that the record takes in the file.
    pub(crate) fn record_bytes(&self) -> u64 {
        RECORD_BYTES + self.payload_bytes as u64
    }

    /// Whether it and that payload belong together.
    pub(crate) fn fits(&self, payload: &[u8]) -> bool {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.bytes[4..]);
        hasher.update(payload);
        payload.len() == self.payload_bytes && hasher.finalize() == u32_at(&self.bytes, 0)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_are_segments() {
        assert_eq!(parse_segment_name(&segment_name(17)), Some(17));
        for name in [
            "lock",
            "mark",
            "17.seg",
            "0000000000000000001x.seg",
            "99999999999999999999.seg",
            "+0000000000000000001.seg",
        ] {
            assert_eq!(parse_segment_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_header_with_any_bit_changed_is_known_by_its_other_copy() {
        let header = SegmentHeader { first: Position { seq: 7, items: 1_000 }, created_ms: 1_790_000_000_000 };
        let bytes = header.to_bytes();
        assert_eq!(SegmentHeader::parse(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::parse(&other), Some(header), "bit {bit}");
            other[(bit / 8 + COPY_BYTES) % bytes.len()] ^= 1;
            assert_eq!(SegmentHeader::parse(&other), None, "bit {bit}");
        }
    }

    #[test]
    fn a_record_with_any_bit_changed_is_rejected() {
        let (at, mut bytes) = (Position { seq: 3, items: 10 }, Vec::new());
        write_record(&mut bytes, at, 5, b"payload");
        let read = |bytes: &[u8]| {
            let header = RecordHeader::first_of(bytes)?;
            assert!(header.is_at(at));
            Some((header.items, header.record_bytes(), header.fits(&bytes[RECORD_BYTES as usize..])))
        };
        assert_eq!(read(&bytes), Some((5, 39, true)));
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let header = (4..RECORD_BYTES as usize).contains(&(bit / 8));
            assert_eq!(read(&other), (!header).then_some((5, 39, false)), "bit {bit}");
        }
    }
}
