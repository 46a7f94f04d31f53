//! The store as a reader of queries: points as they came as long as they are kept, and before them buckets.

mod columns;
mod sections;

use std::sync::Arc;

use saker_pipeline::reader::{
    AggregateSet, Attributes, Chunk, Identity, Matcher, MatcherLabel, ReadBudget, ReadError, SeriesEraser,
    SeriesReader, SeriesRef, TextCondition, TimeRange,
};

use self::columns::Pour;
use self::sections::Section;
use crate::Store;
use crate::error::{StoreError, StoreReadError};
use crate::extent::EXTENT_SERIES;
use crate::key::StoredSeries as Stored;
use crate::lane::{Lane, floor};
use crate::read::TimeRange as StoreRange;

/// What is read of a series before it is the next one's turn: series that lie together are unpacked together, and what
/// is unpacked of so long a time fits into what a reading keeps.
const TURN_MS: i64 = 86_400_000;
/// At so many samples a second and series a question that fits its budget need not be counted beforehand.
const RATE_MOST: u64 = 1;

/// A store whose series are asked for by queries.
pub struct StoreReader(Arc<Store>);

impl StoreReader {
    /// A reader of this store.
    #[must_use]
    pub fn new(store: Arc<Store>) -> Self {
        Self(store)
    }

    /// The store's own references; a series that was never its own has none.
    fn stored(series: &[SeriesRef]) -> Vec<Option<Stored>> {
        series.iter().map(|series| Stored::of(&series.identity.to_series(series.attributes))).collect()
    }
}

/// The one metric that series have to be of, if one is named.
fn metric_of(matchers: &[Matcher]) -> Option<&str> {
    matchers.iter().find_map(|matcher| match (&matcher.label, &matcher.condition) {
        (MatcherLabel::Metric, TextCondition::Is(metric)) => Some(metric.as_str()),
        _ => None,
    })
}

fn meets(series: &Stored, matchers: &[Matcher]) -> bool {
    matchers.iter().all(|matcher| {
        matcher.condition.is_met_by(match &matcher.label {
            MatcherLabel::Endpoint => series.endpoint(),
            MatcherLabel::Metric => series.metric(),
            MatcherLabel::Tag(name) => series.tag(name).unwrap_or_default(),
        })
    })
}

fn named(id: usize, stored: &Stored) -> SeriesRef {
    let series = stored.to_series();
    SeriesRef {
        id: id as u64,
        identity: Arc::new(Identity { endpoint: series.endpoint, metric: (&*series.metric).into(), tags: series.tags }),
        attributes: Attributes { metric_type: series.metric_type, step_s: series.step_s },
    }
}

/// What a question may not do, in the words of whoever asks.
fn told(error: StoreReadError) -> ReadError {
    match error {
        StoreReadError::Cancelled => ReadError::Cancelled,
        StoreReadError::Time { budget_ms, .. } => ReadError::Timeout { limit_ms: budget_ms },
        other => ReadError::Storage { what: "the store".into(), reason: other.to_string() },
    }
}

impl SeriesReader for StoreReader {
    fn select(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<SeriesRef>, ReadError> {
        let view = self.0.view([].into_iter());
        // A bucket that begins before the range may reach into it, where there are no points any more.
        let longest_ms = view.files.lanes().iter().map(|lane| lane.granularity_ms).max().unwrap_or(0);
        let reach_ms = if range.start_ms < view.raw_begin() { longest_ms } else { 0 };
        let range = StoreRange { start_ms: range.start_ms.saturating_sub(reach_ms), end_ms: range.end_ms };
        // One beyond the limit is a failure of the store; here the rest is left out.
        let found = self.0.select_by(metric_of(matchers), &|series| meets(series, matchers), range, usize::MAX);
        let mut found: Vec<_> =
            found.map_err(told)?.iter().enumerate().map(|(place, stored)| named(place, stored)).collect();
        found.sort_unstable_by(|a, b| a.identity.cmp(&b.identity));
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
        // In the order of what lies together.
        let mut places: Vec<(usize, Stored)> =
            Self::stored(series).into_iter().enumerate().filter_map(|(place, stored)| Some((place, stored?))).collect();
        places.sort_unstable_by(|a, b| a.1.key.cmp(&b.1.key));
        for batch in places.chunks(EXTENT_SERIES) {
            self.read_together(batch, range, columns, budget, visit)?;
        }
        Ok(())
    }

    fn samples_since(&self, series: &[SeriesRef]) -> Option<i64> {
        let stored: Vec<Stored> = Self::stored(series).into_iter().flatten().collect();
        let mut view = self.0.view(stored.iter());
        // What cannot be read now is said when it is read.
        let mut since = |series: &Stored| {
            let raw = view.locate(&series.key, Lane::is_raw, i64::MIN / 4, i64::MAX / 4).unwrap_or_default();
            raw.iter().map(|found| found.located.first_ms).chain([view.head_begin(series)]).min()
        };
        stored.iter().filter_map(|series| since(series).filter(|since| *since < i64::MAX)).max()
    }

    fn tier(&self, span_ms: i64) -> Option<i64> {
        let lanes = self.0.view([].into_iter()).files.lanes();
        let fills = |lane: &&Lane| !lane.is_raw() && span_ms % lane.granularity_ms == 0;
        lanes.iter().filter(fills).map(|lane| lane.granularity_ms).max()
    }

    fn estimate(&self, series: &[SeriesRef], range: TimeRange, most: u64) -> u64 {
        let seconds = (range.end_ms.saturating_sub(range.start_ms) / 1000).max(0) as u64 + 1;
        if seconds.saturating_mul(RATE_MOST).saturating_mul(series.len() as u64) <= most {
            return 0;
        }
        let mut view = self.0.view([].into_iter());
        let (mut counted, mut looked_at) = (0_u64, 0_u64);
        for stored in Self::stored(series).iter().flatten() {
            counted = counted.saturating_add(sections::samples(&mut view, stored, range));
            looked_at += 1;
            if counted > most {
                break;
            }
        }
        // Of those that were not looked at, as much as of those that were.
        (counted as f64 * series.len() as f64 / looked_at.max(1) as f64) as u64
    }
}

impl StoreReader {
    /// Reads some series by turns.
    fn read_together(
        &self,
        batch: &[(usize, Stored)],
        range: TimeRange,
        columns: AggregateSet,
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        let mut view = self.0.view(batch.iter().map(|(_, stored)| stored));
        let mut plans = Vec::with_capacity(batch.len());
        for (place, stored) in batch {
            budget.check()?;
            let plan = sections::plan(&mut view, &self.0, stored, range, columns.tier_ms()).map_err(told)?;
            plans.push((*place, stored, plan));
        }
        let begin = plans.iter().filter_map(|(.., plan)| Some(plan.sections.first()?.from_ms)).min();
        let end = plans.iter().filter_map(|(.., plan)| Some(plan.sections.last()?.to_ms)).max();
        let (Some(mut turn_ms), Some(end_ms)) = (begin, end) else { return Ok(()) };
        let mut pours: Vec<Pour> = plans.iter().map(|_| Pour::new(columns)).collect();
        while turn_ms < end_ms {
            let to_ms = floor(turn_ms, TURN_MS).saturating_add(TURN_MS);
            for ((place, stored, plan), pour) in plans.iter().zip(&mut pours) {
                for section in plan.sections.iter().filter_map(|section| section.within(turn_ms, to_ms)) {
                    budget.check()?;
                    pour.section(&mut view, *place, stored, (section, &plan.raw), budget, visit)?;
                }
            }
            turn_ms = to_ms;
        }
        Ok(())
    }
}

impl SeriesEraser for StoreReader {
    fn erase(&self, series: &[SeriesRef]) -> Result<(), ReadError> {
        let stored: Vec<_> = Self::stored(series).into_iter().flatten().collect();
        self.0
            .delete(&stored, None)
            .map_err(|error: StoreError| ReadError::Storage { what: "the store".into(), reason: error.to_string() })
    }
}
