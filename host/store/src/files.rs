//! All files of the store, as one moment saw them. Readers keep a set; a change makes another.

use std::io;
use std::sync::Arc;

use saker_journal::Disk;

use crate::error::StoreError;
use crate::file::{ASIDE_SUFFIX, FileOrigin, NEW_SUFFIX, parse_name};
use crate::lane::Lane;
use crate::log::{LogDamage, LogFile};
use crate::merged::MergedFile;

/// The files.
#[derive(Clone, Default)]
pub(crate) struct FileSet {
    pub(crate) logs: Vec<Arc<LogFile>>,
    pub(crate) merged: Vec<Arc<MergedFile>>,
}

/// What was found when the files were opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opened {
    /// Files that are not what their names say, or in a format that is not known, by the names that they have now.
    pub set_aside: Vec<String>,
    /// Cut off at the ends of logs: what a dying process left half written, and the journal still has.
    pub torn_bytes: u64,
    /// Frames that are not as they were written.
    pub damaged_frames: u64,
    /// Bytes that belong to no frame.
    pub damaged_bytes: u64,
    /// Samples of the journal that were taken up again.
    pub replayed: u64,
    /// Records of the journal that could not be read.
    pub journal_records_lost: u64,
    /// Samples in them.
    pub journal_samples_lost: u64,
}

impl FileSet {
    /// Opens all files in a folder.
    pub(crate) fn open(disk: &dyn Disk, opened: &mut Opened) -> Result<Self, StoreError> {
        let mut set = Self::default();
        let entries = disk.list().map_err(StoreError::of("list", "files"))?;
        let mut names: Vec<String> =
            entries.into_iter().filter(|entry| !entry.is_folder).map(|entry| entry.name).collect();
        names.sort_unstable();
        for name in names {
            if name.ends_with(NEW_SUFFIX) {
                disk.unlink(&name).map_err(StoreError::of("remove", &name))?;
            } else if let Some((form, number)) = parse_name(&name) {
                let known = set.load(disk, &name, form, number, opened).map_err(StoreError::of("open", &name))?;
                if !known {
                    let aside = set_aside(disk, &name).map_err(StoreError::of("set aside", &name))?;
                    opened.set_aside.push(aside);
                }
            }
        }
        Ok(set)
    }

    fn load(
        &mut self,
        disk: &dyn Disk,
        name: &str,
        form: FileOrigin,
        number: u64,
        opened: &mut Opened,
    ) -> io::Result<bool> {
        match form {
            FileOrigin::Log => {
                let Some((log, damage)) = LogFile::load(disk, name, number)? else { return Ok(false) };
                let LogDamage { torn_bytes, frames, bytes } = damage;
                opened.torn_bytes += torn_bytes;
                opened.damaged_frames += frames;
                opened.damaged_bytes += bytes;
                self.logs.push(Arc::new(log));
            }
            FileOrigin::Merged => {
                let Some(file) = MergedFile::load(disk, name, number)? else { return Ok(false) };
                self.merged.push(Arc::new(file));
            }
        }
        Ok(true)
    }

    /// The number of a new file is above all of these.
    pub(crate) fn newest_number(&self) -> u64 {
        let logs = self.logs.iter().map(|log| log.number);
        logs.chain(self.merged.iter().map(|file| file.number)).max().unwrap_or(0)
    }

    pub(crate) fn newest_generation(&self) -> u64 {
        let logs = self.logs.iter().map(|log| log.newest_generation());
        logs.chain(self.merged.iter().map(|file| file.summary.generation)).max().unwrap_or(0)
    }

    /// The newest time of any point.
    pub(crate) fn newest_ms(&self) -> Option<i64> {
        let logs = self.logs.iter().filter_map(|log| log.times()).map(|times| times.1);
        logs.chain(self.merged.iter().map(|file| file.summary.last_ms)).max()
    }

    /// The newest time of a lane.
    pub(crate) fn newest_of(&self, lane: Lane) -> Option<i64> {
        let logs = self.logs.iter().filter(|log| log.place.lane == lane).filter_map(|log| log.times());
        let merged = self.merged.iter().filter(|file| file.place.lane == lane).map(|file| file.summary.last_ms);
        logs.map(|times| times.1).chain(merged).max()
    }

    /// All lanes that there are files of.
    pub(crate) fn lanes(&self) -> Vec<Lane> {
        let logs = self.logs.iter().map(|log| log.place.lane);
        let mut lanes: Vec<Lane> = logs.chain(self.merged.iter().map(|file| file.place.lane)).collect();
        lanes.sort_unstable();
        lanes.dedup();
        lanes
    }

    /// Their size, and how many there are.
    pub(crate) fn size(&self, of: impl Fn(Lane) -> bool) -> (u64, usize) {
        let logs = self.logs.iter().filter(|log| of(log.place.lane)).map(|log| log.size());
        let merged = self.merged.iter().filter(|file| of(file.place.lane)).map(|file| file.size);
        logs.chain(merged).fold((0, 0), |(bytes, count), size| (bytes + size, count + 1))
    }
}

/// Renames a file so that it is none of ours any more, and answers its new name.
pub(crate) fn set_aside(disk: &dyn Disk, name: &str) -> io::Result<String> {
    let names: Vec<String> = disk.list()?.into_iter().map(|entry| entry.name).collect();
    let mut aside = format!("{name}{ASIDE_SUFFIX}");
    let mut number = 1_u32;
    while names.contains(&aside) {
        number += 1;
        aside = format!("{name}.{number}{ASIDE_SUFFIX}");
    }
    disk.rename(name, &aside)?;
    Ok(aside)
}
