//! Points and buckets as columns of a chunk.

use saker_pipeline::reader::{Aggregate, AggregateSet, Chunk, ReadBudget, ReadError};

use super::{Section, told};
use crate::bucket::Bucket;
use crate::key::StoredSeries as Stored;
use crate::lane::Lane;
use crate::view::{FoundExtent, View};

/// Beyond this a number may not be a whole one to the last digit.
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;
/// Relative to what was added up: smaller differences come from rounding.
const ROUNDING: f64 = 1e-12;

/// What is poured of one series, over all of its sections.
pub(super) struct Pour {
    columns: AggregateSet,
    /// The newest sample that was visited: a bucket may reach into the section behind it.
    newest_ms: i64,
    /// The value before the next bucket, if the last section had one.
    before: Option<f64>,
    times: Vec<i64>,
    values: Vec<f64>,
    ones: Vec<f64>,
}

impl Pour {
    pub(super) fn new(columns: AggregateSet) -> Self {
        Self { columns, newest_ms: i64::MIN, before: None, times: Vec::new(), values: Vec::new(), ones: Vec::new() }
    }

    /// Visits what a section has.
    pub(super) fn section(
        &mut self,
        view: &mut View<'_>,
        place: usize,
        series: &Stored,
        (section, raw): (Section, &[FoundExtent]),
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        match section.tier {
            None => self.points(view, place, series, (section, raw), budget, visit),
            Some(lane) => self.buckets(view, place, series, (section, lane), budget, visit),
        }
    }

    fn points(
        &mut self,
        view: &mut View<'_>,
        place: usize,
        series: &Stored,
        (section, raw): (Section, &[FoundExtent]),
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        let from_ms = section.from_ms.max(self.newest_ms.saturating_add(1));
        let points = view.points_of(&series.key, raw, from_ms, section.to_ms - 1).map_err(told)?;
        let Some(newest) = points.last() else { return Ok(()) };
        budget.charge_samples(points.len() as u64)?;
        self.newest_ms = newest.0;
        self.before = points.iter().rev().map(|point| point.1).find(|value| !saker_model::is_stale(*value));
        self.times.clear();
        self.times.extend(points.iter().map(|point| point.0));
        self.values.clear();
        self.values.extend(points.iter().map(|point| point.1));
        if self.columns.contains(Aggregate::Count) && self.ones.len() < points.len() {
            self.ones.resize(points.len(), 1.0);
        }
        let (values, ones) = (&self.values[..], &self.ones[..]);
        let column = |aggregate| if aggregate == Aggregate::Count { &ones[..values.len()] } else { values };
        let columns: Vec<&[f64]> = self.columns.iter().map(column).collect();
        visit(Chunk { series: place, granularity_ms: 0, timestamps: &self.times, columns: &columns });
        Ok(())
    }

    fn buckets(
        &mut self,
        view: &mut View<'_>,
        place: usize,
        series: &Stored,
        (section, lane): (Section, Lane),
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        let wants_dropped = self.columns.contains(Aggregate::Dropped);
        // The bucket before the first, for how the first began.
        let lead_ms = if wants_dropped && self.before.is_none() { lane.granularity_ms } else { 0 };
        let mut buckets =
            view.buckets(&series.key, lane, section.from_ms - lead_ms, section.to_ms - 1).map_err(told)?;
        let lead = buckets.partition_point(|bucket| bucket.start_ms < section.from_ms);
        self.before = buckets[..lead].last().map(|bucket| bucket.last).or(self.before);
        buckets.drain(..lead);
        buckets.retain(|bucket| bucket.first_ms > self.newest_ms && bucket.first_ms < section.next_ms);
        let (Some(first), Some(newest)) = (buckets.first(), buckets.last()) else { return Ok(()) };
        budget.charge_samples(buckets.len() as u64)?;
        if wants_dropped && self.before.is_none() {
            self.before = view.before(&series.key, first.first_ms).map_err(told)?;
        }
        let dropped = wants_dropped.then(|| self.dropped(&buckets));
        self.newest_ms = newest.last_ms;
        self.before = Some(newest.last);
        let timestamps: Vec<i64> = buckets.iter().map(|bucket| bucket.last_ms).collect();
        let columns: Vec<Vec<f64>> = self
            .columns
            .iter()
            .map(|aggregate| match (aggregate, &dropped) {
                (Aggregate::Dropped, Some(dropped)) => dropped.clone(),
                _ => buckets.iter().map(|bucket| of(aggregate, bucket)).collect(),
            })
            .collect();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        visit(Chunk { series: place, granularity_ms: lane.granularity_ms, timestamps: &timestamps, columns: &columns });
        Ok(())
    }

    fn dropped(&self, buckets: &[Bucket]) -> Vec<f64> {
        let mut before = self.before;
        buckets.iter().map(|bucket| dropped(bucket, before.replace(bucket.last))).collect()
    }
}

fn of(aggregate: Aggregate, bucket: &Bucket) -> f64 {
    match aggregate {
        Aggregate::Last => bucket.last,
        Aggregate::First => bucket.first,
        Aggregate::Min => bucket.min,
        Aggregate::Max => bucket.max,
        Aggregate::Sum => bucket.sum,
        Aggregate::Count => bucket.count as f64,
        Aggregate::FirstTime => bucket.first_ms as f64,
        Aggregate::Dropped => f64::NAN,
    }
}

/// From what a counter dropped within a bucket: its increase without that of its first point, less what lies between its
/// first and its last.
fn dropped(bucket: &Bucket, before: Option<f64>) -> f64 {
    let Some(increase) = bucket.increase else { return f64::NAN };
    let grown = |before: f64, value: f64| if value >= before { value - before } else { value };
    let at_first = before.map_or(0.0, |before| grown(before, bucket.first));
    let dropped = (increase - at_first) - (bucket.last - bucket.first);
    let parts = [increase, at_first, bucket.last, bucket.first];
    let whole = |value: &f64| value.fract() == 0.0 && value.abs() < WHOLE_MAX;
    let most = parts.iter().map(|part| part.abs()).sum::<f64>();
    if parts.iter().all(whole) || dropped.abs() > ROUNDING * most { dropped } else { 0.0 }
}
