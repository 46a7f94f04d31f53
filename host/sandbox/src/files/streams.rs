//! Reading and writing files by streams, on the thread of the call.
//!
//! WASI's own streams hand what does not say that it waits to threads of the pool: a guest with a few hundred streams
//! of a file that hangs would hold as many. Here a guest that touches a file waits for it, with the one thread that it
//! has.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustix::io::{Errno, ReadWriteFlags, pwritev2};
use wasmtime::component::Resource;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::filesystem::{Descriptor as Opened, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{Descriptor, ErrorCode};
use wasmtime_wasi::p2::{
    DynInputStream, DynOutputStream, FsResult, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};

use super::room::DescriptorRoom;
use crate::ctx::Ctx;

/// Bytes that are read or written at once, as WASI's own streams do.
const PIECE_BYTES: usize = 64 << 10;

/// A file that is read from one place on.
struct FileReader {
    file: Arc<File>,
    position: u64,
    closed: bool,
}

/// A file that is written to, from one place on or at its end.
struct FileWriter {
    file: Arc<File>,
    place: StreamPosition,
    room: Option<DescriptorRoom>,
    closed: bool,
}

enum StreamPosition {
    At(u64),
    End,
}

impl Ctx {
    /// A stream that reads a file.
    pub(super) fn reading(&mut self, fd: &Resource<Descriptor>, position: u64) -> FsResult<Resource<DynInputStream>> {
        let view = self.filesystem();
        let file = match view.table.get(fd)? {
            Opened::File(file) => file.file.clone(),
            Opened::Dir(_) => return Err(ErrorCode::IsDirectory.into()),
        };
        let stream: DynInputStream = Box::new(FileReader { file, position, closed: false });
        Ok(view.table.push(stream)?)
    }

    /// A stream that writes a file: from a place on, or at its end.
    pub(super) fn writing(
        &mut self,
        fd: &Resource<Descriptor>,
        position: Option<u64>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let room = self.rooms.of(fd).cloned();
        let view = self.filesystem();
        let file = match view.table.get(fd)? {
            Opened::File(file) if file.perms.write_not_permitted() => return Err(ErrorCode::NotPermitted.into()),
            Opened::File(file) => file.file.clone(),
            Opened::Dir(_) => return Err(ErrorCode::BadDescriptor.into()),
        };
        let place = position.map_or(StreamPosition::End, StreamPosition::At);
        let stream: DynOutputStream = Box::new(FileWriter { file, place, room, closed: false });
        Ok(view.table.push(stream)?)
    }
}

#[async_trait]
impl Pollable for FileReader {
    async fn ready(&mut self) {}
}

#[async_trait]
impl InputStream for FileReader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if self.closed {
            return Err(StreamError::Closed);
        }
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut bytes = BytesMut::zeroed(size.min(PIECE_BYTES));
        let read = loop {
            match self.file.read_at(&mut bytes, self.position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match read {
            Ok(0) => {
                self.closed = true;
                Err(StreamError::Closed)
            }
            Ok(count) => {
                bytes.truncate(count);
                self.position += count as u64;
                Ok(bytes.freeze())
            }
            Err(error) => {
                self.closed = true;
                Err(StreamError::LastOperationFailed(error.into()))
            }
        }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.read(size)
    }
}

impl FileWriter {
    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let _held = match &self.room {
            Some(room) => {
                let full = |_| io::Error::from_raw_os_error(libc::ENOSPC);
                Some(room.write(bytes.len() as u64).map_err(full)?)
            }
            None => None,
        };
        while !bytes.is_empty() {
            let written = match &mut self.place {
                StreamPosition::At(position) => {
                    let written = self.file.write_at(bytes, *position)?;
                    *position += written as u64;
                    written
                }
                StreamPosition::End => append(&self.file, bytes)?,
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes = &bytes[written..];
        }
        Ok(())
    }

    fn check(&self) -> StreamResult<()> {
        if self.closed { Err(StreamError::Closed) } else { Ok(()) }
    }
}

fn append(file: &File, bytes: &[u8]) -> io::Result<usize> {
    match pwritev2(file, &[IoSlice::new(bytes)], 0, ReadWriteFlags::APPEND) {
        // Some file systems do not know it; others that write there at the same time may then be overwritten.
        Err(Errno::NOSYS | Errno::OPNOTSUPP) => file.write_at(bytes, file.metadata()?.len()),
        other => Ok(other?),
    }
}

#[async_trait]
impl Pollable for FileWriter {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for FileWriter {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.check()?;
        self.write_all(&bytes).map_err(|error| {
            self.closed = true;
            StreamError::LastOperationFailed(error.into())
        })
    }

    async fn blocking_write_and_flush(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.write(bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.check().map(|()| PIECE_BYTES)
    }
}
