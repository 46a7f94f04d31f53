//! The writing side of a journal. There is one at a time; everything that changes the folder goes through it.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use parking_lot::Mutex;

use crate::error::JournalError;
use crate::format::{HEADER_BYTES, MAX_PAYLOAD_BYTES, SegmentHeader, segment_name, write_record};
use crate::position::Position;
use crate::reader::Reader;
use crate::recovery::{self, Recovery, SetAside};
use crate::segment_file::SegmentFile;
use crate::shared::{SegmentInfo, Shared};
use crate::sync::PendingSync;

/// Large enough that a file is rarely begun, small enough that trimming gives room back soon: 32 MiB.
pub const DEFAULT_SEGMENT_BYTES: u64 = 32 << 20;

/// Segments that were finished since the last sync. With more, the oldest is synced before another is begun, so that
/// neither files stay open without bound nor a sync takes forever.
const MAX_UNSYNCED: usize = 8;
/// A buffer that one large record has blown up is not kept.
const KEPT_BUFFER_BYTES: usize = 1 << 20;

/// How a journal is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// A segment with this many bytes or more is finished.
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
    shared: Arc<Shared>,
    segment_bytes: u64,
    active: Option<Active>,
    /// Finished since the last sync.
    unsynced: Vec<Arc<SegmentFile>>,
    folder_unsynced: bool,
    sync_failed: Arc<AtomicBool>,
    buffer: Vec<u8>,
    /// Locked as long as it is open.
    _lock: File,
}

struct Active {
    file: Arc<SegmentFile>,
    first_seq: u64,
    /// Behind the last good record.
    offset: u64,
}

impl Active {
    fn is_empty(&self) -> bool {
        self.offset == HEADER_BYTES
    }
}

impl Journal {
    /// Opens the journal in a folder of its own, which nobody else should be able to read (mode 0700). Cuts off what
    /// a dying process left half written, and puts aside files that are not segments any more.
    ///
    /// # Errors
    /// [`JournalError::Locked`] if it is open already, or what the system says.
    pub fn open(dir: Dir, config: JournalConfig) -> Result<(Self, Recovery), JournalError> {
        let lock = recovery::lock(&dir)?;
        let (state, recovery) = recovery::recover(&dir, config.mark)?;
        let journal = Self {
            shared: Arc::new(Shared { dir, state: Mutex::new(state) }),
            segment_bytes: config.segment_bytes,
            active: None,
            unsynced: Vec::new(),
            folder_unsynced: true,
            sync_failed: Arc::new(AtomicBool::new(false)),
            buffer: Vec::new(),
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
        if self.active.as_ref().is_none_or(|active| active.is_empty() && self.is_distrusted()) {
            self.begin_segment()?;
        }
        let active = self.active.as_mut().expect("a segment was begun");
        let at = self.shared.state.lock().end;
        write_record(&mut self.buffer, at, items, payload);
        if let Err(error) = active.file.write_all_at(&self.buffer, active.offset) {
            let name = segment_name(active.first_seq);
            // If even this fails, what is there is no record, and nobody reads so far.
            let _ = active.file.set_len(active.offset);
            self.roll();
            return Err(JournalError::of("append to", name)(error));
        }
        active.offset += self.buffer.len() as u64;
        let mut state = self.shared.state.lock();
        state.end = at.after(items);
        state.segments.back_mut().expect("the active segment is the last").bytes = active.offset;
        drop(state);
        if active.offset >= self.segment_bytes || self.is_distrusted() {
            self.roll();
        }
        if self.buffer.capacity() > KEPT_BUFFER_BYTES {
            self.buffer = Vec::new();
        }
        Ok(at.seq)
    }

    /// Whether the next record will be the first of its segment. Only an append or a [`roll`](Self::roll) changes it,
    /// so the caller can encode the record accordingly.
    #[must_use]
    pub fn begins_segment(&self) -> bool {
        self.active.as_ref().is_none_or(Active::is_empty)
    }

    /// Finishes the segment that is being written, if it holds a record: the next one begins another.
    pub fn roll(&mut self) {
        if let Some(active) = self.active.take_if(|active| !active.is_empty()) {
            self.unsynced.push(active.file);
            self.shared.state.lock().writing = false;
        }
    }

    /// Whether what else is written into the segment may not be found again: a sync has failed, or a reader found
    /// damage before.
    fn is_distrusted(&self) -> bool {
        let damaged = || self.shared.state.lock().segments.back().is_some_and(|segment| segment.damaged);
        self.sync_failed.load(Ordering::Acquire) || damaged()
    }

    fn begin_segment(&mut self) -> Result<(), JournalError> {
        if let Some(empty) = self.active.take() {
            // Its file is not to be trusted any more, and the new one will have its name.
            self.remove_last(empty.first_seq)?;
        }
        while self.unsynced.len() >= MAX_UNSYNCED {
            let synced = self.unsynced.remove(0).sync_data();
            synced.map_err(JournalError::of("sync", "a segment"))?;
        }
        self.sync_failed.store(false, Ordering::Release);
        let header = SegmentHeader { first: self.end(), created_ms: now_ms() };
        let name = segment_name(header.first.seq);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = self.shared.dir.open_with(&name, &options).map_err(JournalError::of("create", &name))?;
        let file = Arc::new(SegmentFile::new(file.into_std()));
        self.folder_unsynced = true;
        if let Err(error) = file.write_all_at(&header.to_bytes(), 0) {
            // A file without a header that stays there is found and removed when the journal is opened again.
            let _ = self.shared.dir.remove_file(&name);
            return Err(JournalError::of("begin", name)(error));
        }
        let mut state = self.shared.state.lock();
        state.push(header, HEADER_BYTES);
        state.writing = true;
        drop(state);
        self.active = Some(Active { file, first_seq: header.first.seq, offset: HEADER_BYTES });
        Ok(())
    }

    fn remove_last(&mut self, first_seq: u64) -> Result<(), JournalError> {
        let mut state = self.shared.state.lock();
        state.segments.pop_back();
        state.writing = false;
        drop(state);
        self.folder_unsynced = true;
        let name = segment_name(first_seq);
        remove(&self.shared.dir, &name).map_err(JournalError::of("remove", name))
    }

    /// Makes everything that was appended so far survive the death of the machine. Takes milliseconds.
    ///
    /// # Errors
    /// As [`PendingSync::run`].
    pub fn sync(&mut self) -> Result<Position, JournalError> {
        self.begin_sync().run()
    }

    /// The same in two steps, the second of which can run elsewhere.
    pub fn begin_sync(&mut self) -> PendingSync {
        let mut files = std::mem::take(&mut self.unsynced);
        files.extend(self.active.as_ref().map(|active| active.file.clone()));
        let folder = std::mem::take(&mut self.folder_unsynced).then(|| self.shared.clone());
        PendingSync { files, folder, end: self.end(), failed: self.sync_failed.clone() }
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
            true => recovery::set_aside(&self.shared.dir, &name).map(drop),
            false => empty(&self.shared.dir, &name).and_then(|()| remove(&self.shared.dir, &name)),
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
    pub fn reader(&self, from: Position) -> Reader {
        Reader::new(self.shared.clone(), from)
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
    pub fn set_aside(&self) -> Result<Vec<SetAside>, JournalError> {
        recovery::list_set_aside(&self.shared.dir)
    }

    /// The size of all segments' files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.state.lock().segments.iter().map(|segment| segment.bytes).sum()
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

/// Gives back the room of a file even while somebody has it open: a reader that waits in it for a node to return, or a
/// sync that is on its way.
fn empty(dir: &Dir, name: &str) -> io::Result<()> {
    match dir.open_with(name, OpenOptions::new().write(true).truncate(true)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes a file, or finds that it is gone.
pub(crate) fn remove(dir: &Dir, name: &str) -> io::Result<()> {
    match dir.remove_file(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[cfg(test)]
mod tests;
