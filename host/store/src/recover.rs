//! Opening: the files by their headers, and what the journal holds that is in none of them.
//!
//! The journal is done again in its order. What of it was sealed before is there twice then, with the same values, for of
//! each point it holds the last that was acknowledged if it holds any.

use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::{Mutex, RwLock};
use saker_journal::{Disk, Journal, JournalConfig, JournalError, Position, ReadOutcome};

use crate::cache::IndexCache;
use crate::column::{ABSENT, is_absent};
use crate::deleted::{Delete, Deleted};
use crate::error::StoreError;
use crate::files::{FileSet, Opened};
use crate::maintain::Maintenance;
use crate::store::{Counters, Sides, Store, StoreConfig, StoreState, Totals};
use crate::table::{NONE, Table};
use crate::wal::{Wal, WalRecord, read_cells, read_record};

/// The journal's own limit; the store finishes segments itself.
const SEGMENT_BYTES: u64 = 64 << 20;

pub(crate) fn open(disk: &dyn Disk, config: StoreConfig, now_ms: i64) -> Result<(Store, Opened), StoreError> {
    let folder = |name: &str| disk.folder(name).map_err(StoreError::of("open", name));
    let (journal_disk, files_disk) = (folder("journal")?, folder("files")?);
    let journal_config = JournalConfig { segment_bytes: SEGMENT_BYTES, mark: Position::default() };
    // Its lock is the store's.
    let (journal, _) = Journal::open(journal_disk, journal_config)?;
    disk.sync().map_err(StoreError::of("sync", "."))?;
    let mut opened = Opened::default();
    let (deleted, aside) = Deleted::load(&*files_disk).map_err(StoreError::of("open", "deleted"))?;
    opened.set_aside.extend(aside);
    let files = FileSet::open(&*files_disk, &mut opened)?;
    let mut state = StoreState {
        wal: Wal::new(journal),
        table: Table::new(config.policies.clone()),
        groups: Vec::new(),
        group_ids: HashMap::new(),
        open: files.logs.iter().map(|log| ((log.place.lane, log.place.begin_ms), log.clone())).collect(),
        number: files.newest_number(),
        generation: files.newest_generation().max(deleted.newest_generation()),
        files: Arc::new(files),
        names_unsynced: true,
        encoder: None,
        deleted: Arc::new(deleted),
        deleted_unsaved: false,
        cuts: Vec::new(),
        sides: Sides::default(),
        totals: Totals::default(),
        scratch: Vec::new(),
    };
    Replay::run(&mut state, &mut opened, now_ms)?;
    let store = Store {
        files_disk,
        config: RwLock::new(Arc::new(config)),
        state: Mutex::new(state),
        maintenance: Mutex::new(Maintenance::default()),
        syncing: Mutex::new(()),
        indexes: IndexCache::default(),
        counters: Counters::default(),
    };
    // Where that fails the first round of maintenance tries again, and the journal keeps them until then.
    let _ = store.roll_cuts();
    Ok((store, opened))
}

/// What the journal says of a group in one segment.
struct ReplayGroup {
    group: u32,
    /// Its slots in the journal,
    slots: Vec<u32>,
    /// and the row before.
    row: Vec<f64>,
    /// Records below are sealed and synced.
    covered: u64,
}

/// Doing the journal again.
struct Replay<'a> {
    state: &'a mut StoreState,
    opened: &'a mut Opened,
    now_ms: i64,
    /// Slots of the journal, and ours.
    slots: HashMap<u32, u32>,
    groups: HashMap<u32, ReplayGroup>,
    covered_sides: u64,
    covered: HashMap<(String, u32), u64>,
    /// After a loss what follows cannot be understood until the next segment.
    lost: bool,
    /// A row of the same group and time continues one that was cut into records.
    partial: Option<(u32, i64, u64)>,
}

impl<'a> Replay<'a> {
    fn run(state: &'a mut StoreState, opened: &'a mut Opened, now_ms: i64) -> Result<(), JournalError> {
        let mut replay = Self {
            state,
            opened,
            now_ms,
            slots: HashMap::new(),
            groups: HashMap::new(),
            covered_sides: 0,
            covered: HashMap::new(),
            lost: false,
            partial: None,
        };
        let start = replay.state.wal.journal.start();
        let mut reader = replay.state.wal.journal.reader(start);
        let mut bytes = Vec::new();
        loop {
            match reader.next(&mut bytes)? {
                ReadOutcome::Record { .. } if bytes.first() == Some(&crate::wal::COVERED) => replay.cover(&bytes),
                ReadOutcome::Record { .. } | ReadOutcome::Lost(_) => {}
                ReadOutcome::End => break,
            }
        }
        let mut reader = replay.state.wal.journal.reader(start);
        loop {
            match reader.next(&mut bytes)? {
                ReadOutcome::Record { at, first_of_segment, items } => {
                    if first_of_segment {
                        replay.slots.clear();
                        replay.groups.clear();
                        replay.lost = false;
                    }
                    if replay.lost && bytes.first() != Some(&crate::wal::DELETE) {
                        replay.opened.journal_samples_lost += u64::from(items);
                    } else if replay.take(at.seq, &bytes).is_none() {
                        replay.opened.journal_records_lost += 1;
                        replay.opened.journal_samples_lost += u64::from(items);
                        replay.lost = true;
                    }
                }
                ReadOutcome::Lost(loss) => {
                    replay.opened.journal_records_lost += loss.records();
                    replay.opened.journal_samples_lost += loss.items();
                    replay.lost = true;
                }
                ReadOutcome::End => break,
            }
        }
        replay.finish();
        Ok(())
    }

    fn cover(&mut self, bytes: &[u8]) {
        if let Some(WalRecord::Covered { sides, groups }) = read_record(bytes) {
            self.covered_sides = self.covered_sides.max(sides);
            for (source, interval_ms, seq) in groups {
                let covered = self.covered.entry((source.to_owned(), interval_ms)).or_default();
                *covered = (*covered).max(seq);
            }
        }
    }

    fn take(&mut self, seq: u64, bytes: &[u8]) -> Option<()> {
        match read_record(bytes)? {
            WalRecord::Series(record) => record.read(|slot, key, attributes| {
                let ours = self.state.table.slot(key, attributes);
                self.slots.insert(slot, ours);
            })?,
            WalRecord::Group { group, source, interval_ms, first, slots } => {
                let covered = self.covered.get(&(source.to_owned(), interval_ms)).copied().unwrap_or(0);
                let ours = self.state.group(source, interval_ms);
                let fresh = || ReplayGroup { group: ours, slots: Vec::new(), row: Vec::new(), covered };
                let known = self.groups.entry(group).or_insert_with(fresh);
                if first > known.slots.len() {
                    return None;
                }
                if first == 0 {
                    known.row.clear();
                }
                known.slots.truncate(first);
                known.slots.extend(slots);
            }
            WalRecord::Row { group, alone, time_ms, first, columns, cells } => {
                let known = self.groups.get_mut(&group)?;
                let end = first.checked_add(columns).filter(|end| *end <= known.slots.len())?;
                if known.row.len() < end {
                    known.row.resize(end, 0.0);
                }
                if alone {
                    known.row[first..end].fill(0.0);
                }
                read_cells(cells, &mut known.row[first..end])?;
                if seq >= known.covered {
                    self.row(group, seq, time_ms, first..end)?;
                }
            }
            WalRecord::Points(points) => {
                for (slot, time_ms, value) in points {
                    let slot = *self.slots.get(&slot)?;
                    self.point(slot, seq, time_ms, value);
                }
            }
            WalRecord::Delete { generation, before_ms, keys } => {
                for key in keys {
                    self.state.apply_delete(key, Delete { generation, before_ms });
                }
                self.state.generation = self.state.generation.max(generation);
            }
            WalRecord::Covered { .. } => {}
        }
        Some(())
    }

    /// A row, or a part of one.
    fn row(&mut self, group: u32, seq: u64, time_ms: i64, range: std::ops::Range<usize>) -> Option<()> {
        let known = self.groups.get(&group)?;
        let ours = known.group;
        let cells: Vec<(u32, f64)> = known.slots[range.clone()]
            .iter()
            .zip(&known.row[range])
            .filter(|(slot, value)| **slot != NONE && !is_absent(**value))
            .map(|(slot, value)| Some((*self.slots.get(slot)?, *value)))
            .collect::<Option<_>>()?;
        self.opened.replayed += cells.len() as u64;
        let continued = self.partial == Some((ours, time_ms, seq.wrapping_sub(1)));
        self.partial = Some((ours, time_ms, seq));
        let head = &self.state.groups[ours as usize];
        if !continued && head.times.last().is_none_or(|last| *last < time_ms) {
            let columns: Vec<(u32, u32)> =
                cells.iter().map(|(slot, _)| (self.state.column(ours, *slot), *slot)).collect();
            let mut row = vec![ABSENT; self.state.groups[ours as usize].columns.len()];
            for ((column, slot), (_, value)) in columns.into_iter().zip(&cells) {
                match row.get_mut(column as usize) {
                    Some(cell) => *cell = *value,
                    None => self.point(slot, seq, time_ms, *value),
                }
            }
            self.state.apply_row(ours, seq, time_ms, &row, self.now_ms);
        } else if let (true, Ok(place)) = (continued, head.row_of(time_ms)) {
            for (slot, value) in cells {
                match self.state.column(ours, slot) {
                    NONE => self.point(slot, seq, time_ms, value),
                    column => {
                        self.state.drop_side(slot, time_ms);
                        self.state.groups[ours as usize].set(place, column, value);
                    }
                }
            }
        } else {
            // The head was sealed here because the clock was set back; now it is not.
            self.state.groups[ours as usize].rows_in_sides = true;
            for (slot, value) in cells {
                self.state.apply_point(slot, seq, time_ms, value, self.now_ms);
            }
        }
        Some(())
    }

    fn point(&mut self, slot: u32, seq: u64, time_ms: i64, value: f64) {
        let live = self.state.table.get(slot);
        let in_row = self.state.groups.get(live.group as usize).is_some_and(|head| head.row_of(time_ms).is_ok());
        // It may take the place of one that was in a row, and is in a side because the clock was set back.
        let in_side = live.side.binary_search_by_key(&time_ms, |point| point.0).is_ok();
        if in_row || in_side || seq >= self.covered_sides {
            self.state.apply_point(slot, seq, time_ms, value, self.now_ms);
            self.opened.replayed += 1;
        }
    }

    /// Heads as they were; what each last row was is known again, so that what is missing next is stale.
    fn finish(self) {
        self.state.sides.sealed_seq = self.covered_sides;
        self.state.sides.covered_seq = self.covered_sides;
        let begin = self.state.wal.journal.start().seq;
        for ((source, interval_ms), covered) in self.covered.into_iter().filter(|(_, covered)| *covered > begin) {
            let group = self.state.group(&source, interval_ms) as usize;
            self.state.groups[group].sealed_seq = covered;
            self.state.groups[group].covered_seq = covered;
        }
        for known in self.groups.values() {
            let head = &mut self.state.groups[known.group as usize];
            head.journalled.clear();
            if let Some(last) = head.times.len().checked_sub(1) {
                let row = (0..head.columns.len() as u32).map(|column| head.value(last, column));
                head.journalled = row.collect();
            }
        }
        let slots: Vec<u32> = self.state.table.from("").map(|(_, slot)| slot).collect();
        slots.into_iter().for_each(|slot| self.state.table.forget_idle(slot));
    }
}
