//! `history`: the rows of a range.

use saker_model::is_stale;
use saker_pipeline::reader::{
    Aggregate, AggregateSet, Attributes, Chunk, ReadBudget, ReadError, SeriesReader, SeriesRef, TimeRange,
};

use super::archive::{ArchiveRow, Consolidation, REACH_STEPS, downsample, row_steps};
use super::{counter, is_rate, step_ms};

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
    pub rows: Vec<ArchiveRow>,
}

/// The rows of a counter from start to end, seen from a time that decides which archive reaches so far.
///
/// # Errors
/// The reader's and the budget's.
pub fn history(
    reader: &dyn SeriesReader,
    query: &HistoryQuery<'_>,
    now_ms: i64,
    budget: &ReadBudget,
) -> Result<History, ReadError> {
    let asked = TimeRange { start_ms: query.start_s.saturating_mul(1000), end_ms: query.end_s.saturating_mul(1000) };
    let unknown =
        History { endpoint: query.endpoint.into(), counter: query.counter.into(), attributes: None, rows: Vec::new() };
    // A counter that is known has rows without values where it had none.
    let lately = TimeRange { start_ms: asked.start_ms.min(now_ms - KNOWN_MS), end_ms: asked.end_ms.max(now_ms) };
    let Some(series) = counter::find(reader, query.endpoint, query.counter, lately)? else { return Ok(unknown) };
    let rows = rows(reader, &series, query, asked, now_ms, budget)?;
    Ok(History { attributes: Some(series.attributes), rows, ..unknown })
}

/// What a counter is, without its rows, if it had a value lately.
///
/// # Errors
/// The reader's.
pub fn known(reader: &dyn SeriesReader, (endpoint, counter): (&str, &str), now_ms: i64) -> Result<History, ReadError> {
    let range = TimeRange { start_ms: now_ms - KNOWN_MS, end_ms: now_ms };
    let attributes = counter::find(reader, endpoint, counter, range)?.map(|series| series.attributes);
    Ok(History { endpoint: endpoint.into(), counter: counter.into(), attributes, rows: Vec::new() })
}

/// A week, after which graph's index forgets a counter.
const KNOWN_MS: i64 = 7 * 86_400_000;

fn rows(
    reader: &dyn SeriesReader,
    series: &SeriesRef,
    query: &HistoryQuery<'_>,
    asked: TimeRange,
    now_ms: i64,
    budget: &ReadBudget,
) -> Result<Vec<ArchiveRow>, ReadError> {
    let attributes = series.attributes;
    let step_ms = step_ms(attributes);
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
    // Of buckets, the one before and the one behind.
    let around_ms = 2 * row_ms.max(step_ms);
    let range = TimeRange { start_ms: steps_from_ms - around_ms, end_ms: last_ms + around_ms + step_ms - 1 };
    let wanted = BucketQuestion { step_ms, is_rate: is_rate(attributes), consolidation: query.consolidation };
    let samples = wanted.read(reader, series, range, row_ms > step_ms, budget)?;
    let bytes = ((last_ms - steps_from_ms) / step_ms + 1).max(0) as u64 * size_of::<ArchiveRow>() as u64;
    budget.charge_memory(bytes)?;
    let steps = steps(&samples, attributes, steps_from_ms, last_ms);
    let rows = if row_ms == step_ms { steps } else { downsample(&steps, row_ms, query.consolidation) };
    budget.release_memory(bytes);
    Ok(rows)
}

/// A value that is kept, and how far it may be from the one before: two steps, or two buckets.
#[derive(Clone, Copy, Debug)]
struct KeptValue {
    time_ms: i64,
    value: f64,
    heartbeat_ms: i64,
}

/// What of each bucket is wanted, where there are no samples any more.
#[derive(Clone, Copy)]
struct BucketQuestion {
    step_ms: i64,
    is_rate: bool,
    consolidation: Consolidation,
}

impl BucketQuestion {
    /// The samples on the grid of steps, the first of each step; buckets at the times of their newest samples.
    fn read(
        self,
        reader: &dyn SeriesReader,
        series: &SeriesRef,
        range: TimeRange,
        is_coarse: bool,
        budget: &ReadBudget,
    ) -> Result<Vec<KeptValue>, ReadError> {
        let columns = match self.consolidation {
            _ if self.is_rate || !is_coarse => AggregateSet::LAST,
            Consolidation::Average => AggregateSet::LAST.with(Aggregate::Sum).with(Aggregate::Count),
            Consolidation::Max => AggregateSet::LAST.with(Aggregate::Max),
            Consolidation::Min => AggregateSet::LAST.with(Aggregate::Min),
        };
        let mut kept: Vec<KeptValue> = Vec::new();
        reader.read(std::slice::from_ref(series), range, columns, budget, &mut |chunk: Chunk<'_>| {
            let heartbeat_ms = 2 * self.step_ms.max(chunk.granularity_ms);
            for (place, time_ms) in chunk.timestamps.iter().enumerate() {
                let time_ms = time_ms - time_ms.rem_euclid(self.step_ms);
                let value = self.value(&chunk, columns, place);
                if !is_stale(chunk.columns[0][place]) && kept.last().is_none_or(|last| last.time_ms < time_ms) {
                    kept.push(KeptValue { time_ms, value, heartbeat_ms });
                }
            }
        })?;
        Ok(kept)
    }

    fn value(self, chunk: &Chunk<'_>, columns: AggregateSet, place: usize) -> f64 {
        let of = |aggregate| columns.position(aggregate).map(|column| chunk.columns[column][place]);
        let of_bucket = match self.consolidation {
            _ if chunk.granularity_ms == 0 => None,
            Consolidation::Average => of(Aggregate::Sum).zip(of(Aggregate::Count)).map(|(sum, count)| sum / count),
            Consolidation::Max => of(Aggregate::Max),
            Consolidation::Min => of(Aggregate::Min),
        };
        of_bucket.unwrap_or(chunk.columns[0][place])
    }
}

/// A row for each step. A sample fills the steps since the one before it, if that is within a heartbeat.
fn steps(samples: &[KeptValue], attributes: Attributes, from_ms: i64, to_ms: i64) -> Vec<ArchiveRow> {
    let step_ms = step_ms(attributes);
    let mut next = samples.partition_point(|sample| sample.time_ms < from_ms);
    let mut rows = Vec::new();
    let mut time_ms = from_ms;
    while time_ms <= to_ms {
        while samples.get(next).is_some_and(|sample| sample.time_ms < time_ms) {
            next += 1;
        }
        let before = next.checked_sub(1).map(|before| samples[before]);
        let value = samples.get(next).and_then(|sample| value_of(before, *sample, attributes, time_ms));
        rows.push(ArchiveRow { time_ms, value: value.filter(|value| value.is_finite()) });
        time_ms += step_ms;
    }
    rows
}

fn value_of(before: Option<KeptValue>, sample: KeptValue, attributes: Attributes, time_ms: i64) -> Option<f64> {
    let near = before.filter(|before| sample.time_ms - before.time_ms <= sample.heartbeat_ms);
    if is_rate(attributes) {
        let before = near?;
        let rate = (sample.value - before.value) / ((sample.time_ms - before.time_ms) as f64 / 1000.0);
        return (rate >= 0.0).then_some(rate);
    }
    (near.is_some() || sample.time_ms == time_ms).then_some(sample.value)
}
