//! Making what was appended survive the death of the machine, without holding up the next append.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cap_std::fs::Dir;

use crate::error::JournalError;
use crate::position::Position;
use crate::segment_file::SegmentFile;
use crate::shared::Shared;

/// A group commit: everything that was appended before [`Journal::begin_sync`](crate::Journal::begin_sync) made it.
///
/// [`run`](Self::run) takes milliseconds and may do so on another thread while the journal goes on.
#[must_use = "nothing is on the disk for sure before it has run"]
pub struct PendingSync {
    pub(crate) files: Vec<Arc<SegmentFile>>,
    /// If files were made, renamed or removed.
    pub(crate) folder: Option<Arc<Shared>>,
    pub(crate) end: Position,
    pub(crate) failed: Arc<AtomicBool>,
}

impl PendingSync {
    /// Waits for the disk. Records before the position that it returns are on it.
    ///
    /// # Errors
    /// What the system says. After a failure nobody knows what reached the disk: the records that this commit stood
    /// for must not be called safe, not even when a later one succeeds. The journal begins a new segment, so that
    /// those after are not behind a hole.
    pub fn run(self) -> Result<Position, JournalError> {
        let synced = self.files.iter().try_for_each(|file| file.sync_data());
        let synced = synced.map_err(JournalError::of("sync", "a segment")).and_then(|()| match &self.folder {
            Some(shared) => sync_folder(&shared.dir).map_err(JournalError::of("sync", ".")),
            None => Ok(()),
        });
        if synced.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        synced.map(|()| self.end)
    }
}

/// Makes the names in a folder as durable as the files.
pub(crate) fn sync_folder(dir: &Dir) -> io::Result<()> {
    // The handle may be one that only finds names; opened anew it can be synced.
    dir.open(".")?.sync_all()
}
