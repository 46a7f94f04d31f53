//! What the writer and the readers of a journal both see: which segments there are, and how far they go.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::disk::Disk;
use crate::format::SegmentHeader;
use crate::position::Position;

/// A segment of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// Before its first record.
    pub first: Position,
    /// Behind its last record, where the next segment begins. What is missing between two segments counts with the
    /// former.
    pub end: Position,
    /// The size of its file.
    pub bytes: u64,
    /// When it was begun, by the clock of who keeps the journal, in milliseconds.
    pub created_ms: u64,
    /// Whether a reader found it damaged. When it is trimmed or dropped it will be set aside.
    pub damaged: bool,
}

impl SegmentInfo {
    /// The weight of its records.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.end.items.saturating_sub(self.first.items)
    }
}

pub(crate) struct JournalShared {
    pub(crate) disk: Arc<dyn Disk>,
    /// Held for a look or a change in memory, never over an operation on a file.
    pub(crate) state: Mutex<SegmentList>,
}

/// The segments in order. Each goes from its first record to the next one's.
#[derive(Default)]
pub(crate) struct SegmentList {
    pub(crate) segments: VecDeque<Segment>,
    pub(crate) end: Position,
    /// Whether the last segment is being written.
    pub(crate) writing: bool,
    /// How many segments there were.
    serials: u64,
    /// Records below were trimmed or dropped by this journal.
    pub(crate) let_go: u64,
}

#[derive(Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    /// So many bytes of the file hold records.
    pub(crate) bytes: u64,
    pub(crate) damaged: bool,
    /// Tells it from one that was made in its place.
    pub(crate) serial: u64,
}

impl SegmentList {
    pub(crate) fn push(&mut self, header: SegmentHeader, bytes: u64) {
        self.serials += 1;
        self.segments.push_back(Segment { header, bytes, damaged: false, serial: self.serials });
    }

    /// Where the segment at that place ends.
    pub(crate) fn end_of(&self, place: usize) -> Position {
        self.segments.get(place + 1).map_or(self.end, |next| next.header.first)
    }

    /// The place of the segment with that serial number.
    pub(crate) fn place_of(&self, serial: u64) -> Option<usize> {
        self.segments.binary_search_by_key(&serial, |segment| segment.serial).ok()
    }

    /// The place of the first segment that begins with that record or a later one.
    pub(crate) fn place_from(&self, seq: u64) -> usize {
        self.segments.partition_point(|segment| segment.header.first.seq < seq)
    }

    pub(crate) fn info(&self, place: usize) -> SegmentInfo {
        let Segment { header, bytes, damaged, .. } = self.segments[place];
        SegmentInfo { first: header.first, end: self.end_of(place), bytes, created_ms: header.created_ms, damaged }
    }
}
