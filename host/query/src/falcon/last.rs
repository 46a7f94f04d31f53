//! `last` and `last/raw`: the newest value.

use saker_model::is_stale;
use saker_pipeline::reader::{AggregateSet, Chunk, ReadBudget, ReadError, SeriesReader, TimeRange};

use super::{counter, is_rate, step_ms};

/// How far back the newest sample may lie: what graph keeps in memory without a new one.
const LAST_MS: i64 = 24 * 3_600_000;

/// A newest value. At second 0 it is none, as callers of graph know.
#[derive(Clone, Debug, PartialEq)]
pub struct LastPoint {
    /// As it was asked.
    pub endpoint: String,
    /// As it was asked.
    pub counter: String,
    /// Seconds since 1970-01-01 UTC.
    pub timestamp_s: i64,
    /// The value.
    pub value: f64,
}

/// The newest value; of totals the rate between the last two, if they are one step apart.
///
/// # Errors
/// The reader's and the budget's.
pub fn last(
    reader: &dyn SeriesReader,
    (endpoint, counter): (&str, &str),
    now_ms: i64,
    budget: &ReadBudget,
) -> Result<LastPoint, ReadError> {
    let range = TimeRange { start_ms: now_ms - LAST_MS, end_ms: now_ms };
    let known = counter::find(reader, endpoint, counter, range)?.map(|series| series.attributes);
    let newest = newest(reader, endpoint, counter, range, budget)?;
    let found = match (known, newest) {
        (Some(known), [before, Some(sample)]) if is_rate(known) => before
            .filter(|before| sample.0 - before.0 == step_ms(known))
            .map(|before| (sample.0, ((sample.1 - before.1) / f64::from(known.step_s)).max(0.0))),
        (Some(_), [_, sample]) => sample,
        (None, _) => None,
    };
    Ok(point(endpoint, counter, found))
}

/// The newest value as it was stored.
///
/// # Errors
/// The reader's and the budget's.
pub fn last_raw(
    reader: &dyn SeriesReader,
    (endpoint, counter): (&str, &str),
    now_ms: i64,
    budget: &ReadBudget,
) -> Result<LastPoint, ReadError> {
    let range = TimeRange { start_ms: now_ms - LAST_MS, end_ms: now_ms };
    let [_, sample] = newest(reader, endpoint, counter, range, budget)?;
    Ok(point(endpoint, counter, sample))
}

fn point(endpoint: &str, counter: &str, sample: Option<(i64, f64)>) -> LastPoint {
    let (time_ms, value) = sample.unwrap_or_default();
    LastPoint { endpoint: endpoint.into(), counter: counter.into(), timestamp_s: time_ms.div_euclid(1000), value }
}

/// The newest two samples.
fn newest(
    reader: &dyn SeriesReader,
    endpoint: &str,
    counter: &str,
    range: TimeRange,
    budget: &ReadBudget,
) -> Result<[Option<(i64, f64)>; 2], ReadError> {
    let mut newest = [None, None];
    let Some(series) = counter::find(reader, endpoint, counter, range)? else { return Ok(newest) };
    reader.read(std::slice::from_ref(&series), range, AggregateSet::LAST, budget, &mut |chunk: Chunk<'_>| {
        for (time_ms, value) in chunk.timestamps.iter().zip(chunk.columns[0]).filter(|(_, value)| !is_stale(**value)) {
            newest = [newest[1], Some((*time_ms, *value))];
        }
    })?;
    Ok(newest)
}
