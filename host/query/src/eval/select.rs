//! From a selector to its series, and their samples into lookups and windows.

use std::collections::HashMap;

use saker_pipeline::reader::{AggregateSet, Chunk, SeriesRef, TimeRange};

use super::QueryError;
use super::coarse::{Coarse, Extent, Strictness};
use super::evaluator::Evaluator;
use super::functions::date;
use super::grid::Grid;
use super::lookup::{LookupColumn, StepLookup};
use super::part::{self, Part, PartFn};
use super::series::{StepSeries, is_present};
use super::window::{RangeFn, Reach, Slide};
use crate::ast::{At, Selector, TimeShift};
use crate::labels::Labels;
use crate::names::Conditions;
use crate::place::QuerySpan;
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
    fn push(&mut self, timestamps: &[i64], values: &[f64]);
    fn push_parts(&mut self, parts: impl Iterator<Item = Part>);
    /// No more will come.
    fn end(&mut self);
    fn bytes(&self) -> u64;
    fn coarse(&mut self) -> &mut Coarse;
}

impl SampleSink for StepLookup {
    fn push(&mut self, timestamps: &[i64], values: &[f64]) {
        Self::push(self, timestamps, values);
    }

    fn push_parts(&mut self, parts: impl Iterator<Item = Part>) {
        Self::push_parts(self, parts);
    }

    fn end(&mut self) {
        Self::end(self);
    }

    fn bytes(&self) -> u64 {
        0
    }

    fn coarse(&mut self) -> &mut Coarse {
        Self::coarse(self)
    }
}

impl SampleSink for Slide<'_> {
    fn push(&mut self, timestamps: &[i64], values: &[f64]) {
        Self::push(self, timestamps, values);
    }

    fn push_parts(&mut self, parts: impl Iterator<Item = Part>) {
        Self::push_parts(self, parts);
    }

    fn end(&mut self) {
        Self::end(self);
    }

    fn bytes(&self) -> u64 {
        Self::bytes(self)
    }

    fn coarse(&mut self) -> &mut Coarse {
        Self::coarse(self)
    }
}

/// The samples of a range as they came.
struct Raw {
    range: TimeRange,
    samples: Vec<(i64, f64)>,
    coarse: Coarse,
}

impl Raw {
    fn new(range: TimeRange) -> Self {
        Self { range, samples: Vec::new(), coarse: Coarse::new(Strictness::Lenient) }
    }
}

impl SampleSink for Raw {
    fn push(&mut self, timestamps: &[i64], values: &[f64]) {
        self.samples.extend(timestamps.iter().copied().zip(values.iter().copied()));
    }

    fn push_parts(&mut self, parts: impl Iterator<Item = Part>) {
        for part in parts.filter(|part| part.last_ms >= self.range.start_ms && part.first_ms <= self.range.end_ms) {
            match part.samples() {
                Some((times, values, count)) => {
                    let samples = times.into_iter().zip(values).skip(2 - count);
                    self.samples.extend(samples.filter(|(time_ms, _)| self.range.contains(*time_ms)));
                }
                None => self.coarse.untold(&part),
            }
        }
    }

    fn end(&mut self) {}

    fn bytes(&self) -> u64 {
        (self.samples.capacity() * size_of::<(i64, f64)>()) as u64
    }

    fn coarse(&mut self) -> &mut Coarse {
        &mut self.coarse
    }
}

/// What is read.
struct Read {
    range: TimeRange,
    columns: AggregateSet,
    /// A tier that may answer exactly. Where it does not, it is not tried again.
    tier_ms: Option<i64>,
    /// What was made of buckets so far.
    coarse: Coarse,
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
        (selector, span): (&Selector, QuerySpan),
        wanted: LookupColumn,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let times = self.shifted(&selector.time, grid);
        let lookback_ms = self.settings.lookback_ms;
        let range = TimeRange { start_ms: times.start_ms - lookback_ms + 1, end_ms: times.end_ms() };
        let found = self.find(selector, range)?;
        self.hold_columns(found.len(), grid.steps)?;
        let mut read = self.reading(range, part::columns(), spacing(times, 0));
        let mut series = Vec::with_capacity(found.len());
        for batch in found.chunks(BATCH_SERIES) {
            let lookups = self.pour(batch, &mut read, |found, strictness| {
                let step_s = found.refs.iter().map(|series| series.attributes.step_s).min().unwrap_or(0);
                StepLookup::new(times, lookback_ms, wanted, step_s, strictness)
            })?;
            for (found, lookup) in batch.iter().zip(lookups) {
                let mut values = lookup.values;
                if times.steps < grid.steps {
                    values = vec![values[0]; grid.steps];
                }
                series.push(StepSeries { labels: found.labels.clone(), values });
            }
        }
        // Of copies that are kept in different buckets, one was taken.
        read.coarse.widened = read.coarse.widened.or(read.coarse.untold);
        self.note_coarse(&read, "a value is the newest of its bucket, at its own time", span);
        series.retain(|series| !series.is_empty());
        Ok(series)
    }

    /// A function over the windows of a range selector.
    pub(super) fn range_selector(
        &mut self,
        (selector, span): (&Selector, QuerySpan),
        range_ms: i64,
        function: &RangeFn<'_>,
        grid: Grid,
    ) -> Result<Vec<StepSeries>, QueryError> {
        let ends = self.shifted(&selector.time, grid);
        let range = TimeRange { start_ms: ends.start_ms - range_ms + 1, end_ms: ends.end_ms() };
        let found = self.find(selector, range)?;
        self.hold_columns(found.len(), grid.steps)?;
        let reach = Reach { grid, ends, range_ms };
        let columns = function.parts.map_or_else(part::columns, PartFn::columns);
        let mut read = self.reading(range, columns, function.parts.map_or(0, |_| spacing(ends, range_ms)));
        let mut series = Vec::with_capacity(found.len());
        for batch in found.chunks(BATCH_SERIES) {
            let budget = self.budget;
            let slides =
                self.pour(batch, &mut read, |_, strictness| Slide::new(reach, function, budget, strictness))?;
            if read.coarse.untold.is_some() {
                let of = if function.parts.is_some() { " of a GAUGE" } else { "" };
                return Err(self.rejection(&read, format!("{}(){of}", function.name), &found));
            }
            for (found, slide) in batch.iter().zip(slides) {
                series.push(StepSeries { labels: found.labels.clone(), values: slide.finish() });
                self.budget.check()?;
            }
        }
        self.note_coarse(&read, "windows are widened to whole buckets", span);
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
        let mut read = self.reading(range, part::columns(), 0);
        let raw = self.pour(&found, &mut read, |_, _| Raw::new(range))?;
        if read.coarse.untold.is_some() {
            return Err(self.rejection(&read, "a range of samples".into(), &found));
        }
        let mut matrix: Vec<RangeSeries> = found
            .into_iter()
            .zip(raw)
            .map(|(found, raw)| {
                let present = raw.samples.into_iter().filter(|(_, value)| is_present(*value));
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

    /// How something is read whose ends all lie on multiples of a time, or anywhere, which is 0.
    fn reading(&self, range: TimeRange, columns: AggregateSet, spacing_ms: i64) -> Read {
        let tier_ms = if spacing_ms > 0 { self.reader.tier(spacing_ms) } else { None };
        Read { range, columns, tier_ms, coarse: Coarse::new(Strictness::Lenient) }
    }

    /// Says that buckets made an answer another one.
    fn note_coarse(&mut self, read: &Read, what: &str, span: QuerySpan) {
        if let Some(Extent { granularity_ms, until_ms }) = read.coarse.widened {
            let until = date::rfc3339(until_ms.div_euclid(1000));
            let text = format!("until {until} only buckets of {}s are kept: {what}", granularity_ms / 1000);
            self.annotations.warn(text, span, self.text);
        }
    }

    fn rejection(&self, read: &Read, what: String, found: &[FoundSeries]) -> QueryError {
        let Extent { granularity_ms, until_ms } = read.coarse.untold.unwrap_or_default();
        let refs: Vec<SeriesRef> = found.iter().flat_map(|found| found.refs.iter().cloned()).collect();
        let date = |time_ms: i64| date::rfc3339(time_ms.div_euclid(1000));
        QueryError::Coarse {
            what,
            granularity_s: granularity_ms / 1000,
            until: date(until_ms),
            since: self.reader.samples_since(&refs).map(date),
        }
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
        let most = self.budget.limits().samples;
        self.budget.foresee_samples(self.reader.estimate(&refs, range, most))?;
        Ok(found)
    }

    /// Reads the samples of series into sinks: from a tier if that answers as well, else as fine as they are kept.
    fn pour<S: SampleSink>(
        &mut self,
        found: &[FoundSeries],
        read: &mut Read,
        make: impl Fn(&FoundSeries, Strictness) -> S,
    ) -> Result<Vec<S>, QueryError> {
        if let Some(tier_ms) = read.tier_ms {
            let mut sinks: Vec<S> = found.iter().map(|found| make(found, Strictness::Strict)).collect();
            self.pour_into(found, read.range, read.columns.of_tier(tier_ms), &mut sinks)?;
            if !sinks.iter_mut().any(|sink| sink.coarse().has_failed()) {
                return Ok(sinks);
            }
            read.tier_ms = None;
        }
        let mut sinks: Vec<S> = found.iter().map(|found| make(found, Strictness::Lenient)).collect();
        self.pour_into(found, read.range, read.columns, &mut sinks)?;
        sinks.iter_mut().for_each(|sink| read.coarse.add(sink.coarse()));
        Ok(sinks)
    }

    fn pour_into<S: SampleSink>(
        &mut self,
        found: &[FoundSeries],
        range: TimeRange,
        columns: AggregateSet,
        sinks: &mut [S],
    ) -> Result<(), QueryError> {
        let single: Vec<usize> = (0..found.len()).filter(|place| found[*place].refs.len() == 1).collect();
        let refs: Vec<SeriesRef> = single.iter().map(|place| found[*place].refs[0].clone()).collect();
        let mut held = 0;
        let mut over = None;
        let budget = self.budget;
        let mut visit = |chunk: Chunk<'_>| {
            let sink = &mut sinks[single[chunk.series]];
            let before = sink.bytes();
            if chunk.granularity_ms > 0 {
                sink.push_parts(Part::each(&chunk));
            } else {
                sink.push(chunk.timestamps, chunk.columns[0]);
            }
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
        let read = if refs.is_empty() { Ok(()) } else { self.reader.read(&refs, range, columns, budget, &mut visit) };
        budget.release_memory(held);
        if let Some(error) = over {
            return Err(error.into());
        }
        read?;
        for (place, found) in found.iter().enumerate().filter(|(_, found)| found.refs.len() > 1) {
            self.pour_merged(&found.refs, range, columns, &mut sinks[place])?;
        }
        sinks.iter_mut().for_each(SampleSink::end);
        Ok(())
    }

    /// Samples of series whose names meet, as those of one; of the same time the first series' counts.
    fn pour_merged<S: SampleSink>(
        &mut self,
        refs: &[SeriesRef],
        range: TimeRange,
        columns: AggregateSet,
        sink: &mut S,
    ) -> Result<(), QueryError> {
        let mut samples: Vec<(i64, usize, f64)> = Vec::new();
        let mut parts: Vec<(usize, Part)> = Vec::new();
        self.reader.read(refs, range, columns, self.budget, &mut |chunk: Chunk<'_>| {
            if chunk.granularity_ms > 0 {
                parts.extend(Part::each(&chunk).map(|part| (chunk.series, part)));
                return;
            }
            let pairs = chunk.timestamps.iter().zip(chunk.columns[0]);
            samples.extend(pairs.map(|(time, value)| (*time, chunk.series, *value)));
        })?;
        samples.sort_by_key(|(time, series, _)| (*time, *series));
        samples.dedup_by_key(|(time, ..)| *time);
        parts.sort_by_key(|(series, part)| (part.first_ms, *series));
        let (mut next, mut newest_ms, mut copied) = (0, i64::MIN, None);
        for (_, part) in &parts {
            let before = next + samples[next..].partition_point(|sample| sample.0 < part.first_ms);
            push_all(sink, &samples[next..before]);
            newest_ms = samples[next..before].last().map_or(newest_ms, |sample| newest_ms.max(sample.0));
            next = before;
            let within = samples[next..].partition_point(|sample| sample.0 <= part.last_ms);
            if copied.is_some_and(|copied: &Part| copied.is_copy(part)) {
                continue;
            }
            copied = Some(part);
            if part.first_ms <= newest_ms || within > 0 {
                // Which of their samples have the same times is not known.
                sink.coarse().untold(part);
            }
            if part.first_ms > newest_ms {
                sink.push_parts(std::iter::once(*part));
                newest_ms = part.last_ms;
            }
            next += within;
        }
        push_all(sink, &samples[next..]);
        Ok(())
    }
}

fn push_all<S: SampleSink>(sink: &mut S, samples: &[(i64, usize, f64)]) {
    let timestamps: Vec<i64> = samples.iter().map(|(time, ..)| *time).collect();
    let values: Vec<f64> = samples.iter().map(|(.., value)| *value).collect();
    sink.push(&timestamps, &values);
}

/// What all ends of windows, or times of selectors, and the windows themselves are multiples of.
fn spacing(ends: Grid, range_ms: i64) -> i64 {
    let step_ms = if ends.steps > 1 { ends.step_ms } else { 0 };
    [ends.start_ms, step_ms, range_ms].into_iter().fold(0, divisor)
}

/// The greatest common one.
fn divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a.abs() } else { divisor(b, a % b) }
}
