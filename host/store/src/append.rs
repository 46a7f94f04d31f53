//! Appending: rows of groups, and points that come otherwise.

use saker_model::Point;

use crate::column::{ABSENT, STALE, is_absent, is_stale};
use crate::error::StoreError;
use crate::group::{HEAD_MS, HEAD_ROWS, HEAD_ROWS_MAX};
use crate::key::StoredSeries;
use crate::store::{GroupId, Sides, Store, StoreState, Totals};
use crate::table::{NONE, Table};

const DAY_MS: i64 = 86_400_000;
/// Sides are sealed when they hold so many points on average: what a series that is pushed costs in memory,
const SIDE_POINTS: usize = 24;
/// but not fewer than these in all, for each seal is a write.
const SIDE_POINTS_MIN: usize = 4096;
/// Sides that cannot be sealed reject more beyond so many times their share of the heads' memory.
const SIDES_OVER: usize = 2;

/// What became of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Appended {
    /// Kept: they survive the death of the process.
    pub taken: u64,
    /// Of those, behind the window for late ones: files of their time are made anew.
    pub backfilled: u64,
    /// Raw points of their time are not kept any more.
    pub too_old: u64,
    /// More than a day ahead of the clock.
    pub ahead: u64,
    /// Not a number, or an infinity.
    pub not_finite: u64,
    /// The handle stands for no series.
    pub unknown: u64,
}

impl Totals {
    fn add(&mut self, appended: &Appended) {
        self.samples += appended.taken;
        self.backfilled += appended.backfilled;
        self.too_old += appended.too_old;
        self.ahead += appended.ahead;
        self.not_finite += appended.not_finite;
        self.unknown += appended.unknown;
    }
}

impl Store {
    /// Appends what a source measured at one time: handles and values. A series that was in the source's tick before and
    /// is not in this one is stale from now on; a tick that does not come says nothing. What it answers as taken
    /// survives the death of the process; that of the machine after [`sync`](Self::sync).
    ///
    /// # Errors
    /// The journal's, and [`StoreError::NoSpace`] when heads are full that cannot be sealed; nothing was kept then. It is
    /// counted.
    pub fn append_tick(
        &self,
        group: GroupId,
        timestamp_ms: i64,
        values: &[(u32, f64)],
        now_ms: i64,
    ) -> Result<Appended, StoreError> {
        self.append_row(group, timestamp_ms, values, true, now_ms)
    }

    /// The same of a tick of which not all is known: a series that is not in it may have been measured. It is stale if
    /// the next whole tick does not have it either.
    ///
    /// # Errors
    /// As [`append_tick`](Self::append_tick).
    pub fn append_part(
        &self,
        group: GroupId,
        timestamp_ms: i64,
        values: &[(u32, f64)],
        now_ms: i64,
    ) -> Result<Appended, StoreError> {
        self.append_row(group, timestamp_ms, values, false, now_ms)
    }

    fn append_row(
        &self,
        group: GroupId,
        timestamp_ms: i64,
        values: &[(u32, f64)],
        whole: bool,
        now_ms: i64,
    ) -> Result<Appended, StoreError> {
        let mut state = self.state.lock();
        let result = state.tick(self, group.0, (timestamp_ms, whole), values, now_ms);
        state.count(&result, values.len());
        result
    }

    /// Appends points of any series, in any order. A point with the time of one that is there takes its place.
    ///
    /// # Errors
    /// As [`append_tick`](Self::append_tick).
    pub fn append_points(&self, points: &[Point], now_ms: i64) -> Result<Appended, StoreError> {
        let mut state = self.state.lock();
        let found = points.iter().map(|point| (state.table.by_handle(point.series.0), point.timestamp_ms, point.value));
        let found: Vec<_> = found.collect();
        let result = state.points(self, &found, now_ms);
        state.count(&result, points.len());
        result
    }
}

impl Store {
    /// Appends points of a series by its name.
    pub(crate) fn append_named(
        &self,
        series: &StoredSeries,
        points: &[(i64, f64)],
        now_ms: i64,
    ) -> Result<Appended, StoreError> {
        let mut state = self.state.lock();
        let slot = state.table.slot(&series.key, series.attributes);
        // A seal in between would forget it.
        state.table.hold(slot);
        let found: Vec<_> = points.iter().map(|(time_ms, value)| (Some(slot), *time_ms, *value)).collect();
        let result = state.points(self, &found, now_ms);
        state.count(&result, points.len());
        state.table.let_go(slot);
        result
    }
}

impl StoreState {
    fn count(&mut self, result: &Result<Appended, StoreError>, offered: usize) {
        match result {
            Ok(appended) => self.totals.add(appended),
            Err(_) => self.totals.no_room += offered as u64,
        }
    }

    fn tick(
        &mut self,
        store: &Store,
        group: u32,
        (time_ms, whole): (i64, bool),
        values: &[(u32, f64)],
        now_ms: i64,
    ) -> Result<Appended, StoreError> {
        self.wal.turn(now_ms);
        if !self.make_room(store, group, time_ms, now_ms)? {
            let found: Vec<_> =
                values.iter().map(|(handle, value)| (self.table.by_handle(*handle), time_ms, *value)).collect();
            return self.points(store, &found, now_ms);
        }
        let mut appended = Appended::default();
        let same_shape = self.shape(group, values);
        let mut row = std::mem::take(&mut self.scratch);
        let mut elsewhere = Vec::new();
        self.fill_row(group, values, &mut row, &mut elsewhere, &mut appended);
        self.end_absent(group, same_shape && appended.not_finite == 0, whole, &mut row);
        let result = self.journal_row(group, time_ms, &row);
        if let Ok(seq) = result {
            self.apply_row(group, seq, time_ms, &row, now_ms);
        }
        self.scratch = row;
        result?;
        if !elsewhere.is_empty() {
            let found: Vec<_> = elsewhere.into_iter().map(|(slot, value)| (Some(slot), time_ms, value)).collect();
            let others = self.points(store, &found, now_ms)?;
            appended.taken += others.taken;
            appended.too_old += others.too_old;
        }
        Ok(appended)
    }

    /// Whether the head of a group can take a row of that time behind its last; else its values are points.
    fn make_room(&mut self, store: &Store, group: u32, time_ms: i64, now_ms: i64) -> Result<bool, StoreError> {
        let head = &self.groups[group as usize];
        let rows = head.times.len();
        // The clock was set back far, or a head is old or full.
        let before_all = head.times.first().is_some_and(|first| time_ms < *first);
        let old = rows > 0 && now_ms.saturating_sub(head.began_ms) >= HEAD_MS;
        if rows >= HEAD_ROWS || before_all || old {
            let sealed = self.seal_group(store, group);
            if sealed.is_err() && rows >= HEAD_ROWS_MAX {
                return sealed.map(|()| true);
            }
        }
        let plausible = (0..=now_ms.saturating_add(DAY_MS)).contains(&time_ms) && time_ms >= now_ms - DAY_MS;
        let head = &self.groups[group as usize];
        Ok(plausible && head.times.last().is_none_or(|last| *last < time_ms))
    }

    /// Finds the columns of a tick's handles; answers whether they are those of the tick before.
    fn shape(&mut self, group: u32, values: &[(u32, f64)]) -> bool {
        let head = &mut self.groups[group as usize];
        let known = head.handles.len() == values.len()
            && head.handles.iter().zip(values).all(|(known, (handle, _))| known == handle)
            // A handle may stand for another series since.
            && head.handle_columns.iter().zip(values).all(|(column, (handle, _))| {
                let slot = self.table.by_handle(*handle);
                head.columns.get(*column as usize).copied() == slot
            });
        if known {
            return true;
        }
        let mut handles = std::mem::take(&mut head.handles);
        let mut columns = std::mem::take(&mut head.handle_columns);
        handles.clear();
        columns.clear();
        for (handle, _) in values {
            handles.push(*handle);
            columns.push(self.table.by_handle(*handle).map_or(NONE, |slot| self.column(group, slot)));
        }
        let head = &mut self.groups[group as usize];
        (head.handles, head.handle_columns) = (handles, columns);
        false
    }

    /// The column of a series in a group, which it gets if no other group's head has points of it.
    pub(crate) fn column(&mut self, group: u32, slot: u32) -> u32 {
        let live = self.table.get(slot);
        if live.group == group {
            return live.column;
        }
        if live.group != NONE && !self.groups[live.group as usize].is_empty() {
            return NONE;
        }
        let newest = live.side.last().map_or(i64::MIN, |point| point.0);
        if let Some(left) = self.groups.get_mut(live.group as usize) {
            left.columns[live.column as usize] = NONE;
            left.forget_shape();
        }
        let head = &mut self.groups[group as usize];
        head.side_newest_ms = head.side_newest_ms.max(newest);
        let column = head.add_column(slot);
        let live = self.table.get_mut(slot);
        (live.group, live.column) = (group, column);
        column
    }

    fn fill_row(
        &mut self,
        group: u32,
        values: &[(u32, f64)],
        row: &mut Vec<f64>,
        elsewhere: &mut Vec<(u32, f64)>,
        appended: &mut Appended,
    ) {
        let head = &self.groups[group as usize];
        row.clear();
        row.resize(head.columns.len(), ABSENT);
        for ((handle, value), column) in values.iter().zip(&head.handle_columns) {
            if !value.is_finite() && !is_stale(*value) {
                appended.not_finite += 1;
            } else if let Some(cell) = row.get_mut(*column as usize) {
                *cell = *value;
                appended.taken += 1;
            } else if let Some(slot) = self.table.by_handle(*handle) {
                elsewhere.push((slot, *value));
            } else {
                appended.unknown += 1;
            }
        }
    }

    /// What was there in the tick before and is not now is stale from now on, or from the next whole tick.
    fn end_absent(&mut self, group: u32, same: bool, whole: bool, row: &mut [f64]) {
        let head = &mut self.groups[group as usize];
        if same && head.missing.is_empty() {
            return;
        }
        let missing = if whole { std::mem::take(&mut head.missing) } else { Vec::new() };
        for (column, cell) in row.iter_mut().enumerate().filter(|(_, cell)| is_absent(**cell)) {
            let slot = head.columns[column];
            let was_there = head.journalled.get(column).is_some_and(|before| !before.is_nan());
            if whole && (was_there || missing.binary_search(&slot).is_ok()) {
                *cell = STALE;
            } else if !whole && was_there && slot != NONE {
                head.missing.push(slot);
            }
        }
        head.missing.sort_unstable();
        head.missing.dedup();
    }

    /// Writes a row to the journal, and what it names if its segment does not yet.
    fn journal_row(&mut self, group: u32, time_ms: i64, row: &[f64]) -> Result<u64, StoreError> {
        // Where what is named fills or fails a segment, it is named again in the next: twice at the most.
        for _ in 0..3 {
            let epoch = self.wal.epoch();
            let head = &mut self.groups[group as usize];
            if head.epoch != epoch || head.named < head.columns.len() {
                let first = if head.epoch == epoch { head.named } else { 0 };
                let alone = head.epoch != epoch;
                let slots: Vec<u32> = head.columns[first..].to_vec();
                self.name_series(&slots, epoch)?;
                let head = &mut self.groups[group as usize];
                self.wal.group(group, &head.source, head.interval_ms, first, &slots)?;
                (head.epoch, head.named) = (epoch, head.columns.len());
                if alone {
                    head.journalled.clear();
                }
                if self.wal.epoch() != epoch {
                    continue;
                }
            }
            let head = &mut self.groups[group as usize];
            let before = (!head.journalled.is_empty()).then_some(&head.journalled[..]);
            let seq = self.wal.row(group, time_ms, row, before)?;
            if self.wal.epoch_of_last() != epoch {
                continue;
            }
            head.journalled.clear();
            head.journalled.extend_from_slice(row);
            return Ok(seq);
        }
        let source = std::io::Error::other("what it names does not fit into a segment");
        Err(StoreError::Io { doing: "write", name: "journal".into(), source })
    }

    fn name_series(&mut self, slots: &[u32], epoch: u32) -> Result<(), StoreError> {
        let is_unnamed = |slot: &u32| *slot != NONE && self.table.get(*slot).epoch != epoch;
        let unnamed: Vec<u32> = slots.iter().copied().filter(is_unnamed).collect();
        if unnamed.is_empty() {
            return Ok(());
        }
        let named = unnamed.iter().map(|slot| {
            let live = self.table.get(*slot);
            (*slot, &*live.key, live.attributes)
        });
        self.wal.series(named)?;
        for slot in unnamed {
            self.table.get_mut(slot).epoch = epoch;
        }
        Ok(())
    }

    /// Takes a row into its head, where it is the last.
    pub(crate) fn apply_row(&mut self, group: u32, seq: u64, time_ms: i64, row: &[f64], now_ms: i64) {
        let head = &mut self.groups[group as usize];
        if time_ms <= head.side_newest_ms {
            // Of two points with one time the last counts, and this is it.
            for (slot, value) in head.columns.iter().zip(row) {
                if !is_absent(*value) {
                    drop_side(&mut self.table, &mut self.sides, *slot, time_ms);
                }
            }
        }
        if head.is_empty() {
            head.began_ms = now_ms;
        }
        head.push(seq, time_ms, row);
    }

    pub(crate) fn drop_side(&mut self, slot: u32, time_ms: i64) {
        drop_side(&mut self.table, &mut self.sides, slot, time_ms);
    }

    /// Takes points, each of a series or of none.
    fn points(
        &mut self,
        store: &Store,
        found: &[(Option<u32>, i64, f64)],
        now_ms: i64,
    ) -> Result<Appended, StoreError> {
        self.wal.turn(now_ms);
        let mut appended = Appended::default();
        let mut points = Vec::with_capacity(found.len());
        for (slot, time_ms, value) in found {
            match slot {
                None => appended.unknown += 1,
                Some(_) if !value.is_finite() && !is_stale(*value) => appended.not_finite += 1,
                Some(slot) if self.judge(*slot, *time_ms, now_ms, &mut appended) => {
                    points.push((*slot, *time_ms, *value));
                }
                Some(_) => {}
            }
        }
        if points.is_empty() {
            return Ok(appended);
        }
        self.sides_have_room(store, points.len())?;
        let seq = self.journal_points(&points)?;
        // In parts, so that points in a bad order find short sides to be put into.
        for part in points.chunks(SIDE_POINTS_MIN) {
            for (slot, time_ms, value) in part {
                self.apply_point(*slot, seq, *time_ms, *value, now_ms);
            }
            if self.sides.points >= SIDE_POINTS_MIN && self.sides.points >= SIDE_POINTS * self.sides.series {
                // Where it fails, what was appended is in the journal, and the next one tries again.
                let _ = self.seal_sides(store);
            }
        }
        appended.taken += points.len() as u64;
        Ok(appended)
    }

    /// Whether a point's time lets it be kept.
    fn judge(&mut self, slot: u32, time_ms: i64, now_ms: i64, appended: &mut Appended) -> bool {
        let live = self.table.get_mut(slot);
        if time_ms < 0 || time_ms > now_ms.saturating_add(DAY_MS) {
            appended.ahead += 1;
            return false;
        }
        // The newest point is only known of what was pushed; a row's series goes by the clock, which stamped it.
        let raw = live.plan.raw;
        let reference_ms = if raw.by_data && live.newest_ms > i64::MIN { live.newest_ms } else { now_ms };
        let age_ms = reference_ms.saturating_sub(time_ms);
        if age_ms >= raw.kept_ms && !(raw.by_data && live.newest_ms == i64::MIN) {
            appended.too_old += 1;
            return false;
        }
        if age_ms > live.plan.back_window_ms {
            appended.backfilled += 1;
        }
        live.newest_ms = live.newest_ms.max(time_ms);
        true
    }

    fn sides_have_room(&mut self, store: &Store, more: usize) -> Result<(), StoreError> {
        const POINT_BYTES: usize = 16;
        let most = store.config().head_bytes / POINT_BYTES;
        if self.sides.points + more > most {
            let sealed = self.seal_sides(store);
            if sealed.is_err() && self.sides.points + more > SIDES_OVER * most {
                return sealed;
            }
        }
        Ok(())
    }

    fn journal_points(&mut self, points: &[(u32, i64, f64)]) -> Result<u64, StoreError> {
        for _ in 0..3 {
            let epoch = self.wal.epoch();
            let mut slots: Vec<u32> = Vec::new();
            for (slot, ..) in points {
                if self.table.get(*slot).epoch != epoch {
                    slots.push(*slot);
                }
            }
            if !slots.is_empty() {
                slots.sort_unstable();
                slots.dedup();
                self.name_series(&slots, epoch)?;
                if self.wal.epoch() != epoch {
                    continue;
                }
            }
            let seq = self.wal.points(points)?;
            if self.wal.epoch_of_last() == epoch {
                return Ok(seq);
            }
        }
        let source = std::io::Error::other("what it names does not fit into a segment");
        Err(StoreError::Io { doing: "write", name: "journal".into(), source })
    }

    /// Takes a point in: into the row of its time if a head has it, else into its series' side.
    pub(crate) fn apply_point(&mut self, slot: u32, seq: u64, time_ms: i64, value: f64, now_ms: i64) {
        let live = self.table.get_mut(slot);
        if live.group != NONE {
            let head = &mut self.groups[live.group as usize];
            if let Ok(row) = head.row_of(time_ms) {
                head.set(row, live.column, value);
                return;
            }
            head.side_newest_ms = head.side_newest_ms.max(time_ms);
        }
        if live.side.is_empty() {
            self.sides.series += 1;
        }
        let place = match live.side.last() {
            Some(last) if last.0 >= time_ms => live.side.binary_search_by_key(&time_ms, |point| point.0),
            _ => Err(live.side.len()),
        };
        match place {
            Ok(place) => live.side[place].1 = value,
            Err(place) => {
                live.side.insert(place, (time_ms, value));
                self.sides.points += 1;
            }
        }
        if self.sides.first_seq.is_none() {
            self.sides.first_seq = Some(seq);
            self.sides.began_ms = now_ms;
        }
    }
}

/// Removes the point of a time from a side, if it is there.
fn drop_side(table: &mut Table, sides: &mut Sides, slot: u32, time_ms: i64) {
    let side = &mut table.get_mut(slot).side;
    if let Ok(place) = side.binary_search_by_key(&time_ms, |point| point.0) {
        side.remove(place);
        sides.points -= 1;
        sides.series -= usize::from(side.is_empty());
    }
}
