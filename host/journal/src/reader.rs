//! The reading side of a journal: record after record, past damage, on any thread, while the writer goes on.

use std::fs::File;
use std::io;
use std::sync::Arc;

use crate::error::JournalError;
use crate::format::{HEADER_BYTES, read_record, segment_name};
use crate::position::Position;
use crate::shared::{Shared, State};

/// Reads a journal in order.
pub struct Reader {
    shared: Arc<Shared>,
    /// Of losses before this nothing is said.
    from: Position,
    /// Before the next record.
    at: Position,
    current: Option<Current>,
}

struct Current {
    serial: u64,
    first_seq: u64,
    /// None if it is not there.
    file: Option<File>,
    offset: u64,
    /// Nothing more can be read from it.
    broken: bool,
}

/// What a reader found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// A record; its bytes are in the buffer.
    Record {
        /// Before it.
        at: Position,
        /// Its weight.
        items: u32,
        /// Whether it is the first of its segment.
        first_of_segment: bool,
    },
    /// Records that cannot be read any more. Reading goes on behind them, with the first of a segment.
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
    pub cause: Cause,
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
pub enum Cause {
    /// [`Journal::drop_oldest`](crate::Journal::drop_oldest) or a trim removed them before they were read.
    Dropped,
    /// A file is not as it was written. What was good before the damage has been read; the rest of the segment is
    /// lost with it, for its records build on one another. When it is trimmed or dropped the file is kept beside the
    /// journal, as [`Journal::set_aside`](crate::Journal::set_aside) lists it.
    Damaged {
        /// The file.
        name: String,
    },
    /// A file is not there, or ends too early; somebody or something else removed it.
    Missing,
}

/// What is to be done next, found out while nothing changes.
enum Step {
    /// Open that segment.
    Open { first: Position, serial: u64 },
    /// Read on in the current one, of which so many bytes count.
    Read { limit: u64 },
    /// Nothing is left of the current one: go on there.
    Leave { to: Position, cause: Cause },
    /// Nothing is left of the current one, which may grow.
    Stay { to: Position, cause: Cause },
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, from: Position) -> Self {
        let end = shared.state.lock().end;
        let from = if from.seq > end.seq { end } else { from };
        Self { shared, from, at: from, current: None }
    }

    /// Before the next record.
    #[must_use]
    pub fn position(&self) -> Position {
        self.at
    }

    /// Reads what comes next. The buffer is emptied, and holds the record's bytes after [`Read::Record`].
    ///
    /// # Errors
    /// What the system says; the next call tries the same again. Damage is no error.
    pub fn next(&mut self, payload: &mut Vec<u8>) -> Result<Read, JournalError> {
        payload.clear();
        // Each round reads, opens or leaves a segment, and there are only so many.
        loop {
            let step = self.step(&self.shared.state.lock());
            match step {
                Step::Read { limit } => {
                    if let Some(record) = self.read(limit, payload)? {
                        return Ok(record);
                    }
                    self.give_up();
                }
                Step::Open { first, serial } => self.open(first, serial)?,
                Step::Leave { to, cause } => {
                    self.current = None;
                    if let Some(loss) = self.go_to(to, cause) {
                        return Ok(Read::Lost(loss));
                    }
                }
                Step::Stay { to, cause } => return Ok(self.go_to(to, cause).map_or(Read::End, Read::Lost)),
            }
        }
    }

    fn step(&self, state: &State) -> Step {
        let missing = |to: Position| if to.seq <= state.let_go { Cause::Dropped } else { Cause::Missing };
        let Some(current) = &self.current else {
            let behind = state.place_from(self.at.seq + 1);
            let last = behind == state.segments.len();
            return match behind.checked_sub(1) {
                // The last one may have more to come that builds on what it holds.
                Some(place) if self.at.seq < state.end_of(place).seq || (last && state.writing) => {
                    let segment = state.segments[place];
                    Step::Open { first: segment.header.first, serial: segment.serial }
                }
                _ if last => Step::Stay { to: state.end, cause: missing(state.end) },
                _ => {
                    let to = state.segments[behind].header.first;
                    Step::Leave { to, cause: missing(to) }
                }
            };
        };
        let Some(place) = state.place_of(current.serial) else {
            let to = state.segments.get(state.place_from(self.at.seq)).map_or(state.end, |next| next.header.first);
            return Step::Leave { to, cause: missing(to) };
        };
        let (segment, to) = (state.segments[place], state.end_of(place));
        let last = place + 1 == state.segments.len();
        if !current.broken && current.offset < segment.bytes && self.at.seq < to.seq {
            return Step::Read { limit: segment.bytes };
        }
        let cause = match &current.file {
            Some(_) if current.broken => Cause::Damaged { name: segment_name(current.first_seq) },
            _ => Cause::Missing,
        };
        if last { Step::Stay { to, cause } } else { Step::Leave { to, cause } }
    }

    /// Opens a segment and goes back to its beginning.
    fn open(&mut self, first: Position, serial: u64) -> Result<(), JournalError> {
        let name = segment_name(first.seq);
        let file = match self.shared.dir.open(&name) {
            Ok(file) => Some(file.into_std()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(JournalError::of("open", name)(error)),
        };
        let missing = file.is_none();
        self.at = first;
        self.current = Some(Current { serial, first_seq: first.seq, file, offset: HEADER_BYTES, broken: false });
        if missing {
            // Either the writer has just removed it, and the next step will see that, or somebody else did.
            self.give_up();
        }
        Ok(())
    }

    /// Reads a record, if there is a good one.
    fn read(&mut self, limit: u64, payload: &mut Vec<u8>) -> Result<Option<Read>, JournalError> {
        let Some(Current { file: Some(file), offset, first_seq, .. }) = &mut self.current else { return Ok(None) };
        let at = self.at;
        let record = read_record(file, *offset, limit, at, payload)
            .map_err(JournalError::of("read", segment_name(*first_seq)))?;
        Ok(record.map(|record| {
            let first_of_segment = *offset == HEADER_BYTES;
            *offset += record.bytes;
            self.at = at.after(record.items);
            Read::Record { at, items: record.items, first_of_segment }
        }))
    }

    /// Reads no more of the current segment, and lets the writer know that it is damaged.
    fn give_up(&mut self) {
        let Some(current) = &mut self.current else { return };
        current.broken = true;
        let mut state = self.shared.state.lock();
        if let Some(place) = state.place_of(current.serial) {
            state.segments[place].damaged = true;
        }
    }

    /// Goes to a position behind this one, and tells what is lost between.
    fn go_to(&mut self, to: Position, cause: Cause) -> Option<Loss> {
        let from = self.at.max(self.from);
        self.at = to;
        (from.seq < to.seq).then_some(Loss { from, to, cause })
    }
}
