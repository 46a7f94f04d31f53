//! Sealing: what heads hold becomes extents in logs, in the order of names, each point in the log of its span of time.
//!
//! A seal that fails leaves its head as it was; what of it reached a log is there twice then, which is no harm.

use std::sync::Arc;

use crate::column::is_absent;
use crate::error::StoreError;
use crate::extent::{EXTENT_ROWS, EXTENT_SERIES, Encoder, TimedValue};
use crate::file::{FileOrigin, FileScope};
use crate::files::FileSet;
use crate::frame::{FrameKind, LogFrame};
use crate::group::GroupHead;
use crate::lane::Lane;
use crate::log::{LogBatch, LogFile};
use crate::store::{Store, StoreState};
use crate::table::{NONE, Table};

/// The side of a series that had so many points since the last seal keeps its room for the next.
const SIDE_KEPT: usize = 8;
/// But not more than this: what a backfill took is given back.
const SIDE_ROOM: usize = 64;

/// A series by its slot, and which points of its side.
type SidePart = (u32, std::ops::Range<usize>);

impl StoreState {
    /// The log that points of a lane and a time are appended to.
    pub(crate) fn log(&mut self, store: &Store, lane: Lane, time_ms: i64) -> Result<Arc<LogFile>, StoreError> {
        let place = FileScope::of(lane, time_ms, FileOrigin::Log);
        let key = (lane, place.begin_ms);
        if let Some(log) = self.open.get(&key).filter(|log| !log.is_closed()) {
            return Ok(log.clone());
        }
        let number = self.next_number();
        let log = LogFile::create(&*store.files_disk, place, number);
        let log = Arc::new(log.map_err(StoreError::of("create", place.name(number)))?);
        self.names_unsynced = true;
        self.open.insert(key, log.clone());
        let mut files = FileSet::clone(&self.files);
        files.logs.push(log.clone());
        self.files = Arc::new(files);
        Ok(log)
    }

    /// Seals the head of a group.
    pub(crate) fn seal_group(&mut self, store: &Store, group: u32) -> Result<(), StoreError> {
        if self.groups[group as usize].is_empty() {
            return Ok(());
        }
        if self.groups[group as usize].rows_in_sides {
            self.seal_sides(store)?;
        }
        let generation = self.next_generation();
        let mut encoder = self.encoder.take().unwrap_or_else(Encoder::new);
        let sealed = self.seal_rows(store, group, generation, &mut encoder);
        self.encoder = Some(encoder);
        self.totals.sealed_bytes += sealed?;
        let seq = self.wal.journal.end().seq;
        let head = &mut self.groups[group as usize];
        head.sealed_seq = seq;
        for slot in head.clear() {
            let live = self.table.get_mut(slot);
            if live.group == group {
                (live.group, live.column) = (NONE, NONE);
                self.table.forget_idle(slot);
            }
        }
        let head = &self.groups[group as usize];
        for (column, slot) in head.columns.iter().enumerate().filter(|(_, slot)| **slot != NONE) {
            self.table.get_mut(*slot).column = column as u32;
        }
        Ok(())
    }

    fn seal_rows(
        &mut self,
        store: &Store,
        group: u32,
        generation: u64,
        encoder: &mut Encoder,
    ) -> Result<u64, StoreError> {
        let mut bytes = 0;
        for (lane, columns) in by_lane(&self.groups[group as usize], &self.table) {
            let times = self.groups[group as usize].times.clone();
            let mut first = 0;
            while first < times.len() {
                let span = lane.span_of(times[first]);
                let count = times[first..].iter().take_while(|time| lane.span_of(**time) == span).count();
                let count = count.min(EXTENT_ROWS);
                let log = self.log(store, lane, times[first])?;
                let mut batch = log.batch();
                let rows = first..first + count;
                let head = HeadRows { head: &self.groups[group as usize], rows, table: &self.table, generation };
                head.put(&mut batch, &columns, encoder);
                bytes += batch.commit().map_err(|error| StoreError::of("append to", log.name())(error))?;
                first += count;
            }
        }
        Ok(bytes)
    }

    /// Seals the sides of all series.
    pub(crate) fn seal_sides(&mut self, store: &Store) -> Result<(), StoreError> {
        if self.sides.points == 0 {
            return Ok(());
        }
        let generation = self.next_generation();
        let mut encoder = self.encoder.take().unwrap_or_else(Encoder::new);
        let sealed = self.seal_points(store, generation, &mut encoder);
        self.encoder = Some(encoder);
        self.totals.sealed_bytes += sealed?;
        let slots: Vec<u32> = self.table.from("").map(|(_, slot)| slot).collect();
        for slot in slots {
            let live = self.table.get_mut(slot);
            let count = live.side.len();
            // A series that is pushed often finds its room again; one that is idle keeps none.
            match count >= SIDE_KEPT && live.side.capacity() <= SIDE_ROOM {
                true => live.side.clear(),
                false => live.side = Vec::new(),
            }
            if count > 0 {
                self.table.forget_idle(slot);
            }
        }
        (self.sides.points, self.sides.series, self.sides.first_seq) = (0, 0, None);
        self.sides.sealed_seq = self.wal.journal.end().seq;
        for group in &mut self.groups {
            (group.side_newest_ms, group.rows_in_sides) = (i64::MIN, false);
        }
        Ok(())
    }

    fn seal_points(&mut self, store: &Store, generation: u64, encoder: &mut Encoder) -> Result<u64, StoreError> {
        // What each log gets: series in the order of keys, and which of their points.
        let mut parts: Vec<(Lane, i64, Vec<SidePart>)> = Vec::new();
        for (_, slot) in self.table.from("") {
            let live = self.table.get(slot);
            let lane = live.plan.raw;
            let mut first = 0;
            while first < live.side.len() {
                let span = lane.span_of(live.side[first].0);
                let points = live.side[first..].iter().take_while(|point| lane.span_of(point.0) == span);
                let range = first..first + points.count();
                first = range.end;
                match parts.iter_mut().find(|part| (part.0, part.1) == (lane, span)) {
                    Some(part) => part.2.push((slot, range)),
                    None => parts.push((lane, span, vec![(slot, range)])),
                }
            }
        }
        let mut bytes = 0;
        for (lane, span, series) in parts {
            let log = self.log(store, lane, span)?;
            let mut batch = log.batch();
            for chunk in series.chunks(EXTENT_SERIES) {
                let names = chunk.iter().map(|(slot, _)| {
                    let live = self.table.get(*slot);
                    (&live.key, live.attributes)
                });
                let ids = batch.ids(names);
                let points = chunk.iter().map(|(slot, range)| &self.table.get(*slot).side[range.clone()]);
                let mut numbered: Vec<(u32, &[TimedValue])> = ids.into_iter().zip(points).collect();
                numbered.sort_unstable_by_key(|(id, _)| *id);
                put_points(&mut batch, encoder, generation, &numbered);
            }
            bytes += batch.commit().map_err(|error| StoreError::of("append to", log.name())(error))?;
        }
        Ok(bytes)
    }
}

/// Adds extents of points that need not share their times; none with more rows than an extent has.
pub(crate) fn put_points(
    batch: &mut LogBatch,
    encoder: &mut Encoder,
    generation: u64,
    numbered: &[(u32, &[TimedValue])],
) {
    let longest = numbered.iter().map(|(_, points)| points.len()).max().unwrap_or(0);
    for first in (0..longest).step_by(EXTENT_ROWS) {
        let part = numbered.iter().filter_map(|(id, points)| {
            let part = points.get(first..points.len().min(first + EXTENT_ROWS))?;
            (!part.is_empty()).then_some((*id, part))
        });
        let (ids, points): (Vec<u32>, Vec<&[TimedValue]>) = part.unzip();
        let times = || points.iter().flat_map(|points| [points[0].0, points[points.len() - 1].0]);
        let frame = LogFrame {
            first_ms: times().min().unwrap_or_default(),
            last_ms: times().max().unwrap_or_default(),
            rows: points.iter().map(|points| points.len()).max().unwrap_or(0) as u32,
            ..LogFrame::new(FrameKind::Points, generation)
        };
        batch.extent(frame, &ids, |out| encoder.points(out, &points));
    }
}

/// The columns of a group by the lanes of their series, in the order of keys.
fn by_lane(head: &GroupHead, table: &Table) -> Vec<(Lane, Vec<u32>)> {
    let mut columns: Vec<u32> = (0..head.columns.len() as u32).collect();
    columns.retain(|column| head.columns[*column as usize] != NONE);
    let live = |column: &u32| table.get(head.columns[*column as usize]);
    columns.sort_by(|left, right| live(left).key.cmp(&live(right).key));
    let mut lanes: Vec<(Lane, Vec<u32>)> = Vec::new();
    for column in columns {
        let lane = live(&column).plan.raw;
        match lanes.iter_mut().find(|known| known.0 == lane) {
            Some(known) => known.1.push(column),
            None => lanes.push((lane, vec![column])),
        }
    }
    lanes
}

/// Some rows of a head.
struct HeadRows<'a> {
    head: &'a GroupHead,
    rows: std::ops::Range<usize>,
    table: &'a Table,
    generation: u64,
}

impl HeadRows<'_> {
    fn put(&self, batch: &mut LogBatch, columns: &[u32], encoder: &mut Encoder) {
        let present = |column: &&u32| self.rows.clone().any(|row| !is_absent(self.head.value(row, **column)));
        let columns: Vec<u32> = columns.iter().filter(present).copied().collect();
        for chunk in columns.chunks(EXTENT_SERIES) {
            let names = chunk.iter().map(|column| {
                let live = self.table.get(self.head.columns[*column as usize]);
                (&live.key, live.attributes)
            });
            let ids = batch.ids(names);
            let mut numbered: Vec<(u32, u32)> = ids.into_iter().zip(chunk.iter().copied()).collect();
            numbered.sort_unstable();
            let ids: Vec<u32> = numbered.iter().map(|(id, _)| *id).collect();
            let times = &self.head.times[self.rows.clone()];
            let frame = LogFrame {
                first_ms: times[0],
                last_ms: times[times.len() - 1],
                rows: times.len() as u32,
                ..LogFrame::new(FrameKind::Points, self.generation)
            };
            batch.extent(frame, &ids, |out| {
                encoder.shared(out, times, numbered.len(), |place, column| {
                    column.extend(self.rows.clone().map(|row| self.head.value(row, numbered[place].1)));
                })
            });
        }
    }
}
