//! What is done in the background, by one thread that calls [`Store::maintain`] every few seconds.
//!
//! Old heads are sealed; what cannot change any more is rolled up; files whose span is over are merged, once; what is too
//! old is removed. Each step reads a view and changes the set of files for a moment at its end.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::error::StoreError;
use crate::files::FileSet;
use crate::group::HEAD_MS;
use crate::lane::floor;
use crate::log::LogFile;
use crate::retention::Retention;
use crate::roll::ROLL_MS;
use crate::store::{Store, StoreState};

/// What the clocks and the disk say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The clock, in milliseconds since 1970-01-01 UTC.
    pub now_ms: i64,
    /// A clock that nobody sets, in milliseconds since anything.
    pub uptime_ms: i64,
    /// Of the file system that the store is on: its size and what is free of it, in bytes. All zero if it is not known.
    pub disk_bytes: u64,
    /// See `disk_bytes`.
    pub free_bytes: u64,
}

/// What a round has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// Buckets that were made.
    pub buckets: u64,
    /// Series of which buckets were made anew after a backfill.
    pub rolled_again: u64,
    /// Files that were merged into others.
    pub merged_files: u64,
    /// Files that were removed because of their age, or to make room.
    pub removed_files: u64,
    /// Room is being made: things go before their time.
    pub under_pressure: bool,
}

/// What the rounds remember.
#[derive(Default)]
pub(crate) struct Maintenance {
    pub(crate) retention: Retention,
}

impl Store {
    /// Does what is due. Takes long when a span is over; appends and reads go on meanwhile.
    ///
    /// # Errors
    /// What the system says. What was done stays done, and the next round goes on.
    pub fn maintain(&self, surroundings: Surroundings) -> Result<Maintained, StoreError> {
        let mut maintenance = self.maintenance.lock();
        let mut done = Maintained::default();
        let now_ms = surroundings.now_ms;
        self.roll_cuts()?;
        let closed_ms = now_ms.saturating_sub(self.config().policies.back_window_ms());
        // The clock may have been set back since.
        let rolled_ms = self.view([].into_iter()).rolled_to().max(floor(closed_ms, ROLL_MS));
        let generation = {
            let mut state = self.state.lock();
            state.wal.turn(now_ms);
            state.seal_due(self, now_ms, rolled_ms)?;
            state.close_logs(closed_ms);
            state.next_generation()
        };
        self.begin_earlier()?;
        self.roll_dirty(generation, &mut done)?;
        self.roll(generation, closed_ms, &mut done)?;
        self.roll_joined(&mut done)?;
        self.merge_spans(closed_ms, &mut done)?;
        self.retain(&mut maintenance.retention, surroundings, &mut done)?;
        Ok(done)
    }

    /// Seals all heads and syncs: for an orderly end, after which a start has nothing to do again.
    ///
    /// # Errors
    /// What the system says; the journal has what was not sealed.
    pub fn flush(&self) -> Result<(), StoreError> {
        {
            let mut state = self.state.lock();
            for group in 0..state.groups.len() as u32 {
                state.seal_group(self, group)?;
            }
            state.seal_sides(self)?;
            state.wal.journal.roll();
        }
        self.sync()
    }
}

impl StoreState {
    /// Seals heads that are old, that hold what is about to be rolled up, or that are too large.
    fn seal_due(&mut self, store: &Store, now_ms: i64, rolled_ms: i64) -> Result<(), StoreError> {
        for group in 0..self.groups.len() as u32 {
            let head = &self.groups[group as usize];
            let old = now_ms.saturating_sub(head.began_ms).abs() >= HEAD_MS;
            let rolled = head.times.first().is_some_and(|time| *time < rolled_ms);
            if !head.is_empty() && (old || rolled) {
                self.seal_group(store, group)?;
            }
        }
        let old = now_ms.saturating_sub(self.sides.began_ms).abs() >= HEAD_MS;
        if self.sides.points > 0 && (old || self.side_begins_before(rolled_ms)) {
            self.seal_sides(store)?;
        }
        let bytes =
            |state: &Self| state.groups.iter().map(|head| head.times.len() * head.columns.len() * 8).sum::<usize>();
        while bytes(self) > store.config().head_bytes {
            let size = |place: &usize| self.groups[*place].times.len() * self.groups[*place].columns.len();
            let largest = (0..self.groups.len()).max_by_key(size).expect("they hold something");
            self.seal_group(store, largest as u32)?;
        }
        Ok(())
    }

    fn side_begins_before(&self, time_ms: i64) -> bool {
        let mut sides = self.table.from("").map(|(_, slot)| &self.table.get(slot).side);
        sides.any(|side| side.first().is_some_and(|point| point.0 < time_ms))
    }

    /// Lets nothing more be appended to logs whose span is over: what still comes goes to others.
    fn close_logs(&mut self, closed_ms: i64) {
        let due = |log: &LogFile| log.place.lane.is_raw() && log.place.end_ms <= closed_ms;
        self.files.logs.iter().filter(|log| due(log)).for_each(|log| log.close());
        self.open.retain(|_, log| !due(log));
    }

    /// Puts files in the place of others.
    pub(crate) fn replace_files(&mut self, change: impl FnOnce(&mut FileSet)) {
        let mut files = FileSet::clone(&self.files);
        change(&mut files);
        self.files = Arc::new(files);
        self.names_unsynced = true;
        let logs: HashMap<u64, ()> = self.files.logs.iter().map(|log| (log.number, ())).collect();
        self.open.retain(|_, log| logs.contains_key(&log.number));
    }
}
