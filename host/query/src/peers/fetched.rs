//! What peers have, as a reader, and together with what this agent has.

use std::sync::Arc;

use saker_pipeline::reader::{
    Aggregate, AggregateSet, Attributes, Chunk, Identity, Matcher, ReadBudget, ReadError, SeriesReader, SeriesRef,
    TimeRange,
};

use super::wire::WireChunk;

/// What marks the id of a series that was fetched; a store's own ids are far below.
const FETCHED: u64 = 1 << 63;

/// A series, and what there is of it.
type Held = (Arc<Identity>, Attributes, Vec<WireChunk>);

/// Series of peers. The same one from several stands here several times: the evaluator makes them one.
#[derive(Debug, Default)]
pub(crate) struct Fetched(Vec<Held>);

impl Fetched {
    pub(super) fn add(&mut self, series: Vec<Held>) {
        self.0.extend(series);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What it holds.
    pub(crate) fn bytes(&self) -> u64 {
        let chunk = |chunk: &WireChunk| chunk.timestamps.len() * (chunk.columns.len() + 1) * size_of::<u64>();
        let of = |series: &Held| size_of::<Held>() + series.2.iter().map(chunk).sum::<usize>();
        self.0.iter().map(of).sum::<usize>() as u64
    }

    fn read(
        &self,
        (place, series): (usize, &SeriesRef),
        range: TimeRange,
        columns: AggregateSet,
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        let Some((.., chunks)) = self.0.get((series.id & !FETCHED) as usize) else { return Ok(()) };
        let ones = vec![1.0; chunks.iter().map(|chunk| chunk.timestamps.len()).max().unwrap_or(0)];
        for chunk in chunks {
            let reach_ms = chunk.granularity_ms;
            let from = chunk.timestamps.partition_point(|time| *time < range.start_ms);
            let to = chunk.timestamps.partition_point(|time| *time <= range.end_ms.saturating_add(reach_ms));
            if from >= to {
                continue;
            }
            budget.charge_samples((to - from) as u64)?;
            let column = |aggregate: Aggregate| match (chunk.granularity_ms, aggregate) {
                (0, Aggregate::Count) => &ones[from..to],
                (0, _) => &chunk.columns[0][from..to],
                _ => &chunk.columns[aggregate as usize][from..to],
            };
            let columns: Vec<&[f64]> = columns.iter().map(column).collect();
            let timestamps = &chunk.timestamps[from..to];
            visit(Chunk { series: place, granularity_ms: chunk.granularity_ms, timestamps, columns: &columns });
        }
        Ok(())
    }
}

/// A reader, and what was fetched beside it.
pub(crate) struct Union<'a> {
    /// This agent's own.
    pub(crate) own: &'a dyn SeriesReader,
    /// Its peers'.
    pub(crate) fetched: &'a Fetched,
}

impl Union<'_> {
    fn own(series: &[SeriesRef]) -> (Vec<usize>, Vec<SeriesRef>) {
        series.iter().cloned().enumerate().filter(|(_, series)| series.id & FETCHED == 0).unzip()
    }
}

impl SeriesReader for Union<'_> {
    fn select(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<SeriesRef>, ReadError> {
        let mut found = self.own.select(matchers, range, limit)?;
        let others = self.fetched.0.iter().enumerate();
        let matching = others.filter(|(_, (identity, ..))| matchers.iter().all(|matcher| matcher.matches(identity)));
        found.extend(matching.map(|(at, (identity, attributes, _))| SeriesRef {
            id: at as u64 | FETCHED,
            identity: identity.clone(),
            attributes: *attributes,
        }));
        // Stable: of copies this agent's own is the first.
        found.sort_by(|a, b| a.identity.cmp(&b.identity));
        found.truncate(limit);
        Ok(found)
    }

    fn read(
        &self,
        series: &[SeriesRef],
        range: TimeRange,
        columns: AggregateSet,
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        let (places, own) = Self::own(series);
        if !own.is_empty() {
            self.own.read(&own, range, columns, budget, &mut |chunk| {
                visit(Chunk { series: places[chunk.series], ..chunk });
            })?;
        }
        for (place, series) in series.iter().enumerate().filter(|(_, series)| series.id & FETCHED != 0) {
            budget.check()?;
            self.fetched.read((place, series), range, columns, budget, visit)?;
        }
        Ok(())
    }

    fn samples_since(&self, series: &[SeriesRef]) -> Option<i64> {
        self.own.samples_since(&Self::own(series).1)
    }

    fn estimate(&self, series: &[SeriesRef], range: TimeRange, most: u64) -> u64 {
        self.own.estimate(&Self::own(series).1, range, most)
    }
}
