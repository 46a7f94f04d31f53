//! The mark of a journal: how far its owner has got.
//!
//! The file has room for two marks, which are written in turn: a write that dies half way leaves the other. It takes
//! all its room when it is made, so that a mark can be written on a full disk, where nothing is trimmed before.
//!
//! ```text
//! slot (4 KiB, twice):  "skmark01"  crc u32  bytes u32  number u64  the mark
//! ```
//!
//! The checksum covers what follows it; of two good marks the one with the higher number counts.

use std::fs::File;
use std::os::unix::fs::FileExt;

use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use parking_lot::Mutex;

use crate::error::JournalError;
use crate::format::read_exact_at;
use crate::sync::sync_folder;

const NAME: &str = "mark";
const MAGIC: &[u8; 8] = b"skmark01";
const HEADER_BYTES: usize = 24;
/// A block of the disk, so that the two are never written by one operation.
const SLOT_BYTES: usize = 4096;

/// The largest mark.
pub const MAX_MARK_BYTES: usize = SLOT_BYTES - HEADER_BYTES;

/// Keeps one mark in a journal's folder.
///
/// Write and sync the mark first, and trim the journal after: the other way round, a crash between leaves a mark that points
/// at records which are gone.
pub struct Marks {
    file: File,
    /// How many were written in all time.
    number: Mutex<u64>,
}

/// What is known of the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// None was ever written.
    Missing,
    /// It is not as it was written. To begin with the oldest record repeats some; to begin with the newest loses some.
    Damaged,
    /// The bytes that were written last, or, if damage took those, the ones before.
    Held(Vec<u8>),
}

impl Marks {
    /// Opens the mark in a journal's folder, or makes room for one. Only the one who holds the journal may write it.
    ///
    /// # Errors
    /// [`JournalError::NoSpace`] when it is new, or what the system says.
    pub fn open(dir: &Dir) -> Result<Self, JournalError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = dir.open_with(NAME, &options).map_err(JournalError::of("open", NAME))?.into_std();
        let length = file.metadata().map_err(JournalError::of("look at", NAME))?.len() as usize;
        if length < 2 * SLOT_BYTES {
            let zeros = vec![0; 2 * SLOT_BYTES - length];
            let made = file.write_all_at(&zeros, length as u64).and_then(|()| file.sync_all());
            made.and_then(|()| sync_folder(dir)).map_err(JournalError::of("make", NAME))?;
        }
        let marks = Self { file, number: Mutex::new(0) };
        *marks.number.lock() = marks.slots()?.iter().filter_map(Slot::number).max().unwrap_or(0);
        Ok(marks)
    }

    /// Replaces the mark. It survives the death of the process from now on; that of the machine after
    /// [`sync`](Self::sync).
    ///
    /// # Errors
    /// What the system says, or [`JournalError::TooLarge`]; the mark is the old one then.
    pub fn write(&self, bytes: &[u8]) -> Result<(), JournalError> {
        if bytes.len() > MAX_MARK_BYTES {
            return Err(JournalError::TooLarge { bytes: bytes.len(), most: MAX_MARK_BYTES });
        }
        let mut number = self.number.lock();
        let next = *number + 1;
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend_from_slice(MAGIC);
        slot.extend_from_slice(&[0; 4]);
        slot.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        slot.extend_from_slice(&next.to_le_bytes());
        slot.extend_from_slice(bytes);
        let crc = crc32fast::hash(&slot[12..]);
        slot[8..12].copy_from_slice(&crc.to_le_bytes());
        let offset = (next % 2) * SLOT_BYTES as u64;
        self.file.write_all_at(&slot, offset).map_err(JournalError::of("write", NAME))?;
        *number = next;
        Ok(())
    }

    /// Makes the mark that was written last survive the death of the machine. Takes milliseconds.
    ///
    /// # Errors
    /// What the system says; the mark may be an older one then.
    pub fn sync(&self) -> Result<(), JournalError> {
        self.file.sync_data().map_err(JournalError::of("sync", NAME))
    }

    /// The mark that was written last.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self) -> Result<Mark, JournalError> {
        let slots = self.slots()?;
        let newest = slots.iter().max_by_key(|slot| slot.number());
        Ok(match newest {
            Some(Slot::Good(_, bytes)) => Mark::Held(bytes.clone()),
            _ if slots.contains(&Slot::Bad) => Mark::Damaged,
            _ => Mark::Missing,
        })
    }

    fn slots(&self) -> Result<[Slot; 2], JournalError> {
        let read = |offset: usize| {
            let mut bytes = [0; SLOT_BYTES];
            let readable = read_exact_at(&self.file, &mut bytes, offset as u64);
            readable.map(|readable| if readable { Slot::parse(&bytes) } else { Slot::Bad })
        };
        let both = read(0).and_then(|first| Ok([first, read(SLOT_BYTES)?]));
        both.map_err(JournalError::of("read", NAME))
    }
}

#[derive(PartialEq, Eq)]
enum Slot {
    Empty,
    Bad,
    Good(u64, Vec<u8>),
}

impl Slot {
    fn parse(slot: &[u8; SLOT_BYTES]) -> Self {
        let number =
            |from: usize, to: usize| slot[from..to].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let end = HEADER_BYTES + number(12, 16) as usize;
        match slot.get(12..end) {
            _ if slot.iter().all(|byte| *byte == 0) => Self::Empty,
            Some(summed) if &slot[..8] == MAGIC && number(8, 12) == u64::from(crc32fast::hash(summed)) => {
                Self::Good(number(16, 24), slot[HEADER_BYTES..end].to_vec())
            }
            _ => Self::Bad,
        }
    }

    fn number(&self) -> Option<u64> {
        if let Self::Good(number, _) = self { Some(*number) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    fn open(folder: &tempfile::TempDir) -> Marks {
        Marks::open(&Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap()).unwrap()
    }

    fn held(bytes: &[u8]) -> Mark {
        Mark::Held(bytes.to_vec())
    }

    #[test]
    fn the_mark_is_the_one_written_last_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(open(&folder).read().unwrap(), Mark::Missing);
        let longest = vec![7; MAX_MARK_BYTES];
        for bytes in [b"first", &b""[..], b"third", &longest, b"fifth"] {
            let marks = open(&folder);
            marks.write(b"before").unwrap();
            marks.write(bytes).unwrap();
            assert_eq!(marks.read().unwrap(), held(bytes));
            assert_eq!(open(&folder).read().unwrap(), held(bytes));
        }
    }

    #[test]
    fn with_any_bit_of_it_changed_the_mark_is_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let marks = open(&folder);
        marks.write(b"only").unwrap();
        let flip = |slot: usize, bit: usize| {
            let (offset, mut byte) = ((slot * SLOT_BYTES + bit / 8) as u64, [0]);
            marks.file.read_exact_at(&mut byte, offset).unwrap();
            marks.file.write_all_at(&[byte[0] ^ 1 << (bit % 8)], offset).unwrap();
        };
        let bits = (HEADER_BYTES + 4) * 8;
        for bit in 0..bits {
            flip(1, bit);
            assert_eq!(marks.read().unwrap(), Mark::Damaged, "bit {bit}");
            flip(1, bit);
        }
        marks.write(b"next").unwrap();
        for bit in 0..bits {
            flip(0, bit);
            assert_eq!(marks.read().unwrap(), held(b"only"), "bit {bit}");
            flip(0, bit);
        }
        assert_eq!(marks.read().unwrap(), held(b"next"));
    }

    #[test]
    fn a_mark_that_was_half_written_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        for length in 0..HEADER_BYTES + 3 {
            let marks = open(&folder);
            marks.write(b"old").unwrap();
            let slot = (*marks.number.lock() + 1) % 2 * SLOT_BYTES as u64;
            marks.file.write_all_at(&vec![0x11; length], slot).unwrap();
            let marks = open(&folder);
            assert_eq!(marks.read().unwrap(), held(b"old"), "{length} bytes");
            marks.write(b"new").unwrap();
            assert_eq!(open(&folder).read().unwrap(), held(b"new"));
        }
    }

    #[test]
    fn a_file_that_was_just_being_made_holds_no_mark() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), vec![0; 100]).unwrap();
        assert_eq!(open(&folder).read().unwrap(), Mark::Missing);
        std::fs::write(folder.path().join(NAME), b"something else").unwrap();
        assert_eq!(open(&folder).read().unwrap(), Mark::Damaged);
    }

    #[test]
    fn a_mark_that_is_too_large_is_refused_and_the_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let marks = open(&folder);
        marks.write(b"old").unwrap();
        let error = marks.write(&vec![0; MAX_MARK_BYTES + 1]).unwrap_err();
        assert!(matches!(error, JournalError::TooLarge { .. }), "{error}");
        assert_eq!(marks.read().unwrap(), held(b"old"));
    }
}
