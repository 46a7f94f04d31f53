//! The folder that holds the queues on disk, one folder a destination, named by the destination.
//!
//! Folders that belong to no destination are kept and listed: a destination that was renamed by mistake finds its
//! points again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use saker_journal::{Disk, real};

use crate::clock::{Clock, SystemClock};

/// The journal of a destination's queue, in its folder.
pub(super) const QUEUE: &str = "queue";
/// The journal of what its backend has rejected.
pub(super) const DEAD: &str = "dead";

/// The folder of all queues on disk.
#[derive(Clone)]
pub struct SpoolDir {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
}

/// A destination's folder.
pub struct SpoolFolder {
    /// The destination's name.
    pub destination: String,
    /// Bytes of all files in it.
    pub bytes: u64,
    /// The time of its newest file, in milliseconds since 1970-01-01 UTC.
    pub changed_ms: i64,
}

impl SpoolDir {
    /// Opens it, and makes it if it is not there; others may not enter it.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let missing: Vec<&Path> = path.ancestors().take_while(|path| !path.exists()).collect();
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        builder.create(path)?;
        for parent in missing.iter().filter_map(|path| path.parent()) {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            std::fs::File::open(parent)?.sync_all()?;
        }
        Ok(Self::on(real(Dir::open_ambient_dir(path, ambient_authority())?)))
    }

    /// The folder of all queues on some disk.
    #[must_use]
    pub fn on(disk: Arc<dyn Disk>) -> Self {
        Self { disk, clock: Arc::new(SystemClock::default()) }
    }

    /// Lets the age of what its queues hold go by another clock.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// The clock that ages go by.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// A journal's folder of a destination; it is made, and made sure of, if it is not there.
    pub(super) fn journal(&self, destination: &str, which: &str) -> io::Result<Arc<dyn Disk>> {
        let folder = self.disk.folder(&folder_name(destination))?;
        let journal = folder.folder(which)?;
        // Also if it was there: an earlier process may have died before it had made sure.
        self.disk.sync()?;
        folder.sync()?;
        Ok(journal)
    }

    /// What tells a destination's journal from one that was made in its place.
    ///
    /// # Errors
    /// As [`Disk::folder_number`].
    pub(super) fn number(&self, destination: &str, which: &str) -> io::Result<(u64, u64)> {
        let name = folder_name(destination);
        let number = self.disk.folder_number(&name)?;
        Ok((number, self.disk.folder(&name)?.folder_number(which)?))
    }

    /// Whether a destination has a journal of that kind.
    pub(super) fn has(&self, destination: &str, which: &str) -> bool {
        self.has_destination(destination)
            && self.disk.folder(&folder_name(destination)).is_ok_and(|folder| has_folder(&*folder, which))
    }

    /// Whether there are records in a destination's queue.
    pub(crate) fn holds_records(&self, destination: &str) -> bool {
        let queue = || self.disk.folder(&folder_name(destination))?.folder(QUEUE)?.list();
        let segment = |name: &str| name.ends_with(".seg");
        self.has(destination, QUEUE) && queue().is_ok_and(|entries| entries.iter().any(|entry| segment(&entry.name)))
    }

    /// Whether a destination has a folder.
    pub(crate) fn has_destination(&self, destination: &str) -> bool {
        has_folder(&*self.disk, &folder_name(destination))
    }

    /// Removes one of a destination's journals.
    pub(super) fn remove_journal(&self, destination: &str, which: &str) -> io::Result<()> {
        self.disk.folder(&folder_name(destination))?.remove_folder(which)
    }

    /// Removes a destination's folder with all that is in it.
    pub(super) fn remove(&self, destination: &str) -> io::Result<()> {
        self.disk.remove_folder(&folder_name(destination))
    }

    /// All folders, those of destinations that are not configured any more included.
    ///
    /// # Errors
    /// What the system says.
    pub fn folders(&self) -> io::Result<Vec<SpoolFolder>> {
        let mut folders = Vec::new();
        for entry in self.disk.list()? {
            let (Some(destination), true) = (destination_name(&entry.name), entry.is_folder) else { continue };
            let mut folder = SpoolFolder { destination, bytes: 0, changed_ms: 0 };
            measure(&*self.disk.folder(&entry.name)?, &mut folder)?;
            folders.push(folder);
        }
        folders.sort_by(|a, b| a.destination.cmp(&b.destination));
        Ok(folders)
    }
}

fn has_folder(disk: &dyn Disk, name: &str) -> bool {
    disk.list().is_ok_and(|entries| entries.iter().any(|entry| entry.is_folder && entry.name == name))
}

fn measure(disk: &dyn Disk, folder: &mut SpoolFolder) -> io::Result<()> {
    for entry in disk.list()? {
        if entry.is_folder {
            measure(&*disk.folder(&entry.name)?, folder)?;
            continue;
        }
        folder.bytes += entry.bytes;
        folder.changed_ms = folder.changed_ms.max(entry.changed_ms);
    }
    Ok(())
}

/// A destination's name as that of a folder: whatever could mean something to the system is percent-encoded.
fn folder_name(destination: &str) -> String {
    let mut name = String::with_capacity(destination.len());
    for (index, byte) in destination.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || (byte == b'.' && index > 0) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

fn destination_name(folder: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(folder.len());
    let mut rest = folder.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let code = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    let destination = String::from_utf8(bytes).ok()?;
    // Only what we would have made is ours.
    (folder_name(&destination) == folder).then_some(destination)
}

#[cfg(test)]
mod tests {
    use saker_journal::OpenMode;

    use super::*;

    #[test]
    fn every_name_makes_a_folder_of_its_own_that_tells_it_again() {
        for destination in ["a", "vm-1.eu", "../etc", ".hidden", "a/b", "Ü %41", "..."] {
            let folder = folder_name(destination);
            assert!(!folder.contains('/') && !folder.starts_with('.'), "{folder}");
            assert_eq!(destination_name(&folder).as_deref(), Some(destination));
        }
        assert_eq!(destination_name("%zz"), None);
        assert_eq!(destination_name("a b"), None, "a folder that somebody else has made");
    }

    #[test]
    fn folders_are_listed_whether_or_not_a_destination_uses_them() {
        let path = tempfile::tempdir().unwrap();
        let dir = SpoolDir::open(path.path()).unwrap();
        dir.journal("a/b", QUEUE).unwrap().open("x", OpenMode::New).unwrap().write_at(&[0; 10], 0).unwrap();
        std::fs::create_dir(path.path().join("not ours")).unwrap();
        let folders = dir.folders().unwrap();
        assert_eq!((folders.len(), folders[0].destination.as_str(), folders[0].bytes), (1, "a/b", 10));
        assert!(folders[0].changed_ms > 0 && dir.has("a/b", QUEUE) && !dir.has("a/b", DEAD));
        dir.remove("a/b").unwrap();
        assert!(dir.folders().unwrap().is_empty());
    }
}
