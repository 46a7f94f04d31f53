//! Deleting: whole series, or everything of them before a time. It is invisible at once, in all tiers; the bytes come back
//! when the files are written anew.

use std::sync::Arc;

use crate::column::ABSENT;
use crate::deleted::Delete;
use crate::error::StoreError;
use crate::key::{StoredAttributes, StoredSeries};
use crate::store::{Store, StoreState};
use crate::table::NONE;

impl Store {
    /// Deletes series, or what they have before a time. It survives the death of the machine. A point that comes later
    /// begins the series anew.
    ///
    /// # Errors
    /// What the system says. It may have been done or not then, and is after another try.
    pub fn delete(&self, series: &[StoredSeries], before_ms: Option<i64>) -> Result<(), StoreError> {
        // A merge that goes on would not know of it.
        let _one = self.maintenance.lock();
        {
            let mut state = self.state.lock();
            let generation = state.next_generation();
            let before_ms = before_ms.unwrap_or(i64::MAX);
            state.wal.delete(generation, before_ms, series.iter().map(|series| &*series.key))?;
            state.wal.journal.sync()?;
            for series in series {
                state.apply_delete(&series.key, Delete { generation, before_ms });
            }
            state.save_deleted(self)?;
        }
        // The bucket that the time is in holds some that is deleted and some that is not.
        self.roll_cuts()
    }

    /// A series by its key, if anything of it is known.
    pub(crate) fn named(&self, key: &Arc<str>) -> Result<Option<StoredSeries>, StoreError> {
        let with = |attributes| Some(StoredSeries::new(key.clone(), attributes));
        let live = {
            let state = self.state.lock();
            state.table.by_key(key).map(|slot| state.table.get(slot).attributes)
        };
        if let Some(attributes) = live {
            return Ok(with(attributes));
        }
        let mut view = self.view([].into_iter());
        let files = view.files.clone();
        let mut newest = None;
        for log in &files.logs {
            newest = newest.max_by_begin(log.place.begin_ms, log.attributes(key));
        }
        for (place, file) in files.merged.iter().enumerate() {
            let Some(index) = view.index(place)? else { continue };
            let mut found = None;
            let each = |_, name: &str, attributes| found = found.or((name == &**key).then_some(attributes));
            file.scan(&index, key, each).map_err(StoreError::of("read", &file.name))?;
            newest = newest.max_by_begin(file.place.begin_ms, found);
        }
        Ok(newest.and_then(|(_, attributes)| with(attributes)))
    }
}

trait MaxByBegin {
    fn max_by_begin(self, begin_ms: i64, attributes: Option<StoredAttributes>) -> Self;
}

impl MaxByBegin for Option<(i64, StoredAttributes)> {
    fn max_by_begin(self, begin_ms: i64, attributes: Option<StoredAttributes>) -> Self {
        match (self, attributes) {
            (Some(known), Some(_)) if known.0 > begin_ms => Some(known),
            (_, Some(attributes)) => Some((begin_ms, attributes)),
            (known, None) => known,
        }
    }
}

impl StoreState {
    /// Takes a delete in: out of the heads, and hidden in files.
    pub(crate) fn apply_delete(&mut self, key: &str, delete: Delete) {
        Arc::make_mut(&mut self.deleted).add(key, delete);
        self.deleted_unsaved = true;
        if delete.before_ms < i64::MAX {
            self.cuts.push((key.into(), delete.before_ms));
        }
        let Some(slot) = self.table.by_key(key) else { return };
        let live = self.table.get_mut(slot);
        live.newest_ms = i64::MIN;
        let before = live.side.len();
        live.side.retain(|point| point.0 >= delete.before_ms);
        self.sides.points -= before - live.side.len();
        self.sides.series -= usize::from(before > 0 && live.side.is_empty());
        if live.group != NONE {
            let (group, column) = (live.group as usize, live.column);
            let rows = self.groups[group].times.partition_point(|time| *time < delete.before_ms);
            for row in 0..rows {
                self.groups[group].set(row, column, ABSENT);
            }
        }
    }

    /// Writes the deletes to their file if they are not there. Until then the journal has them.
    pub(crate) fn save_deleted(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.deleted_unsaved {
            self.deleted.save(&*store.files_disk).map_err(StoreError::of("write", "deleted"))?;
            self.deleted_unsaved = false;
        }
        Ok(())
    }
}
