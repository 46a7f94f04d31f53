//! How segments and records look in a file. All numbers are little-endian.
//!
//! ```text
//! segment:  "skjrnl01"  first seq u64  items before u64  created ms u64  crc u32
//! record:   crc u32  payload bytes u32  seq u64  items through u64  payload
//! ```
//!
//! A checksum covers what follows it in a record, what precedes it in a segment's header. *Items through* is the
//! weight of all records up to and with this one, so that any good record tells what came before it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::position::Position;

pub(crate) const HEADER_BYTES: u64 = 36;
pub(crate) const RECORD_BYTES: u64 = 24;

/// The largest payload of a record: 16 MiB. It bounds what a reader allocates on the word of a file.
pub const MAX_PAYLOAD_BYTES: usize = 16 << 20;

const MAGIC: &[u8; 8] = b"skjrnl01";
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
        bytes[32..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8; HEADER_BYTES as usize]) -> Option<Self> {
        let first = Position::from_bytes(&bytes[8..24])?;
        let good = &bytes[..8] == MAGIC
            && u32_at(bytes, 32) == crc32fast::hash(&bytes[..32])
            && first.seq < MAX_NUMBER
            && first.items < MAX_NUMBER;
        good.then(|| Self { first, created_ms: u64_at(bytes, 24) })
    }
}

/// Writes a record into `out`, which is emptied first.
pub(crate) fn write_record(out: &mut Vec<u8>, at: Position, items: u32, payload: &[u8]) {
    out.clear();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&at.seq.to_le_bytes());
    out.extend_from_slice(&at.after(items).items.to_le_bytes());
    out.extend_from_slice(payload);
    let crc = crc32fast::hash(&out[4..]);
    out[..4].copy_from_slice(&crc.to_le_bytes());
}

/// The fixed part of a record, not yet believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) payload_bytes: usize,
    /// Behind the record.
    pub(crate) end: Position,
    bytes: [u8; RECORD_BYTES as usize],
}

impl RecordHeader {
    /// `None` if the numbers cannot be a record's, whatever its payload is.
    pub(crate) fn parse(bytes: &[u8; RECORD_BYTES as usize]) -> Option<Self> {
        let payload_bytes = u32_at(bytes, 4) as usize;
        let (seq, items) = (u64_at(bytes, 8), u64_at(bytes, 16));
        if payload_bytes > MAX_PAYLOAD_BYTES || seq >= MAX_NUMBER || items >= MAX_NUMBER {
            return None;
        }
        let end = Position { seq: seq + 1, items };
        Some(Self { payload_bytes, end, bytes: *bytes })
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

/// A record that was read, and is what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReadRecord {
    pub(crate) items: u32,
    pub(crate) bytes: u64,
}

/// Reads the record `at`, which begins at `offset` of a file of which `limit` bytes count, into `payload`. `None` if
/// there is no such record, or not as it was written.
///
/// # Errors
/// What the system says, if it is not that the place cannot be read.
pub(crate) fn read_record(
    file: &File,
    offset: u64,
    limit: u64,
    at: Position,
    payload: &mut Vec<u8>,
) -> io::Result<Option<ReadRecord>> {
    payload.clear();
    let room = limit.saturating_sub(offset);
    let mut bytes = [0; RECORD_BYTES as usize];
    if room < RECORD_BYTES || !read_exact_at(file, &mut bytes, offset)? {
        return Ok(None);
    }
    let Some(header) = RecordHeader::parse(&bytes) else { return Ok(None) };
    let items = header.end.items.checked_sub(at.items).and_then(|items| u32::try_from(items).ok());
    let (Some(items), true, true) = (items, header.end.seq == at.seq + 1, header.record_bytes() <= room) else {
        return Ok(None);
    };
    payload.resize(header.payload_bytes, 0);
    if !read_exact_at(file, payload, offset + RECORD_BYTES)? || !header.fits(payload) {
        payload.clear();
        return Ok(None);
    }
    Ok(Some(ReadRecord { items, bytes: header.record_bytes() }))
}

/// Whether the bytes could be read: not if the file ends before, or the disk cannot give them back.
pub(crate) fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<bool> {
    /// A bad block, by Linux's number of the error.
    const EIO: i32 = 5;
    match file.read_exact_at(bytes, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof || error.raw_os_error() == Some(EIO) => Ok(false),
        Err(error) => Err(error),
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
    fn a_header_with_any_bit_changed_is_refused() {
        let header = SegmentHeader { first: Position { seq: 7, items: 1_000 }, created_ms: 1_790_000_000_000 };
        let bytes = header.to_bytes();
        assert_eq!(SegmentHeader::parse(&bytes), Some(header));
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::parse(&other), None, "bit {bit}");
        }
    }

    #[test]
    fn a_record_with_any_bit_changed_is_refused() {
        let (at, mut bytes) = (Position { seq: 3, items: 10 }, Vec::new());
        write_record(&mut bytes, at, 5, b"payload");
        let read = |bytes: &[u8]| {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(bytes, 0).unwrap();
            read_record(&file, 0, bytes.len() as u64, at, &mut Vec::new()).unwrap()
        };
        assert_eq!(read(&bytes), Some(ReadRecord { items: 5, bytes: 31 }));
        for bit in 0..bytes.len() * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read(&other), None, "bit {bit}");
        }
    }
}
