//! Rolling up: buckets of what cannot change any more, each once; and again after a backfill.
//!
//! A pass has a generation of its own, taken before it looks. What is sealed later has a later one, by which a next pass
//! finds what was not in its buckets: so a backfill is never forgotten, whenever the process dies.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bucket::{Accumulator, Bucket};
use crate::bucket_extent::{EXTENT_BUCKETS, put_buckets};
use crate::error::{StoreError, StoreReadError};
use crate::extent::{EXTENT_SERIES, Encoder};
use crate::frame::{FrameKind, LogFrame};
use crate::key::{StoredAttributes, StoredSeries};
use crate::lane::{Lane, floor};
use crate::log::LogBatch;
use crate::maintain::Maintained;
use crate::read::TimeRange;
use crate::store::Store;
use crate::view::{View, join};

/// Buckets are made for so much time at once, if they are not longer themselves.
pub(crate) const ROLL_MS: i64 = 6 * 3_600_000;

/// So much of the past is made anew at once.
const PAST_MS: i64 = 24 * 3_600_000;

/// What has to be made anew of a series.
type Dirty = BTreeMap<Arc<str>, (StoredAttributes, i64, i64)>;

impl From<StoreReadError> for StoreError {
    fn from(error: StoreReadError) -> Self {
        match error {
            StoreReadError::Io { name, source } => Self::Io { doing: "read", name, source },
            other => Self::Io { doing: "read", name: "files".into(), source: std::io::Error::other(other.to_string()) },
        }
    }
}

/// Buckets of one series that are to be written.
struct Rolled {
    series: StoredSeries,
    buckets: Vec<Bucket>,
}

impl Store {
    /// Rolls up all that came by the time before which nothing is expected any more.
    pub(crate) fn roll(&self, generation: u64, closed_ms: i64, done: &mut Maintained) -> Result<(), StoreError> {
        let limit_ms = floor(closed_ms, ROLL_MS);
        let view = self.view([].into_iter());
        let begin_ms = view.raw_begin();
        if begin_ms >= limit_ms {
            return Ok(());
        }
        let is_due = |lane: &Lane, last_ms: i64| last_ms < floor(limit_ms, lane.granularity_ms);
        let mut tiers: BTreeMap<Lane, Vec<StoredSeries>> = BTreeMap::new();
        let mut due_from: BTreeMap<Lane, i64> = BTreeMap::new();
        // Which tiers there are follows from which series have points that are not rolled up.
        let known = self.state.lock().table.plans().iter().flat_map(|plan| plan.tiers.clone()).collect::<Vec<_>>();
        let all = view.files.lanes().into_iter().filter(|lane| !lane.is_raw()).chain(known);
        let ends: Vec<(Lane, i64)> =
            all.map(|lane| (lane, view.coverage(lane).last().map_or(begin_ms, |last| last.1))).collect();
        // Most rounds find nothing to do, and should cost nothing.
        if !ends.is_empty() && !ends.iter().any(|(lane, last_ms)| is_due(lane, *last_ms)) {
            return Ok(());
        }
        let oldest = ends.iter().map(|(_, last_ms)| *last_ms).min().unwrap_or(begin_ms);
        for series in self.select(&[], TimeRange { start_ms: oldest, end_ms: limit_ms - 1 }, usize::MAX)? {
            for tier in self.plan(&series).tiers {
                tiers.entry(tier).or_default().push(series.clone());
            }
        }
        drop(view);
        for (tier, series) in tiers {
            let view = self.view([].into_iter());
            let from_ms = match view.coverage(tier).last() {
                Some(last) => last.1,
                // A tier that is new is filled from all raw points that there are.
                None => floor(view.raw_begin(), tier.granularity_ms),
            };
            due_from.insert(tier, from_ms);
            drop(view);
            let series = match from_ms < oldest {
                true => self.of_tier(tier, from_ms, limit_ms)?,
                false => series,
            };
            self.roll_tier(tier, &series, from_ms, limit_ms, generation, done)?;
        }
        Ok(())
    }

    fn of_tier(&self, tier: Lane, from_ms: i64, to_ms: i64) -> Result<Vec<StoredSeries>, StoreError> {
        let mut series = self.select(&[], TimeRange { start_ms: from_ms, end_ms: to_ms - 1 }, usize::MAX)?;
        series.retain(|series| self.plan(series).tiers.contains(&tier));
        Ok(series)
    }

    fn roll_tier(
        &self,
        tier: Lane,
        series: &[StoredSeries],
        from_ms: i64,
        limit_ms: i64,
        generation: u64,
        done: &mut Maintained,
    ) -> Result<(), StoreError> {
        let mut from_ms = from_ms;
        let limit_ms = floor(limit_ms, tier.granularity_ms);
        while from_ms < limit_ms {
            let to_ms = window_end(tier, from_ms).min(limit_ms);
            let log = self.state.lock().log(self, tier, from_ms)?;
            let mut batch = log.batch();
            let mut encoder = Encoder::new();
            let mut view = self.strict_view(series.iter());
            for chunk in series.chunks(EXTENT_SERIES) {
                let rolled = self.rolled(&mut view, chunk, tier, from_ms, to_ms)?;
                done.buckets += rolled.iter().map(|rolled| rolled.buckets.len() as u64).sum::<u64>();
                put(&mut batch, &mut encoder, generation, &rolled);
            }
            batch.rolled(generation, from_ms, to_ms);
            batch.commit().map_err(|error| StoreError::of("append to", log.name())(error))?;
            from_ms = to_ms;
        }
        Ok(())
    }

    fn rolled(
        &self,
        view: &mut View,
        series: &[StoredSeries],
        tier: Lane,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Rolled>, StoreError> {
        let mut all = Vec::new();
        for series in series {
            let buckets = self.buckets_of(view, series, tier, from_ms, to_ms)?;
            if !buckets.is_empty() {
                all.push(Rolled { series: series.clone(), buckets });
            }
        }
        Ok(all)
    }

    /// The buckets of a series from its raw points.
    fn buckets_of(
        &self,
        view: &mut View,
        series: &StoredSeries,
        tier: Lane,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Vec<Bucket>, StoreError> {
        let points = view.points(&series.key, from_ms, to_ms - 1)?;
        if points.is_empty() {
            return Ok(Vec::new());
        }
        let extras = self.plan(series).extras(series.attributes.is_total());
        let before = if extras.increase { view.before(&series.key, from_ms)? } else { None };
        let mut accumulator = Accumulator::new(tier.granularity_ms, extras, before);
        points.iter().for_each(|point| accumulator.point(*point));
        Ok(accumulator.finish())
    }

    /// Where raw points came for times before a tier begins, lets it begin there: by the oldest generation, so that all of
    /// them count as having come after their buckets were made.
    pub(crate) fn begin_earlier(&self) -> Result<(), StoreError> {
        let view = self.view([].into_iter());
        for tier in view.files.lanes().into_iter().filter(|lane| !lane.is_raw()) {
            let Some((covered_from, _)) = view.coverage(tier).first().copied() else { continue };
            let from_ms = floor(view.raw_begin(), tier.granularity_ms);
            if from_ms < covered_from {
                let log = self.state.lock().log(self, tier, from_ms)?;
                let mut batch = log.batch();
                batch.rolled(0, from_ms, covered_from);
                batch.commit().map_err(|error| StoreError::of("append to", log.name())(error))?;
            }
        }
        Ok(())
    }

    /// Makes buckets anew that raw points came for after they were made.
    pub(crate) fn roll_dirty(&self, generation: u64, done: &mut Maintained) -> Result<(), StoreError> {
        let view = self.view([].into_iter());
        let tiers: Vec<Lane> = view.files.lanes().into_iter().filter(|lane| !lane.is_raw()).collect();
        for tier in tiers {
            let dirty = self.dirty(&view, tier);
            if !dirty.is_empty() {
                done.rolled_again += dirty.len() as u64;
                self.roll_series_again(tier, dirty, generation, Some(generation))?;
            }
        }
        Ok(())
    }

    /// Series and times of raw extents that came after the buckets of their time.
    fn dirty(&self, view: &View, tier: Lane) -> Dirty {
        let rolled = view.rolled(tier);
        let coverage = view.coverage(tier);
        let mut dirty = Dirty::new();
        let Some(covered_to) = coverage.last().map(|last| last.1) else { return dirty };
        // What was rolled up since a generation; most extents are of the same as the one before.
        let mut since: (u64, Vec<(i64, i64)>) = (u64::MAX, Vec::new());
        for log in view.files.logs.iter().filter(|log| log.place.lane.is_raw() && log.place.begin_ms < covered_to) {
            log.each_extent(covered_to, |extent_generation, first_ms, last_ms, ids, names| {
                if since.0 != extent_generation {
                    let later = rolled.iter().filter(|rolled| rolled.0 >= extent_generation);
                    since = (extent_generation, join(later.map(|rolled| (rolled.1, rolled.2)).collect()));
                }
                let later = &since.1;
                let open = |(from, to): &(i64, i64)| {
                    let (from, to) = ((*from).max(first_ms), (*to).min(last_ms + 1));
                    from < to && !later.iter().any(|later| later.0 <= from && to <= later.1)
                };
                if !coverage.iter().any(open) {
                    return;
                }
                for id in ids {
                    let Some(Some((key, attributes))) = names.get(*id as usize) else { continue };
                    let series = StoredSeries::new(key.clone(), *attributes);
                    if self.plan(&series).tiers.contains(&tier) {
                        let range = dirty.entry(key.clone()).or_insert((*attributes, first_ms, last_ms));
                        (range.1, range.2) = (range.1.min(first_ms), range.2.max(last_ms));
                    }
                }
            });
        }
        dirty
    }

    /// Makes buckets of series anew. `all_of` is the generation by which all of the tier is rolled up then, if it is.
    fn roll_series_again(
        &self,
        tier: Lane,
        dirty: Dirty,
        generation: u64,
        all_of: Option<u64>,
    ) -> Result<(), StoreError> {
        let series: Vec<StoredSeries> =
            dirty.iter().map(|(key, (attributes, ..))| StoredSeries::new(key.clone(), *attributes)).collect();
        let mut view = self.strict_view(series.iter());
        let coverage = view.coverage(tier);
        let mut by_span: BTreeMap<i64, Vec<Rolled>> = BTreeMap::new();
        let (mut hull_from, mut hull_to) = (i64::MAX, i64::MIN);
        for (series, (_, first_ms, last_ms)) in series.iter().zip(dirty.values()) {
            let granularity = tier.granularity_ms;
            let (from_ms, to_ms) = (floor(*first_ms, granularity), floor(*last_ms, granularity) + granularity);
            (hull_from, hull_to) = (hull_from.min(from_ms), hull_to.max(to_ms));
            let mut ranges = vec![(from_ms, to_ms)];
            // The point behind has another predecessor now.
            if let Some(next_ms) = view.next_time(&series.key, to_ms - 1)? {
                let next_ms = floor(next_ms, granularity);
                ranges.push((next_ms, next_ms + granularity));
            }
            for (from_ms, to_ms) in join(ranges) {
                for (covered_from, covered_to) in &coverage {
                    let (from_ms, to_ms) = (from_ms.max(*covered_from), to_ms.min(*covered_to));
                    self.anew(&mut view, series, tier, from_ms, to_ms, &mut by_span)?;
                }
            }
        }
        let mut encoder = Encoder::new();
        for (span, mut rolled) in by_span {
            let log = self.state.lock().log(self, tier, span)?;
            let mut batch = log.batch();
            rolled.sort_by(|left, right| left.series.key.cmp(&right.series.key));
            for chunk in rolled.chunks(EXTENT_SERIES) {
                put(&mut batch, &mut encoder, generation, chunk);
            }
            batch.commit().map_err(|error| StoreError::of("append to", log.name())(error))?;
        }
        let Some(generation) = all_of else { return Ok(()) };
        for (covered_from, covered_to) in coverage {
            let (from_ms, to_ms) = (covered_from.max(hull_from), covered_to.min(hull_to));
            if from_ms < to_ms {
                let log = self.state.lock().log(self, tier, from_ms)?;
                let mut batch = log.batch();
                batch.rolled(generation, from_ms, to_ms);
                batch.commit().map_err(|error| StoreError::of("append to", log.name())(error))?;
            }
        }
        Ok(())
    }

    /// Makes the buckets of a range anew; those that there were and that hold nothing any more are written as such.
    fn anew(
        &self,
        view: &mut View,
        series: &StoredSeries,
        tier: Lane,
        from_ms: i64,
        to_ms: i64,
        by_span: &mut BTreeMap<i64, Vec<Rolled>>,
    ) -> Result<(), StoreError> {
        if from_ms >= to_ms {
            return Ok(());
        }
        // Where raw points are not kept any more there is nothing to make buckets of.
        if to_ms <= view.raw_begin() {
            return Ok(());
        }
        let made = self.buckets_of(view, series, tier, from_ms, to_ms)?;
        let old = view.buckets(&series.key, tier, from_ms, to_ms - 1)?;
        let made_starts: Vec<i64> = made.iter().map(|bucket| bucket.start_ms).collect();
        let gone = old.into_iter().filter(|old| made_starts.binary_search(&old.start_ms).is_err());
        let mut all: Vec<Bucket> = gone.map(|old| Bucket { count: 0, ..old }).chain(made).collect();
        all.sort_by_key(|bucket| bucket.start_ms);
        for bucket in all {
            let parts = by_span.entry(tier.span_of(bucket.start_ms)).or_default();
            match parts.last_mut().filter(|part| part.series.key == series.key) {
                Some(part) => part.buckets.push(bucket),
                None => parts.push(Rolled { series: series.clone(), buckets: vec![bucket] }),
            }
        }
        Ok(())
    }

    /// Makes the buckets anew that deletes before a time cut, and those whose first point lost its predecessor. Deletes
    /// wait for it: one whose buckets were not made when the process died has them made at the next start.
    pub(crate) fn roll_cuts(&self) -> Result<(), StoreError> {
        let (generation, cuts) = {
            let mut state = self.state.lock();
            if state.cuts.is_empty() {
                return Ok(());
            }
            (state.next_generation(), state.cuts.clone())
        };
        let mut series = Vec::with_capacity(cuts.len());
        for (key, before_ms) in &cuts {
            series.extend(self.named(key)?.map(|series| (series, *before_ms)));
        }
        let tiers = self.view([].into_iter()).files.lanes().into_iter().filter(|lane| !lane.is_raw());
        for tier in tiers.collect::<Vec<_>>() {
            let cut = |before_ms: i64| (floor(before_ms, tier.granularity_ms), before_ms);
            let of = |series: &StoredSeries| self.plan(series).tiers.contains(&tier);
            let mut dirty = Dirty::new();
            for (series, before_ms) in series.iter().filter(|(series, _)| of(series)) {
                let (first_ms, last_ms) = cut(*before_ms);
                let range = dirty.entry(series.key.clone()).or_insert((series.attributes, first_ms, last_ms));
                (range.1, range.2) = (range.1.min(first_ms), range.2.max(last_ms));
            }
            if !dirty.is_empty() {
                // What other series have of that time may still have to be made anew.
                self.roll_series_again(tier, dirty, generation, None)?;
            }
        }
        self.state.lock().cuts.retain(|cut| !cuts.contains(cut));
        Ok(())
    }
}

impl Store {
    /// Makes the buckets of the past for series that have begun to go by a tier that others went by before: the tier is
    /// rolled up for that time, and not for them.
    pub(crate) fn roll_joined(&self, done: &mut Maintained) -> Result<(), StoreError> {
        let joined = std::mem::take(&mut self.state.lock().table.joined);
        let mut tiers: BTreeMap<Lane, Vec<Arc<str>>> = BTreeMap::new();
        joined.iter().for_each(|(key, tier)| tiers.entry(*tier).or_default().push(key.clone()));
        for (tier, keys) in tiers {
            for chunk in keys.chunks(EXTENT_SERIES) {
                if let Err(error) = self.roll_past(tier, chunk, done) {
                    self.state.lock().table.joined.extend(joined);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn roll_past(&self, tier: Lane, keys: &[Arc<str>], done: &mut Maintained) -> Result<(), StoreError> {
        let view = self.view([].into_iter());
        let begin_ms = view.raw_begin();
        for (from_ms, to_ms) in view.coverage(tier) {
            let step_ms = tier.granularity_ms.max(PAST_MS);
            let mut from_ms = floor(from_ms.max(begin_ms), step_ms).max(from_ms);
            while from_ms < to_ms {
                let next_ms = floor(from_ms, step_ms).saturating_add(step_ms).min(to_ms);
                let mut dirty = Dirty::new();
                for key in keys {
                    if let Some(series) = self.named(key)? {
                        dirty.insert(key.clone(), (series.attributes, from_ms, next_ms - 1));
                    }
                }
                done.rolled_again += dirty.len() as u64;
                let generation = self.state.lock().next_generation();
                self.roll_series_again(tier, dirty, generation, None)?;
                from_ms = next_ms;
            }
        }
        Ok(())
    }
}

/// Where the buckets that are made together with the one at a time end.
fn window_end(tier: Lane, from_ms: i64) -> i64 {
    let granularity = tier.granularity_ms;
    let window = granularity * (ROLL_MS / granularity).max(1);
    let end_ms = floor(from_ms, window) + window;
    // All of them begin in the span of one file.
    let span_end_ms = tier.span_of(from_ms) + tier.span_ms();
    let next_ms = floor(span_end_ms + granularity - 1, granularity);
    end_ms.min(next_ms.max(from_ms + granularity))
}

fn put(batch: &mut LogBatch, encoder: &mut Encoder, generation: u64, rolled: &[Rolled]) {
    if rolled.is_empty() {
        return;
    }
    let ids = batch.ids(rolled.iter().map(|rolled| (&rolled.series.key, rolled.series.attributes)));
    let mut numbered: Vec<(u32, &Rolled)> = ids.into_iter().zip(rolled).collect();
    numbered.sort_unstable_by_key(|(id, _)| *id);
    let longest = rolled.iter().map(|rolled| rolled.buckets.len()).max().unwrap_or(0);
    for first in (0..longest).step_by(EXTENT_BUCKETS) {
        let part = numbered.iter().filter_map(|(id, rolled)| {
            let part = rolled.buckets.get(first..rolled.buckets.len().min(first + EXTENT_BUCKETS))?;
            (!part.is_empty()).then_some((*id, part))
        });
        let (ids, parts): (Vec<u32>, Vec<&[Bucket]>) = part.unzip();
        let starts = || parts.iter().flat_map(|part| [part[0].start_ms, part[part.len() - 1].start_ms]);
        let frame = LogFrame {
            first_ms: starts().min().unwrap_or_default(),
            last_ms: starts().max().unwrap_or_default(),
            rows: parts.iter().map(|part| part.len()).max().unwrap_or(0) as u32,
            ..LogFrame::new(FrameKind::Buckets, generation)
        };
        batch.extent(frame, &ids, |out| put_buckets(out, encoder, &parts));
    }
}
