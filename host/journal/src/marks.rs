//! The mark of a journal: how far its owner has got.
//!
//! The file has room for two marks, which are written in turn: a write that dies half way leaves the other. It takes
//! all its room when it is made, so that a mark can be written on a full disk, where nothing is trimmed before.
//!
//! ```text
//! slot (4 KiB, twice):  "skmark02"  crc u32  bytes u32  number u64  the mark
//! ```
//!
//! The checksum covers what follows it; of two good marks the one with the higher number counts.

use parking_lot::Mutex;

use crate::disk::{Disk, DiskFile, OpenMode, read_exact_at, write_all_at};
use crate::error::JournalError;
use crate::recovery::set_aside;

const NAME: &str = "mark";
const MAGIC: &[u8; 8] = b"skmark02";
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
    file: Box<dyn DiskFile>,
    name: &'static str,
    /// Held while a mark is written, so that they get to the disk in order.
    last: Mutex<LastMark>,
}

/// The mark that was written last by this process.
struct LastMark {
    /// How many were written in all time.
    number: u64,
    slot: Vec<u8>,
    /// A sync has failed, so what was written before it may be gone, though it can be read.
    doubtful: bool,
}

/// What is known of the mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SavedMark {
    /// None was ever written.
    Missing,
    /// It is not as it was written. To begin with the oldest record repeats some; to begin with the newest loses some.
    Damaged,
    /// The bytes that were written last, or, if damage took those, the ones before.
    Held(Vec<u8>),
}

impl Marks {
    /// Opens the mark in a journal's folder, or makes room for one. Only the one who holds the journal may write it. A
    /// file by its name that holds something else is set aside.
    ///
    /// # Errors
    /// [`JournalError::NoSpace`] when it is new, or what the system says.
    pub fn open(disk: &dyn Disk) -> Result<Self, JournalError> {
        Self::open_as(disk, NAME)
    }

    /// The same for a file by another name, for what else has to be written down beside a journal and never by halves.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_as(disk: &dyn Disk, name: &'static str) -> Result<Self, JournalError> {
        let open = || disk.open(name, OpenMode::Create).map_err(JournalError::of("open", name));
        let mut file = open()?;
        let length = file.size().map_err(JournalError::of("look at", name))?;
        if length > 0 && !is_ours(&*file, name, length)? {
            drop(file);
            set_aside(disk, name).map_err(JournalError::of("set aside", name))?;
            file = open()?;
        }
        let length = file.size().map_err(JournalError::of("look at", name))? as usize;
        if length < 2 * SLOT_BYTES {
            let zeros = vec![0; 2 * SLOT_BYTES - length];
            let made = write_all_at(&*file, &zeros, length as u64).and_then(|()| file.sync());
            made.and_then(|()| disk.sync()).map_err(JournalError::of("make", name))?;
        }
        let marks = Self { file, name, last: Mutex::new(LastMark { number: 0, slot: Vec::new(), doubtful: false }) };
        marks.last.lock().number = marks.slots()?.iter().filter_map(MarkSlot::number).max().unwrap_or(0);
        Ok(marks)
    }

    /// Replaces the mark. It survives the death of the process from now on; that of the machine after
    /// [`sync`](Self::sync).
    ///
    /// # Errors
    /// What the system says, or [`JournalError::TooLarge`]; the mark is the old one then.
    pub fn write(&self, bytes: &[u8]) -> Result<(), JournalError> {
        self.write_with(|| bytes.to_vec())
    }

    /// The same with a mark that is made when it is its turn, so that of many who write the last one to make a mark
    /// is the last one to write it.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_with(&self, bytes: impl FnOnce() -> Vec<u8>) -> Result<(), JournalError> {
        let mut last = self.last.lock();
        let bytes = bytes();
        if bytes.len() > MAX_MARK_BYTES {
            return Err(JournalError::TooLarge { bytes: bytes.len(), most: MAX_MARK_BYTES });
        }
        let next = last.number + 1;
        let mut slot = Vec::with_capacity(SLOT_BYTES);
        slot.extend_from_slice(MAGIC);
        slot.extend_from_slice(&[0; 4]);
        slot.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        slot.extend_from_slice(&next.to_le_bytes());
        slot.extend_from_slice(&bytes);
        let crc = crc32fast::hash(&slot[12..]);
        slot[8..12].copy_from_slice(&crc.to_le_bytes());
        self.put(next, &slot)?;
        (last.number, last.slot) = (next, slot);
        Ok(())
    }

    fn put(&self, number: u64, slot: &[u8]) -> Result<(), JournalError> {
        let offset = (number % 2) * SLOT_BYTES as u64;
        write_all_at(&*self.file, slot, offset).map_err(JournalError::of("write", self.name))
    }

    /// Makes the mark that was written last survive the death of the machine. Takes milliseconds.
    ///
    /// # Errors
    /// What the system says; the mark may be an older one then.
    pub fn sync(&self) -> Result<(), JournalError> {
        let mut last = self.last.lock();
        if last.doubtful {
            self.put(last.number, &last.slot)?;
        }
        let synced = self.file.sync().map_err(JournalError::of("sync", self.name));
        last.doubtful = synced.is_err();
        synced
    }

    /// The mark that was written last.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self) -> Result<SavedMark, JournalError> {
        let slots = self.slots()?;
        let newest = slots.iter().max_by_key(|slot| slot.number());
        Ok(match newest {
            Some(MarkSlot::Good(_, bytes)) => SavedMark::Held(bytes.clone()),
            _ if slots.contains(&MarkSlot::Bad) => SavedMark::Damaged,
            _ => SavedMark::Missing,
        })
    }

    fn slots(&self) -> Result<[MarkSlot; 2], JournalError> {
        let read = |offset: usize| {
            let mut bytes = [0; SLOT_BYTES];
            let readable = read_exact_at(&*self.file, &mut bytes, offset as u64);
            readable.map(|readable| if readable { MarkSlot::parse(&bytes) } else { MarkSlot::Bad })
        };
        let both = read(0).and_then(|first| Ok([first, read(SLOT_BYTES)?]));
        both.map_err(JournalError::of("read", self.name))
    }
}

/// Whether it is a file of marks, if damaged: not if it says that it is something else, or another version.
fn is_ours(file: &dyn DiskFile, name: &str, length: u64) -> Result<bool, JournalError> {
    let begins = |offset: usize| {
        let mut magic = [0; MAGIC.len()];
        let bytes = &mut magic[..MAGIC.len().min(length.saturating_sub(offset as u64) as usize)];
        let readable = read_exact_at(file, bytes, offset as u64)?;
        Ok(!readable || MAGIC.starts_with(bytes) || bytes.iter().all(|byte| *byte == 0))
    };
    let ours = begins(0).and_then(|first| Ok(first || (length > SLOT_BYTES as u64 && begins(SLOT_BYTES)?)));
    ours.map_err(JournalError::of("read", name))
}

#[derive(PartialEq, Eq)]
enum MarkSlot {
    Empty,
    Bad,
    Good(u64, Vec<u8>),
}

impl MarkSlot {
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
    use cap_std::fs::Dir;

    use super::*;
    use crate::disk::real;
    use crate::disk::sim::{SimDisk, SimFault, SimTrouble};

    fn open(folder: &tempfile::TempDir) -> Marks {
        let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
        Marks::open(&*real(dir)).unwrap()
    }

    fn held(bytes: &[u8]) -> SavedMark {
        SavedMark::Held(bytes.to_vec())
    }

    #[test]
    fn the_mark_is_the_one_written_last_even_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(open(&folder).read().unwrap(), SavedMark::Missing);
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
            marks.file.read_at(&mut byte, offset).unwrap();
            marks.file.write_at(&[byte[0] ^ 1 << (bit % 8)], offset).unwrap();
        };
        let bits = (HEADER_BYTES + 4) * 8;
        for bit in 0..bits {
            flip(1, bit);
            assert_eq!(marks.read().unwrap(), SavedMark::Damaged, "bit {bit}");
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
            let slot = (marks.last.lock().number + 1) % 2 * SLOT_BYTES as u64;
            marks.file.write_at(&vec![0x11; length], slot).unwrap();
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
        assert_eq!(open(&folder).read().unwrap(), SavedMark::Missing);
    }

    #[test]
    fn a_file_that_is_something_else_is_set_aside() {
        for other in [&b"something else"[..], &[b"skmark99", &[7; 9000][..]].concat()] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(NAME), other).unwrap();
            let marks = open(&folder);
            assert_eq!(marks.read().unwrap(), SavedMark::Missing);
            marks.write(b"new").unwrap();
            assert_eq!(open(&folder).read().unwrap(), held(b"new"));
            assert_eq!(std::fs::read(folder.path().join("mark.damaged")).unwrap(), other);
        }
    }

    #[test]
    fn a_mark_whose_sync_failed_is_written_again_before_it_counts_as_safe() {
        for seed in 0..20 {
            let disk = SimDisk::new(seed);
            let marks = Marks::open(&*disk.root()).unwrap();
            marks.write(b"kept").unwrap();
            disk.fail(SimFault::at(disk.calls(), SimTrouble::Broken));
            marks.sync().unwrap_err();
            marks.sync().unwrap();
            let left = disk.power_cut();
            assert_eq!(Marks::open(&*left.root()).unwrap().read().unwrap(), held(b"kept"), "seed {seed}");
        }
    }

    #[test]
    fn a_mark_that_is_too_large_is_rejected_and_the_old_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let marks = open(&folder);
        marks.write(b"old").unwrap();
        let error = marks.write(&vec![0; MAX_MARK_BYTES + 1]).unwrap_err();
        assert!(matches!(error, JournalError::TooLarge { .. }), "{error}");
        assert_eq!(marks.read().unwrap(), held(b"old"));
    }
}
