//! What the store is made of: for `/metrics`, and for an operator who asks.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::StoreError;
use crate::file::{ASIDE_SUFFIX, HEADER_BYTES};
use crate::frame::{FramePiece, Walk};
use crate::lane::Lane;
use crate::store::{Store, StoreState, Totals};

/// What there is of one granularity that is kept for one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierStatus {
    /// Of its buckets; 0 for raw points.
    pub granularity_ms: i64,
    /// How long they are kept.
    pub kept_ms: i64,
    /// Its files.
    pub files: usize,
    /// Their size.
    pub bytes: u64,
    /// Of raw points, how many there are about: of files that are appended to, rows times series. Of buckets as well.
    pub points: u64,
    /// Where the oldest file begins.
    pub oldest_ms: i64,
    /// Files that wait to be merged.
    pub unmerged: usize,
}

/// What there is, and what happened since the store was opened.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreStatus {
    /// By granularity and time kept.
    pub tiers: Vec<TierStatus>,
    /// Series that may be written, or of which something waits in a head.
    pub live_series: usize,
    /// About the memory that they take, without their points.
    pub series_bytes: usize,
    /// Memory of all heads.
    pub head_bytes: usize,
    /// When the oldest point came that is not sealed, by the clock; nothing if there is none.
    pub head_began_ms: Option<i64>,
    /// Memory of the indexes that are kept for reading.
    pub index_bytes: usize,
    /// The journal's files.
    pub journal_bytes: u64,
    /// Series of which something is deleted that files still have.
    pub deleted_series: usize,
    /// Bytes that were written by merging.
    pub merged_bytes: u64,
    /// Extents that were not as they were written when they were read.
    pub damaged_extents: u64,
    /// Files that were set aside, with their sizes.
    pub set_aside: Vec<(String, u64)>,
    /// What happened to samples.
    pub totals: Totals,
}

/// What a look at every byte of a file has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The file.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Good frames.
    pub frames: u64,
    /// Frames that are not as they were written.
    pub damaged_frames: u64,
    /// Bytes that belong to no frame.
    pub damaged_bytes: u64,
}

impl Store {
    /// What there is.
    ///
    /// # Errors
    /// What the system says.
    pub fn status(&self) -> Result<StoreStatus, StoreError> {
        let set_aside = self.set_aside()?;
        Ok(StoreStatus { set_aside, ..self.look(&self.state.lock()) })
    }

    /// What there is in memory, without what was set aside, if the store's lock can be had within this time: whoever
    /// holds it may wait for a disk that hangs.
    pub(crate) fn status_within(&self, wait: Duration) -> Option<StoreStatus> {
        Some(self.look(&*self.state.try_lock_for(wait)?))
    }

    /// Files that were set aside, with their sizes.
    pub(crate) fn set_aside(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let entries = self.files_disk.list().map_err(StoreError::of("list", "files"))?;
        let aside = entries.into_iter().filter(|entry| entry.name.ends_with(ASIDE_SUFFIX));
        Ok(aside.map(|entry| (entry.name, entry.bytes)).collect())
    }

    fn look(&self, state: &StoreState) -> StoreStatus {
        let files = &state.files;
        let tiers = files.lanes().into_iter().map(|lane| self.tier(files, lane)).collect();
        let groups = state.groups.iter().filter(|group| !group.is_empty()).map(|group| group.began_ms);
        let sides = (state.sides.points > 0).then_some(state.sides.began_ms);
        StoreStatus {
            tiers,
            live_series: state.table.len(),
            series_bytes: state.table.bytes(),
            head_bytes: state.groups.iter().map(|group| group.bytes()).sum::<usize>() + 16 * state.sides.points,
            head_began_ms: groups.chain(sides).min(),
            index_bytes: self.indexes.bytes(),
            journal_bytes: state.wal.journal.bytes(),
            deleted_series: state.deleted.len(),
            merged_bytes: self.counters.merged_bytes.load(Ordering::Relaxed),
            damaged_extents: self.counters.damaged_extents.load(Ordering::Relaxed),
            set_aside: Vec::new(),
            totals: state.totals,
        }
    }

    fn tier(&self, files: &crate::files::FileSet, lane: Lane) -> TierStatus {
        let logs = || files.logs.iter().filter(|log| log.place.lane == lane);
        let merged = || files.merged.iter().filter(|file| file.place.lane == lane);
        let (bytes, count) = files.size(|other| other == lane);
        let begins = logs().map(|log| log.place.begin_ms).chain(merged().map(|file| file.place.begin_ms));
        TierStatus {
            granularity_ms: lane.granularity_ms,
            kept_ms: lane.kept_ms,
            files: count,
            bytes,
            points: logs().map(|log| log.points()).sum::<u64>() + merged().map(|file| file.summary.points).sum::<u64>(),
            oldest_ms: begins.min().unwrap_or(0),
            unmerged: logs().count(),
        }
    }

    /// Looks at every byte of every file.
    ///
    /// # Errors
    /// What the system says.
    pub fn verify(&self) -> Result<Vec<Verified>, StoreError> {
        let files = self.state.lock().files.clone();
        let mut all = Vec::new();
        for log in &files.logs {
            all.push(verified(log.name(), &log.image().map_err(StoreError::of("read", log.name()))?));
        }
        for file in &files.merged {
            all.push(verified(file.name.clone(), &file.image().map_err(StoreError::of("read", &file.name))?));
        }
        Ok(all)
    }
}

fn verified(name: String, image: &[u8]) -> Verified {
    let mut verified = Verified { name, bytes: image.len() as u64, frames: 0, damaged_frames: 0, damaged_bytes: 0 };
    for piece in Walk::new(image, HEADER_BYTES) {
        match piece {
            FramePiece::Good(..) => verified.frames += 1,
            FramePiece::Damaged(..) => verified.damaged_frames += 1,
            FramePiece::Gap(_, bytes) => verified.damaged_bytes += bytes as u64,
        }
    }
    verified
}
