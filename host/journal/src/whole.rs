//! Small files that are replaced whole or not at all, beside the journals on the same kind of disk: what plugins have
//! saved, and the like.
//!
//! ```text
//! file:  "skfile01"  crc u32  bytes u32  the contents
//! ```
//!
//! The checksum covers what follows it. A file that is something else is set aside, as `*.damaged`.

use std::sync::Arc;

use crate::disk::{Disk, OpenMode, read_exact_at, write_all_at};
use crate::error::JournalError;
use crate::recovery::set_aside;

const MAGIC: &[u8; 8] = b"skfile01";
const HEADER_BYTES: usize = 16;
/// What is being written goes by this name until it is whole.
const UNFINISHED_SUFFIX: &str = ".new";

/// The largest contents: what is small enough to be written anew with every change.
pub const MAX_WHOLE_BYTES: usize = 64 << 20;

/// A folder of such files.
pub struct WholeFiles(Arc<dyn Disk>);

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// There is none of that name.
    Missing,
    /// What was written last.
    Held(Vec<u8>),
    /// Something else, or not as it was written. It goes by another name now.
    SetAside {
        /// Its name now.
        name: String,
        /// Its size.
        bytes: u64,
    },
}

impl WholeFiles {
    /// Those in a folder.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self(disk)
    }

    /// The names of all files whose names end so.
    ///
    /// # Errors
    /// What the system says.
    pub fn names(&self, suffix: &str) -> Result<Vec<String>, JournalError> {
        let entries = self.0.list().map_err(JournalError::of("list", "."))?;
        let files = entries.into_iter().filter(|entry| !entry.is_folder && entry.name.ends_with(suffix));
        Ok(files.map(|entry| entry.name).collect())
    }

    /// What a file holds.
    ///
    /// # Errors
    /// What the system says.
    pub fn read(&self, name: &str) -> Result<Contents, JournalError> {
        let file = match self.0.open(name, OpenMode::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Contents::Missing),
            opened => opened.map_err(JournalError::of("open", name))?,
        };
        let size = file.size().map_err(JournalError::of("look at", name))?;
        if size <= (HEADER_BYTES + MAX_WHOLE_BYTES) as u64 {
            let mut bytes = vec![0; size as usize];
            let readable = read_exact_at(&*file, &mut bytes, 0).map_err(JournalError::of("read", name))?;
            if readable && is_whole(&bytes) {
                return Ok(Contents::Held(bytes.split_off(HEADER_BYTES)));
            }
        }
        drop(file);
        let aside = set_aside(&*self.0, name).map_err(JournalError::of("set aside", name))?;
        Ok(Contents::SetAside { name: aside, bytes: size })
    }

    /// Replaces a file, or makes it. With `Ok` the new contents survive a loss of power; with an error they are the old
    /// ones or the new ones, and it is to be tried again.
    ///
    /// # Errors
    /// [`JournalError::NoSpace`], [`JournalError::TooLarge`], or what the system says.
    pub fn write(&self, name: &str, contents: &[u8]) -> Result<(), JournalError> {
        if contents.len() > MAX_WHOLE_BYTES {
            return Err(JournalError::TooLarge { bytes: contents.len(), most: MAX_WHOLE_BYTES });
        }
        let unfinished = format!("{name}{UNFINISHED_SUFFIX}");
        let file = self.0.open(&unfinished, OpenMode::Create).map_err(JournalError::of("open", &unfinished))?;
        // An earlier attempt may have left more than this one writes.
        let written = file.set_size(0).and_then(|()| write_all_at(&*file, &framed(contents), 0));
        written.map_err(JournalError::of("write", &unfinished))?;
        // Before the name: it must never stand for what is not there.
        file.sync().map_err(JournalError::of("sync", &unfinished))?;
        self.0.rename(&unfinished, name).map_err(JournalError::of("rename", &unfinished))?;
        self.0.sync().map_err(JournalError::of("sync the folder of", name))
    }
}

fn framed(contents: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES + contents.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&(contents.len() as u32).to_le_bytes());
    bytes.extend_from_slice(contents);
    let crc = crc32fast::hash(&bytes[12..]);
    bytes[8..12].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn is_whole(bytes: &[u8]) -> bool {
    let number = |from: usize| bytes[from..from + 4].iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    bytes.len() >= HEADER_BYTES
        && bytes.starts_with(MAGIC)
        && number(12) as usize == bytes.len() - HEADER_BYTES
        && number(8) == crc32fast::hash(&bytes[12..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::{SimDisk, SimFault, SimTrouble};

    fn held(bytes: &[u8]) -> Contents {
        Contents::Held(bytes.to_vec())
    }

    /// Contents that tell which they are, of different lengths.
    fn version(number: usize) -> Vec<u8> {
        [vec![number as u8], vec![7; number * 371 % 2000]].concat()
    }

    /// Writes version after version; answers the last that was said to be safe, and the last that was tried.
    fn write_versions(disk: &SimDisk) -> (usize, usize) {
        let (mut safe, mut tried) = (0, 0);
        for number in 1..12 {
            tried = number;
            if WholeFiles::new(disk.root()).write("a", &version(number)).is_ok() {
                safe = number;
            }
        }
        (safe, tried)
    }

    fn check(disk: &SimDisk, (safe, tried): (usize, usize), context: &str) {
        let found = match WholeFiles::new(disk.root()).read("a") {
            Ok(Contents::Held(bytes)) => bytes[0].into(),
            Ok(Contents::Missing) => 0,
            other => panic!("{context}: {other:?}"),
        };
        assert!((safe..=tried).contains(&found), "{context}: version {found}, and {safe} was safe");
        assert!(found == 0 || WholeFiles::new(disk.root()).read("a").unwrap() == held(&version(found)), "{context}");
    }

    #[test]
    fn what_was_written_is_read_and_the_next_takes_its_place() {
        let disk = SimDisk::new(1);
        let files = WholeFiles::new(disk.root());
        assert_eq!(files.read("a").unwrap(), Contents::Missing);
        for contents in [&b"a long one"[..], b"", b"short"] {
            files.write("a", contents).unwrap();
            assert_eq!(files.read("a").unwrap(), held(contents));
        }
        assert_eq!(files.names("a").unwrap(), ["a"]);
        let error = files.write("a", &vec![0; MAX_WHOLE_BYTES + 1]).unwrap_err();
        assert!(matches!(error, JournalError::TooLarge { .. }), "{error}");
        assert_eq!(files.read("a").unwrap(), held(b"short"));
    }

    #[test]
    fn what_is_something_else_or_damaged_is_set_aside_and_never_removed() {
        let disk = SimDisk::new(1);
        let files = WholeFiles::new(disk.root());
        for (number, other) in [&b""[..], b"skfile0", b"skfile99 of another version", b"text"].iter().enumerate() {
            let file = disk.root().open("a", OpenMode::New).unwrap();
            file.write_at(other, 0).unwrap();
            let aside = if number == 0 { "a.damaged".to_owned() } else { format!("a.{}.damaged", number + 1) };
            let expected = Contents::SetAside { name: aside, bytes: other.len() as u64 };
            assert_eq!(files.read("a").unwrap(), expected);
            assert_eq!(files.read("a").unwrap(), Contents::Missing);
        }
        files.write("a", b"contents").unwrap();
        for offset in 0..(HEADER_BYTES + 8) as u64 {
            let copy = disk.copy();
            assert!(copy.flip("/a", offset, 1));
            let found = WholeFiles::new(copy.root()).read("a").unwrap();
            assert!(matches!(found, Contents::SetAside { .. }), "byte {offset}: {found:?}");
        }
    }

    #[test]
    fn after_a_loss_of_power_what_was_safe_or_newer_is_held() {
        let (mut cuts, mut all) = (0, 0);
        for seed in 0..200 {
            let calls = {
                let disk = SimDisk::new(seed);
                write_versions(&disk);
                disk.calls()
            };
            all += calls;
            for at in (seed % 3..calls).step_by(3) {
                let disk = SimDisk::new(seed);
                disk.fail(SimFault::at(at, SimTrouble::PowerCut));
                let versions = write_versions(&disk);
                check(&disk.power_cut(), versions, &format!("seed {seed}, power at call {at}"));
                cuts += 1;
            }
        }
        println!("{cuts} power cuts at {all} calls: 0 lost");
    }

    #[test]
    fn whichever_call_fails_nothing_is_called_safe_that_is_not() {
        let undisturbed = SimDisk::new(0);
        write_versions(&undisturbed);
        for trouble in [SimTrouble::Broken, SimTrouble::Full] {
            for calls in [1, 3] {
                // A failure may lead to some more.
                for at in 0..undisturbed.calls() + 10 {
                    let disk = SimDisk::new(at);
                    disk.fail(SimFault { calls, ..SimFault::at(at, trouble) });
                    let versions = write_versions(&disk);
                    let context = format!("{calls} {trouble:?} from call {at} on");
                    disk.release();
                    check(&disk.copy(), versions, &format!("{context}, killed"));
                    check(&disk.power_cut(), versions, &format!("{context}, power"));
                }
            }
        }
    }
}
