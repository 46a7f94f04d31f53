//! What was deleted and is still in files, until they are written anew.
//!
//! ```text
//! file `deleted`:  twice:  "skdelet1"  bytes u32  crc u32  then each: text key, varint generation, signed before
//! ```
//!
//! A delete hides what files of its generation or an older one have of a series before a time. What comes later is of
//! later generations, and begins anew.

use std::io;
use std::sync::Arc;

use hashbrown::HashMap;
use saker_journal::{Disk, OpenMode, write_all_at};

use crate::files::set_aside;
use crate::io::read_image;
use crate::wire::{Wire, put_signed, put_text, put_varint};

const NAME: &str = "deleted";
const NEW_NAME: &str = "deleted.new";
const MAGIC: &[u8; 8] = b"skdelet1";
const HEAD_BYTES: usize = 16;
/// What the file may be, whatever it says.
const FILE_BYTES_MAX: u64 = 512 << 20;

/// What one delete hides of a series: up to a generation, before a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delete {
    pub(crate) generation: u64,
    pub(crate) before_ms: i64,
}

/// All deletes.
#[derive(Clone, Default)]
pub(crate) struct Deleted {
    by_key: HashMap<Arc<str>, Vec<Delete>>,
}

impl Deleted {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn of(&self, key: &str) -> &[Delete] {
        self.by_key.get(key).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &Arc<str>> {
        self.by_key.keys()
    }

    pub(crate) fn newest_generation(&self) -> u64 {
        self.by_key.values().flatten().map(|delete| delete.generation).max().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, key: &str, delete: Delete) {
        let deletes = match self.by_key.get_mut(key) {
            Some(deletes) => deletes,
            None => self.by_key.entry(key.into()).or_default(),
        };
        // One that hides what this one hides anyway is not needed.
        deletes.retain(|old| old.before_ms > delete.before_ms || old.generation > delete.generation);
        if !deletes.iter().any(|old| old.generation >= delete.generation && old.before_ms >= delete.before_ms) {
            deletes.push(delete);
        }
    }

    /// Lets go of deletes that nothing in files is hidden by any more: of generations before the oldest file's.
    pub(crate) fn forget(&mut self, needed: impl Fn(&str, Delete) -> bool) -> bool {
        let before: usize = self.by_key.values().map(Vec::len).sum();
        self.by_key.retain(|key, deletes| {
            deletes.retain(|delete| needed(key, *delete));
            !deletes.is_empty()
        });
        before != self.by_key.values().map(Vec::len).sum::<usize>()
    }

    pub(crate) fn load(disk: &dyn Disk) -> io::Result<(Self, Option<String>)> {
        let file = match disk.open(NAME, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Self::default(), None)),
            Err(error) => return Err(error),
        };
        let image = read_image(&*file, file.size()?.min(FILE_BYTES_MAX) as usize, 0)?;
        let half = image.len() / 2;
        match image.get(..half).and_then(Self::parse).or_else(|| image.get(half..).and_then(Self::parse)) {
            Some(deleted) => Ok((deleted, None)),
            None => {
                drop(file);
                Ok((Self::default(), Some(set_aside(disk, NAME)?)))
            }
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES)?;
        let count = u32::from_le_bytes(head[8..12].try_into().ok()?) as usize;
        let body = bytes.get(HEAD_BYTES..HEAD_BYTES + count)?;
        if &head[..8] != MAGIC || head[12..] != crc32fast::hash(body).to_le_bytes() {
            return None;
        }
        let (mut wire, mut deleted) = (Wire(body), Self::default());
        while !wire.0.is_empty() {
            let key = std::str::from_utf8(wire.text()?).ok()?;
            let delete = Delete { generation: wire.varint()?, before_ms: wire.signed()? };
            deleted.by_key.entry(key.into()).or_default().push(delete);
        }
        Some(deleted)
    }

    /// Writes all of it anew; it survives the death of the machine then.
    pub(crate) fn save(&self, disk: &dyn Disk) -> io::Result<()> {
        let mut body = Vec::new();
        for (key, deletes) in &self.by_key {
            for delete in deletes {
                put_text(&mut body, key.as_bytes());
                put_varint(&mut body, delete.generation);
                put_signed(&mut body, delete.before_ms);
            }
        }
        let mut image = MAGIC.to_vec();
        image.extend_from_slice(&(body.len() as u32).to_le_bytes());
        image.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        image.extend_from_slice(&body);
        image.extend_from_within(..);
        let file = disk.open(NEW_NAME, OpenMode::Create)?;
        file.set_size(0)?;
        write_all_at(&*file, &image, 0)?;
        file.sync()?;
        disk.rename(NEW_NAME, NAME)?;
        disk.sync()
    }
}

/// Whether deletes hide a point.
pub(crate) fn hides(deletes: &[Delete], generation: u64, time_ms: i64) -> bool {
    deletes.iter().any(|delete| generation <= delete.generation && time_ms < delete.before_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use saker_journal::SimDisk;

    #[test]
    fn deletes_come_back_whichever_byte_is_flipped() {
        let sim = SimDisk::new(1);
        let mut deleted = Deleted::default();
        deleted.add("a", Delete { generation: 7, before_ms: i64::MAX });
        deleted.add("b", Delete { generation: 9, before_ms: 1000 });
        deleted.add("b", Delete { generation: 8, before_ms: 2000 });
        deleted.save(&*sim.root()).unwrap();
        for (path, bytes) in sim.files() {
            for at in 0..bytes {
                let copy = sim.copy();
                assert!(copy.flip(&path, at, 1));
                let (back, aside) = Deleted::load(&*copy.root()).unwrap();
                assert_eq!((back.of("a"), back.of("b"), aside), (deleted.of("a"), deleted.of("b"), None));
            }
        }
    }

    #[test]
    fn a_delete_hides_what_was_before_it() {
        let delete = [Delete { generation: 7, before_ms: 100 }];
        assert!(hides(&delete, 7, 99));
        assert!(!hides(&delete, 8, 99), "what came after the delete");
        assert!(!hides(&delete, 7, 100), "what was not deleted");
    }
}
