//! Parity: what a damaged record held can be told from the others of its group.
//!
//! Records build on one another, so that one which cannot be read would cost the rest of its segment. Every other record
//! belongs to the same *lane*, so that damage where two meet takes one of each. A lane's records are laid over each
//! other, bit by bit; when they make [`SHARE`] times what that takes, it is written behind them, and a new group begins.
//! One damaged record of a group is what is left when all others are taken away again.
//!
//! A group that is not full has its parity written behind the last record, where the next record takes its place.

use crate::format::{RECORD_BYTES, RecordHeader, RecordKind, write_parity};
use crate::walk::{SegmentPiece, SegmentWalk};

/// Records of a group are this many times as large as their parity, which so adds at most 1.6 % to a segment.
const SHARE: u64 = 64;
/// So many records in a row can be told again.
pub(crate) const LANES: usize = 2;

/// The groups that are being written.
#[derive(Default)]
pub(crate) struct ParityLanes([ParityLane; LANES]);

#[derive(Default)]
struct ParityLane {
    /// None if the group holds no record.
    covers: Option<(u64, u64)>,
    bytes: u64,
    parity: Vec<u8>,
    /// A record of the group could not be read, so that nothing can be said of it.
    blind: bool,
}

impl ParityLane {
    fn add(&mut self, seq: u64, record: &[u8]) {
        match &mut self.covers {
            Some((_, last)) => *last = seq,
            None => {
                self.covers = Some((seq, seq));
                self.parity.clear();
                self.bytes = 0;
            }
        }
        if self.parity.len() < record.len() {
            self.parity.resize(record.len(), 0);
        }
        lay_over(&mut self.parity, record);
        self.bytes += record.len() as u64;
    }

    fn is_full(&self) -> bool {
        self.covers.is_some() && self.bytes >= SHARE * self.parity.len() as u64
    }

    fn put(&self, out: &mut Vec<u8>) {
        if let Some((first, last)) = self.covers.filter(|_| !self.blind) {
            write_parity(out, first, last, &self.parity);
        }
    }

    fn begin(&mut self) {
        self.covers = None;
        self.blind = false;
    }
}

impl ParityLanes {
    fn of(&mut self, seq: u64) -> &mut ParityLane {
        &mut self.0[(seq % LANES as u64) as usize]
    }

    /// A record was written.
    pub(crate) fn add(&mut self, seq: u64, record: &[u8]) {
        self.of(seq).add(seq, record);
    }

    /// A record is there that cannot be read.
    pub(crate) fn skip(&mut self, seq: u64) {
        self.of(seq).blind = true;
    }

    /// Parity of a group was found.
    pub(crate) fn covered(&mut self, header: &RecordHeader) {
        let lane = self.of(header.seq);
        if lane.covers.is_none_or(|(_, last)| last <= header.through) {
            lane.begin();
        }
    }

    /// Whether some group is full.
    pub(crate) fn is_due(&self) -> bool {
        self.0.iter().any(ParityLane::is_full)
    }

    /// Adds the parity of the full groups.
    pub(crate) fn put_full(&self, out: &mut Vec<u8>) {
        self.0.iter().filter(|lane| lane.is_full()).for_each(|lane| lane.put(out));
    }

    /// They have been written: other groups begin.
    pub(crate) fn begin_full(&mut self) {
        self.0.iter_mut().filter(|lane| lane.is_full()).for_each(ParityLane::begin);
    }

    /// The bytes of the parity of all groups.
    pub(crate) fn bytes(&self) -> u64 {
        let lanes = self.0.iter().filter(|lane| lane.covers.is_some());
        lanes.map(|lane| RECORD_BYTES + lane.parity.len() as u64).sum()
    }

    /// Adds the parity of all groups.
    pub(crate) fn put_all(&self, out: &mut Vec<u8>) {
        self.0.iter().for_each(|lane| lane.put(out));
    }
}

fn lay_over(parity: &mut [u8], record: &[u8]) {
    parity.iter_mut().zip(record).for_each(|(sum, byte)| *sum ^= byte);
}

/// The whole record with that number, as the others of its group in a segment's bytes tell it; nothing if its parity is
/// not there, or another of its group is damaged as well.
pub(crate) fn recall(segment: &[u8], seq: u64) -> Option<Vec<u8>> {
    let lane = |other: u64| other % LANES as u64 == seq % LANES as u64;
    let covers = |header: &RecordHeader| lane(header.seq) && (header.seq..=header.through).contains(&seq);
    let good = |kind: RecordKind| {
        SegmentWalk::new(segment).filter_map(move |piece| match piece {
            SegmentPiece::Good(header, range) if header.kind == kind => Some((header, &segment[range])),
            _ => None,
        })
    };
    // The last: a group that was not full can have been covered more than once.
    let (header, parity) = good(RecordKind::Parity).filter(|(header, _)| covers(header)).last()?;
    let mut record = parity[RECORD_BYTES as usize..].to_vec();
    let mut left = (header.through - header.seq) / LANES as u64;
    let others = |other: u64| other != seq && lane(other) && (header.seq..=header.through).contains(&other);
    for (_, other) in good(RecordKind::Data).filter(|(other, _)| others(other.seq)) {
        if other.len() > record.len() {
            return None;
        }
        lay_over(&mut record, other);
        left = left.checked_sub(1)?;
    }
    let header = RecordHeader::first_of(&record).filter(|header| left == 0 && header.seq == seq)?;
    let end = usize::try_from(header.record_bytes()).ok()?;
    let payload = record.get(RECORD_BYTES as usize..end)?;
    let whole = header.kind == RecordKind::Data && header.fits(payload);
    record.truncate(end);
    whole.then_some(record)
}
