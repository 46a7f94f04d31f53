//! Durability: what survives the death of the machine, and what the journal need not hold any more.

use std::sync::Arc;

use crate::error::StoreError;
use crate::log::LogFile;
use crate::store::{Store, StoreState};

/// What a sync will have made safe.
struct Safe {
    /// Records below need not be kept.
    seq: u64,
    sides: u64,
    /// Of each group.
    groups: Vec<u64>,
    logs: Vec<Arc<LogFile>>,
    names: bool,
}

impl Store {
    /// Makes everything that was appended so far survive the death of the machine, and lets the journal go as far as it
    /// is sealed. Takes milliseconds; other threads may append meanwhile, except for the time of the journal's own sync.
    ///
    /// # Errors
    /// What the system says. Nothing that was appended since the last sync counts as safe then; a later sync writes it
    /// again where it has to.
    pub fn sync(&self) -> Result<(), StoreError> {
        let _one = self.syncing.lock();
        let (safe, journal) = {
            let mut state = self.state.lock();
            let safe = state.safe();
            let journal = state.wal.journal.sync();
            state.names_unsynced |= journal.is_err() && safe.names;
            (safe, journal)
        };
        let logs = self.sync_logs(&safe);
        if logs.is_err() {
            self.state.lock().names_unsynced |= safe.names;
        }
        journal?;
        logs?;
        let mut state = self.state.lock();
        state.save_deleted(self)?;
        state.let_go(&safe)
    }

    fn sync_logs(&self, safe: &Safe) -> Result<(), StoreError> {
        for log in &safe.logs {
            let fresh = || self.state.lock().next_number();
            log.sync(&*self.files_disk, fresh).map_err(|error| StoreError::of("sync", log.name())(error))?;
        }
        if safe.names {
            self.files_disk.sync().map_err(StoreError::of("sync", "files"))?;
        }
        Ok(())
    }
}

impl StoreState {
    fn safe(&mut self) -> Safe {
        let firsts = self.groups.iter().filter_map(|group| group.first_seq()).chain(self.sides.first_seq);
        let seq = firsts.min().unwrap_or(self.wal.journal.end().seq);
        Safe {
            // Deletes whose buckets are still to be made anew are only there.
            seq: if self.cuts.is_empty() { seq } else { self.wal.journal.start().seq },
            sides: self.sides.sealed_seq,
            groups: self.groups.iter().map(|group| group.sealed_seq).collect(),
            logs: self.files.logs.iter().filter(|log| log.is_dirty()).cloned().collect(),
            names: std::mem::take(&mut self.names_unsynced),
        }
    }

    /// Says in the journal what is safe in files, and removes what only holds such.
    fn let_go(&mut self, safe: &Safe) -> Result<(), StoreError> {
        let mut news = self.sides.covered_seq < safe.sides;
        self.sides.covered_seq = self.sides.covered_seq.max(safe.sides);
        for (group, sealed) in self.groups.iter_mut().zip(&safe.groups) {
            news |= group.covered_seq < *sealed;
            group.covered_seq = group.covered_seq.max(*sealed);
        }
        let oldest = self.wal.journal.segments().first().copied();
        let trims = oldest.is_some_and(|oldest| oldest.end.seq <= safe.seq);
        if news || trims {
            let said = self.groups.iter().map(|group| (&*group.source, group.interval_ms, group.covered_seq));
            self.wal.covered(self.sides.covered_seq, said)?;
        }
        if trims {
            // Of the segments that go now, some may come back after a loss of power. What they say must not be done
            // again then, so the one that stays says so, and that has to be safe first.
            self.wal.journal.sync()?;
            self.wal.journal.trim(safe.seq)?;
        }
        Ok(())
    }
}
