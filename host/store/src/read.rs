//! Reading: which series there are, and what they were, raw or in buckets, from whatever holds it.
//!
//! Calls block for as long as the disk and the answer take; they are for threads of their own. A coarse question is
//! answered from the tier that fits best, as far as that was rolled up, and from raw points beyond, the newest included.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bucket::{Accumulator, Bucket};
use crate::budget::Budget;
use crate::error::StoreReadError;
use crate::extent::TimedValue;
use crate::key::{StoredAttributes, StoredSeries, metric_prefix};
use crate::lane::{Lane, floor};
use crate::matcher::{Matchers, StoreMatcher};
use crate::policy::ArchiveAggregate;
use crate::store::Store;
use crate::view::View;

const DAY_MS: i64 = 86_400_000;
/// What a point or a bucket takes while it is read.
const POINT_BYTES: u64 = 16;
const BUCKET_BYTES: u64 = 200;

/// A range of time, both ends included, in milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first time.
    pub start_ms: i64,
    /// The last time.
    pub end_ms: i64,
}

/// What is asked for of each series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadColumns {
    /// Of the buckets; 0 for points as they came.
    pub granularity_ms: i64,
    /// One column each; raw points have one column whatever is asked for.
    pub aggregates: Vec<ArchiveAggregate>,
}

impl ReadColumns {
    /// Points as they came.
    #[must_use]
    pub fn raw() -> Self {
        Self { granularity_ms: 0, aggregates: Vec::new() }
    }
}

/// Part of an answer: some of one series, in the order of times.
#[derive(Clone, Copy, Debug)]
pub struct StoredChunk<'a> {
    /// Whose.
    pub series: &'a StoredSeries,
    /// Of its buckets: what was asked for, or coarser where nothing finer is kept; 0 for points.
    pub granularity_ms: i64,
    /// Of the points, or where the buckets begin.
    pub timestamps: &'a [i64],
    /// A column for each aggregate. Of a bucket that does not have it the value is a NaN; of a raw point it is
    /// `STALE` where the series ended.
    pub columns: &'a [Vec<f64>],
}

impl Store {
    /// The series that may have points in a range of time and meet all matchers, in the order of metric, endpoint, tags.
    ///
    /// # Errors
    /// [`StoreReadError::Series`] if they are more than the limit, and what the disk says.
    pub fn select(
        &self,
        matchers: &[StoreMatcher],
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<StoredSeries>, StoreReadError> {
        let matchers = Matchers::new(matchers)?;
        self.select_by(matchers.metric(), &|series| matchers.matches(series), range, limit)
    }

    /// The series that may have points in a range of time and meet a test, of one metric if one is named.
    pub(crate) fn select_by(
        &self,
        metric: Option<&str>,
        test: &dyn Fn(&StoredSeries) -> bool,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<StoredSeries>, StoreReadError> {
        let prefix = metric.map(metric_prefix).unwrap_or_default();
        let mut found: BTreeMap<Arc<str>, StoredAttributes> = BTreeMap::new();
        let mut add = |key: &str, attributes| {
            if let Some(known) = found.get_mut(key) {
                *known = attributes;
                return;
            }
            let series = StoredSeries::new(key.into(), attributes);
            if found.len() <= limit && test(&series) {
                found.insert(series.key, attributes);
            }
        };
        let mut view = self.view([].into_iter());
        let files = view.files.clone();
        let TimeRange { start_ms, end_ms } = range;
        for (place, merged) in files.merged.iter().enumerate() {
            if merged.summary.first_ms <= end_ms && merged.summary.last_ms >= start_ms {
                let Some(index) = view.index(place)? else { continue };
                merged
                    .scan(&index, &prefix, |_, key, attributes| add(key, attributes))
                    .map_err(|source| StoreReadError::Io { name: merged.name.clone(), source })?;
            }
        }
        let overlaps = |times: (i64, i64)| times.0 <= end_ms && times.1 >= start_ms;
        for log in files.logs.iter().filter(|log| log.times().is_some_and(overlaps)) {
            for (_, (key, attributes)) in log.names().iter().filter(|(_, (key, _))| key.starts_with(&prefix)) {
                add(key, *attributes);
            }
        }
        self.select_live(&prefix, range, &mut add);
        let mut selected: Vec<StoredSeries> =
            found.into_iter().map(|(key, attributes)| StoredSeries::new(key, attributes)).collect();
        self.without_deleted(&mut view, &mut selected, range)?;
        if selected.len() > limit {
            return Err(StoreReadError::Series { limit });
        }
        Ok(selected)
    }

    fn select_live(&self, prefix: &str, range: TimeRange, add: &mut impl FnMut(&str, StoredAttributes)) {
        let state = self.state.lock();
        for (key, slot) in state.table.from(prefix).take_while(|(key, _)| key.starts_with(prefix)) {
            let points = state.head_points(key).unwrap_or_default();
            if points.iter().any(|point| (range.start_ms..=range.end_ms).contains(&point.0)) {
                add(key, state.table.get(slot).attributes);
            }
        }
    }

    /// Leaves out series of which a delete hides all that there is.
    fn without_deleted(
        &self,
        view: &mut View,
        selected: &mut Vec<StoredSeries>,
        range: TimeRange,
    ) -> Result<(), StoreReadError> {
        if view.deleted.is_empty() {
            return Ok(());
        }
        let deleted = view.deleted.clone();
        let suspects = selected.iter().filter(|series| !deleted.of(&series.key).is_empty());
        let mut with_heads = self.view(suspects);
        let mut hidden = Vec::new();
        for series in selected.iter().filter(|series| !deleted.of(&series.key).is_empty()) {
            let left = with_heads.points(&series.key, range.start_ms, range.end_ms)?;
            let mut is_hidden = left.is_empty();
            for lane in with_heads.files.lanes().into_iter().filter(|lane| !lane.is_raw()) {
                is_hidden &= with_heads.buckets(&series.key, lane, range.start_ms, range.end_ms)?.is_empty();
            }
            if is_hidden {
                hidden.push(series.key.clone());
            }
        }
        selected.retain(|series| !hidden.contains(&series.key));
        Ok(())
    }

    /// Reads series, one after the other, each in the order of times.
    ///
    /// # Errors
    /// What the budget does not allow, with what would do, before anything is visited; and, at any time, that it was
    /// cancelled, took too long, or what the disk says. Damage is no error: what is left is read, and it is counted.
    pub fn read(
        &self,
        series: &[StoredSeries],
        range: TimeRange,
        columns: &ReadColumns,
        budget: &Budget,
        visit: &mut dyn FnMut(StoredChunk<'_>),
    ) -> Result<(), StoreReadError> {
        let mut view = self.view(series.iter());
        let mut plans = Vec::with_capacity(series.len());
        let (mut samples, mut most) = (0, 0);
        for series in series {
            budget.check()?;
            let pieces = view.pieces(self, series, range, columns.granularity_ms)?;
            let cost = view.cost(series, &pieces)?;
            samples += cost.samples;
            most = most.max(cost.bytes);
            plans.push(pieces);
        }
        budget.plan(samples)?;
        budget.hold(most)?;
        let mut out = ChunkBuilder { columns, times: Vec::new(), values: Vec::new(), visit };
        for (series, pieces) in series.iter().zip(plans) {
            view.read_series(self, series, &pieces, columns, budget, &mut out)?;
        }
        Ok(())
    }
}

/// Where a part of an answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AnswerPiece {
    /// From here,
    from_ms: i64,
    /// and before here.
    to_ms: i64,
    /// Points, or the buckets of a tier.
    lane: Option<Lane>,
    /// What it is made into; 0 for points as they came.
    granularity_ms: i64,
}

struct ReadCost {
    samples: u64,
    bytes: u64,
}

impl View<'_> {
    /// Where what is asked for comes from: of a tier as far as it goes, of raw points where that is not, and of coarser
    /// tiers where those are not kept any more.
    fn pieces(
        &mut self,
        store: &Store,
        series: &StoredSeries,
        range: TimeRange,
        granularity_ms: i64,
    ) -> Result<Vec<AnswerPiece>, StoreReadError> {
        let start_ms = range.start_ms;
        let end_ms = range.end_ms.min(self.end(series).saturating_sub(1));
        if start_ms > end_ms {
            return Ok(Vec::new());
        }
        if granularity_ms <= 0 {
            let piece = |from_ms: i64| {
                let to_ms = floor(from_ms, DAY_MS).saturating_add(DAY_MS).min(end_ms.saturating_add(1));
                AnswerPiece { from_ms, to_ms, lane: None, granularity_ms: 0 }
            };
            let begin_ms = self.raw_begin().min(self.head_begin(series)).max(start_ms);
            let first = (begin_ms <= end_ms).then(|| piece(begin_ms));
            let next = |last: &AnswerPiece| (last.to_ms <= end_ms).then(|| piece(last.to_ms));
            return Ok(std::iter::successors(first, next).collect());
        }
        let plan = store.plan(series);
        let mut rest =
            vec![(floor(start_ms, granularity_ms), floor(end_ms, granularity_ms).saturating_add(granularity_ms))];
        let mut pieces = Vec::new();
        let fits = |lane: &&Lane| lane.granularity_ms <= granularity_ms && granularity_ms % lane.granularity_ms == 0;
        for lane in plan.tiers.iter().rev().filter(fits) {
            // A tier that others went by before has nothing of this series from then, where raw points may.
            let own = self.locate(&series.key, |other| other == *lane, rest_begin(&rest), end_ms)?;
            let Some(begin_ms) = own.iter().map(|found| found.located.first_ms).min() else { continue };
            let mut later = split_before(&mut rest, floor(begin_ms, granularity_ms));
            self.take(&mut later, &mut pieces, *lane, granularity_ms);
            rest.append(&mut later);
            rest.sort_unstable();
        }
        if rest.is_empty() {
            pieces.sort_by_key(|piece| piece.from_ms);
            return Ok(pieces);
        }
        // Raw points answer from where the series' own begin; before, coarser buckets are all there is, or those of a
        // policy that it went by once.
        let (from_ms, to_ms) = (rest[0].0, rest[rest.len() - 1].1);
        let own = self.locate(&series.key, Lane::is_raw, from_ms, to_ms - 1)?;
        let begin_ms = own.iter().map(|found| found.located.first_ms).chain([self.head_begin(series)]).min();
        let raw_begin_ms = floor(begin_ms.unwrap_or(i64::MAX), granularity_ms);
        let mut older = Vec::new();
        for (from_ms, to_ms) in rest {
            let (middle, lane) = (raw_begin_ms.clamp(from_ms, to_ms), None);
            if from_ms < middle {
                older.push((from_ms, middle));
            }
            if middle < to_ms {
                pieces.push(AnswerPiece { from_ms: middle, to_ms, lane, granularity_ms });
            }
        }
        let mut former = self.files.lanes();
        former.retain(|lane| !lane.is_raw() && !plan.tiers.contains(lane));
        for lane in former.iter().rev().filter(fits) {
            self.take(&mut older, &mut pieces, *lane, granularity_ms);
        }
        for lane in plan.tiers.iter().chain(&former).filter(|lane| !fits(lane)) {
            // A bucket that reaches into what is answered already would count that twice.
            let mut whole = Vec::new();
            for range in &mut older {
                let end_ms = floor(range.1, lane.granularity_ms);
                whole.extend([(range.0, end_ms)].into_iter().filter(|range| range.0 < range.1));
                range.0 = range.0.max(end_ms);
            }
            older.retain(|range| range.0 < range.1);
            self.take(&mut whole, &mut pieces, *lane, lane.granularity_ms);
            older.append(&mut whole);
        }
        pieces.sort_by_key(|piece| piece.from_ms);
        Ok(pieces)
    }

    fn take(&self, rest: &mut Vec<(i64, i64)>, pieces: &mut Vec<AnswerPiece>, lane: Lane, granularity_ms: i64) {
        for (covered_from, covered_to) in self.coverage(lane) {
            let mut left = Vec::new();
            for (from_ms, to_ms) in rest.drain(..) {
                let (first, last) = (from_ms.max(covered_from), to_ms.min(covered_to));
                if first >= last {
                    left.push((from_ms, to_ms));
                    continue;
                }
                pieces.push(AnswerPiece { from_ms: first, to_ms: last, lane: Some(lane), granularity_ms });
                left.extend([(from_ms, first), (last, to_ms)].into_iter().filter(|range| range.0 < range.1));
            }
            *rest = left;
        }
    }

    fn cost(&mut self, series: &StoredSeries, pieces: &[AnswerPiece]) -> Result<ReadCost, StoreReadError> {
        let mut cost = ReadCost { samples: self.head_len(series) as u64, bytes: 0 };
        for piece in pieces {
            let of = |lane: Lane| piece.lane.map_or(lane.is_raw(), |tier| tier == lane);
            let found = self.locate(&series.key, of, piece.from_ms, piece.to_ms - 1)?;
            let rows: u64 = found.iter().map(|found| u64::from(found.located.rows)).sum();
            cost.samples += rows;
            let each = if piece.lane.is_some() { BUCKET_BYTES } else { POINT_BYTES };
            cost.bytes = cost.bytes.max(rows * each);
        }
        Ok(cost)
    }

    fn read_series(
        &mut self,
        store: &Store,
        series: &StoredSeries,
        pieces: &[AnswerPiece],
        columns: &ReadColumns,
        budget: &Budget,
        out: &mut ChunkBuilder,
    ) -> Result<(), StoreReadError> {
        let extras = store.plan(series).extras(series.attributes.is_total());
        let mut current: Option<(i64, Accumulator, bool)> = None;
        for piece in pieces {
            budget.check()?;
            if piece.granularity_ms == 0 {
                let points = self.points(&series.key, piece.from_ms, piece.to_ms - 1)?;
                budget.used(points.len() as u64);
                out.points(series, &points);
                continue;
            }
            if let Some((granularity_ms, finished, _)) = current.take_if(|current| current.0 != piece.granularity_ms) {
                out.buckets(series, granularity_ms, &finished.finish());
            }
            match piece.lane {
                Some(lane) => {
                    let fresh = || (piece.granularity_ms, Accumulator::new(piece.granularity_ms, extras, None), false);
                    let (_, accumulator, seen) = current.get_or_insert_with(fresh);
                    let buckets = self.buckets(&series.key, lane, piece.from_ms, piece.to_ms - 1)?;
                    budget.used(buckets.len() as u64);
                    *seen |= !buckets.is_empty();
                    buckets.iter().for_each(|bucket| accumulator.bucket(bucket));
                }
                None => {
                    // The last value before, for the increase of the first point.
                    let wanted =
                        extras.increase && !columns.aggregates.iter().all(|each| *each != ArchiveAggregate::Increase);
                    let known = current.as_ref().is_some_and(|current| current.2);
                    let before = if wanted && !known { self.before(&series.key, piece.from_ms)? } else { None };
                    let fresh = || (piece.granularity_ms, Accumulator::new(piece.granularity_ms, extras, None), false);
                    let (_, accumulator, seen) = current.get_or_insert_with(fresh);
                    if !known {
                        accumulator.set_before(before);
                    }
                    let mut from_ms = piece.from_ms;
                    // A day at a time, so that a long question does not hold all its points.
                    while from_ms < piece.to_ms {
                        budget.check()?;
                        let to_ms = piece.to_ms.min(floor(from_ms, DAY_MS).saturating_add(DAY_MS));
                        let points = self.points(&series.key, from_ms, to_ms - 1)?;
                        budget.used(points.len() as u64);
                        *seen |= !points.is_empty();
                        points.iter().for_each(|point| accumulator.point(*point));
                        from_ms = to_ms;
                    }
                }
            }
        }
        if let Some((granularity_ms, finished, _)) = current {
            out.buckets(series, granularity_ms, &finished.finish());
        }
        Ok(())
    }
}

fn rest_begin(rest: &[(i64, i64)]) -> i64 {
    rest.first().map_or(i64::MAX, |range| range.0)
}

/// Takes what is from a time on out of ranges.
fn split_before(ranges: &mut Vec<(i64, i64)>, time_ms: i64) -> Vec<(i64, i64)> {
    let later = ranges.iter().map(|(from, to)| ((*from).max(time_ms), *to)).filter(|range| range.0 < range.1).collect();
    ranges.iter_mut().for_each(|range| range.1 = range.1.min(time_ms));
    ranges.retain(|range| range.0 < range.1);
    later
}

/// Makes chunks of what was read.
struct ChunkBuilder<'a> {
    columns: &'a ReadColumns,
    times: Vec<i64>,
    values: Vec<Vec<f64>>,
    visit: &'a mut dyn FnMut(StoredChunk<'_>),
}

impl ChunkBuilder<'_> {
    fn points(&mut self, series: &StoredSeries, points: &[TimedValue]) {
        if points.is_empty() {
            return;
        }
        self.times.clear();
        self.times.extend(points.iter().map(|point| point.0));
        self.values.resize_with(1, Vec::new);
        self.values[0].clear();
        self.values[0].extend(points.iter().map(|point| point.1));
        (self.visit)(StoredChunk { series, granularity_ms: 0, timestamps: &self.times, columns: &self.values });
    }

    fn buckets(&mut self, series: &StoredSeries, granularity_ms: i64, buckets: &[Bucket]) {
        if buckets.is_empty() {
            return;
        }
        self.times.clear();
        self.times.extend(buckets.iter().map(|bucket| bucket.start_ms));
        self.values.resize_with(self.columns.aggregates.len(), Vec::new);
        for (column, aggregate) in self.values.iter_mut().zip(&self.columns.aggregates) {
            column.clear();
            column.extend(buckets.iter().map(|bucket| aggregate.of(bucket)));
        }
        (self.visit)(StoredChunk { series, granularity_ms, timestamps: &self.times, columns: &self.values });
    }
}

impl ArchiveAggregate {
    /// Its value of a bucket; a NaN where the bucket does not have it.
    pub(crate) fn of(self, bucket: &Bucket) -> f64 {
        let count = bucket.count as f64;
        match self {
            Self::Count => count,
            Self::Sum => bucket.sum,
            Self::Min => bucket.min,
            Self::Max => bucket.max,
            Self::First => bucket.first,
            Self::Last => bucket.last,
            Self::Mean => bucket.sum / count,
            Self::FirstTime => bucket.first_ms as f64,
            Self::LastTime => bucket.last_ms as f64,
            Self::Increase => bucket.increase.unwrap_or(f64::NAN),
            Self::SumOfSquares => bucket.squares.unwrap_or(f64::NAN),
            Self::Std if bucket.count < 2 => f64::NAN,
            Self::Std => bucket.squares.map_or(f64::NAN, |squares| {
                ((squares - bucket.sum * bucket.sum / count).max(0.0) / (count - 1.0)).sqrt()
            }),
            Self::Percentile(thousandths) => {
                let digest = bucket.digest.as_ref();
                digest.and_then(|digest| digest.percentile(f64::from(thousandths) / 10.0)).unwrap_or(f64::NAN)
            }
        }
    }
}
