//! An instance's own folder: made when it is first needed, private to the agent's user, bounded in bytes and entries.
//!
//! What is written is charged before it is written, in a [`FolderLedger`] that all instances on this folder share: what
//! was counted last, and what was charged since. When that would pass the limit, the folder is counted anew, by what
//! the disk holds for it, files that are open and have no name any more included; if there is still no room, the guest
//! gets the error of a full disk. What is deleted or closed is room again.

use std::collections::{HashMap, HashSet};
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt as _, ReadDir};
use parking_lot::Mutex;

/// Where a guest sees it.
pub(crate) const GUEST_PATH: &str = "/data";
/// Files, folders and links in it: each takes room that no size tells, and counting them takes time.
pub(crate) const ENTRIES_MAX: usize = 10_000;
/// Folders within folders that are counted; each holds a descriptor meanwhile. What lies deeper is not looked at, and
/// the folder is full as long as there is anything.
const DEPTH_MAX: usize = 32;
/// What disks give room in.
pub(crate) const BLOCK_BYTES: u64 = 4096;
/// The unit of what the system says a file takes.
const SECTOR_BYTES: u64 = 512;
/// Open files that are remembered before those that were closed are looked for.
const OPEN_MIN: usize = 256;
/// What the name of a canary's folder has in addition.
pub(crate) const CANARY: &str = "canary";

/// Makes the folder if it is not there.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// There is no room: to the guest the disk is full.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FolderFull;

/// The ledgers of all folders that are in use.
#[derive(Clone, Default)]
pub(crate) struct FolderLedgers(Arc<Mutex<HashMap<PathBuf, Weak<FolderLedger>>>>);

impl FolderLedgers {
    /// The ledger of a folder. A canary's folder is in that of what it is a canary of.
    pub(crate) fn of(&self, folder: &Path) -> Arc<FolderLedger> {
        let own = if folder.extension().is_some_and(|extension| extension == CANARY) {
            folder.with_extension("")
        } else {
            folder.to_owned()
        };
        let mut ledgers = self.0.lock();
        if let Some(ledger) = ledgers.get(&own).and_then(Weak::upgrade) {
            return ledger;
        }
        ledgers.retain(|_, ledger| ledger.strong_count() > 0);
        let ledger =
            Arc::new(FolderLedger { folders: [own.clone(), own.with_added_extension(CANARY)], held: Mutex::default() });
        ledgers.insert(own, Arc::downgrade(&ledger));
        ledger
    }
}

/// What a folder holds.
pub(crate) struct FolderLedger {
    folders: [PathBuf; 2],
    held: Mutex<HeldFile>,
}

#[derive(Default)]
struct HeldFile {
    /// Counted, and charged since. None until it is counted for the first time.
    used: Option<FolderUse>,
    /// Charged by what is being written at this moment, which a count may see or not.
    under_way: u64,
    /// Files and folders that were opened, some of them closed again.
    open: Vec<Weak<File>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FolderUse {
    bytes: u64,
    entries: usize,
}

/// Bytes that are being written.
pub(crate) struct FolderWrite<'a>(&'a FolderLedger, u64);

impl FolderLedger {
    /// Charges a write of so many bytes. The answer is held until they are written.
    pub(crate) fn write(&self, length: u64, limit: u64) -> Result<FolderWrite<'_>, FolderFull> {
        // It may begin and end within a block each.
        let bytes = length.div_ceil(BLOCK_BYTES).saturating_add(1).saturating_mul(BLOCK_BYTES);
        let mut held = self.held.lock();
        self.charge(&mut held, FolderUse { bytes, entries: 0 }, limit)?;
        held.under_way += bytes;
        Ok(FolderWrite(self, bytes))
    }

    /// Charges an entry that is to be made.
    pub(crate) fn make(&self, limit: u64) -> Result<(), FolderFull> {
        self.charge(&mut self.held.lock(), FolderUse { bytes: BLOCK_BYTES, entries: 1 }, limit)
    }

    /// Remembers what was opened: it takes room also when it has no name any more.
    pub(crate) fn opened(&self, file: &Arc<File>) {
        let mut held = self.held.lock();
        let open = &mut held.open;
        if open.len() >= OPEN_MIN && open.len() == open.capacity() {
            open.retain(|file| file.strong_count() > 0);
        }
        open.push(Arc::downgrade(file));
    }

    fn charge(&self, held: &mut HeldFile, more: FolderUse, limit: u64) -> Result<(), FolderFull> {
        let fits = |used: &FolderUse| {
            used.bytes.saturating_add(more.bytes) <= limit && used.entries + more.entries <= ENTRIES_MAX
        };
        let used = match held.used.filter(fits) {
            Some(used) => used,
            None => {
                let mut counted = self.count(held).ok_or(FolderFull)?;
                counted.bytes = counted.bytes.saturating_add(held.under_way);
                held.used = Some(counted);
                held.used.filter(fits).ok_or(FolderFull)?
            }
        };
        held.used = Some(FolderUse { bytes: used.bytes + more.bytes, entries: used.entries + more.entries });
        Ok(())
    }

    /// Counts what there is; none, if it is more or deeper than is counted, or cannot be looked at.
    fn count(&self, held: &mut HeldFile) -> Option<FolderUse> {
        let mut count = FolderCount::default();
        for folder in &self.folders {
            match Dir::open_ambient_dir(folder, ambient_authority()) {
                Ok(folder) => count.folder(&folder).ok()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return None,
            }
        }
        held.open.retain(|file| file.strong_count() > 0);
        for file in held.open.iter().filter_map(Weak::upgrade) {
            let Ok(metadata) = file.metadata() else { continue };
            if metadata.nlink() == 0 && count.seen.insert((metadata.dev(), metadata.ino())) {
                count.used.bytes += metadata.blocks() * SECTOR_BYTES;
            }
        }
        Some(count.used)
    }
}

impl Drop for FolderWrite<'_> {
    fn drop(&mut self) {
        self.0.held.lock().under_way -= self.1;
    }
}

#[derive(Default)]
struct FolderCount {
    used: FolderUse,
    /// What can be met more than once.
    seen: HashSet<(u64, u64)>,
}

/// It is too much to count.
#[derive(Debug)]
struct CountOverflow;

impl From<io::Error> for CountOverflow {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl FolderCount {
    /// Adds a folder and all that is below it. Opened as a capability: no link that a guest has made leads out.
    fn folder(&mut self, folder: &Dir) -> Result<(), CountOverflow> {
        self.used.bytes += folder.dir_metadata()?.blocks() * SECTOR_BYTES;
        // Only the folders from here to the root are open at the same time, however many there are.
        let mut way: Vec<ReadDir> = vec![folder.entries()?];
        while let Some(entries) = way.last_mut() {
            let Some(entry) = entries.next() else {
                way.pop();
                continue;
            };
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Another instance has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(_) => return Err(CountOverflow),
            };
            self.used.entries += 1;
            if self.used.entries > ENTRIES_MAX {
                return Err(CountOverflow);
            }
            if metadata.nlink() == 1 || metadata.is_dir() || self.seen.insert((metadata.dev(), metadata.ino())) {
                self.used.bytes += metadata.blocks() * SECTOR_BYTES;
            }
            if metadata.is_dir() {
                if way.len() >= DEPTH_MAX {
                    return Err(CountOverflow);
                }
                match entry.open_dir() {
                    Ok(folder) => way.push(folder.entries()?),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(_) => return Err(CountOverflow),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
