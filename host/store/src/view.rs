//! The store as one moment saw it: heads, logs as far as they went, and files, which stay readable while it lasts.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hashbrown::HashMap;

use crate::bucket::Bucket;
use crate::bucket_extent::read_buckets;
use crate::column::{is_absent, is_stale};
use crate::deleted::{Deleted, hides};
use crate::error::StoreReadError;
use crate::extent::{TimedValue, Unpacked};
use crate::files::FileSet;
use crate::frame::{FrameKind, LogFrame};
use crate::key::StoredSeries;
use crate::lane::Lane;
use crate::log::{Located, split_extent};
use crate::merged::MergedIndex;
use crate::store::{Store, StoreState};
use crate::table::NONE;

/// Unpacked extents that are kept while several series are read: neighbours are in the same ones.
const UNPACKED_BYTES: usize = 16 << 20;

pub(crate) struct View<'a> {
    store: &'a Store,
    pub(crate) files: Arc<FileSet>,
    /// Of each log, the extents that count.
    known: Vec<usize>,
    pub(crate) deleted: Arc<Deleted>,
    heads: HashMap<Arc<str>, Vec<TimedValue>>,
    indexes: HashMap<u64, Option<Arc<MergedIndex>>>,
    unpacked: Vec<(usize, u64, Arc<Unpacked>)>,
    column: Vec<f64>,
    /// What the disk does not give back is an error, not damage: for what is made from this is kept in its place.
    strict: bool,
    /// Extents that are not as they were written.
    pub(crate) damage: u64,
}

/// An extent of a series, and the place of its file: logs first, then merged ones.
#[derive(Clone, Copy)]
pub(crate) struct FoundExtent {
    file: usize,
    pub(crate) located: Located,
}

impl Store {
    /// What there is now, with the heads of the series that are asked for.
    pub(crate) fn view<'a>(&self, series: impl Iterator<Item = &'a StoredSeries>) -> View<'_> {
        let state = self.state.lock();
        let heads = series.filter_map(|series| Some((series.key.clone(), state.head_points(&series.key)?))).collect();
        View {
            store: self,
            known: state.files.logs.iter().map(|log| log.extents()).collect(),
            files: state.files.clone(),
            deleted: state.deleted.clone(),
            heads,
            indexes: HashMap::new(),
            unpacked: Vec::new(),
            column: Vec::new(),
            strict: false,
            damage: 0,
        }
    }

    /// The same, to make files of.
    pub(crate) fn strict_view<'a>(&self, series: impl Iterator<Item = &'a StoredSeries>) -> View<'_> {
        View { strict: true, ..self.view(series) }
    }
}

impl StoreState {
    /// What heads hold of a series, in the order of times.
    pub(crate) fn head_points(&self, key: &str) -> Option<Vec<TimedValue>> {
        let live = self.table.get(self.table.by_key(key)?);
        let mut points = live.side.clone();
        if live.group != NONE {
            let head = &self.groups[live.group as usize];
            let rows = head.times.iter().enumerate().map(|(row, time)| (*time, head.value(row, live.column)));
            points.extend(rows.filter(|point| !is_absent(point.1)));
            if !live.side.is_empty() {
                points.sort_by_key(|point| point.0);
            }
        }
        (!points.is_empty()).then_some(points)
    }
}

impl View<'_> {
    fn failed(&self, file: usize) -> impl FnOnce(io::Error) -> StoreReadError {
        let logs = &self.files.logs;
        let name = logs.get(file).map_or_else(|| self.files.merged[file - logs.len()].name.clone(), |log| log.name());
        move |source| StoreReadError::Io { name, source }
    }

    /// The index of a merged file; nothing if it is damaged, which is counted.
    pub(crate) fn index(&mut self, place: usize) -> Result<Option<Arc<MergedIndex>>, StoreReadError> {
        let file = self.files.merged[place].clone();
        if let Some(index) = self.indexes.get(&file.number) {
            return Ok(index.clone());
        }
        let mut index = self.store.indexes.get(file.number);
        if index.is_none() {
            let loaded = file.load_index().map_err(self.failed(self.files.logs.len() + place))?;
            index = loaded.map(Arc::new);
            match &index {
                Some(index) => self.store.indexes.put(file.number, index),
                None if self.strict => {
                    let source = io::Error::other("its index is damaged in both its copies");
                    return Err(StoreReadError::Io { name: file.name.clone(), source });
                }
                None => self.damaged(),
            }
        }
        self.indexes.insert(file.number, index.clone());
        Ok(index)
    }

    fn damaged(&mut self) {
        self.damage += 1;
        self.store.counters.damaged_extents.fetch_add(1, Ordering::Relaxed);
    }

    /// The extents of a series in files of some lanes that overlap a range of time, oldest generation first.
    pub(crate) fn locate(
        &mut self,
        key: &str,
        lanes: impl Fn(Lane) -> bool,
        first_ms: i64,
        last_ms: i64,
    ) -> Result<Vec<FoundExtent>, StoreReadError> {
        let (mut found, mut located) = (Vec::new(), Vec::new());
        let files = self.files.clone();
        let overlaps = |begin_ms: i64, end_ms: i64| begin_ms <= last_ms && end_ms > first_ms;
        for (file, log) in files.logs.iter().enumerate() {
            if lanes(log.place.lane) && overlaps(log.place.begin_ms, log.place.end_ms) {
                if let Some(id) = log.find(key) {
                    log.locate(id, first_ms, last_ms, self.known[file], &mut located);
                }
                found.extend(located.drain(..).map(|located| FoundExtent { file, located }));
            }
        }
        for (place, merged) in files.merged.iter().enumerate() {
            let summary = &merged.summary;
            if lanes(merged.place.lane) && summary.first_ms <= last_ms && summary.last_ms >= first_ms {
                let Some(index) = self.index(place)? else { continue };
                let file = files.logs.len() + place;
                if let Some(id) = merged.find(&index, key).map_err(self.failed(file))? {
                    index.locate(id, summary.generation, first_ms, last_ms, &mut located);
                }
                found.extend(located.drain(..).map(|located| FoundExtent { file, located }));
            }
        }
        found.sort_by_key(|found| (found.located.generation, found.located.first_ms));
        Ok(found)
    }

    fn frame(&mut self, found: &FoundExtent) -> Result<Option<(LogFrame, Vec<u8>)>, StoreReadError> {
        let Located { offset, bytes, .. } = found.located;
        let logs = &self.files.logs;
        let read = match logs.get(found.file) {
            Some(log) => log.read(offset, bytes),
            None => self.files.merged[found.file - logs.len()].read(offset, bytes),
        };
        /// A bad block, by Linux's number of the error: what is there is lost, the rest is not.
        const EIO: i32 = 5;
        let frame = match read {
            Ok(bytes) => {
                LogFrame::parse(&bytes).filter(|frame| frame.payload(&bytes).is_some()).map(|frame| (frame, bytes))
            }
            Err(error) if error.raw_os_error() == Some(EIO) && !self.strict => None,
            Err(error) => return Err(self.failed(found.file)(error)),
        };
        if frame.is_none() {
            self.damaged();
        }
        Ok(frame)
    }

    fn unpacked(&mut self, found: &FoundExtent) -> Result<Option<Arc<Unpacked>>, StoreReadError> {
        let id = (found.file, found.located.offset);
        if let Some(place) = self.unpacked.iter().rposition(|known| (known.0, known.1) == id) {
            return Ok(Some(self.unpacked[place].2.clone()));
        }
        let Some((frame, bytes)) = self.frame(found)? else { return Ok(None) };
        let unpacked = frame.payload(&bytes).filter(|_| frame.kind == FrameKind::Points).and_then(|payload| {
            let (ids, packed) = split_extent(payload)?;
            Unpacked::new(frame.codec, packed, ids.len())
        });
        let Some(unpacked) = unpacked.map(Arc::new) else {
            self.damaged();
            return Ok(None);
        };
        self.unpacked.push((id.0, id.1, unpacked.clone()));
        let mut bytes: usize = self.unpacked.iter().map(|known| known.2.bytes()).sum();
        while bytes > UNPACKED_BYTES && self.unpacked.len() > 1 {
            bytes -= self.unpacked.remove(0).2.bytes();
        }
        Ok(Some(unpacked))
    }

    /// The points of a series in a range of time, in their order, each time once. `found` are its extents.
    pub(crate) fn points_of(
        &mut self,
        key: &str,
        found: &[FoundExtent],
        first_ms: i64,
        last_ms: i64,
    ) -> Result<Vec<TimedValue>, StoreReadError> {
        let deleted = self.deleted.clone();
        let deletes = deleted.of(key);
        let mut points: Vec<TimedValue> = Vec::new();
        let mut sorted = true;
        for each in found {
            let located = each.located;
            if located.first_ms > last_ms || located.last_ms < first_ms {
                continue;
            }
            let Some(unpacked) = self.unpacked(each)? else { continue };
            let start = points.len();
            if unpacked.read(located.position as usize, &mut self.column, &mut points).is_none() {
                points.truncate(start);
                self.damaged();
                continue;
            }
            let within = |point: &TimedValue| {
                (first_ms..=last_ms).contains(&point.0) && !hides(deletes, located.generation, point.0)
            };
            keep(&mut points, start, within);
            sorted &= start == 0 || points.get(start).is_none_or(|point| points[start - 1].0 < point.0);
        }
        if let Some(head) = self.heads.get(key) {
            let start = points.len();
            points.extend(head.iter().filter(|point| (first_ms..=last_ms).contains(&point.0)));
            sorted &= start == 0 || points.get(start).is_none_or(|point| points[start - 1].0 < point.0);
        }
        if !sorted {
            in_order(&mut points, |point| point.0);
        }
        Ok(points)
    }

    /// All points of a series in a range of time.
    pub(crate) fn points(&mut self, key: &str, first_ms: i64, last_ms: i64) -> Result<Vec<TimedValue>, StoreReadError> {
        let found = self.locate(key, Lane::is_raw, first_ms, last_ms)?;
        self.points_of(key, &found, first_ms, last_ms)
    }

    /// The buckets of a series in a lane that begin in a range of time, in their order, each once.
    pub(crate) fn buckets(
        &mut self,
        key: &str,
        lane: Lane,
        first_ms: i64,
        last_ms: i64,
    ) -> Result<Vec<Bucket>, StoreReadError> {
        let deleted = self.deleted.clone();
        let deletes = deleted.of(key);
        let mut buckets: Vec<Bucket> = Vec::new();
        for each in self.locate(key, |other| other == lane, first_ms, last_ms)? {
            let Some((frame, bytes)) = self.frame(&each)? else { continue };
            let Located { position, generation, .. } = each.located;
            let read = frame.payload(&bytes).filter(|_| frame.kind == FrameKind::Buckets).and_then(|payload| {
                let (ids, packed) = split_extent(payload)?;
                read_buckets(frame.codec, packed, ids.len(), position as usize)
            });
            let Some(read) = read else {
                self.damaged();
                continue;
            };
            let within = |bucket: &Bucket| {
                (first_ms..=last_ms).contains(&bucket.start_ms) && !hides(deletes, generation, bucket.start_ms)
            };
            buckets.extend(read.into_iter().filter(within));
        }
        if !buckets.windows(2).all(|pair| pair[0].start_ms < pair[1].start_ms) {
            in_order(&mut buckets, |bucket| bucket.start_ms);
        }
        // One that holds nothing stands for what was there and is not any more.
        buckets.retain(|bucket| bucket.count > 0);
        Ok(buckets)
    }

    /// The value of the last point of a series before a time, wherever it is kept.
    pub(crate) fn before(&mut self, key: &str, time_ms: i64) -> Result<Option<f64>, StoreReadError> {
        let last = |points: &[TimedValue]| points.iter().rev().find(|point| !is_stale(point.1)).copied();
        let head = self.heads.get(key).and_then(|head| {
            let count = head.partition_point(|point| point.0 < time_ms);
            last(&head[..count])
        });
        let mut begins: Vec<i64> = self
            .files
            .logs
            .iter()
            .map(|log| log.place)
            .chain(self.files.merged.iter().map(|file| file.place))
            .filter(|place| place.lane.is_raw() && place.begin_ms < time_ms)
            .map(|place| place.begin_ms)
            .collect();
        begins.sort_unstable();
        begins.dedup();
        let mut end_ms = time_ms;
        for begin_ms in begins.into_iter().rev() {
            if head.is_some_and(|head| head.0 >= end_ms) {
                break;
            }
            let points = self.points(key, begin_ms, end_ms - 1)?;
            if let Some(point) = last(&points) {
                return Ok(Some(point.1));
            }
            end_ms = begin_ms;
        }
        if let Some(head) = head {
            return Ok(Some(head.1));
        }
        let mut newest: Option<(i64, f64)> = None;
        for lane in self.files.lanes().into_iter().filter(|lane| !lane.is_raw()) {
            let buckets = self.buckets(key, lane, i64::MIN / 4, time_ms)?;
            let last = buckets.iter().rev().find(|bucket| bucket.last_ms < time_ms);
            newest = newest.max_by_time(last.map(|bucket| (bucket.last_ms, bucket.last)));
        }
        Ok(newest.map(|newest| newest.1))
    }

    /// The first time of a point of a series after a time.
    pub(crate) fn next_time(&mut self, key: &str, time_ms: i64) -> Result<Option<i64>, StoreReadError> {
        let mut begins: Vec<(i64, i64)> = self
            .files
            .logs
            .iter()
            .map(|log| log.place)
            .chain(self.files.merged.iter().map(|file| file.place))
            .filter(|place| place.lane.is_raw() && place.end_ms > time_ms)
            .map(|place| (place.begin_ms, place.end_ms))
            .collect();
        begins.sort_unstable();
        begins.dedup();
        let not_stale = |points: &[TimedValue]| points.iter().find(|point| !is_stale(point.1)).map(|point| point.0);
        let mut next = self.heads.get(key).and_then(|head| {
            let after = head.partition_point(|point| point.0 <= time_ms);
            not_stale(&head[after..])
        });
        for (begin_ms, end_ms) in begins {
            if next.is_some_and(|next| next < begin_ms) {
                break;
            }
            let points = self.points(key, begin_ms.max(time_ms.saturating_add(1)), end_ms - 1)?;
            if let Some(found) = not_stale(&points) {
                next = Some(next.map_or(found, |next| next.min(found)));
            }
        }
        Ok(next)
    }

    pub(crate) fn head_len(&self, series: &StoredSeries) -> usize {
        self.heads.get(&series.key).map_or(0, Vec::len)
    }

    /// The first time that a head has of a series.
    pub(crate) fn head_begin(&self, series: &StoredSeries) -> i64 {
        self.heads.get(&series.key).and_then(|head| head.first()).map_or(i64::MAX, |point| point.0)
    }

    /// For which times all series of a lane are rolled up: in order, apart from each other.
    pub(crate) fn coverage(&self, lane: Lane) -> Vec<(i64, i64)> {
        let mut ranges: Vec<(i64, i64)> = Vec::new();
        for log in self.files.logs.iter().filter(|log| log.place.lane == lane) {
            ranges.extend(log.rolled().into_iter().map(|(_, from, to)| (from, to)));
        }
        let merged = self.files.merged.iter().filter(|file| file.place.lane == lane);
        ranges.extend(merged.filter_map(|file| file.summary.rolled));
        join(ranges)
    }

    /// Before which time any tier was rolled up.
    pub(crate) fn rolled_to(&self) -> i64 {
        let logs = self.files.logs.iter().flat_map(|log| log.rolled()).map(|rolled| rolled.2);
        let merged = self.files.merged.iter().filter_map(|file| file.summary.rolled).map(|rolled| rolled.1);
        logs.chain(merged).max().unwrap_or(i64::MIN)
    }

    /// By which generation, and for which times.
    pub(crate) fn rolled(&self, lane: Lane) -> Vec<(u64, i64, i64)> {
        let logs = self.files.logs.iter().filter(|log| log.place.lane == lane).flat_map(|log| log.rolled());
        let merged = self
            .files
            .merged
            .iter()
            .filter(|file| file.place.lane == lane)
            .filter_map(|file| file.summary.rolled.map(|(from, to)| (file.summary.generation, from, to)));
        logs.chain(merged).collect()
    }

    /// The same moment, of some files only and without heads.
    pub(crate) fn with_files(mut self, files: FileSet) -> Self {
        self.known = files.logs.iter().map(|log| log.extents()).collect();
        self.files = Arc::new(files);
        self.heads.clear();
        self.unpacked.clear();
        self
    }

    /// Behind everything that there is of a series.
    pub(crate) fn end(&self, series: &StoredSeries) -> i64 {
        let logs = self.files.logs.iter().map(|log| log.place);
        let ends = logs.chain(self.files.merged.iter().map(|file| file.place)).map(|place| place.end_ms);
        let head = self.heads.get(&series.key).and_then(|head| head.last()).map(|point| point.0 + 1);
        ends.chain(head).max().unwrap_or(i64::MIN)
    }

    /// Where the raw points begin that are kept.
    pub(crate) fn raw_begin(&self) -> i64 {
        let logs = self.files.logs.iter().map(|log| log.place);
        let places = logs.chain(self.files.merged.iter().map(|file| file.place));
        places.filter(|place| place.lane.is_raw()).map(|place| place.begin_ms).min().unwrap_or(i64::MAX)
    }
}

trait MaxByTime {
    fn max_by_time(self, other: Self) -> Self;
}

impl MaxByTime for Option<(i64, f64)> {
    fn max_by_time(self, other: Self) -> Self {
        match (self, other) {
            (Some(left), Some(right)) if right.0 > left.0 => Some(right),
            (left, right) => left.or(right),
        }
    }
}

/// Ranges in order, with those put together that touch.
pub(crate) fn join(mut ranges: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    ranges.sort_unstable();
    let mut joined: Vec<(i64, i64)> = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// Keeps of what is behind `start` only some.
fn keep<T: Copy>(values: &mut Vec<T>, start: usize, good: impl Fn(&T) -> bool) {
    let mut to = start;
    for from in start..values.len() {
        if good(&values[from]) {
            values[to] = values[from];
            to += 1;
        }
    }
    values.truncate(to);
}

/// Sorts by time what comes in the order of generations; of several with one time the last is kept.
fn in_order<T>(values: &mut Vec<T>, time: impl Fn(&T) -> i64) {
    values.reverse();
    values.sort_by_key(&time);
    values.dedup_by_key(|value| time(value));
}
