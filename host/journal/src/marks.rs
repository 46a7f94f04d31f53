//! The mark of a journal: how far its owner has got, in a file that is either the old one or the new one.

use std::io::{self, Read, Write};

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};

use crate::error::JournalError;
use crate::sync::sync_folder;

const NAME: &str = "mark";
const NEXT_NAME: &str = "mark.next";
const MAGIC: &[u8; 8] = b"skmark01";
const HEADER_BYTES: usize = MAGIC.len() + 4;

/// The largest mark: 64 KiB.
pub const MAX_MARK_BYTES: usize = 64 << 10;

/// Keeps one mark in a journal's folder.
///
/// Write and sync the mark first, and trim the journal after: the other way round, a crash between leaves a mark that points
/// at records which are gone.
pub struct Marks {
    dir: Dir,
}

/// What is known of the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// None was ever written.
    Missing,
    /// It is not as it was written. To begin with the oldest record repeats some; to begin with the newest loses some.
    Damaged,
    /// The bytes that were written last.
    Held(Vec<u8>),
}

impl Marks {
    /// The mark of the journal in that folder.
    #[must_use]
    pub fn new(dir: Dir) -> Self {
        Self { dir }
    }

    /// Replaces the mark. It survives the death of the process; that of the machine after [`sync`](Self::sync).
    ///
    /// # Errors
    /// What the system says, or [`JournalError::TooLarge`]; the mark is the old one then.
    pub fn write(&self, bytes: &[u8]) -> Result<(), JournalError> {
        if bytes.len() > MAX_MARK_BYTES {
            return Err(JournalError::TooLarge { bytes: bytes.len(), most: MAX_MARK_BYTES });
        }
        let mut all = Vec::with_capacity(HEADER_BYTES + bytes.len());
        all.extend_from_slice(MAGIC);
        all.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
        all.extend_from_slice(bytes);
        self.replace(&all).map_err(JournalError::of("write", NAME))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = self.dir.open_with(NEXT_NAME, &options)?;
        file.write_all(bytes)?;
        self.dir.rename(NEXT_NAME, &self.dir, NAME)
    }

    /// Makes the mark survive the death of the machine. Takes milliseconds.
    ///
    /// # Errors
    /// What the system says; after a death of the machine the mark may then be missing or damaged.
    pub fn sync(&self) -> Result<(), JournalError> {
        match self.dir.open(NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.and_then(|file| file.sync_all()).map_err(JournalError::of("sync", NAME))?,
        }
        sync_folder(&self.dir).map_err(JournalError::of("sync", "."))
    }

    /// The mark that was written last.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self) -> Result<Mark, JournalError> {
        let file = match self.dir.open(NAME) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Mark::Missing),
            Err(error) => return Err(JournalError::of("open", NAME)(error)),
        };
        let (mut bytes, most) = (Vec::new(), HEADER_BYTES + MAX_MARK_BYTES);
        file.take(most as u64 + 1).read_to_end(&mut bytes).map_err(JournalError::of("read", NAME))?;
        let held = bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<4>());
        Ok(match held {
            Some((crc, held)) if u32::from_le_bytes(*crc) == crc32fast::hash(held) && bytes.len() <= most => {
                Mark::Held(held.to_vec())
            }
            _ => Mark::Damaged,
        })
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    fn marks() -> (tempfile::TempDir, Marks) {
        let folder = tempfile::tempdir().unwrap();
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        (folder, Marks::new(dir))
    }

    #[test]
    fn the_mark_is_the_one_written_last() {
        let (_folder, marks) = marks();
        assert_eq!(marks.read().unwrap(), Mark::Missing);
        for bytes in [&b"first"[..], b"", b"third"] {
            marks.write(bytes).unwrap();
            assert_eq!(marks.read().unwrap(), Mark::Held(bytes.to_vec()));
        }
    }

    #[test]
    fn a_mark_with_any_bit_changed_or_any_end_cut_off_is_damaged() {
        let (folder, marks) = marks();
        marks.write(b"somewhere").unwrap();
        let (path, good) = (folder.path().join(NAME), std::fs::read(folder.path().join(NAME)).unwrap());
        for bit in 0..good.len() * 8 {
            let mut other = good.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, other).unwrap();
            assert_eq!(marks.read().unwrap(), Mark::Damaged, "bit {bit}");
        }
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            assert_eq!(marks.read().unwrap(), Mark::Damaged, "{length} bytes");
        }
    }

    #[test]
    fn a_mark_that_was_half_written_leaves_the_old_one() {
        let (folder, marks) = marks();
        marks.write(b"old").unwrap();
        std::fs::write(folder.path().join(NEXT_NAME), b"ne").unwrap();
        assert_eq!(marks.read().unwrap(), Mark::Held(b"old".to_vec()));
        marks.write(b"new").unwrap();
        assert_eq!(marks.read().unwrap(), Mark::Held(b"new".to_vec()));
    }

    #[test]
    fn a_mark_that_is_too_large_is_refused_and_the_old_one_stays() {
        let (_folder, marks) = marks();
        marks.write(b"old").unwrap();
        let error = marks.write(&vec![0; MAX_MARK_BYTES + 1]).unwrap_err();
        assert!(matches!(error, JournalError::TooLarge { .. }), "{error}");
        assert_eq!(marks.read().unwrap(), Mark::Held(b"old".to_vec()));
    }
}
