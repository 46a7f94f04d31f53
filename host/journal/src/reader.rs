//! The reading side of a journal: record after record, past damage, on any thread, while the writer goes on.

use std::io;
use std::sync::Arc;

use crate::disk::{DiskFile, OpenMode, read_exact_at};
use crate::error::JournalError;
use crate::format::{HEADER_BYTES, RECORD_BYTES, RecordHeader, RecordKind, segment_name};
use crate::parity::recall;
use crate::position::Position;
use crate::recovery::read_image;
use crate::shared::{JournalShared, SegmentList};
use crate::walk::{SegmentPiece, SegmentWalk};

/// So many damaged records of a segment are told from its parity; each time all of it is read. A disk that loses more
/// is not waited for.
const RECALLS_MAX: u32 = 64;

/// Reads a journal in order.
pub struct JournalReader {
    shared: Arc<JournalShared>,
    /// Of losses before this nothing is said.
    from: Position,
    /// Before the next record.
    at: Position,
    current: Option<CurrentSegment>,
}

struct CurrentSegment {
    serial: u64,
    first_seq: u64,
    /// None if it is not there.
    file: Option<Box<dyn DiskFile>>,
    offset: u64,
    recalls: u32,
    /// Nothing more can be read from it.
    broken: bool,
}

/// What a reader found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// A record; its bytes are in the buffer.
    Record {
        /// Before it.
        at: Position,
        /// Its weight.
        items: u32,
        /// Whether it is the first of its segment.
        first_of_segment: bool,
    },
    /// Records that cannot be read any more. Reading goes on behind them; what builds on them cannot be understood until
    /// the first of a segment comes.
    Lost(Loss),
    /// No more for now. A later call finds what was appended since.
    End,
}

/// Records that are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Before the first of them.
    pub from: Position,
    /// Behind the last of them.
    pub to: Position,
    /// Why.
    pub cause: LossCause,
}

impl Loss {
    /// How many records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.to.seq - self.from.seq
    }

    /// Their weight.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.to.items.saturating_sub(self.from.items)
    }
}

/// Why records are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LossCause {
    /// [`Journal::drop_oldest`](crate::Journal::drop_oldest) or a trim removed them before they were read.
    Dropped,
    /// A file is not as it was written, and its parity does not tell what was there. When it is trimmed or dropped the
    /// file is kept beside the journal, as [`Journal::set_aside`](crate::Journal::set_aside) lists it.
    Damaged {
        /// The file.
        name: String,
    },
    /// A file is not there, or ends too early; somebody or something else removed it.
    Missing,
}

/// What counts of a segment.
#[derive(Clone, Copy)]
struct Extent {
    bytes: u64,
    /// The number behind its last record.
    end_seq: u64,
}

/// What is to be done next, found out while nothing changes.
enum ReadStep {
    /// Open that segment.
    Open { first: Position, serial: u64 },
    /// Read on in the current one.
    Read(Extent),
    /// Nothing is left of the current one: go on there.
    Leave { to: Position, cause: LossCause },
    /// Nothing is left of the current one, which may grow.
    Stay { to: Position, cause: LossCause },
}

impl JournalReader {
    pub(crate) fn new(shared: Arc<JournalShared>, from: Position) -> Self {
        let end = shared.state.lock().end;
        let from = if from.seq > end.seq { end } else { from };
        Self { shared, from, at: from, current: None }
    }

    /// Before the next record.
    #[must_use]
    pub fn position(&self) -> Position {
        self.at
    }

    /// Reads what comes next. The buffer is emptied, and holds the record's bytes after [`ReadOutcome::Record`].
    ///
    /// # Errors
    /// What the system says; the next call tries the same again. Damage is no error.
    pub fn next(&mut self, payload: &mut Vec<u8>) -> Result<ReadOutcome, JournalError> {
        payload.clear();
        // Each round reads, opens or leaves a segment, and there are only so many.
        loop {
            let step = self.step(&self.shared.state.lock());
            match step {
                ReadStep::Read(extent) => match self.read(extent, payload)? {
                    Some(found) => return Ok(found),
                    None if self.is_behind_all(extent) => {}
                    None => self.give_up(),
                },
                ReadStep::Open { first, serial } => self.open(first, serial)?,
                ReadStep::Leave { to, cause } => {
                    self.current = None;
                    if let Some(loss) = self.go_to(to, cause) {
                        return Ok(ReadOutcome::Lost(loss));
                    }
                }
                ReadStep::Stay { to, cause } => {
                    return Ok(self.go_to(to, cause).map_or(ReadOutcome::End, ReadOutcome::Lost));
                }
            }
        }
    }

    fn step(&self, state: &SegmentList) -> ReadStep {
        let missing = |to: Position| if to.seq <= state.let_go { LossCause::Dropped } else { LossCause::Missing };
        let Some(current) = &self.current else {
            let behind = state.place_from(self.at.seq + 1);
            let last = behind == state.segments.len();
            return match behind.checked_sub(1) {
                // The last one may have more to come that builds on what it holds.
                Some(place) if self.at.seq < state.end_of(place).seq || (last && state.writing) => {
                    let segment = state.segments[place];
                    ReadStep::Open { first: segment.header.first, serial: segment.serial }
                }
                _ if last => ReadStep::Stay { to: state.end, cause: missing(state.end) },
                _ => {
                    let to = state.segments[behind].header.first;
                    ReadStep::Leave { to, cause: missing(to) }
                }
            };
        };
        let Some(place) = state.place_of(current.serial) else {
            let to = state.segments.get(state.place_from(self.at.seq)).map_or(state.end, |next| next.header.first);
            return ReadStep::Leave { to, cause: missing(to) };
        };
        let (segment, to) = (state.segments[place], state.end_of(place));
        let last = place + 1 == state.segments.len();
        if !current.broken && current.offset < segment.bytes && self.at.seq < to.seq {
            return ReadStep::Read(Extent { bytes: segment.bytes, end_seq: to.seq });
        }
        let cause = match &current.file {
            Some(_) if current.broken => LossCause::Damaged { name: segment_name(current.first_seq) },
            _ => LossCause::Missing,
        };
        if last { ReadStep::Stay { to, cause } } else { ReadStep::Leave { to, cause } }
    }

    /// Opens a segment and goes back to its beginning.
    fn open(&mut self, first: Position, serial: u64) -> Result<(), JournalError> {
        let name = segment_name(first.seq);
        let file = match self.shared.disk.open(&name, OpenMode::Read) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(JournalError::of("open", name)(error)),
        };
        let missing = file.is_none();
        self.at = first;
        let (first_seq, offset) = (first.seq, HEADER_BYTES);
        self.current = Some(CurrentSegment { serial, first_seq, file, offset, recalls: 0, broken: false });
        if missing {
            // Either the writer has just removed it, and the next step will see that, or somebody else did.
            self.give_up();
        }
        Ok(())
    }

    /// Whether nothing is left of the part of the file that counts.
    fn is_behind_all(&self, extent: Extent) -> bool {
        self.current.as_ref().is_some_and(|current| current.offset == extent.bytes)
    }

    /// Reads a record, or what became of it; nothing if there is none, or nothing good behind it.
    fn read(&mut self, extent: Extent, payload: &mut Vec<u8>) -> Result<Option<ReadOutcome>, JournalError> {
        let Some(current) = &mut self.current else { return Ok(None) };
        let name = || segment_name(current.first_seq);
        let Some(file) = &current.file else { return Ok(None) };
        while current.offset < extent.bytes {
            let Some(header) =
                read_header(&**file, current.offset, extent.bytes).map_err(JournalError::of("read", name()))?
            else {
                break;
            };
            if header.kind == RecordKind::Parity {
                current.offset += header.record_bytes();
                continue;
            }
            payload.resize(header.payload_bytes, 0);
            let whole = header.is_at(self.at)
                && read_exact_at(&**file, payload, current.offset + RECORD_BYTES)
                    .map_err(JournalError::of("read", name()))?
                && header.fits(payload);
            if !whole {
                payload.clear();
                break;
            }
            return Ok(Some(self.found(&header, header.record_bytes())));
        }
        if current.offset == extent.bytes { Ok(None) } else { self.read_damaged(extent, payload) }
    }

    /// Goes over a record that was read, or told from others; it took so many bytes.
    fn found(&mut self, header: &RecordHeader, bytes: u64) -> ReadOutcome {
        let at = std::mem::replace(&mut self.at, header.end());
        let mut first_of_segment = false;
        if let Some(current) = &mut self.current {
            first_of_segment = current.first_seq == at.seq;
            current.offset += bytes;
        }
        ReadOutcome::Record { at, items: header.items, first_of_segment }
    }

    /// Tells a damaged record from the others of its group, or goes on with the next good one.
    fn read_damaged(&mut self, extent: Extent, payload: &mut Vec<u8>) -> Result<Option<ReadOutcome>, JournalError> {
        let Some(current) = &mut self.current else { return Ok(None) };
        let (Some(file), name) = (&current.file, segment_name(current.first_seq)) else { return Ok(None) };
        let image = file.size().and_then(|bytes| read_image(&**file, bytes));
        let image = image.map_err(JournalError::of("read", &name))?.bytes;
        let (first, at) = (current.offset as usize, self.at);
        let next =
            SegmentWalk::from(&image[..image.len().min(extent.bytes as usize)], first).find_map(|piece| match piece {
                SegmentPiece::Good(header, range) if header.kind == RecordKind::Data => {
                    let start = header.start();
                    (start.seq >= at.seq && start.items >= at.items).then_some((start, range.start))
                }
                _ => None,
            });
        if let Some((_, offset)) = next.filter(|(to, _)| *to == at) {
            // Only parity is damaged.
            current.offset = offset as u64;
            return self.read(extent, payload);
        }
        // Of records damaged in a row one may have its whole group left, and the one before it not.
        for seq in at.seq..next.map_or(extent.end_seq, |(to, _)| to.seq) {
            current.recalls += 1;
            if current.recalls > RECALLS_MAX {
                break;
            }
            let Some(record) = recall(&image, seq) else { continue };
            let Some(header) = RecordHeader::first_of(&record).filter(|header| header.start().items >= at.items) else {
                continue;
            };
            if header.is_at(at) {
                payload.extend_from_slice(&record[RECORD_BYTES as usize..]);
                return Ok(Some(self.found(&header, header.record_bytes())));
            }
            // The lost ones took more than nothing, so that what is to come is behind this offset all the same.
            return self.skip_to(header.start(), name, extent, payload);
        }
        let Some((to, offset)) = next else { return Ok(None) };
        current.offset = offset as u64;
        self.skip_to(to, name, extent, payload)
    }

    /// Goes on behind records of the current segment that are lost.
    fn skip_to(
        &mut self,
        to: Position,
        name: String,
        extent: Extent,
        payload: &mut Vec<u8>,
    ) -> Result<Option<ReadOutcome>, JournalError> {
        self.note_damage();
        // Of a loss before the place where reading was to begin nothing is said.
        match self.go_to(to, LossCause::Damaged { name }) {
            Some(loss) => Ok(Some(ReadOutcome::Lost(loss))),
            None => self.read(extent, payload),
        }
    }

    /// Reads no more of the current segment.
    fn give_up(&mut self) {
        if let Some(current) = &mut self.current {
            current.broken = true;
        }
        self.note_damage();
    }

    /// Lets the writer know that the current segment is damaged.
    fn note_damage(&self) {
        let Some(current) = &self.current else { return };
        let mut state = self.shared.state.lock();
        if let Some(place) = state.place_of(current.serial) {
            state.segments[place].damaged = true;
        }
    }

    /// Goes to a position behind this one, and tells what is lost between.
    fn go_to(&mut self, to: Position, cause: LossCause) -> Option<Loss> {
        let from = self.at.max(self.from);
        self.at = to;
        (from.seq < to.seq).then_some(Loss { from, to, cause })
    }
}

/// The fixed part of the record at a place of a file of which `limit` bytes count; nothing if there is none.
fn read_header(file: &dyn DiskFile, offset: u64, limit: u64) -> io::Result<Option<RecordHeader>> {
    let mut bytes = [0; RECORD_BYTES as usize];
    let room = limit.saturating_sub(offset);
    if room < RECORD_BYTES || !read_exact_at(file, &mut bytes, offset)? {
        return Ok(None);
    }
    Ok(RecordHeader::parse(&bytes).filter(|header| header.record_bytes() <= room))
}
