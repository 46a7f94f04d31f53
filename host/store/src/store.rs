//! The engine: what is appended, by whom, and where it waits.
//!
//! Every change goes to the journal first and to the heads after, under one lock that is held for a batch. Sealing gives
//! heads to logs, syncing lets the journal go, and the rest happens in the background by [`Store::maintain`].

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use saker_journal::Disk;
use saker_model::Series;

use crate::cache::IndexCache;
use crate::deleted::Deleted;
use crate::error::StoreError;
use crate::extent::Encoder;
use crate::files::{FileSet, Opened};
use crate::group::GroupHead;
use crate::key::{StoredAttributes, StoredSeries, key_of};
use crate::lane::Lane;
use crate::log::LogFile;
use crate::policy::{Plan, Policies};
use crate::table::Table;
use crate::wal::Wal;

/// How the store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Whether there is a store: yes.
    pub enabled: bool,
    /// What a value that was acknowledged survives.
    pub durability: StoreDurability,
    /// How often everything is made safe from a loss of power: 10 s.
    pub sync_interval: Duration,
    /// All files together: 2 GiB.
    pub bytes: u64,
    /// All heads together; beyond, the largest are sealed early: 64 MiB.
    pub head_bytes: usize,
    /// What is kept for how long.
    pub policies: Policies,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            durability: StoreDurability::Process,
            sync_interval: Duration::from_secs(10),
            bytes: 2 << 30,
            head_bytes: 64 << 20,
            policies: Policies::default(),
        }
    }
}

/// What a value survives once it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreDurability {
    /// The end of the process, however it ends; the end of the machine with the next sync.
    Process,
    /// A loss of power.
    Disk,
}

/// A source that measures its series together at an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupId(pub(crate) u32);

/// The store of a host: one process has it open.
pub struct Store {
    pub(crate) files_disk: Arc<dyn Disk>,
    /// What is appended does not wait for it.
    pub(crate) config: RwLock<Arc<StoreConfig>>,
    /// Held for a batch, a seal, or a look; never while files are merged.
    pub(crate) state: Mutex<StoreState>,
    /// One at a time makes files anew.
    pub(crate) maintenance: Mutex<crate::maintain::Maintenance>,
    /// One at a time syncs.
    pub(crate) syncing: Mutex<()>,
    pub(crate) indexes: IndexCache,
    pub(crate) counters: Counters,
}

/// What the store counts, since it was opened.
#[derive(Default)]
pub(crate) struct Counters {
    /// Extents that could not be read because they are not as they were written.
    pub(crate) damaged_extents: AtomicU64,
    /// Bytes that were written to files by merging.
    pub(crate) merged_bytes: AtomicU64,
}

/// What changes with every batch.
pub(crate) struct StoreState {
    pub(crate) wal: Wal,
    pub(crate) table: Table,
    pub(crate) groups: Vec<GroupHead>,
    pub(crate) group_ids: HashMap<(Arc<str>, u32), u32>,
    pub(crate) files: Arc<FileSet>,
    /// The logs that are appended to, by lane and beginning of the span.
    pub(crate) open: HashMap<(Lane, i64), Arc<LogFile>>,
    /// Names of files were made or removed since the last sync of the folder.
    pub(crate) names_unsynced: bool,
    pub(crate) encoder: Option<Encoder>,
    pub(crate) number: u64,
    pub(crate) generation: u64,
    pub(crate) deleted: Arc<Deleted>,
    /// Some of them are only in the journal.
    pub(crate) deleted_unsaved: bool,
    /// Keys and times before which they were deleted, of which buckets are still to be made anew.
    pub(crate) cuts: Vec<(Arc<str>, i64)>,
    pub(crate) sides: Sides,
    pub(crate) totals: Totals,
    pub(crate) scratch: Vec<f64>,
}

/// What is known of all sides together.
#[derive(Default)]
pub(crate) struct Sides {
    /// Points in them.
    pub(crate) points: usize,
    /// Series that have any.
    pub(crate) series: usize,
    /// The record of the oldest of them.
    pub(crate) first_seq: Option<u64>,
    /// When that came.
    pub(crate) began_ms: i64,
    /// Records below are sealed,
    pub(crate) sealed_seq: u64,
    /// and synced, as the journal says.
    pub(crate) covered_seq: u64,
}

/// What happened to samples, since the store was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Taken.
    pub samples: u64,
    /// Taken, though behind the window for late ones.
    pub backfilled: u64,
    /// Rejected: raw points of their time are not kept any more.
    pub too_old: u64,
    /// Rejected: more than a day ahead of the clock.
    pub ahead: u64,
    /// Rejected: not a number, or an infinity.
    pub not_finite: u64,
    /// Rejected: their handle stands for no series.
    pub unknown: u64,
    /// Rejected: the journal or the heads had no room.
    pub no_room: u64,
    /// Bytes that seals wrote to logs.
    pub sealed_bytes: u64,
}

impl Store {
    /// Opens the store in a folder of its own. Takes up again what an earlier process had not sealed.
    ///
    /// # Errors
    /// The journal is in use, or what the system says. Damage is no error: it is counted in [`Opened`].
    pub fn open(disk: &dyn Disk, config: StoreConfig, now_ms: i64) -> Result<(Self, Opened), StoreError> {
        crate::recover::open(disk, config, now_ms)
    }

    /// Keeps everything by other rules from now on. Points that are there stay where they are for as long as was said when
    /// they were written; a tier that is new is made of what finer ones have, in the next rounds of maintenance.
    pub fn apply(&self, config: StoreConfig) {
        // Merges and rolls go by one set of rules from beginning to end.
        let _one = self.maintenance.lock();
        let mut state = self.state.lock();
        state.table.set_policies(&config.policies);
        *self.config.write() = Arc::new(config);
    }

    pub(crate) fn config(&self) -> Arc<StoreConfig> {
        self.config.read().clone()
    }

    pub(crate) fn plan(&self, series: &StoredSeries) -> Plan {
        self.config.read().policies.plan(series)
    }

    /// The handle of a group, to append its ticks by.
    pub fn group(&self, source: &str, interval_ms: u32) -> GroupId {
        GroupId(self.state.lock().group(source, interval_ms))
    }

    /// Lets a handle of the caller's stand for a series. Handles are used again for other series after a
    /// [`release`](Self::release); registering one anew does both. Answers whether the series' names can be kept.
    pub fn register(&self, handle: u32, series: &Series) -> bool {
        let Some(key) = key_of(series) else { return false };
        let mut state = self.state.lock();
        let slot = state.table.slot(&key, StoredAttributes::of(series));
        state.table.register(handle, slot);
        true
    }

    /// Lets a handle stand for nothing. What waits of its series is sealed in its time.
    pub fn release(&self, handle: u32) {
        self.state.lock().table.release(handle);
    }

    /// What happened to samples.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.state.lock().totals
    }
}

impl StoreState {
    pub(crate) fn group(&mut self, source: &str, interval_ms: u32) -> u32 {
        let key = (Arc::from(source), interval_ms);
        if let Some(group) = self.group_ids.get(&key) {
            return *group;
        }
        let group = self.groups.len() as u32;
        self.groups.push(GroupHead::new(key.0.clone(), interval_ms));
        self.group_ids.insert(key, group);
        group
    }

    /// The number of a new file.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// The generation of what is written now.
    pub(crate) fn next_generation(&mut self) -> u64 {
        self.generation += 1;
        self.generation
    }
}
