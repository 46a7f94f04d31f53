//! The writing side of a journal. There is one at a time; everything that changes the folder goes through it.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile, OpenMode, write_all_at};
use crate::error::JournalError;
use crate::format::{HEADER_BYTES, MAX_PAYLOAD_BYTES, RECORD_BYTES, SegmentHeader, segment_name, write_record};
use crate::parity::ParityLanes;
use crate::position::Position;
use crate::reader::JournalReader;
use crate::recovery::{self, DamagedFile, MAX_SEGMENT_BYTES, Recovery};
use crate::shared::{JournalShared, SegmentInfo};

/// Large enough that a file is rarely begun, small enough that trimming gives room back soon: 32 MiB.
pub const DEFAULT_SEGMENT_BYTES: u64 = 32 << 20;

/// Segments that were finished since the last sync. With more, the oldest is synced before another is begun, so that
/// neither files stay open without bound nor a sync takes forever.
const MAX_UNSYNCED: usize = 8;

/// How a journal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// A segment with this many bytes or more is finished; 64 MiB at most.
    pub segment_bytes: u64,
    /// How far its owner got: the position in the mark, or the default if there is none. New records come after it
    /// even if the files that held the ones before are gone, so that they are never taken for old ones.
    pub mark: Position,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { segment_bytes: DEFAULT_SEGMENT_BYTES, mark: Position::default() }
    }
}

/// A journal, open for appending.
///
/// Each opening begins a new segment with its first record, so that records which build on those before them in the
/// segment need nothing of an earlier process.
pub struct Journal {
    shared: Arc<JournalShared>,
    segment_bytes: u64,
    active: Option<ActiveSegment>,
    /// Finished since the last sync.
    unsynced: Vec<Box<dyn DiskFile>>,
    folder_unsynced: bool,
    /// A sync has failed of which the one who waits for it has not heard.
    unsaid_failure: bool,
    buffer: Vec<u8>,
    /// What a segment that is begun says about when.
    stamp_ms: u64,
    /// Locked as long as it is open.
    _lock: Box<dyn DiskFile>,
}

struct ActiveSegment {
    file: Box<dyn DiskFile>,
    first_seq: u64,
    /// Behind the last good record, and its parity if its group was full.
    offset: u64,
    lanes: ParityLanes,
    /// Parity of the groups that are not full, behind the last record, which the next one writes over.
    provisional_bytes: u64,
}

impl ActiveSegment {
    fn is_empty(&self) -> bool {
        self.offset == HEADER_BYTES
    }

    /// Writes the parity of the groups that are not full behind the last record, if it is not there.
    fn protect(&mut self, buffer: &mut Vec<u8>) {
        if self.provisional_bytes > 0 {
            return;
        }
        buffer.clear();
        self.lanes.put_all(buffer);
        match write_all_at(&*self.file, buffer, self.offset) {
            Ok(()) => self.provisional_bytes = buffer.len() as u64,
            // Without room for it there is none.
            Err(_) => drop(self.file.set_size(self.offset)),
        }
    }
}

impl Journal {
    /// Opens the journal in a folder of its own, which nobody else should be able to read (mode 0700). Cuts off what
    /// a dying process left half written, and puts aside files that are not segments any more.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if it is open already, or what the system says.
    pub fn open(disk: Arc<dyn Disk>, config: JournalConfig) -> Result<(Self, Recovery), JournalError> {
        let lock = recovery::lock(&*disk)?;
        let (state, recovery) = recovery::recover(&*disk, config.mark)?;
        let journal = Self {
            shared: Arc::new(JournalShared { disk, state: Mutex::new(state) }),
            segment_bytes: config.segment_bytes.min(MAX_SEGMENT_BYTES),
            active: None,
            unsynced: Vec::new(),
            folder_unsynced: true,
            unsaid_failure: false,
            buffer: Vec::new(),
            stamp_ms: now_ms(),
            _lock: lock,
        };
        Ok((journal, recovery))
    }

    /// Appends a record and returns its number. It survives the death of the process from now on. `items` is its
    /// weight.
    ///
    /// # Errors
    /// [`JournalError::NoSpace`], [`JournalError::TooLarge`], or what the system says. Nothing is kept then, and the
    /// next append begins a segment, for what the lost record told about those after it is not there.
    pub fn append(&mut self, payload: &[u8], items: u32) -> Result<u64, JournalError> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            self.roll();
            return Err(JournalError::TooLarge { bytes: payload.len(), most: MAX_PAYLOAD_BYTES });
        }
        if self.active.is_none() {
            self.begin_segment()?;
        }
        let active = self.active.as_mut().expect("a segment was begun");
        let at = self.shared.state.lock().end;
        self.buffer.clear();
        let due = active.lanes.is_due();
        if due {
            active.lanes.put_full(&mut self.buffer);
        }
        let start = self.buffer.len();
        write_record(&mut self.buffer, at, items, payload);
        let provisional = std::mem::take(&mut active.provisional_bytes) > 0;
        let cleared = if provisional { active.file.set_size(active.offset) } else { Ok(()) };
        if let Err(error) = cleared.and_then(|()| write_all_at(&*active.file, &self.buffer, active.offset)) {
            let name = segment_name(active.first_seq);
            // If even this fails, what is there is no record, and nobody reads so far.
            let _ = active.file.set_size(active.offset);
            self.roll();
            return Err(JournalError::of("append to", name)(error));
        }
        if due {
            active.lanes.begin_full();
        }
        active.lanes.add(at.seq, &self.buffer[start..]);
        active.offset += self.buffer.len() as u64;
        let mut state = self.shared.state.lock();
        state.end = at.after(items);
        let segment = state.segments.back_mut().expect("the active segment is the last");
        segment.bytes = active.offset;
        let damaged = segment.damaged;
        drop(state);
        if active.offset >= self.segment_bytes || damaged {
            self.roll();
        }
        Ok(at.seq)
    }

    /// What the segments that are begun from now on say about when that was; the clock at the opening otherwise.
    pub fn stamp(&mut self, created_ms: u64) {
        self.stamp_ms = created_ms;
    }

    /// Whether the next record will be the first of its segment. Only an append, a [`roll`](Self::roll) or a
    /// [`sync`](Self::sync) changes it, so the caller can encode the record accordingly.
    #[must_use]
    pub fn begins_segment(&self) -> bool {
        self.active.as_ref().is_none_or(ActiveSegment::is_empty)
    }

    /// Finishes the segment that is being written, if it holds a record: the next one begins another.
    pub fn roll(&mut self) {
        if let Some(mut active) = self.active.take_if(|active| !active.is_empty()) {
            active.protect(&mut self.buffer);
            self.unsynced.push(active.file);
            let mut state = self.shared.state.lock();
            state.writing = false;
            state.segments.back_mut().expect("the active segment is the last").bytes += active.provisional_bytes;
        }
    }

    /// Lets what was appended so far be told again if a bit of it flips, also where the next record may be long in
    /// coming. Worth a call every second in which something was appended.
    pub fn protect(&mut self) {
        if let Some(active) = &mut self.active {
            active.protect(&mut self.buffer);
        }
    }

    fn begin_segment(&mut self) -> Result<(), JournalError> {
        while self.unsynced.len() >= MAX_UNSYNCED {
            if let Err(error) = self.unsynced.remove(0).sync() {
                // Whoever waits for the next sync waits for what was in this file as well.
                self.unsaid_failure = true;
                return Err(JournalError::of("sync", "a segment")(error));
            }
        }
        let header = SegmentHeader { first: self.end(), created_ms: self.stamp_ms };
        let name = segment_name(header.first.seq);
        let create = || self.shared.disk.open(&name, OpenMode::New);
        let file = create().or_else(|error| match error.kind() {
            // One that could neither be begun nor removed: it holds no record of ours.
            io::ErrorKind::AlreadyExists => recovery::set_aside(&*self.shared.disk, &name).and_then(|_| create()),
            _ => Err(error),
        });
        let file = file.map_err(JournalError::of("create", &name))?;
        self.folder_unsynced = true;
        if let Err(error) = write_all_at(&*file, &header.to_bytes(), 0) {
            // A file without a header that stays there is found and removed when the journal is opened again.
            let _ = self.shared.disk.unlink(&name);
            return Err(JournalError::of("begin", name)(error));
        }
        let mut state = self.shared.state.lock();
        state.push(header, HEADER_BYTES);
        state.writing = true;
        drop(state);
        let first_seq = header.first.seq;
        let lanes = ParityLanes::default();
        self.active = Some(ActiveSegment { file, first_seq, offset: HEADER_BYTES, lanes, provisional_bytes: 0 });
        Ok(())
    }

    /// Makes everything that was appended so far survive the death of the machine. Takes milliseconds. Records before
    /// the position that it returns do.
    ///
    /// # Errors
    /// What the system says. After a failure nobody knows what reached the disk: the records since the last sync must
    /// not be called safe, not even when a later one succeeds. The next append begins a segment, so that no later
    /// record is behind a hole or builds on what is in it.
    pub fn sync(&mut self) -> Result<Position, JournalError> {
        let mut synced = match std::mem::take(&mut self.unsaid_failure) {
            true => Err(JournalError::of("sync", "a segment")(io::Error::other("an earlier sync has failed"))),
            false => Ok(()),
        };
        let finished = std::mem::take(&mut self.unsynced);
        for file in finished.iter().chain(self.active.as_ref().map(|active| &active.file)) {
            synced = synced.and(file.sync().map_err(JournalError::of("sync", "a segment")));
        }
        if self.folder_unsynced {
            let folder = self.shared.disk.sync().map_err(JournalError::of("sync", "."));
            self.folder_unsynced = folder.is_err();
            synced = synced.and(folder);
        }
        if let Err(error) = synced {
            self.distrust()?;
            return Err(error);
        }
        Ok(self.end())
    }

    /// Writes no more into the segment that is being written.
    fn distrust(&mut self) -> Result<(), JournalError> {
        self.roll();
        let Some(empty) = self.active.take() else { return Ok(()) };
        // The next one will have its name.
        let mut state = self.shared.state.lock();
        state.segments.pop_back();
        state.writing = false;
        drop(state);
        self.folder_unsynced = true;
        let name = segment_name(empty.first_seq);
        remove(&*self.shared.disk, &name).map_err(JournalError::of("remove", name))
    }

    /// Removes the segments whose records all have lower numbers, but never the one that is being written. Write the
    /// mark before.
    ///
    /// # Errors
    /// What the system says; the segment is still there then.
    pub fn trim(&mut self, before: u64) -> Result<(), JournalError> {
        while let Some(oldest) = self.oldest_finished()
            && oldest.end.seq <= before
        {
            self.let_go(oldest)?;
        }
        Ok(())
    }

    /// Removes the oldest segment, whether its records were read or not, and tells which it was. It does not touch
    /// the one that is being written: [`roll`](Self::roll) first, if even that has to go. A reader that was not done
    /// with it gets a [`Loss`](crate::Loss) with what it had not read.
    ///
    /// # Errors
    /// What the system says; the segment is still there then.
    pub fn drop_oldest(&mut self) -> Result<Option<SegmentInfo>, JournalError> {
        let Some(oldest) = self.oldest_finished() else { return Ok(None) };
        self.let_go(oldest)?;
        Ok(Some(oldest))
    }

    fn oldest_finished(&self) -> Option<SegmentInfo> {
        let state = self.shared.state.lock();
        (state.segments.len() > usize::from(state.writing)).then(|| state.info(0))
    }

    /// Removes the oldest segment, or sets it aside if it is damaged.
    fn let_go(&mut self, oldest: SegmentInfo) -> Result<(), JournalError> {
        let mut state = self.shared.state.lock();
        // Readers learn first, so that none looks for a file that is gone.
        let segment = state.segments.pop_front().expect("the oldest segment is there");
        let let_go_before = std::mem::replace(&mut state.let_go, oldest.end.seq);
        drop(state);
        let name = segment_name(oldest.first.seq);
        let gone = match segment.damaged {
            true => recovery::set_aside(&*self.shared.disk, &name).map(drop),
            false => empty(&*self.shared.disk, &name).and_then(|()| remove(&*self.shared.disk, &name)),
        };
        self.folder_unsynced = true;
        gone.map_err(|error| {
            let mut state = self.shared.state.lock();
            state.segments.push_front(segment);
            state.let_go = let_go_before;
            JournalError::of("remove", name)(error)
        })
    }

    /// A reader that begins with the first record of the segment that holds `from`: records that build on those
    /// before them can be read no other way. The caller passes over what is before `from`; of losses before it the
    /// reader says nothing.
    #[must_use]
    pub fn reader(&self, from: Position) -> JournalReader {
        JournalReader::new(self.shared.clone(), from)
    }

    /// The segments, oldest first.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let state = self.shared.state.lock();
        (0..state.segments.len()).map(|place| state.info(place)).collect()
    }

    /// The damaged files that were set aside, by name. They are never removed; that is for an operator to do, with
    /// `rm`, at any time.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_aside(&self) -> Result<Vec<DamagedFile>, JournalError> {
        recovery::list_set_aside(&*self.shared.disk)
    }

    /// The size of all segments' files, with the parity of what is being written.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let parity = self.active.as_ref().map_or(0, |active| active.lanes.bytes());
        parity + self.shared.state.lock().segments.iter().map(|segment| segment.bytes).sum::<u64>()
    }

    /// By how much a record with so many bytes lets [`bytes`](Self::bytes) grow at most.
    #[must_use]
    pub fn growth(payload_bytes: usize) -> u64 {
        HEADER_BYTES + 2 * (RECORD_BYTES + payload_bytes as u64)
    }

    /// Before the oldest record.
    #[must_use]
    pub fn start(&self) -> Position {
        let state = self.shared.state.lock();
        state.segments.front().map_or(state.end, |oldest| oldest.header.first)
    }

    /// Behind the newest record.
    #[must_use]
    pub fn end(&self) -> Position {
        self.shared.state.lock().end
    }
}

impl Drop for Journal {
    /// What was appended last gets its parity.
    fn drop(&mut self) {
        self.roll();
    }
}

/// Gives back the room of a file even while somebody has it open: a reader that waits in it for a destination to
/// return.
fn empty(disk: &dyn Disk, name: &str) -> io::Result<()> {
    match disk.open(name, OpenMode::Existing).and_then(|file| file.set_size(0)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a file, or finds that it is gone.
pub(crate) fn remove(disk: &dyn Disk, name: &str) -> io::Result<()> {
    match disk.unlink(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests;
