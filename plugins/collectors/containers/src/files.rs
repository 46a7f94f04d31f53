//! Access to files and folders: descriptors that stay open, one read a file, and why something cannot be read.
//!
//! The kit's `KeptFile` asks for the end of a file and opens an empty one anew. Of 1,000 groups with a dozen files each,
//! many of which are empty, that is most of the cost.

mod kept;
#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(target_arch = "wasm32")]
mod wasi;

#[cfg(not(target_arch = "wasm32"))]
use native as system;
#[cfg(target_arch = "wasm32")]
use wasi as system;

pub(crate) use kept::{Budget, Kept};
pub(crate) use system::{File, Key, folders, look, open};

/// Why something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// There is no such file.
    Absent,
    /// It was there; its group or process has gone since.
    Gone,
    /// No permission was granted.
    Denied,
    /// The kernel does not serve it, or another reason.
    Unreadable(String),
}

/// What is known of a folder from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Look {
    /// Folders in it and two more, as the kernel counts them in a tree of control groups. Below two if it does not count.
    pub(crate) links: u64,
    /// When it was changed, in seconds since 1970-01-01 UTC.
    pub(crate) changed_s: f64,
}

/// Bytes of the first read: more than any file of a group has, but for lists.
pub(crate) const READ_BYTES: usize = 8 << 10;
/// Bytes of a whole file: 100,000 processes, or connections of 6,000.
const WHOLE_MAX: usize = 1 << 20;

/// The text of a file that is opened for this once.
pub(crate) fn read(path: &str) -> Result<String, Fault> {
    whole(&open(path)?)
}

/// All of a file that the kernel makes record by record.
pub(crate) fn whole(file: &File) -> Result<String, Fault> {
    let mut bytes = file.read(READ_BYTES, 0)?;
    loop {
        let more = file.read(READ_BYTES, bytes.len() as u64)?;
        if more.is_empty() || bytes.len() > WHOLE_MAX {
            return Ok(text(bytes));
        }
        bytes.extend_from_slice(&more);
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|wrong| String::from_utf8_lossy(wrong.as_bytes()).into_owned())
}
