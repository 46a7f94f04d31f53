//! The descriptors of WASI itself: the C library's take three calls more to read, and one more for each name that they
//! list.

use std::path::Path;

use wasip2::filesystem::preopens;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags};

use super::{Fault, Look};

/// Tells a file from others.
pub(crate) type Key = (u64, u64);

#[derive(Debug)]
pub(crate) struct File(Descriptor);

std::thread_local! {
    /// Asked for once: each time would open them again.
    static GRANTED: Vec<(Descriptor, String)> = preopens::get_directories();
}

pub(crate) fn open(path: &str) -> Result<File, Fault> {
    descriptor(path, OpenFlags::empty()).map(File)
}

fn descriptor(path: &str, flags: OpenFlags) -> Result<Descriptor, Fault> {
    below(path, |directory, below| directory.open_at(PathFlags::SYMLINK_FOLLOW, below, flags, DescriptorFlags::READ))
}

/// Calls with the granted directory that a path lies in, and the path below it.
fn below<T>(path: &str, call: impl FnOnce(&Descriptor, &str) -> Result<T, ErrorCode>) -> Result<T, Fault> {
    GRANTED.with(|granted| {
        let holding = granted.iter().filter_map(|(directory, name)| {
            Some((directory, name, Path::new(path).strip_prefix(name).ok()?.to_str()?))
        });
        let (directory, _, below) = holding.max_by_key(|(_, name, _)| name.len()).ok_or(Fault::Denied)?;
        call(directory, if below.is_empty() { "." } else { below }).map_err(fault)
    })
}

/// The folders in a folder, without links.
pub(crate) fn folders(path: &str) -> Result<Vec<String>, Fault> {
    let entries = descriptor(path, OpenFlags::DIRECTORY)?.read_directory().map_err(fault)?;
    let mut folders = Vec::new();
    while let Some(entry) = entries.read_directory_entry().map_err(fault)? {
        if entry.type_ == DescriptorType::Directory {
            folders.push(entry.name);
        }
    }
    Ok(folders)
}

/// Looks at a folder or file.
pub(crate) fn look(path: &str) -> Result<Look, Fault> {
    let found = below(path, |directory, below| directory.stat_at(PathFlags::SYMLINK_FOLLOW, below))?;
    let changed_s =
        found.data_modification_timestamp.map_or(0.0, |at| at.seconds as f64 + f64::from(at.nanoseconds) / 1e9);
    Ok(Look { links: found.link_count, changed_s })
}

impl File {
    pub(crate) fn read(&self, most: usize, from: u64) -> Result<Vec<u8>, Fault> {
        self.0.read(most as u64, from).map(|(bytes, _)| bytes).map_err(fault)
    }

    pub(crate) fn key(&self) -> Result<Key, Fault> {
        self.0.metadata_hash().map(|hash| (hash.upper, hash.lower)).map_err(fault)
    }
}

fn fault(code: ErrorCode) -> Fault {
    match code {
        ErrorCode::NoEntry | ErrorCode::NotDirectory => Fault::Absent,
        ErrorCode::NoDevice | ErrorCode::NoSuchDevice => Fault::Gone,
        ErrorCode::NotPermitted => Fault::Denied,
        code => Fault::Unreadable(code.message().to_owned()),
    }
}
