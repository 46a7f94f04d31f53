//! A folder of the system.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, MetadataExt, OpenOptions, OpenOptionsExt};

use super::{Disk, DiskFile, FolderEntry, OpenMode};

/// A folder of the system, out of which nothing leads.
#[must_use]
pub fn real(dir: Dir) -> Arc<dyn Disk> {
    Arc::new(RealDisk(dir))
}

struct RealDisk(Dir);

impl Disk for RealDisk {
    fn open(&self, name: &str, how: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(how != OpenMode::Read).mode(0o600);
        options.create(how == OpenMode::Create).create_new(how == OpenMode::New);
        Ok(Box::new(self.0.open_with(name, &options)?.into_std()))
    }

    fn folder(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match self.0.create_dir_with(name, &builder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(real(self.0.open_dir(name)?)),
        }
    }

    fn folder_number(&self, name: &str) -> io::Result<u64> {
        let metadata = self.0.symlink_metadata(name)?;
        if metadata.is_dir() { Ok(metadata.ino()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, &self.0, to)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.0.remove_file(name)
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.0.remove_dir_all(name)
    }

    fn list(&self) -> io::Result<Vec<FolderEntry>> {
        let mut list = Vec::new();
        for entry in self.0.entries()? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // It may go while we look.
            let Ok(metadata) = entry.metadata() else { continue };
            let changed = metadata.modified().ok().and_then(|time| time.into_std().duration_since(UNIX_EPOCH).ok());
            let changed_ms = changed.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0);
            list.push(FolderEntry { name, is_folder: metadata.is_dir(), bytes: metadata.len(), changed_ms });
        }
        Ok(list)
    }

    fn sync(&self) -> io::Result<()> {
        // The handle may be one that only finds names; opened anew it can be synced.
        self.0.open(".")?.sync_all()
    }
}

impl DiskFile for File {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        FileExt::write_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        self.set_len(bytes)
    }

    fn try_lock(&self) -> io::Result<bool> {
        match File::try_lock(self) {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}
