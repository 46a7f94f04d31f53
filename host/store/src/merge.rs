//! Merging: all files of a span that is over become one, in the order of names, and deletes take effect.
//!
//! What was appended in pieces of a head's length is read in long stretches of neighbours afterwards. It is done once, and
//! again only if a backfill comes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::bucket::Bucket;
use crate::bucket_extent::put_buckets;
use crate::error::StoreError;
use crate::extent::{EXTENT_ROWS, EXTENT_SERIES, Encoder, TimedValue};
use crate::file::{FileOrigin, FileScope};
use crate::files::{FileSet, set_aside};
use crate::frame::{FrameKind, LogFrame};
use crate::key::StoredAttributes;
use crate::lane::Lane;
use crate::log::Named;
use crate::maintain::Maintained;
use crate::merged::{MergedFile, MergedWriter};
use crate::store::Store;
use crate::view::{View, join};

/// Rows of a batch of series that are held at once: with 64 series some 7 MB of points.
const ROWS_AT_ONCE: u64 = 7200;
/// Buckets take more.
const BUCKETS_AT_ONCE: u64 = 720;

impl Store {
    /// Merges the files of every span that is over and has more than one, or one that was appended to.
    pub(crate) fn merge_spans(&self, closed_ms: i64, done: &mut Maintained) -> Result<(), StoreError> {
        let files = self.state.lock().files.clone();
        let mut spans: BTreeMap<(Lane, i64), FileSet> = BTreeMap::new();
        for log in &files.logs {
            spans.entry((log.place.lane, log.place.begin_ms)).or_default().logs.push(log.clone());
        }
        for file in &files.merged {
            spans.entry((file.place.lane, file.place.begin_ms)).or_default().merged.push(file.clone());
        }
        let whole = self.view([].into_iter());
        let mut result = Ok(());
        for ((lane, begin_ms), span) in spans {
            let end_ms = begin_ms.saturating_add(lane.span_ms());
            let over = if lane.is_raw() {
                // What is appended to goes on.
                end_ms <= closed_ms && span.logs.iter().all(|log| log.is_closed())
            } else {
                whole.coverage(lane).last().is_some_and(|last| last.1 >= end_ms)
            };
            if over && (!span.logs.is_empty() || span.merged.len() > 1) {
                // One that fails does not keep others from it.
                result = result.and(self.merge(lane, begin_ms, span, done));
            }
        }
        result
    }

    /// Writes every file anew that holds what was deleted, and lets go of deletes that hide nothing any more. Takes long.
    ///
    /// # Errors
    /// What the system says. What was done stays done.
    pub fn compact(&self) -> Result<Maintained, StoreError> {
        let _one = self.maintenance.lock();
        let mut done = Maintained::default();
        let mut view = self.view([].into_iter());
        let (files, deleted) = (view.files.clone(), view.deleted.clone());
        for (place, file) in files.merged.iter().enumerate() {
            let Some(index) = view.index(place)? else { continue };
            let mut holds = false;
            for key in deleted.keys() {
                let hides = deleted.of(key).iter().any(|delete| {
                    file.summary.generation <= delete.generation && file.summary.first_ms < delete.before_ms
                });
                if hides {
                    let found = file.find(&index, key).map_err(StoreError::of("read", &file.name))?;
                    holds |= found.is_some();
                }
            }
            if holds {
                let span = FileSet { logs: Vec::new(), merged: vec![file.clone()] };
                self.merge(file.place.lane, file.place.begin_ms, span, &mut done)?;
            }
        }
        self.forget_deletes()?;
        Ok(done)
    }

    /// Lets go of deletes that hide nothing in any file.
    fn forget_deletes(&self) -> Result<(), StoreError> {
        let mut view = self.view([].into_iter());
        let (files, mut deleted) = (view.files.clone(), (*view.deleted).clone());
        let mut holders: Vec<(u64, Vec<String>)> = Vec::new();
        for (place, file) in files.merged.iter().enumerate() {
            let Some(index) = view.index(place)? else { continue };
            let mut names = Vec::new();
            for key in deleted.keys() {
                if file.find(&index, key).map_err(StoreError::of("read", &file.name))?.is_some() {
                    names.push(key.to_string());
                }
            }
            holders.push((file.summary.generation, names));
        }
        let forgot = deleted.forget(|key, delete| {
            files.logs.iter().any(|log| log.find(key).is_some())
                || holders
                    .iter()
                    .any(|(generation, names)| *generation <= delete.generation && names.iter().any(|name| name == key))
        });
        let mut state = self.state.lock();
        // One that came meanwhile is not among them.
        if forgot && Arc::ptr_eq(&state.deleted, &view.deleted) {
            state.deleted = Arc::new(deleted);
            state.deleted_unsaved = true;
            state.save_deleted(self)?;
        }
        Ok(())
    }

    fn merge(&self, lane: Lane, begin_ms: i64, span: FileSet, done: &mut Maintained) -> Result<(), StoreError> {
        let rolled: Vec<(i64, i64)> = {
            let logs = span.logs.iter().flat_map(|log| log.rolled()).map(|(_, from, to)| (from, to));
            logs.chain(span.merged.iter().filter_map(|file| file.summary.rolled)).collect()
        };
        let rolled = join(rolled);
        if rolled.len() > 1 {
            // A merged file can only say that it covers one range. It stays as it is, which is no harm.
            return Ok(());
        }
        let place = FileScope { form: FileOrigin::Merged, ..FileScope::of(lane, begin_ms, FileOrigin::Merged) };
        let number = self.state.lock().next_number();
        let made = self.write_merged(place, number, &span, rolled.first().copied());
        if made.is_err() {
            MergedWriter::discard(&*self.files_disk, place, number);
        }
        let (made, damaged) = made?;
        self.counters.merged_bytes.fetch_add(made.size, Ordering::Relaxed);
        done.merged_files += (span.logs.len() + span.merged.len()) as u64;
        let is_old_log = |number: u64| span.logs.iter().any(|log| log.number == number);
        let is_old_file = |number: u64| span.merged.iter().any(|file| file.number == number);
        let empty = made.summary.names == 0 && made.summary.rolled.is_none();
        let made_name = made.name.clone();
        self.state.lock().replace_files(|files| {
            files.logs.retain(|log| !is_old_log(log.number));
            files.merged.retain(|file| !is_old_file(file.number));
            if !empty {
                files.merged.push(Arc::new(made));
            }
        });
        // What stays of these after a loss of power is merged again.
        let old = span.logs.iter().map(|log| log.name()).chain(span.merged.iter().map(|file| file.name.clone()));
        for name in old {
            // What is damaged is kept for an operator to look at.
            match damaged {
                true => drop(set_aside(&*self.files_disk, &name).map_err(StoreError::of("set aside", &name))?),
                false => self.unlink(&name)?,
            }
        }
        if empty { self.unlink(&made_name) } else { Ok(()) }
    }

    pub(crate) fn unlink(&self, name: &str) -> Result<(), StoreError> {
        match self.files_disk.unlink(name) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(StoreError::of("remove", name)(error)),
            _ => Ok(()),
        }
    }

    fn write_merged(
        &self,
        place: FileScope,
        number: u64,
        span: &FileSet,
        rolled: Option<(i64, i64)>,
    ) -> Result<(MergedFile, bool), StoreError> {
        let failed = |error| StoreError::of("write", place.name(number))(error);
        let mut view = self.strict_view([].into_iter()).with_files(span.clone());
        let names = self.names_of(&mut view)?;
        let mut ordered = self.ordered(&mut view, place, &names)?;
        ordered.sort();
        let generation = span.newest_generation();
        let mut writer = MergedWriter::create(&*self.files_disk, place, number, generation).map_err(failed)?;
        let mut encoder = Encoder::new();
        for batch in ordered.chunks(EXTENT_SERIES) {
            let mut ids: Vec<u32> = batch.iter().map(|ordered| ordered.id).collect();
            ids.sort_unstable();
            let rows = batch.iter().map(|ordered| ordered.rows).max().unwrap_or(0);
            let at_once = if place.lane.is_raw() { ROWS_AT_ONCE } else { BUCKETS_AT_ONCE };
            let windows = windows(place, rows.div_ceil(at_once).max(1) as i64);
            writer.begin_batch(ids.clone());
            let keys: Vec<Arc<str>> = ids.iter().map(|id| names[*id as usize].0.clone()).collect();
            for (from_ms, to_ms) in windows {
                let written = if place.lane.is_raw() {
                    let points: Vec<Vec<TimedValue>> =
                        keys.iter().map(|key| view.points(key, from_ms, to_ms - 1)).collect::<Result<_, _>>()?;
                    put_points(&mut writer, &mut encoder, &points)
                } else {
                    let buckets: Vec<Vec<Bucket>> = keys
                        .iter()
                        .map(|key| view.buckets(key, place.lane, from_ms, to_ms - 1))
                        .collect::<Result<_, _>>()?;
                    put_tier(&mut writer, &mut encoder, &buckets)
                };
                written.map_err(failed)?;
            }
        }
        let file = writer.finish(&names, rolled).map_err(failed)?;
        Ok((file, view.damage > 0))
    }

    /// All names in the files of a view of which something is left, in order.
    fn names_of(&self, view: &mut View) -> Result<Vec<Named>, StoreError> {
        let mut names: BTreeMap<Arc<str>, StoredAttributes> = BTreeMap::new();
        let files = view.files.clone();
        for (place, file) in files.merged.iter().enumerate() {
            let Some(index) = view.index(place)? else { continue };
            if !file.has_all_names(&index).map_err(StoreError::of("read", &file.name))? {
                let source = std::io::Error::other("names are damaged in both their copies");
                return Err(StoreError::Io { doing: "read", name: file.name.clone(), source });
            }
            let add = |_, key: &str, attributes| {
                names.insert(key.into(), attributes);
            };
            file.scan(&index, "", add).map_err(StoreError::of("read", &file.name))?;
        }
        for log in &files.logs {
            names.extend(log.names().into_iter().map(|(_, named)| named));
        }
        let mut left = Vec::with_capacity(names.len());
        let deleted = view.deleted.clone();
        for (key, attributes) in names {
            let hidden = |found: &crate::view::FoundExtent| {
                deleted.of(&key).iter().any(|delete| {
                    found.located.generation <= delete.generation && found.located.last_ms < delete.before_ms
                })
            };
            let deletes = !deleted.of(&key).is_empty();
            if !deletes || !view.locate(&key, |_| true, i64::MIN, i64::MAX)?.iter().all(hidden) {
                left.push((key, attributes));
            }
        }
        Ok(left)
    }

    /// The series in the order in which they are written: those that are measured together are neighbours.
    fn ordered(&self, view: &mut View, place: FileScope, names: &[Named]) -> Result<Vec<Ordered>, StoreError> {
        let mut ordered = Vec::with_capacity(names.len());
        for (id, (key, attributes)) in names.iter().enumerate() {
            let found = view.locate(key, |lane| lane == place.lane, i64::MIN, i64::MAX)?;
            let sealed_with = found.first().map_or(0, |found| found.located.generation);
            let rows = found.iter().map(|found| u64::from(found.located.rows)).sum();
            ordered.push(Ordered { step_s: attributes.step_s, sealed_with, id: id as u32, rows });
        }
        Ok(ordered)
    }
}

/// Series that were sealed together have their times in common.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ordered {
    step_s: u32,
    sealed_with: u64,
    id: u32,
    rows: u64,
}

fn windows(place: FileScope, count: i64) -> impl Iterator<Item = (i64, i64)> {
    let length = (place.end_ms - place.begin_ms).div_euclid(count).max(1);
    // The last one takes what a bucket or a span of another length may leave beyond.
    (0..count).map(move |window| {
        let from_ms = place.begin_ms + window * length;
        let to_ms = if window + 1 == count { place.end_ms } else { from_ms + length };
        (from_ms, to_ms)
    })
}

fn put_points(writer: &mut MergedWriter, encoder: &mut Encoder, points: &[Vec<TimedValue>]) -> std::io::Result<()> {
    let Some(longest) = points.iter().max_by_key(|points| points.len()).filter(|points| !points.is_empty()) else {
        return Ok(());
    };
    // Cut by time, at every so many rows of the longest, so that rows that belong together stay so.
    let mut cuts: Vec<i64> = longest.iter().step_by(EXTENT_ROWS).skip(1).map(|point| point.0).collect();
    cuts.push(i64::MAX);
    let mut from = vec![0; points.len()];
    for cut in cuts {
        let parts: Vec<&[TimedValue]> = points
            .iter()
            .zip(&mut from)
            .map(|(points, from)| {
                let to = *from + points[*from..].partition_point(|point| point.0 < cut);
                &points[std::mem::replace(from, to)..to]
            })
            .collect();
        let times =
            || parts.iter().filter(|part| !part.is_empty()).flat_map(|part| [part[0].0, part[part.len() - 1].0]);
        let Some((first_ms, last_ms)) = times().min().zip(times().max()) else { continue };
        let rows = parts.iter().map(|part| part.len()).max().unwrap_or(0) as u32;
        let count = parts.iter().map(|part| part.len() as u64).sum();
        let frame = LogFrame { first_ms, last_ms, rows, ..LogFrame::new(FrameKind::Points, 0) };
        writer.extent(frame, count, |out| encoder.points(out, &parts))?;
    }
    Ok(())
}

fn put_tier(writer: &mut MergedWriter, encoder: &mut Encoder, buckets: &[Vec<Bucket>]) -> std::io::Result<()> {
    let parts: Vec<&[Bucket]> = buckets.iter().map(Vec::as_slice).collect();
    let starts = || {
        parts.iter().filter(|part| !part.is_empty()).flat_map(|part| [part[0].start_ms, part[part.len() - 1].start_ms])
    };
    let Some((first_ms, last_ms)) = starts().min().zip(starts().max()) else { return Ok(()) };
    let rows = parts.iter().map(|part| part.len()).max().unwrap_or(0) as u32;
    let count = parts.iter().map(|part| part.len() as u64).sum();
    let frame = LogFrame { first_ms, last_ms, rows, ..LogFrame::new(FrameKind::Buckets, 0) };
    writer.extent(frame, count, |out| put_buckets(out, encoder, &parts))
}
