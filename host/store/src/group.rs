//! The head of a group: the rows of a source that measures its series together, until they are sealed.

use std::sync::Arc;

use crate::column::{ABSENT, is_absent};
use crate::table::NONE;

/// Rows after which a head is sealed: longer ones compress no better, it was measured.
pub(crate) const HEAD_ROWS: usize = 60;
/// A head is sealed an hour after its first row, so that the journal can be trimmed.
pub(crate) const HEAD_MS: i64 = 3_600_000;
/// What a head that cannot be sealed may grow to before its rows are rejected.
pub(crate) const HEAD_ROWS_MAX: usize = 4 * HEAD_ROWS;

/// The head of a group.
pub(crate) struct GroupHead {
    pub(crate) source: Arc<str>,
    pub(crate) interval_ms: u32,
    /// The slots of its columns.
    pub(crate) columns: Vec<u32>,
    /// Strictly growing.
    pub(crate) times: Vec<i64>,
    /// The first record of each row in the journal.
    seqs: Vec<u64>,
    /// Each as long as there were columns when it came.
    rows: Vec<Vec<f64>>,
    spare: Vec<Vec<f64>>,
    /// The handles of the last tick, and the columns that they were of.
    pub(crate) handles: Vec<u32>,
    pub(crate) handle_columns: Vec<u32>,
    /// The segment of the journal that names its columns, and how many of them.
    pub(crate) epoch: u32,
    pub(crate) named: usize,
    /// The row that was journalled last in that segment.
    pub(crate) journalled: Vec<f64>,
    /// The slots of series that were there, were in no part of a tick since, and are stale if the next whole one does not
    /// have them; sorted.
    pub(crate) missing: Vec<u32>,
    /// No point of one of its series waits in a side with a time after this.
    pub(crate) side_newest_ms: i64,
    /// Rows of it were done again as points, and wait in sides: they have to be sealed with it.
    pub(crate) rows_in_sides: bool,
    /// When its first row came.
    pub(crate) began_ms: i64,
    /// The records of its rows below this one are sealed.
    pub(crate) sealed_seq: u64,
    /// And synced, as the journal says.
    pub(crate) covered_seq: u64,
}

impl GroupHead {
    pub(crate) fn new(source: Arc<str>, interval_ms: u32) -> Self {
        Self {
            source,
            interval_ms,
            columns: Vec::new(),
            times: Vec::new(),
            seqs: Vec::new(),
            rows: Vec::new(),
            spare: Vec::new(),
            handles: Vec::new(),
            handle_columns: Vec::new(),
            epoch: 0,
            named: 0,
            journalled: Vec::new(),
            missing: Vec::new(),
            side_newest_ms: i64::MIN,
            rows_in_sides: false,
            began_ms: 0,
            sealed_seq: 0,
            covered_seq: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The record of its oldest row that is not sealed.
    pub(crate) fn first_seq(&self) -> Option<u64> {
        self.seqs.first().copied()
    }

    pub(crate) fn bytes(&self) -> usize {
        let rows = self.rows.iter().chain(&self.spare).map(|row| 8 * row.capacity() + 24);
        rows.sum::<usize>() + 12 * self.columns.len() + 16 * self.times.capacity() + 8 * self.journalled.capacity()
    }

    /// Where a row for that time would be.
    pub(crate) fn row_of(&self, time_ms: i64) -> Result<usize, usize> {
        // Mostly it is the next one.
        match self.times.last() {
            None => Err(0),
            Some(last) if *last < time_ms => Err(self.times.len()),
            _ => self.times.binary_search(&time_ms),
        }
    }

    /// Adds a row behind the last.
    pub(crate) fn push(&mut self, seq: u64, time_ms: i64, values: &[f64]) {
        let mut row = self.spare.pop().unwrap_or_default();
        row.clear();
        row.extend_from_slice(values);
        self.times.push(time_ms);
        self.seqs.push(seq);
        self.rows.push(row);
    }

    pub(crate) fn value(&self, row: usize, column: u32) -> f64 {
        self.rows[row].get(column as usize).copied().unwrap_or(ABSENT)
    }

    pub(crate) fn set(&mut self, row: usize, column: u32, value: f64) {
        let row = &mut self.rows[row];
        if column as usize >= row.len() {
            row.resize(column as usize + 1, ABSENT);
        }
        row[column as usize] = value;
    }

    /// Empties the head after it was sealed. Answers the slots of the columns that were absent in all its rows, which
    /// are gone.
    pub(crate) fn clear(&mut self) -> Vec<u32> {
        let idle = |column: usize| self.rows.iter().all(|row| row.get(column).is_none_or(|value| is_absent(*value)));
        let mut gone: Vec<u32> = Vec::new();
        if !self.rows.is_empty() {
            let idle: Vec<bool> = (0..self.columns.len()).map(idle).collect();
            if idle.contains(&true) {
                gone = self.columns.iter().zip(&idle).filter(|(_, idle)| **idle).map(|(slot, _)| *slot).collect();
                let mut places = idle.iter();
                self.columns.retain(|_| !*places.next().expect("one for each column"));
                let mut places = idle.iter();
                self.journalled.retain(|_| places.next() == Some(&false));
                gone.retain(|slot| *slot != NONE);
                self.forget_shape();
            }
        }
        self.times.clear();
        self.seqs.clear();
        self.spare.append(&mut self.rows);
        self.spare.truncate(HEAD_ROWS);
        if self.columns.is_empty() {
            self.spare.clear();
        }
        gone
    }

    /// After columns have moved: handles are looked up again, and the journal names the columns anew.
    pub(crate) fn forget_shape(&mut self) {
        self.handles.clear();
        self.handle_columns.clear();
        self.epoch = 0;
    }

    /// Adds a column.
    pub(crate) fn add_column(&mut self, slot: u32) -> u32 {
        self.columns.push(slot);
        debug_assert!(self.columns.len() < NONE as usize);
        self.columns.len() as u32 - 1
    }
}
