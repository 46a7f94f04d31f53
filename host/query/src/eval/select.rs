//! From a selector to its series, and their samples into lookups and windows.

use std::collections::HashMap;

use saker_pipeline::reader::{AggregateSet, Chunk, SeriesRef, TimeRange};

use super::QueryError;
use super::evaluator::Evaluator;
use super::grid::Grid;
use super::lookup::{LookupColumn, StepLookup};
use super::series::{StepSeries, is_present};
use super::window::{Reach, Slide, WindowFn};
use crate::ast::{At, Selector, TimeShift};
use crate::labels::Labels;
use crate::names::Conditions;
use crate::value::{RangeSeries, TimedNumber};

/// Series whose samples are read at once: what the store keeps in one block, and few enough to keep windows of.
const BATCH_SERIES: usize = 64;

/// A series of a query, and the stored ones that it is made of: more than one where names meet.
pub(super) struct FoundSeries {
    pub(super) labels: Labels,
    refs: Vec<SeriesRef>,
}

/// What samples are poured into.
trait SampleSink {
    /// Whether the newest value of a bucket is as good as all of its samples.
    const TAKES_BUCKETS: bool;

    fn push(&mut self, timestamps: &[i64], values: &[f64], granularity_ms: i64);
    fn bytes(&self) -> u64;
}

impl SampleSink for StepLookup {
    const TAKES_BUCKETS: bool = true;

    fn push(&mut self, timestamps: &[i64], values: &[f64], granularity_ms: i64) {
        Self::push(self, timestamps, values, granularity_ms);
    }

    fn bytes(&self) -> u64 {
        0
    }
}

impl SampleSink for Slide<'_> {
    const TAKES_BUCKETS: bool = false;

    fn push(&mut self, timestamps: &[i64], values: &[f64], _: i64) {
        Self::push(self, timestamps, values);
    }

    fn bytes(&self) -> u64 {
        Self::bytes(self)
    }
}

#[derive(Default)]
struct Raw(Vec<(i64, f64)>);

impl SampleSink for Raw {
    const TAKES_BUCKETS: bool = false;

    fn push(&mut self, timestamps: &[i64], values: &[f64], _: i64) {
        self.0.extend(timestamps.iter().copied().zip(values.iter().copied()));
    }

    fn bytes(&self) -> u64 {
        (self.0.capacity() * size_of::<(i64, f64)>()) as u64
    }
}

impl Evaluator<'_> {
    /// The times that a selector looks at: those of the grid, or a single one.
    pub(super) fn shifted(&self, time: &TimeShift, grid: Grid) -> Grid {
        let at = match time.at {
            None => return grid.earlier(time.offset_ms),
            Some(At::Time(time_ms)) => time_ms,
            Some(At::Start) => self.query_start_ms,
            Some(At::End) => self.query_end_ms,
        };
        Grid::at(at.saturating_sub(time.offset_ms))
    }

    /// An instant selector over a grid.
    pub(super) fn instant_selector(
        &mut self,
        selector: &Selector,
        wanted: LookupColumn,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let times = self.shifted(&selector.time, grid);
        let lookback_ms = self.settings.lookback_ms;
        let range = TimeRange { start_ms: times.start_ms - lookback_ms + 1, end_ms: times.end_ms() };
        let found = self.find(selector, range)?;
        self.hold_columns(found.len(), grid.steps)?;
        let mut series = Vec::with_capacity(found.len());
        for batch in found.chunks(BATCH_SERIES) {
            let mut lookups: Vec<StepLookup> =
                batch.iter().map(|_| StepLookup::new(times, lookback_ms, wanted)).collect();
            self.pour(batch, range, &mut lookups)?;
            for (found, lookup) in batch.iter().zip(lookups) {
                let mut values = lookup.finish();
                if times.steps < grid.steps {
                    values = vec![values[0]; grid.steps];
                }
                series.push(StepSeries { labels: found.labels.clone(), values });
            }
        }
        series.retain(|series| !series.is_empty());
        Ok(series)
    }

    /// A function over the windows of a range selector.
    pub(super) fn range_selector(
        &mut self,
        selector: &Selector,
        range_ms: i64,
        function: &WindowFn<'_>,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let ends = self.shifted(&selector.time, grid);
        let range = TimeRange { start_ms: ends.start_ms - range_ms + 1, end_ms: ends.end_ms() };
        let found = self.find(selector, range)?;
        self.hold_columns(found.len(), grid.steps)?;
        let reach = Reach { grid, ends, range_ms };
        let mut series = Vec::with_capacity(found.len());
        for batch in found.chunks(BATCH_SERIES) {
            let budget = self.budget;
            let mut slides: Vec<Slide<'_>> = batch.iter().map(|_| Slide::new(reach, function, budget)).collect();
            self.pour(batch, range, &mut slides)?;
            for (found, slide) in batch.iter().zip(slides) {
                series.push(StepSeries { labels: found.labels.clone(), values: slide.finish() });
                self.budget.check()?;
            }
        }
        series.retain(|series| !series.is_empty());
        Ok(series)
    }

    /// The samples of a range selector as they are.
    pub(super) fn raw_range(
        &mut self,
        selector: &Selector,
        range_ms: i64,
        grid: Grid,
    ) -> Result<Vec<RangeSeries>, QueryError> {
        let end_ms = self.shifted(&selector.time, grid).end_ms();
        let range = TimeRange { start_ms: end_ms - range_ms + 1, end_ms };
        let found = self.find(selector, range)?;
        let mut raw: Vec<Raw> = found.iter().map(|_| Raw::default()).collect();
        self.pour(&found, range, &mut raw)?;
        let mut matrix: Vec<RangeSeries> = found
            .into_iter()
            .zip(raw)
            .map(|(found, raw)| {
                let present = raw.0.into_iter().filter(|(_, value)| is_present(*value));
                RangeSeries {
                    labels: found.labels,
                    points: present.map(|(time_ms, value)| TimedNumber { time_ms, value }).collect(),
                }
            })
            .filter(|series| !series.points.is_empty())
            .collect();
        matrix.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(matrix)
    }

    fn find(&mut self, selector: &Selector, range: TimeRange) -> Result<Vec<FoundSeries>, QueryError> {
        self.budget.check()?;
        let limit = self.settings.series_max;
        let conditions = Conditions::new(self.settings.naming, selector.name.as_deref(), &selector.matchers)?;
        let refs = self.reader.select(&conditions.pushed_down(), range, limit + 1)?;
        if refs.len() > limit {
            let selector = crate::printer::series(selector);
            return Err(QueryError::SeriesLimit { selector, limit });
        }
        let mut places: HashMap<Labels, usize> = HashMap::with_capacity(refs.len());
        let mut found: Vec<FoundSeries> = Vec::with_capacity(refs.len());
        for series in refs {
            let labels = self.settings.naming.labels(&series.identity);
            if !conditions.matches(&series.identity, &labels) {
                continue;
            }
            let place = *places.entry(labels.clone()).or_insert(found.len());
            match found.get_mut(place) {
                Some(known) => known.refs.push(series),
                None => found.push(FoundSeries { labels, refs: vec![series] }),
            }
        }
        let refs: Vec<SeriesRef> = found.iter().flat_map(|found| found.refs.iter().cloned()).collect();
        self.budget.foresee_samples(self.reader.estimate(&refs, range))?;
        Ok(found)
    }

    /// Reads the samples of series into their sinks.
    fn pour<S: SampleSink>(
        &mut self,
        found: &[FoundSeries],
        range: TimeRange,
        sinks: &mut [S],
    ) -> Result<(), QueryError> {
        let single: Vec<usize> = (0..found.len()).filter(|place| found[*place].refs.len() == 1).collect();
        let refs: Vec<SeriesRef> = single.iter().map(|place| found[*place].refs[0].clone()).collect();
        let mut held = 0;
        let mut over = None;
        let mut coarse = Coarse::default();
        let budget = self.budget;
        let mut visit = |chunk: Chunk<'_>| {
            if chunk.granularity_ms > 0 && !S::TAKES_BUCKETS {
                coarse.see(&chunk);
                return;
            }
            let sink = &mut sinks[single[chunk.series]];
            let before = sink.bytes();
            sink.push(chunk.timestamps, chunk.columns[0], chunk.granularity_ms);
            let grown = sink.bytes().saturating_sub(before);
            if over.is_none() && grown > 0 {
                match budget.charge_memory(grown) {
                    Ok(()) => held += grown,
                    Err(error) => {
                        // The reader sees the flag at its next chunk; what it then says does not matter.
                        over = Some(error);
                    }
                }
            }
        };
        let read = if refs.is_empty() {
            Ok(())
        } else {
            self.reader.read(&refs, range, AggregateSet::LAST, budget, &mut visit)
        };
        budget.release_memory(held);
        if let Some(error) = over {
            return Err(error.into());
        }
        read?;
        coarse.reject()?;
        for (place, found) in found.iter().enumerate().filter(|(_, found)| found.refs.len() > 1) {
            self.pour_merged(&found.refs, range, &mut sinks[place])?;
        }
        Ok(())
    }

    /// Samples of series whose names meet, as those of one; of the same time the first series' counts.
    fn pour_merged<S: SampleSink>(
        &mut self,
        refs: &[SeriesRef],
        range: TimeRange,
        sink: &mut S,
    ) -> Result<(), QueryError> {
        let mut samples: Vec<(i64, usize, f64)> = Vec::new();
        let mut coarse = Coarse::default();
        self.reader.read(refs, range, AggregateSet::LAST, self.budget, &mut |chunk: Chunk<'_>| {
            coarse.see(&chunk);
            let pairs = chunk.timestamps.iter().zip(chunk.columns[0]);
            samples.extend(pairs.map(|(time, value)| (*time, chunk.series, *value)));
        })?;
        if !S::TAKES_BUCKETS {
            coarse.reject()?;
        }
        samples.sort_by_key(|(time, series, _)| (*time, *series));
        samples.dedup_by_key(|(time, ..)| *time);
        let timestamps: Vec<i64> = samples.iter().map(|(time, ..)| *time).collect();
        let values: Vec<f64> = samples.iter().map(|(.., value)| *value).collect();
        sink.push(&timestamps, &values, coarse.granularity_ms);
        Ok(())
    }
}

/// Buckets that were read.
#[derive(Default)]
struct Coarse {
    granularity_ms: i64,
    last_ms: i64,
}

impl Coarse {
    fn see(&mut self, chunk: &Chunk<'_>) {
        if chunk.granularity_ms > 0 {
            self.granularity_ms = self.granularity_ms.max(chunk.granularity_ms);
            self.last_ms = chunk.timestamps.last().map_or(self.last_ms, |last_ms| self.last_ms.max(*last_ms));
        }
    }

    /// A window over buckets would be an approximation that nobody sees.
    fn reject(&self) -> Result<(), QueryError> {
        if self.granularity_ms == 0 {
            return Ok(());
        }
        let until = super::functions::date::rfc3339(self.last_ms.div_euclid(1000));
        Err(QueryError::Coarse { granularity_s: self.granularity_ms / 1000, until })
    }
}
