//! The room that a guest's files may take: in the folder of its own, what its ledger allows; below granted directories,
//! all but what a disk keeps for others.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use parking_lot::Mutex;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor as Opened, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{Descriptor, ErrorCode, OpenFlags};
use wasmtime_wasi::p2::{FsError, FsResult};

use super::tree::Tree;
use crate::ctx::Ctx;
use crate::folder::{self, BLOCK_BYTES, FolderFull, FolderLedger, FolderLedgers, FolderWrite};
use crate::instance::InstanceSpec;

/// The part of a disk that guests leave free below granted directories: a twentieth, as file systems keep for root.
const KEPT_PART: u64 = 20;
/// They need not leave more than this.
const KEPT_BYTES_MAX: u64 = 1 << 30;
/// What may be written before the disk is asked again.
const STRIDE_BYTES: u64 = 1 << 20;

/// Where a descriptor's bytes go.
#[derive(Clone)]
pub(crate) enum DescriptorRoom {
    /// Into the folder of the instance's own.
    Own(Arc<FolderLedger>, u64),
    /// Below a granted directory.
    Granted(Arc<Headroom>),
}

/// Bytes that are being written.
pub(crate) enum HeldBytes<'a> {
    Own { _writing: FolderWrite<'a> },
    Granted,
}

/// The room on the disk of a granted directory.
pub(crate) struct Headroom {
    tree: Arc<Tree>,
    /// Bytes that may be written before the disk is asked again.
    credit: Mutex<u64>,
}

impl DescriptorRoom {
    /// Takes room for a write. The answer is held until it is done.
    pub(crate) fn write(&self, length: u64) -> Result<HeldBytes<'_>, FolderFull> {
        match self {
            Self::Own(ledger, limit) => Ok(HeldBytes::Own { _writing: ledger.write(length, *limit)? }),
            Self::Granted(headroom) => headroom.take(length).map(|()| HeldBytes::Granted),
        }
    }

    fn make(&self) -> Result<(), FolderFull> {
        match self {
            Self::Own(ledger, limit) => ledger.make(*limit),
            Self::Granted(headroom) => headroom.take(BLOCK_BYTES),
        }
    }
}

impl Headroom {
    fn take(&self, bytes: u64) -> Result<(), FolderFull> {
        let mut credit = self.credit.lock();
        if *credit < bytes {
            // A disk that cannot be asked says so itself when it is written to.
            let Ok(disk) = rustix::fs::fstatvfs(&self.tree.dir) else { return Ok(()) };
            let kept = (disk.f_blocks.saturating_mul(disk.f_frsize) / KEPT_PART).min(KEPT_BYTES_MAX);
            let free = disk.f_bavail.saturating_mul(disk.f_frsize).saturating_sub(kept);
            *credit = free.min(STRIDE_BYTES.saturating_add(bytes));
        }
        *credit = credit.checked_sub(bytes).ok_or(FolderFull)?;
        Ok(())
    }
}

impl From<FolderFull> for ErrorCode {
    fn from(FolderFull: FolderFull) -> Self {
        Self::InsufficientSpace
    }
}

/// Which rooms there are, and which descriptors belong to them.
#[derive(Default)]
pub(crate) struct Rooms {
    /// By the path that the guest knows a granted directory under.
    roots: HashMap<String, DescriptorRoom>,
    /// By descriptor.
    opened: HashMap<u32, DescriptorRoom>,
}

impl Rooms {
    /// Those of what was opened for an instance. With a tape in its place nothing is written.
    pub(crate) fn new(spec: &InstanceSpec, ledgers: &FolderLedgers) -> Self {
        let granted = spec.grants.write.iter().filter_map(|path| Some((path, spec.held.tree(path)?)));
        let mut roots: HashMap<_, _> = granted
            .map(|(path, tree)| {
                let headroom = Headroom { tree, credit: Mutex::new(0) };
                (path.to_string_lossy().into_owned(), DescriptorRoom::Granted(Arc::new(headroom)))
            })
            .collect();
        if let Some(path) = &spec.grants.data_dir {
            let limit = u64::try_from(spec.limits.max_data_dir_bytes).unwrap_or(u64::MAX);
            roots.insert(folder::GUEST_PATH.into(), DescriptorRoom::Own(ledgers.of(path), limit));
        }
        Self { roots, opened: HashMap::new() }
    }

    /// The room that a descriptor's bytes go to; none if it cannot be written to.
    pub(crate) fn of(&self, fd: &Resource<Descriptor>) -> Option<&DescriptorRoom> {
        // Most guests may write nowhere.
        if self.opened.is_empty() { None } else { self.opened.get(&fd.rep()) }
    }

    /// A granted directory is handed out.
    pub(super) fn begins(&mut self, guest: &str, fd: &Resource<Descriptor>) {
        if let Some(room) = self.roots.get(guest) {
            self.opened.insert(fd.rep(), room.clone());
        }
    }

    pub(super) fn closed(&mut self, fd: &Resource<Descriptor>) {
        self.opened.remove(&fd.rep());
    }
}

impl Ctx {
    /// Takes room for an entry that is to be made below a directory.
    pub(super) fn make_entry(&self, fd: &Resource<Descriptor>) -> FsResult<()> {
        match self.rooms.of(fd) {
            Some(room) => room.make().map_err(|full| ErrorCode::from(full).into()),
            None => Ok(()),
        }
    }

    /// Takes room for an entry that comes from another directory.
    pub(super) fn move_entry(&self, from: &Resource<Descriptor>, to: &Resource<Descriptor>) -> FsResult<()> {
        let within = match (self.rooms.of(from), self.rooms.of(to)) {
            (Some(DescriptorRoom::Own(one, _)), Some(DescriptorRoom::Own(other, _))) => Arc::ptr_eq(one, other),
            (Some(DescriptorRoom::Granted(one)), Some(DescriptorRoom::Granted(other))) => Arc::ptr_eq(one, other),
            _ => false,
        };
        if within { Ok(()) } else { self.make_entry(to) }
    }

    /// Takes room for a file that an open makes if it is not there. Without any, it can be one that is there: then the
    /// flags say so, and the answer is true.
    pub(super) fn room_to_create(&self, fd: &Resource<Descriptor>, flags: OpenFlags) -> FsResult<(OpenFlags, bool)> {
        if !flags.contains(OpenFlags::CREATE) {
            return Ok((flags, false));
        }
        match self.make_entry(fd) {
            Ok(()) => Ok((flags, false)),
            Err(full) if flags.contains(OpenFlags::EXCLUSIVE) => Err(full),
            Err(_) => Ok((flags & !OpenFlags::CREATE, true)),
        }
    }

    /// Takes room for what fills the last block of a file that is to become longer. The rest is not there until it is
    /// written.
    pub(super) fn grow(&mut self, fd: &Resource<Descriptor>, size: u64) -> FsResult<()> {
        let Some(room) = self.rooms.of(fd).cloned() else { return Ok(()) };
        if self.system_file(fd)?.metadata().is_ok_and(|metadata| size <= metadata.len()) {
            return Ok(());
        }
        room.write(0).map_err(ErrorCode::from)?;
        Ok(())
    }

    /// What was opened below a descriptor goes to the same room.
    pub(super) fn enter_room(&mut self, fd: &Resource<Descriptor>, opened: &Resource<Descriptor>) -> FsResult<()> {
        let Some(room) = self.rooms.of(fd).cloned() else { return Ok(()) };
        if let DescriptorRoom::Own(ledger, _) = &room {
            ledger.opened(&self.system_file(opened)?);
        }
        self.rooms.opened.insert(opened.rep(), room);
        Ok(())
    }

    /// The system's own file behind a descriptor.
    fn system_file(&mut self, fd: &Resource<Descriptor>) -> FsResult<Arc<File>> {
        Ok(match self.filesystem().table.get(fd)? {
            Opened::File(file) => file.file.clone(),
            Opened::Dir(dir) => dir.dir.clone(),
        })
    }
}

/// What a guest is told that could have made a file only if there were room.
pub(super) fn not_made(error: FsError) -> FsError {
    match error.downcast_ref() {
        Some(ErrorCode::NoEntry) => ErrorCode::from(FolderFull).into(),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::Mode;

    use super::super::tree::LOOK;
    use super::*;

    #[test]
    fn a_disk_keeps_room_for_others() {
        let folder = tempfile::tempdir().unwrap();
        let found = rustix::fs::open(folder.path(), LOOK, Mode::empty()).unwrap();
        let tree = Arc::new(Tree::new(folder.path(), &found).unwrap());
        let headroom = Headroom { tree, credit: parking_lot::Mutex::new(0) };
        let disk = rustix::fs::statvfs(folder.path()).unwrap();
        let available = disk.f_bavail * disk.f_frsize;
        assert_eq!(headroom.take(available), Err(FolderFull), "not the last byte");
        assert_eq!(headroom.take(1), Ok(()));
        assert!(*headroom.credit.lock() >= STRIDE_BYTES - BLOCK_BYTES, "and the next write does not ask again");
    }
}
