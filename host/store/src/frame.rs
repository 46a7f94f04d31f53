//! A frame: what every file of the store is made of behind its header.
//!
//! ```text
//! frame (56 bytes):  "skfr"  kind u8  codec u8  zero u16  payload bytes u32  payload crc u32  number u32  rows u32
//!                    generation u64  first time i64  last time i64  zero u32  header crc u32
//! ```
//!
//! Each stands for itself: a flipped bit costs one, and those behind it are found by looking for the next good header.
//! The generation is when it was written, for of two points with one time the one with the later generation counts.

const MAGIC: &[u8; 4] = b"skfr";
pub(crate) const FRAME_BYTES: usize = 56;
const CRC_AT: usize = FRAME_BYTES - 4;
/// No frame is larger: it bounds what is read on the word of a header.
pub(crate) const PAYLOAD_MAX: usize = 8 << 20;

/// What is in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FrameKind {
    /// Series that get numbers in this file from `number` on.
    Names,
    /// Points of series.
    Points,
    /// Buckets of series.
    Buckets,
    /// All series were rolled up from the first time to the last.
    Rolled,
    /// A page of a merged file's dictionary.
    Page,
    /// What is where in a merged file.
    Index,
}

impl FrameKind {
    const ALL: [Self; 6] = [Self::Names, Self::Points, Self::Buckets, Self::Rolled, Self::Page, Self::Index];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogFrame {
    pub(crate) kind: FrameKind,
    pub(crate) codec: u8,
    pub(crate) payload_bytes: u32,
    pub(crate) payload_crc: u32,
    /// By kind.
    pub(crate) number: u32,
    /// Times of an extent: what reading a series of it costs.
    pub(crate) rows: u32,
    pub(crate) generation: u64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
}

impl LogFrame {
    pub(crate) fn new(kind: FrameKind, generation: u64) -> Self {
        Self {
            kind,
            codec: 0,
            payload_bytes: 0,
            payload_crc: 0,
            number: 0,
            rows: 0,
            generation,
            first_ms: 0,
            last_ms: 0,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        (FRAME_BYTES + self.payload_bytes as usize) as u64
    }

    /// Appends a frame whose payload `payload` appends, and answers its codec by the way.
    pub(crate) fn put(mut self, out: &mut Vec<u8>, payload: impl FnOnce(&mut Vec<u8>) -> u8) -> Self {
        let start = out.len();
        out.resize(start + FRAME_BYTES, 0);
        self.codec = payload(out);
        let payload = &out[start + FRAME_BYTES..];
        self.payload_bytes = payload.len() as u32;
        self.payload_crc = crc32fast::hash(payload);
        let header = self.to_bytes();
        out[start..start + FRAME_BYTES].copy_from_slice(&header);
        self
    }

    fn to_bytes(self) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        bytes[4] = self.kind as u8;
        bytes[5] = self.codec;
        bytes[8..12].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.generation.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.first_ms.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.last_ms.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.rows.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..CRC_AT]);
        bytes[CRC_AT..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// The frame that the bytes begin with, if its header is good.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..FRAME_BYTES)?;
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        if &bytes[..4] != MAGIC || u32_at(CRC_AT) != crc32fast::hash(&bytes[..CRC_AT]) {
            return None;
        }
        let frame = Self {
            kind: *FrameKind::ALL.get(usize::from(bytes[4]))?,
            codec: bytes[5],
            payload_bytes: u32_at(8),
            payload_crc: u32_at(12),
            number: u32_at(16),
            rows: u32_at(20),
            generation: u64_at(24),
            first_ms: u64_at(32) as i64,
            last_ms: u64_at(40) as i64,
        };
        (frame.payload_bytes as usize <= PAYLOAD_MAX).then_some(frame)
    }

    /// The payload behind the header, if it is as it was written.
    pub(crate) fn payload<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let payload = bytes.get(FRAME_BYTES..FRAME_BYTES + self.payload_bytes as usize)?;
        (crc32fast::hash(payload) == self.payload_crc).then_some(payload)
    }
}

/// What is found in bytes that ought to be frames.
pub(crate) enum FramePiece<'a> {
    /// A good frame at that offset.
    Good(LogFrame, usize, &'a [u8]),
    /// A frame whose payload is not as it was written.
    Damaged(LogFrame, usize),
    /// So many bytes that are no frame.
    Gap(usize, usize),
}

/// Goes through frames, past damage.
pub(crate) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = FramePiece<'a>;

    fn next(&mut self) -> Option<FramePiece<'a>> {
        let start = self.at;
        let rest = self.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let Some(frame) = LogFrame::parse(rest) else {
            let good = |skip: &usize| LogFrame::parse(&rest[*skip..]).is_some();
            let skipped = (1..rest.len()).filter(|skip| rest[*skip..].starts_with(MAGIC)).find(good);
            self.at = start + skipped.unwrap_or(rest.len());
            return Some(FramePiece::Gap(start, self.at - start));
        };
        match frame.payload(rest) {
            Some(payload) => {
                self.at = start + frame.bytes() as usize;
                Some(FramePiece::Good(frame, start, payload))
            }
            None => {
                // Its length may be right and its payload damaged, or it may be cut off: look for the next from here.
                let good = |skip: &usize| LogFrame::parse(&rest[*skip..]).is_some();
                let skipped = (1..rest.len()).filter(|skip| rest[*skip..].starts_with(MAGIC)).find(good);
                self.at = start + skipped.unwrap_or(rest.len());
                Some(FramePiece::Damaged(frame, start))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_costs_one_frame() {
        let mut out = Vec::new();
        for number in 0..3 {
            let frame = LogFrame { number, ..LogFrame::new(FrameKind::Points, 7) };
            frame.put(&mut out, |out| {
                out.extend_from_slice(&[number as u8; 20]);
                0
            });
        }
        for place in 0..out.len() {
            let mut flipped = out.clone();
            flipped[place] ^= 1 << (place % 8);
            let good = Walk::new(&flipped, 0).filter(|piece| matches!(piece, FramePiece::Good(..))).count();
            assert_eq!(good, 2, "byte {place}");
        }
        assert_eq!(Walk::new(&out, 0).filter(|piece| matches!(piece, FramePiece::Good(..))).count(), 3);
    }
}
