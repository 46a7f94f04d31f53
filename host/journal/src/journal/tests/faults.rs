//! A real folder that fails on demand, for the thread that asks.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use crate::disk::{Disk, DiskFile, FolderEntry, OpenMode};

#[derive(Clone, Copy, Default)]
pub(super) struct Faults {
    /// So many bytes can still be written; then the disk is full.
    pub(super) room: Option<usize>,
    pub(super) set_len_fails: bool,
    pub(super) sync_fails: bool,
}

thread_local! {
    static FAULTS: RefCell<Faults> = RefCell::default();
}

pub(super) fn set(faults: Faults) {
    FAULTS.set(faults);
}

pub(super) fn disk(real: Arc<dyn Disk>) -> Arc<dyn Disk> {
    Arc::new(Failing(real))
}

fn fail_if(fails: impl FnOnce(&Faults) -> bool) -> io::Result<()> {
    if FAULTS.with_borrow(fails) { Err(io::Error::from_raw_os_error(5)) } else { Ok(()) }
}

struct Failing(Arc<dyn Disk>);

impl Disk for Failing {
    fn open(&self, name: &str, how: OpenMode) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(FailingFile(self.0.open(name, how)?)))
    }

    fn folder(&self, name: &str) -> io::Result<Arc<dyn Disk>> {
        self.0.folder(name).map(disk)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn unlink(&self, name: &str) -> io::Result<()> {
        self.0.unlink(name)
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.0.remove_folder(name)
    }

    fn list(&self) -> io::Result<Vec<FolderEntry>> {
        self.0.list()
    }

    fn sync(&self) -> io::Result<()> {
        fail_if(|faults| faults.sync_fails)?;
        self.0.sync()
    }
}

struct FailingFile(Box<dyn DiskFile>);

impl DiskFile for FailingFile {
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let room = FAULTS.with_borrow_mut(|faults| {
            let room = faults.room?;
            faults.room = Some(room.saturating_sub(bytes.len()));
            Some(room)
        });
        match room.filter(|room| *room < bytes.len()) {
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(room) => self.0.write_at(&bytes[..room], offset),
            None => self.0.write_at(bytes, offset),
        }
    }

    fn sync(&self) -> io::Result<()> {
        fail_if(|faults| faults.sync_fails)?;
        self.0.sync()
    }

    fn size(&self) -> io::Result<u64> {
        self.0.size()
    }

    fn set_size(&self, bytes: u64) -> io::Result<()> {
        fail_if(|faults| faults.set_len_fails)?;
        self.0.set_size(bytes)
    }

    fn try_lock(&self) -> io::Result<bool> {
        self.0.try_lock()
    }
}
