//! A place in a journal.

/// A place in a journal: before the record `seq`, with `items` items before it.
///
/// Both only ever grow, over all segments, and start at zero. A caller who is done with part of a record may keep
/// that record's `seq` with more items than come before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    /// The number of the next record.
    pub seq: u64,
    /// The weight of everything before.
    pub items: u64,
}

impl Position {
    /// The place after one more record.
    #[must_use]
    pub fn after(self, items: u32) -> Self {
        Self { seq: self.seq + 1, items: self.items + u64::from(items) }
    }

    /// Sixteen bytes for a mark: both numbers, little-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.seq.to_le_bytes());
        bytes[8..].copy_from_slice(&self.items.to_le_bytes());
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) made; nothing if the length is another.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seq, items) = bytes.split_at_checked(8)?;
        Some(Self { seq: u64::from_le_bytes(seq.try_into().ok()?), items: u64::from_le_bytes(items.try_into().ok()?) })
    }

    /// The later in each of its two parts.
    pub(crate) fn later(self, other: Self) -> Self {
        Self { seq: self.seq.max(other.seq), items: self.items.max(other.items) }
    }
}
