//! One agent a data folder: two would each take the other's queues for their own.
//!
//! The lock is held as long as the process lives, and the kernel gives it back however that ends. Commands that only
//! look do not ask for it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The file that is locked; it holds the number of the process that does.
const NAME: &str = "lock";
/// A process's number has fewer digits.
const NUMBER_BYTES_MAX: u64 = 16;
/// An agent that was killed may have been about to start a compiler, which holds the lock until it is that.
const PATIENCE: Duration = Duration::from_secs(2);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// The lock. It ends with the process, or when it is dropped.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataLockError {
    /// Another agent has it.
    #[error(
        "data_dir {} is in use: another agent{} runs there; end that one, or give this one a data_dir of its own",
        dir.display(), process.map(|process| format!(" (process {process})")).unwrap_or_default()
    )]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The other agent, if it says who it is.
        process: Option<u32>,
    },
    /// It cannot be locked.
    #[error("data_dir {} cannot be locked; make it a folder that this user can write to", dir.display())]
    Io {
        /// The folder.
        dir: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl DataLock {
    /// Locks a folder, which is made if it is not there.
    ///
    /// # Errors
    /// Another process has it, or it cannot be locked.
    pub fn take(dir: &Path) -> Result<Self, DataLockError> {
        let failed = |source| DataLockError::Io { dir: dir.to_owned(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // A link would have another file written to.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let mut file = options.open(dir.join(NAME)).map_err(failed)?;
        let end = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < end => std::thread::sleep(LOOK_INTERVAL),
                Err(TryLockError::WouldBlock) => {
                    return Err(DataLockError::InUse { dir: dir.to_owned(), process: process(&file) });
                }
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        // That it cannot say who it is, such as on a full disk, keeps nobody from running.
        drop(file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())));
        Ok(Self { _file: file })
    }
}

/// Who says that it has the lock.
fn process(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(NUMBER_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_locked_by_one_at_a_time_who_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("a/data");
        let first = DataLock::take(&dir).unwrap();
        let error = DataLock::take(&dir).unwrap_err().to_string();
        let (folder, process) = (dir.display(), std::process::id());
        assert!(error.contains(&format!("{folder}")) && error.contains(&format!("(process {process})")), "{error}");
        drop(first);
        DataLock::take(&dir).unwrap();
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let other = dir.path().join("other");
        std::fs::write(&other, "precious").unwrap();
        std::os::unix::fs::symlink(&other, dir.path().join(NAME)).unwrap();
        assert!(matches!(DataLock::take(dir.path()), Err(DataLockError::Io { .. })));
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
    }
}
