//! The same outside of the sandbox, for tests.

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;

use super::{Fault, Look};

/// The number of Linux' "no such device": the group of an open file has gone.
const ENODEV: i32 = 19;
/// "No such process".
const ESRCH: i32 = 3;

/// Tells a file from others.
pub(crate) type Key = (u64, u64);

#[derive(Debug)]
pub(crate) struct File(std::fs::File);

pub(crate) fn open(path: &str) -> Result<File, Fault> {
    std::fs::File::open(path).map(File).map_err(|error| fault(&error))
}

/// The folders in a folder, without links.
pub(crate) fn folders(path: &str) -> Result<Vec<String>, Fault> {
    let entries = std::fs::read_dir(path).map_err(|error| fault(&error))?;
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// Looks at a folder or file.
pub(crate) fn look(path: &str) -> Result<Look, Fault> {
    let found = std::fs::metadata(path).map_err(|error| fault(&error))?;
    Ok(Look { links: found.nlink(), changed_s: found.mtime() as f64 + found.mtime_nsec() as f64 / 1e9 })
}

impl File {
    pub(crate) fn read(&self, most: usize, from: u64) -> Result<Vec<u8>, Fault> {
        let mut file = &self.0;
        file.seek(SeekFrom::Start(from)).map_err(|error| fault(&error))?;
        let mut bytes = vec![0; most];
        let read = file.read(&mut bytes).map_err(|error| fault(&error))?;
        bytes.truncate(read);
        Ok(bytes)
    }

    pub(crate) fn key(&self) -> Result<Key, Fault> {
        self.0.metadata().map(|found| (found.dev(), found.ino())).map_err(|error| fault(&error))
    }
}

fn fault(error: &std::io::Error) -> Fault {
    match (error.kind(), error.raw_os_error()) {
        (ErrorKind::NotFound, _) => Fault::Absent,
        (_, Some(ENODEV | ESRCH)) => Fault::Gone,
        _ => Fault::Unreadable(error.to_string()),
    }
}
