//! The store as a reader of queries: every point that it has raw.

use std::sync::Arc;

use saker_pipeline::reader::{
    Aggregate, AggregateSet, Attributes, Chunk, Identity, Matcher, MatcherLabel, ReadBudget, ReadError, SeriesEraser,
    SeriesReader, SeriesRef, TextCondition, TimeRange,
};

use crate::error::{StoreError, StoreReadError};
use crate::key::StoredSeries as Stored;
use crate::read::{ReadColumns as StoreColumns, TimeRange as StoreRange};
use crate::{Budget, Store};

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
        let range = StoreRange { start_ms: range.start_ms, end_ms: range.end_ms };
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
        let range = StoreRange { start_ms: range.start_ms, end_ms: range.end_ms };
        let mut ones = Vec::new();
        for (place, stored) in Self::stored(series).into_iter().enumerate() {
            budget.check()?;
            let Some(stored) = stored else { continue };
            let mut spent = Ok(());
            self.0
                .read(&[stored], range, &StoreColumns::raw(), &Budget::unlimited(), &mut |chunk| {
                    if spent.is_err() || chunk.timestamps.is_empty() {
                        return;
                    }
                    spent = budget.charge_samples(chunk.timestamps.len() as u64);
                    if spent.is_err() {
                        return;
                    }
                    ones.resize(chunk.timestamps.len().max(ones.len()), 1.0);
                    let values = chunk.columns.first().map_or(&[][..], Vec::as_slice);
                    let column = |aggregate| {
                        if aggregate == Aggregate::Count { &ones[..values.len()] } else { values }
                    };
                    let columns: Vec<&[f64]> = columns.iter().map(column).collect();
                    visit(Chunk { series: place, granularity_ms: 0, timestamps: chunk.timestamps, columns: &columns });
                })
                .map_err(told)?;
            spent?;
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
