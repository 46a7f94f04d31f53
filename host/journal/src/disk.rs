//! The seam between what has to be kept and the disk that keeps it.
//!
//! [`Disk`] is a folder, [`DiskFile`] a file in it: the few calls that journals, marks and queues need, and no others.
//! [`real`] makes one of a folder of the system; [`SimDisk`](crate::SimDisk) is one in memory that loses power, fails
//! and hangs when a test says so. The calls go through a table of functions, for they are made once a batch.

mod real;
pub(crate) mod sim;

use std::io;
use std::sync::Arc;

pub use real::real;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// To read; it has to be there.
    Read,
    /// To read and write; it has to be there.
    Existing,
    /// To read and write; it is made if it is not there.
    Create,
    /// To read and write; it must not be there.
    New,
}

/// What is in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderEntry {
    /// Its name.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The size of a file.
    pub bytes: u64,
    /// When it was changed, in milliseconds since 1970-01-01 UTC.
    pub changed_ms: i64,
}

/// A folder on a disk, for its owner only.
///
/// A name is made, changed and removed for sure only after [`sync`](Self::sync); the contents of a file are for sure only
/// after [`DiskFile::sync`]. Neither stands in for the other.
pub trait Disk: Send + Sync {
    /// Opens a file.
    ///
    /// # Errors
    /// What the system says.
    fn open(&self, name: &str, how: OpenMode) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a folder in it, which is made if it is not there.
    ///
    /// # Errors
    /// What the system says.
    fn folder(&self, name: &str) -> io::Result<Arc<dyn Disk>>;

    /// What tells a folder in it from every other that is there at the same time, also one by the same name that was made
    /// in its place.
    ///
    /// # Errors
    /// [`NotFound`](io::ErrorKind::NotFound) if there is none by that name, [`Unsupported`](io::ErrorKind::Unsupported)
    /// where folders are not told apart, or what the system says.
    fn folder_number(&self, name: &str) -> io::Result<u64> {
        let _ = name;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Gives a file another name; a file that had that name is gone.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn unlink(&self, name: &str) -> io::Result<()>;

    /// Removes a folder in it with all that it holds.
    ///
    /// # Errors
    /// What the system says.
    fn remove_folder(&self, name: &str) -> io::Result<()>;

    /// What is in it, in no order. Names that are no text are left out.
    ///
    /// # Errors
    /// What the system says.
    fn list(&self) -> io::Result<Vec<FolderEntry>>;

    /// Makes its names as they are now survive a loss of power.
    ///
    /// # Errors
    /// What the system says. Nobody knows then which of them do.
    fn sync(&self) -> io::Result<()>;
}

/// A file on a disk.
pub trait DiskFile: Send + Sync {
    /// Reads from a place; answers how many bytes, zero at the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes to a place; answers how many bytes.
    ///
    /// # Errors
    /// What the system says. A part may have been written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes its contents survive a loss of power.
    ///
    /// # Errors
    /// What the system says. What was not synced before counts as lost then, even if a later call succeeds: the system
    /// forgets that it was not written.
    fn sync(&self) -> io::Result<()>;

    /// Its size.
    ///
    /// # Errors
    /// What the system says.
    fn size(&self) -> io::Result<u64>;

    /// Cuts it off, or adds zeros.
    ///
    /// # Errors
    /// What the system says.
    fn set_size(&self, bytes: u64) -> io::Result<()>;

    /// Takes its lock, which ends with this handle; answers whether it was free.
    ///
    /// # Errors
    /// What the system says.
    fn try_lock(&self) -> io::Result<bool>;
}

/// Writes all the bytes, in one call unless the system takes a part; then the rest is tried too, which tells why.
///
/// # Errors
/// What the system says.
pub fn write_all_at(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Whether the bytes could be read: not if the file ends before, or the disk cannot give them back.
pub(crate) fn read_exact_at(file: &dyn DiskFile, mut bytes: &mut [u8], mut offset: u64) -> io::Result<bool> {
    /// A bad block, by Linux's number of the error.
    const EIO: i32 = 5;
    while !bytes.is_empty() {
        match file.read_at(bytes, offset) {
            Ok(0) => return Ok(false),
            Ok(read) => {
                bytes = &mut bytes[read..];
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.raw_os_error() == Some(EIO) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
