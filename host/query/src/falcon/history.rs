//! `history`: the rows of a range.

use saker_pipeline::reader::{Budget, Chunk, Columns, ReadError, SeriesReader, SeriesRef, TimeRange, is_stale};

use super::archive::{Consolidation, REACH_STEPS, Row, downsample, row_steps};
use super::{Attributes, AttributesOf, counter};

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryQuery<'a> {
    /// Whose series.
    pub endpoint: &'a str,
    /// `metric` or `metric/k=v,k=v`.
    pub counter: &'a str,
    /// The first second.
    pub start_s: i64,
    /// The last second.
    pub end_s: i64,
    /// How steps become rows.
    pub consolidation: Consolidation,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// As it was asked.
    pub endpoint: String,
    /// As it was asked.
    pub counter: String,
    /// Of what type the series is and how often it is measured; nothing of a series that is not known.
    pub attributes: Option<Attributes>,
    /// In order of time, evenly spaced.
    pub rows: Vec<Row>,
}

/// The rows of a counter from start to end, seen from a time that decides which archive reaches so far.
///
/// # Errors
/// The reader's and the budget's.
pub fn history(
    reader: &dyn SeriesReader,
    attributes: &AttributesOf<'_>,
    query: &HistoryQuery<'_>,
    now_ms: i64,
    budget: &Budget,
) -> Result<History, ReadError> {
    let asked = TimeRange { start_ms: query.start_s.saturating_mul(1000), end_ms: query.end_s.saturating_mul(1000) };
    let unknown =
        History { endpoint: query.endpoint.into(), counter: query.counter.into(), attributes: None, rows: Vec::new() };
    let Some(series) = counter::find(reader, query.endpoint, query.counter, asked)? else { return Ok(unknown) };
    let Some(found) = attributes(&series) else { return Ok(unknown) };
    let rows = rows(reader, &series, found, query, asked, now_ms, budget)?;
    Ok(History { attributes: Some(found), rows, ..unknown })
}

fn rows(
    reader: &dyn SeriesReader,
    series: &SeriesRef,
    attributes: Attributes,
    query: &HistoryQuery<'_>,
    asked: TimeRange,
    now_ms: i64,
    budget: &Budget,
) -> Result<Vec<Row>, ReadError> {
    let step_ms = attributes.step_ms();
    // As far as graph's archives reach, and no further than there can be samples: so many steps are held at once.
    let asked = TimeRange {
        start_ms: asked.start_ms.max(now_ms - REACH_STEPS * step_ms),
        end_ms: asked.end_ms.min(now_ms + step_ms),
    };
    let row_ms = step_ms * row_steps((now_ms - asked.start_ms).div_euclid(step_ms), query.consolidation);
    // Whole rows, and before them what their first step needs.
    let first_ms = asked.start_ms + (-asked.start_ms).rem_euclid(row_ms);
    let last_ms = asked.end_ms - asked.end_ms.rem_euclid(row_ms);
    let steps_from_ms = first_ms - row_ms + step_ms;
    let range = TimeRange { start_ms: steps_from_ms - 2 * step_ms, end_ms: last_ms + 3 * step_ms - 1 };
    let samples = samples(reader, series, range, step_ms, budget)?;
    let bytes = ((last_ms - steps_from_ms) / step_ms + 1).max(0) as u64 * size_of::<Row>() as u64;
    budget.charge_memory(bytes)?;
    let steps = steps(&samples, attributes, steps_from_ms, last_ms);
    let rows = if row_ms == step_ms { steps } else { downsample(&steps, row_ms, query.consolidation) };
    budget.release_memory(bytes);
    Ok(rows)
}

/// The samples on the grid of steps, the first of each step.
fn samples(
    reader: &dyn SeriesReader,
    series: &SeriesRef,
    range: TimeRange,
    step_ms: i64,
    budget: &Budget,
) -> Result<Vec<(i64, f64)>, ReadError> {
    let mut samples: Vec<(i64, f64)> = Vec::new();
    reader.read(std::slice::from_ref(series), range, Columns::LAST, budget, &mut |chunk: Chunk<'_>| {
        for (time_ms, value) in chunk.timestamps.iter().zip(chunk.columns[0]).filter(|(_, value)| !is_stale(**value)) {
            let time_ms = time_ms - time_ms.rem_euclid(step_ms);
            if samples.last().is_none_or(|last| last.0 < time_ms) {
                samples.push((time_ms, *value));
            }
        }
    })?;
    Ok(samples)
}

/// A row for each step. A sample fills the steps since the one before it, if that is within a heartbeat.
fn steps(samples: &[(i64, f64)], attributes: Attributes, from_ms: i64, to_ms: i64) -> Vec<Row> {
    let step_ms = attributes.step_ms();
    let mut next = samples.partition_point(|(time_ms, _)| *time_ms < from_ms);
    let mut rows = Vec::new();
    let mut time_ms = from_ms;
    while time_ms <= to_ms {
        while samples.get(next).is_some_and(|sample| sample.0 < time_ms) {
            next += 1;
        }
        let before = next.checked_sub(1).map(|before| samples[before]);
        let value = samples.get(next).and_then(|sample| value_of(before, *sample, attributes, time_ms));
        rows.push(Row { time_ms, value: value.filter(|value| value.is_finite()) });
        time_ms += step_ms;
    }
    rows
}

fn value_of(before: Option<(i64, f64)>, sample: (i64, f64), attributes: Attributes, time_ms: i64) -> Option<f64> {
    let near = before.filter(|before| sample.0 - before.0 <= 2 * attributes.step_ms());
    if attributes.is_rate() {
        let before = near?;
        let rate = (sample.1 - before.1) / ((sample.0 - before.0) as f64 / 1000.0);
        return (rate >= 0.0).then_some(rate);
    }
    (near.is_some() || sample.0 == time_ms).then_some(sample.1)
}
