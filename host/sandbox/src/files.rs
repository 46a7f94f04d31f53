//! What a guest's file calls go through before they reach WASI: grants of single files, the number of open files, and
//! the name of what was rejected.
//!
//! WASI grants directories, and opens what lies below them. Single files, and what lies in or above the kernel's own file
//! systems, are opened here instead (`guarded.rs`), so every function that takes a path or a descriptor is passed on by
//! hand.

mod filesystems;
mod guarded;
mod held;
mod kernel;
mod procfs;
mod room;
mod roots;
mod sockets;
mod streams;
mod sysfs;
mod tree;

use std::path::Path;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream,
    ErrorCode, Filesize, Host, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasmtime_wasi::p2::bindings::io::streams::{InputStream, OutputStream};
use wasmtime_wasi::p2::{FsError, FsResult};

use crate::ctx::Ctx;
use crate::failure::Kill;
use crate::grants::Permission;
use crate::recording::PathQuestion;
pub(crate) use held::StatfsRoots;
pub use held::{GrantPathError, HeldGrants, check_grant_path, check_statfs_path};
pub(crate) use room::Rooms;
pub(crate) use roots::{GrantedFiles, GrantedRoot, open_granted, open_staged};
pub use sockets::check_socket_path;
pub(crate) use sockets::{OpenSocket, open as open_socket};
pub(crate) use tree::{OpenPurpose, OpenRejection};

impl Ctx {
    /// With a tape, puts what a path below a descriptor leads to in place, before WASI looks there.
    fn fetch(&self, fd: &Fd, path: &str, sought: PathQuestion) {
        if let Some(tape) = &self.tape
            && let Some((root, path)) = self.files.place(fd, path)
            && let Some(staged) = &root.staged
        {
            tape.fetch(staged, &path, sought);
        }
    }

    /// With a tape, remembers what a descriptor stands for.
    fn follow(&mut self, fd: &Fd, path: &str, opened: &Fd) {
        if self.tape.is_some()
            && let Some((root, path)) = self.files.place(fd, path)
        {
            let root = root.clone();
            self.files.below.insert(opened.rep(), (root, path));
        }
    }

    /// Rejects what concerns a directory as such, if only single files of it are granted.
    fn whole(&self, fd: &Resource<Descriptor>) -> FsResult<()> {
        match self.files.opened.get(&fd.rep()).map(|root| &**root) {
            Some(GrantedRoot { host, only: Some(_), .. }) => Err(self.reject_reading(host)),
            _ => Ok(()),
        }
    }

    fn reject_reading(&self, path: &Path) -> FsError {
        self.denials.note(Permission::Read(path.display().to_string()));
        ErrorCode::NotPermitted.into()
    }

    /// Notes what is missing if WASI has rejected a path: it led out of its directory, or the directory is read-only.
    fn explain_rejection(&self, fd: &Resource<Descriptor>, path: &str, writing: bool, error: &FsError) {
        let rejected = matches!(error.downcast_ref(), Some(ErrorCode::NotPermitted | ErrorCode::ReadOnly));
        if let Some(root) = self.files.opened.get(&fd.rep()).filter(|_| rejected) {
            let path = root.host.join(path);
            // Where it leads tells more than a link that lies in a granted directory.
            let path = path.canonicalize().unwrap_or(path).display().to_string();
            self.denials.note(if writing { Permission::Write(path) } else { Permission::Read(path) });
        }
    }

    async fn open_by_wasi(
        &mut self,
        fd: &Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        self.admit(fd, &path)?;
        self.fetch(fd, &path, PathQuestion::Content);
        let again = Resource::new_borrow(fd.rep());
        let opened = self.filesystem().open_at(again, path_flags, path.clone(), open_flags, flags).await;
        if let Err(error) = &opened {
            let writing = flags.contains(DescriptorFlags::WRITE) || open_flags.contains(OpenFlags::CREATE);
            self.explain_rejection(fd, &path, writing, error);
        }
        let opened = self.keep_out_of_kernel(fd, &path, opened?)?;
        self.follow(fd, &path, &opened);
        Ok(opened)
    }

    /// One descriptor more, if there may be.
    fn count_open(&mut self, more: usize) -> Result<(), Kill> {
        self.files.open += more;
        let limit = self.limits.max_open_files;
        if self.files.open > limit { Err(Kill::OpenFiles { limit }) } else { Ok(()) }
    }
}

impl preopens::Host for Ctx {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        self.count_open(self.files.roots.len())?;
        let mut found = Vec::with_capacity(self.files.roots.len());
        for (guest, root) in self.files.roots.clone() {
            let fd = self.filesystem().table.push(Descriptor::Dir(root.dir.clone()))?;
            self.files.opened.insert(fd.rep(), root);
            self.rooms.begins(&guest, &fd);
            found.push((fd, guest));
        }
        Ok(found)
    }
}

impl Host for Ctx {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.filesystem().convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.filesystem().filesystem_error_code(error)
    }
}

impl HostDirectoryEntryStream for Ctx {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        loop {
            let again = Resource::new_borrow(stream.rep());
            let entry = self.filesystem().read_directory_entry(again).await;
            // What has gone since the folder was opened, as processes in /proc do, is none of its entries any more.
            match entry.as_ref().map_err(FsError::downcast_ref) {
                Err(Some(ErrorCode::NoEntry)) => {}
                Ok(Some(found)) if self.files.leaves_out(&stream, &found.name) => {}
                _ => return entry,
            }
        }
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        self.files.lists.remove(&stream.rep());
        HostDirectoryEntryStream::drop(&mut self.filesystem(), stream)
    }
}

type Fd = Resource<Descriptor>;

impl HostDescriptor for Ctx {
    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let writing = flags.contains(DescriptorFlags::WRITE)
            || open_flags.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE | OpenFlags::EXCLUSIVE);
        let below = self.guarded(&fd, &path);
        if let (Some(below), true) = (&below, writing) {
            self.reject_writing(below)?;
        }
        let (open_flags, full) = self.room_to_create(&fd, open_flags)?;
        self.count_open(1).map_err(FsError::trap)?;
        let opened = match below {
            Some(below) if !writing => self.open_guarded(below, path_flags, open_flags),
            _ => self.open_by_wasi(&fd, path_flags, path, open_flags, flags).await,
        };
        let opened = opened.map_err(|error| if full { room::not_made(error) } else { error });
        match &opened {
            Ok(opened) => self.enter_room(&fd, opened)?,
            Err(_) => self.files.open -= 1,
        }
        opened
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        self.files.open = self.files.open.saturating_sub(1);
        self.files.opened.remove(&fd.rep());
        self.files.below.remove(&fd.rep());
        self.files.begun.remove(&fd.rep());
        self.rooms.closed(&fd);
        HostDescriptor::drop(&mut self.filesystem(), fd)
    }

    async fn stat_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<DescriptorStat> {
        if let Some(below) = self.guarded(&fd, &path) {
            return self.stat_guarded(below, flags).await;
        }
        self.admit(&fd, &path)?;
        self.fetch(&fd, &path, PathQuestion::Kind);
        self.filesystem().stat_at(fd, flags, path).await
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        if let Some(below) = self.guarded(&fd, &path) {
            return self.readlink_guarded(&below);
        }
        self.admit(&fd, &path)?;
        self.fetch(&fd, &path, PathQuestion::Link);
        self.filesystem().readlink_at(fd, path).await
    }

    async fn metadata_hash_at(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        if let Some(identity) = self.guarded(&fd, &path).and_then(|below| below.identity()) {
            return Ok(identity);
        }
        self.fetch(&fd, &path, PathQuestion::Kind);
        let hash = self.filesystem().metadata_hash_at(fd, flags, path).await;
        // The C library asks for the number of each name that it lists. One that has gone since, as processes in /proc do,
        // must not end the list.
        hash.or_else(|error| match error.downcast_ref() {
            Some(ErrorCode::NoEntry) => Ok(MetadataHashValue { lower: 1, upper: 0 }),
            _ => Err(error),
        })
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        self.whole(&fd)?;
        self.fetch(&fd, "", PathQuestion::Entries);
        let listed = self.files.place(&fd, "").map(|(root, below)| (root.clone(), below));
        let stream = self.filesystem().read_directory(fd).await?;
        if let Some(listed) = listed.filter(|(root, _)| root.is_guarded()) {
            self.files.lists.insert(stream.rep(), listed);
        }
        Ok(stream)
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.whole(&fd)?;
        self.make_entry(&fd)?;
        let made = self.filesystem().create_directory_at(Resource::new_borrow(fd.rep()), path.clone()).await;
        made.inspect_err(|error| self.explain_rejection(&fd, &path, true, error))
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.whole(&fd)?;
        self.filesystem().set_times_at(fd, flags, path, accessed, modified).await
    }

    async fn link_at(&mut self, fd: Fd, flags: PathFlags, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        self.whole(&fd)?;
        self.whole(&new_fd)?;
        self.make_entry(&new_fd)?;
        self.filesystem().link_at(fd, flags, old, new_fd, new).await
    }

    async fn rename_at(&mut self, fd: Fd, old: String, new_fd: Fd, new: String) -> FsResult<()> {
        self.whole(&fd)?;
        self.whole(&new_fd)?;
        self.move_entry(&fd, &new_fd)?;
        self.filesystem().rename_at(fd, old, new_fd, new).await
    }

    async fn symlink_at(&mut self, fd: Fd, old: String, new: String) -> FsResult<()> {
        self.whole(&fd)?;
        self.make_entry(&fd)?;
        self.filesystem().symlink_at(fd, old, new).await
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.whole(&fd)?;
        self.filesystem().remove_directory_at(fd, path).await
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.whole(&fd)?;
        let removed = self.filesystem().unlink_file_at(Resource::new_borrow(fd.rep()), path.clone()).await;
        removed.inspect_err(|error| self.explain_rejection(&fd, &path, true, error))
    }

    // What follows concerns a descriptor that was opened by one of the above.

    async fn advise(&mut self, fd: Fd, offset: Filesize, length: Filesize, advice: Advice) -> FsResult<()> {
        self.filesystem().advise(fd, offset, length, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.filesystem().sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.filesystem().get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.filesystem().get_type(fd).await
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.grow(&fd, size)?;
        self.filesystem().set_size(fd, size).await
    }

    async fn set_times(&mut self, fd: Fd, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        self.filesystem().set_times(fd, accessed, modified).await
    }

    async fn read(&mut self, fd: Fd, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        // A copy is made when a file is opened: who would read it again from its beginning has to open it again.
        if self.tape.is_some() && offset == 0 && !self.files.begun.insert(fd.rep()) {
            return Err(ErrorCode::Io.into());
        }
        self.filesystem().read(fd, length, offset).await
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        let room = self.rooms.of(&fd).cloned();
        let _held = room.as_ref().map(|room| room.write(bytes.len() as u64)).transpose().map_err(ErrorCode::from)?;
        self.filesystem().write(fd, bytes, offset).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.filesystem().sync(fd).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.filesystem().stat(fd).await
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<InputStream>> {
        self.reading(&fd, offset)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<OutputStream>> {
        self.writing(&fd, Some(offset))
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<OutputStream>> {
        self.writing(&fd, None)
    }

    async fn is_same_object(&mut self, a: Fd, b: Fd) -> wasmtime::Result<bool> {
        self.filesystem().is_same_object(a, b).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.filesystem().metadata_hash(fd).await
    }
}
