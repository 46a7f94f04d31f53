//! What changed: all series, ranked by how far a window lies from what they were before.
//!
//! A series is compared with the hour before the window, and with the same hour of the day before where there is one; the
//! smaller shift counts, for what happens every day at this time is no news. Nothing is learnt and nothing is held: it is
//! read from what is stored, some hundred series at a time.

mod shift;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use saker_http::ApiError;
use saker_model::MetricType;
use saker_pipeline::now_ms;
use saker_pipeline::reader::{AggregateSet, Identity, ReadBudget, ReadError, SeriesReader, SeriesRef, TimeRange};
use saker_query::log::LoggedQuery;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::router::{Shared, unanswered};
use shift::Shift;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
/// A window is no longer than this, or it would be compared with less than itself.
const WINDOW_MAX_MS: i64 = HOUR_MS;
/// A window unless another is asked for.
const WINDOW_MS: i64 = 600_000;
/// Series that are looked at.
const SERIES_MAX: usize = 50_000;
/// Series that are read at a time: at a second each, some ten megabytes.
const BATCH: usize = 128;
/// Changes that are told.
const CHANGES_MAX: usize = 20;

/// What is compared with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// What may have changed.
    pub window: TimeRange,
}

impl Windows {
    /// The hour before.
    fn before(self) -> TimeRange {
        let start_ms = self.window.start_ms;
        TimeRange { start_ms: start_ms.saturating_sub(HOUR_MS), end_ms: start_ms.saturating_sub(1) }
    }

    /// The hour around the same time of the day before.
    fn day_before(self) -> TimeRange {
        let middle = self.window.start_ms.midpoint(self.window.end_ms).saturating_sub(DAY_MS);
        TimeRange { start_ms: middle.saturating_sub(HOUR_MS / 2), end_ms: middle.saturating_add(HOUR_MS / 2) }
    }
}

/// A series that changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// Whose it is.
    pub endpoint: String,
    /// Its name.
    pub metric: String,
    /// Its tags.
    pub tags: Map<String, Value>,
    /// How its values are to be read. Those of counters are rates here.
    #[serde(rename = "type")]
    pub metric_type: &'static str,
    /// Its shifts, in spreads of what was usual: the smaller one of both days.
    pub score: f64,
    /// The median of the window.
    pub now: f64,
    /// The median of the hour before.
    pub before: f64,
    /// What was usual around it.
    pub spread: f64,
    /// The median of the same hour of the day before, if that is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day_before: Option<f64>,
}

/// What changed, the largest shift first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Ranking {
    /// Series that were looked at.
    pub series: usize,
    /// How far what is stored goes back before the window: an hour at most.
    pub history_ms: i64,
    /// Whether there was a day before to compare with.
    pub has_day_before: bool,
    /// Those that stand out.
    pub changes: Vec<Change>,
}

/// Values of a series in the three ranges.
#[derive(Clone, Default)]
struct Parts {
    now: Values,
    before: Values,
    day_before: Values,
}

/// Values, or of a counter the rates between them.
#[derive(Clone, Default)]
struct Values {
    values: Vec<f64>,
    last: Option<(i64, f64)>,
}

impl Values {
    fn take(&mut self, at_ms: i64, value: f64, is_counter: bool) {
        if !value.is_finite() {
            return;
        }
        if is_counter {
            if let Some((before_ms, before)) = self.last
                && value >= before
                && at_ms > before_ms
            {
                self.values.push((value - before) * 1000.0 / (at_ms - before_ms) as f64);
            }
            self.last = Some((at_ms, value));
        } else {
            self.values.push(value);
        }
    }
}

/// Ranks all series that have values in the window.
///
/// # Errors
/// What the reader and the budget say.
pub fn rank(reader: &dyn SeriesReader, windows: Windows, budget: &ReadBudget) -> Result<Ranking, ReadError> {
    let found = reader.select(&[], windows.window, SERIES_MAX)?;
    let mut ranking = Ranking { series: found.len(), ..Ranking::default() };
    for batch in found.chunks(BATCH) {
        budget.check()?;
        let mut parts = vec![Parts::default(); batch.len()];
        let whole = TimeRange { start_ms: windows.before().start_ms, end_ms: windows.window.end_ms };
        read(reader, batch, whole, budget, &mut |place, at, value, is_counter| {
            let part = &mut parts[place];
            if at < windows.window.start_ms {
                ranking.history_ms = ranking.history_ms.max(windows.window.start_ms - at);
                part.before.take(at, value, is_counter);
            } else {
                part.now.take(at, value, is_counter);
            }
        })?;
        read(reader, batch, windows.day_before(), budget, &mut |place, at, value, is_counter| {
            parts[place].day_before.take(at, value, is_counter);
        })?;
        for (series, part) in batch.iter().zip(&mut parts) {
            ranking.has_day_before |= !part.day_before.values.is_empty();
            ranking.changes.extend(change(series, part));
        }
    }
    ranking.changes.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranking.changes.truncate(CHANGES_MAX);
    Ok(ranking)
}

fn read(
    reader: &dyn SeriesReader,
    batch: &[SeriesRef],
    range: TimeRange,
    budget: &ReadBudget,
    visit: &mut dyn FnMut(usize, i64, f64, bool),
) -> Result<(), ReadError> {
    reader.read(batch, range, AggregateSet::LAST, budget, &mut |chunk| {
        let is_counter = batch[chunk.series].attributes.metric_type != MetricType::Gauge;
        for (at, value) in chunk.timestamps.iter().zip(chunk.columns[0]) {
            visit(chunk.series, *at, *value, is_counter);
        }
    })
}

fn change(series: &SeriesRef, part: &mut Parts) -> Option<Change> {
    let shift = Shift::between(&mut part.now.values, &mut part.before.values)?;
    let day = Shift::between(&mut part.now.values, &mut part.day_before.values);
    let score = day.map_or(shift.score, |day| day.score.min(shift.score));
    if score < shift::SCORE_MIN {
        return None;
    }
    let Identity { endpoint, metric, tags } = &*series.identity;
    Some(Change {
        endpoint: endpoint.to_string(),
        metric: metric.to_string(),
        tags: tags.iter().map(|(key, value)| (key.to_string(), Value::from(&**value))).collect(),
        metric_type: series.attributes.metric_type.as_str(),
        score,
        now: shift.now,
        before: shift.before,
        spread: shift.spread,
        day_before: day.map(|day| day.before),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    start: Option<i64>,
    end: Option<i64>,
}

/// Answers with a [`Ranking`].
pub(crate) async fn changes(
    State(shared): State<Shared>,
    Query(asked): Query<Asked>,
) -> Result<Json<Ranking>, ApiError> {
    let end_ms = asked.end.unwrap_or_else(now_ms);
    let start_ms = asked.start.unwrap_or(end_ms.saturating_sub(WINDOW_MS));
    if start_ms >= end_ms || end_ms.saturating_sub(start_ms) > WINDOW_MAX_MS {
        let message =
            format!("the window must be between 1 and {WINDOW_MAX_MS} ms long: start and end, in milliseconds");
        return Err(ApiError::new(StatusCode::BAD_REQUEST, message));
    }
    let windows = Windows { window: TimeRange { start_ms, end_ms } };
    let reader = shared.engine.reader().clone();
    let question = LoggedQuery { query: "what changed".into(), start_ms, end_ms, step_ms: 0 };
    let ranked = shared.engine.run(question, None, move |budget| Ok(rank(&*reader, windows, budget)?)).await;
    ranked.map(Json).map_err(unanswered)
}

#[cfg(test)]
mod tests;
