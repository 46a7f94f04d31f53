//! From record to record through a segment's bytes, and over what is damaged.

use std::ops::Range;

use crate::format::{HEADER_BYTES, RECORD_BYTES, RecordHeader};

/// How many bytes are checksummed in the search for the next record behind damage, so that a file made to look like many
/// records cannot hold it up.
const SEARCH_HASHED_BYTES: usize = 256 << 20;

/// What is at a place of a segment.
#[derive(Debug)]
pub(crate) enum SegmentPiece {
    /// A good record, and where it is.
    Good(RecordHeader, Range<usize>),
    /// A record whose payload is damaged, and whose end is known.
    Damaged(RecordHeader),
    /// No record. Behind it is one, or the end.
    Gap,
}

/// Goes through the bytes of a segment.
pub(crate) struct SegmentWalk<'a> {
    segment: &'a [u8],
    place: usize,
    hashed: usize,
}

impl<'a> SegmentWalk<'a> {
    pub(crate) fn new(segment: &'a [u8]) -> Self {
        Self::from(segment, HEADER_BYTES as usize)
    }

    pub(crate) fn from(segment: &'a [u8], place: usize) -> Self {
        Self { segment, place, hashed: 0 }
    }

    /// The record at a place, and whether it is good. It does not reach beyond the end unless it is damaged.
    fn record_at(&self, place: usize) -> Option<(RecordHeader, usize, bool)> {
        let rest = self.segment.get(place..)?;
        let header = RecordHeader::first_of(rest)?;
        let end = place + header.record_bytes() as usize;
        let payload = rest.get(RECORD_BYTES as usize..header.record_bytes() as usize);
        Some((header, end, payload.is_some_and(|payload| header.fits(payload))))
    }

    /// The next place where a good record begins, or the end.
    fn search(&mut self, from: usize) -> usize {
        (from..self.segment.len())
            .find(|place| {
                let found = self.record_at(*place);
                self.hashed += found.map_or(0, |(header, ..)| header.payload_bytes);
                self.hashed > SEARCH_HASHED_BYTES || found.is_some_and(|(_, _, good)| good)
            })
            .filter(|_| self.hashed <= SEARCH_HASHED_BYTES)
            .unwrap_or(self.segment.len())
    }
}

impl Iterator for SegmentWalk<'_> {
    type Item = SegmentPiece;

    fn next(&mut self) -> Option<SegmentPiece> {
        let place = self.place;
        if place >= self.segment.len() {
            return None;
        }
        match self.record_at(place) {
            Some((header, end, true)) => {
                self.place = end;
                Some(SegmentPiece::Good(header, place..end))
            }
            Some((header, end, false)) => {
                self.place = end.min(self.segment.len());
                Some(SegmentPiece::Damaged(header))
            }
            None => {
                self.place = self.search(place + 1);
                Some(SegmentPiece::Gap)
            }
        }
    }
}
