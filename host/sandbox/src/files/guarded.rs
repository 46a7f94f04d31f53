//! The file calls whose paths WASI does not see: those of single files, and below trees that lie in the kernel's file
//! systems or above one.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::{FileType, fstat, readlinkat};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Dir, File as WasiFile, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, DescriptorStat, ErrorCode, HostDescriptor, MetadataHashValue, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{FsError, FsResult};
use wasmtime_wasi::{FsPerms, OpenMode};

use super::filesystems::{self, FileSystem};
use super::roots::GrantedRoot;
use super::tree::{OpenPurpose, OpenRejection};
use crate::ctx::Ctx;
use crate::grants::Permission;
use crate::recording::PathQuestion;

type Fd = Resource<Descriptor>;

/// A path of a call, and what it begins from.
pub(super) struct PathBelow {
    root: Arc<GrantedRoot>,
    path: String,
}

impl Ctx {
    /// What a path stands for that WASI does not see; none if WASI is to be asked.
    pub(super) fn guarded(&self, fd: &Fd, path: &str) -> Option<PathBelow> {
        self.hangs.note_path(path);
        let (root, path) = self.files.place(fd, path).filter(|(root, _)| root.is_guarded())?;
        Some(PathBelow { root: root.clone(), path })
    }

    /// With a recording: whether the path may be asked for at all. What it leads to is looked at when it is copied.
    pub(super) fn admit(&self, fd: &Fd, path: &str) -> FsResult<()> {
        let Some((root, path)) = self.files.place(fd, path).filter(|_| self.tape.is_some()) else { return Ok(()) };
        match root.staged.as_ref().and_then(|staged| staged.real.as_ref()) {
            Some(real) => real.admits(&path).map_err(|rejection| self.rejected(&root.clone(), &path, rejection)),
            None => Ok(()),
        }
    }

    /// Opens it for reading.
    pub(super) fn open_guarded(&mut self, below: PathBelow, how: PathFlags, flags: OpenFlags) -> FsResult<Fd> {
        let PathBelow { root, path } = below;
        self.put_in_place(&root, &path, PathQuestion::Content);
        if !how.contains(PathFlags::SYMLINK_FOLLOW) && root.tree.is_some() {
            let seen = self.look(&root, &path, OpenPurpose::LookAtLink)?;
            if kind(&seen)? == FileType::Symlink {
                return Err(ErrorCode::Loop.into());
            }
        }
        let opened = self.look(&root, &path, OpenPurpose::Read)?;
        // A single file is one: a directory in its place reads as nothing.
        let is_folder = root.only.is_none() && kind(&opened)? == FileType::Directory;
        if flags.contains(OpenFlags::DIRECTORY) && !is_folder {
            return Err(ErrorCode::NotDirectory.into());
        }
        let opened = File::from(opened);
        let descriptor = if is_folder {
            Descriptor::Dir(Dir::new(opened, root.dir.perms, root.dir.open_mode, true))
        } else {
            Descriptor::File(WasiFile::new(opened, FsPerms::ReadOnly, OpenMode::READ, true))
        };
        let fd = self.filesystem().table.push(descriptor)?;
        if is_folder {
            self.files.below.insert(fd.rep(), (root, path));
        }
        Ok(fd)
    }

    /// Rejects to open it for writing. Where a directory may be written to, WASI is to be asked.
    pub(super) fn reject_writing(&self, below: &PathBelow) -> FsResult<()> {
        let PathBelow { root, path } = below;
        if root.dir.perms == FsPerms::ReadWrite {
            return Ok(());
        }
        if root.only.is_some() {
            root.single(path).map_err(|rejection| self.rejected(root, path, rejection))?;
        }
        self.denials.note(Permission::Write(root.host.join(path).display().to_string()));
        Err(ErrorCode::NotPermitted.into())
    }

    pub(super) async fn stat_guarded(&mut self, below: PathBelow, how: PathFlags) -> FsResult<DescriptorStat> {
        let PathBelow { root, path } = below;
        self.put_in_place(&root, &path, PathQuestion::Kind);
        let aim = if how.contains(PathFlags::SYMLINK_FOLLOW) { OpenPurpose::Look } else { OpenPurpose::LookAtLink };
        let seen = self.look(&root, &path, aim)?;
        let seen = WasiFile::new(File::from(seen), FsPerms::ReadOnly, OpenMode::READ, true);
        let fd = self.filesystem().table.push(Descriptor::File(seen))?;
        let stat = self.filesystem().stat(Resource::new_borrow(fd.rep())).await;
        self.filesystem().table.delete(fd)?;
        stat
    }

    pub(super) fn readlink_guarded(&self, below: &PathBelow) -> FsResult<String> {
        let PathBelow { root, path } = below;
        self.put_in_place(root, path, PathQuestion::Link);
        let link = self.look(root, path, OpenPurpose::LookAtLink)?;
        let to = readlinkat(link, "", Vec::new()).map_err(io::Error::from)?;
        to.into_string().map_err(|_| ErrorCode::IllegalByteSequence.into())
    }

    /// Looks at a descriptor that WASI has opened: a link or a mount below a granted directory may have led into the kernel.
    pub(super) fn keep_out_of_kernel(&mut self, fd: &Fd, path: &str, opened: Fd) -> FsResult<Fd> {
        if self.tape.is_some() {
            return Ok(opened);
        }
        let found = match self.filesystem().table.get(&opened)? {
            Descriptor::File(file) => filesystems::of(&*file.file),
            Descriptor::Dir(dir) => filesystems::of(&*dir.dir),
        };
        if matches!(found, Ok(FileSystem::Ordinary)) {
            return Ok(opened);
        }
        self.filesystem().table.delete(opened)?;
        let root = self.files.opened.get(&fd.rep());
        let path = root.map_or_else(|| path.into(), |root| root.host.join(path));
        self.denials.note(Permission::Never(path.display().to_string()));
        Err(ErrorCode::NotPermitted.into())
    }

    fn look(&self, root: &Arc<GrantedRoot>, path: &str, aim: OpenPurpose) -> FsResult<OwnedFd> {
        root.open(path, aim).map_err(|rejection| self.rejected(root, path, rejection))
    }

    fn rejected(&self, root: &GrantedRoot, path: &str, rejection: OpenRejection) -> FsError {
        let permission = match rejection {
            OpenRejection::Denied(permission) => permission,
            OpenRejection::Os(error) => {
                let errno = rustix::io::Errno::from_io_error(&error);
                if errno == Some(rustix::io::Errno::PERM) {
                    // It led out of its directory: where to tells more than a link that lies there.
                    let path = root.host.join(path);
                    let path = path.canonicalize().unwrap_or(path);
                    self.denials.note(Permission::Read(path.display().to_string()));
                }
                return error.into();
            }
        };
        self.denials.note(permission);
        ErrorCode::NotPermitted.into()
    }

    fn put_in_place(&self, root: &GrantedRoot, path: &str, sought: PathQuestion) {
        if let (Some(tape), Some(staged)) = (&self.tape, &root.staged) {
            tape.fetch(staged, path, sought);
        }
    }
}

impl PathBelow {
    /// What tells it from other files: its path, where that is all that there is to it. None where WASI is to be asked.
    pub(super) fn identity(&self) -> Option<MetadataHashValue> {
        let by_path = self.root.only.is_some() || self.root.tree.as_ref().is_some_and(|tree| tree.is_kernel());
        if !by_path {
            return None;
        }
        let mut hasher = DefaultHasher::new();
        self.path.hash(&mut hasher);
        // The C library takes a zero for a name that is not there.
        Some(MetadataHashValue { lower: hasher.finish() | 1, upper: 0 })
    }
}

fn kind(fd: impl AsFd) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(fstat(fd)?.st_mode))
}
