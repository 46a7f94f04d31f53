//! `GET /saker/v1/range`: what series were in a range of time, raw or in buckets, as JSON or CSV.
//!
//! Answers are made on threads of their own, a few at a time, and end when nobody waits for them any more.

mod folder;
mod operate;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use saker_model::text::clean;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::answer::{AnswerFormat, AnswerWriter};
use crate::budget::Budget;
use crate::error::StoreReadError;
use crate::matcher::{Op, StoreMatcher, StoredLabel};
use crate::policy::ArchiveAggregate;
use crate::read::{ReadColumns, TimeRange};
use crate::store::Store;

pub use folder::StoreFolder;
pub use operate::{Forget, NEXT, STORE, operating};

/// Where it is.
pub const RANGE: &str = "/saker/v1/range";
/// Questions at the same time; others wait.
const TURNS: usize = 2;
/// Series in one answer, unless another number is asked for, and at most.
const LIMIT_DEFAULT: usize = 1000;
const LIMIT_MAX: usize = 10_000;
/// What one question may look at: a thousand series for five hours at a second each,
const SAMPLES: u64 = 20_000_000;
/// hold at once,
const MEMORY_BYTES: u64 = 64 << 20;
/// and take.
const TIME: Duration = Duration::from_secs(30);
/// What of a message is told.
const MESSAGE_BYTES: usize = 1024;

/// What is asked. Patterns may have `*`; tags are `key=pattern`, separated by commas; times are milliseconds since
/// 1970-01-01 UTC, both included.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoreQuestion {
    metric: Option<String>,
    endpoint: Option<String>,
    tags: Option<String>,
    start: Option<i64>,
    end: Option<i64>,
    /// Of the buckets, such as `1m`; without it, points as they came.
    step: Option<String>,
    /// Of each bucket, separated by commas: the mean, unless others are asked for.
    aggregate: Option<String>,
    limit: Option<usize>,
    format: Option<String>,
}

struct Door {
    store: Arc<Store>,
    turns: Arc<Semaphore>,
}

/// The path and what else only looks, answered from this store.
pub fn router(store: Arc<Store>) -> Router {
    let door = Door { store: store.clone(), turns: Arc::new(Semaphore::new(TURNS)) };
    Router::new().route(RANGE, get(range)).with_state(Arc::new(door)).merge(operate::looking(store))
}

/// Why there is no answer.
struct StoreRejection(StatusCode, String);

impl IntoResponse for StoreRejection {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": clean(&self.1, MESSAGE_BYTES)}))).into_response()
    }
}

impl From<StoreReadError> for StoreRejection {
    fn from(error: StoreReadError) -> Self {
        let status = match error {
            StoreReadError::Io { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            StoreReadError::Time { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self(status, error.to_string())
    }
}

/// Set when nobody waits any more.
#[derive(Default)]
struct Waits(Arc<AtomicBool>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn range(
    State(door): State<Arc<Door>>,
    question: Result<Query<StoreQuestion>, QueryRejection>,
) -> Result<Response, StoreRejection> {
    let Query(question) = question.map_err(|error| StoreRejection(StatusCode::BAD_REQUEST, error.body_text()))?;
    let asked = ParsedQuestion::new(&question)?;
    let failed = |error: String| StoreRejection(StatusCode::INTERNAL_SERVER_ERROR, error);
    // Those before it read from a disk that hangs.
    let hangs =
        |_| StoreRejection(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer in time; try again".into());
    let turn = tokio::time::timeout(TIME, door.turns.clone().acquire_owned()).await.map_err(hangs)?;
    let turn = turn.map_err(|error| failed(error.to_string()))?;
    let waits = Waits::default();
    let over = waits.0.clone();
    let asking = tokio::task::spawn_blocking(move || {
        // It is given back when the work is done.
        let _turn = turn;
        asked.answer(&door.store, &over)
    });
    let answer = tokio::time::timeout(2 * TIME, asking).await.map_err(hangs)?;
    let (kind, text) = answer.map_err(|error| failed(error.to_string()))??;
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// What is asked, understood.
struct ParsedQuestion {
    matchers: Vec<StoreMatcher>,
    range: TimeRange,
    columns: ReadColumns,
    limit: usize,
    format: AnswerFormat,
}

impl ParsedQuestion {
    fn new(question: &StoreQuestion) -> Result<Self, StoreRejection> {
        let wrong = |what: String| StoreRejection(StatusCode::BAD_REQUEST, what);
        let matchers = matchers(question.metric.as_deref(), question.endpoint.as_deref(), question.tags.as_deref())?;
        let granularity_ms = match question.step.as_deref() {
            None | Some("raw") => 0,
            Some(step) => saker_config::parse_duration(step)
                .and_then(|step| i64::try_from(step.as_millis()).ok())
                .filter(|step_ms| *step_ms > 0)
                .ok_or_else(|| wrong(format!("step: expected a time such as 1m, or raw, found {step:?}")))?,
        };
        let names = question.aggregate.as_deref().unwrap_or("mean").split(',');
        let aggregates = names.map(|name| {
            ArchiveAggregate::named(name)
                .ok_or_else(|| wrong(format!("aggregate: there is no {name:?}; {}", ArchiveAggregate::NAMES)))
        });
        let columns = ReadColumns { granularity_ms, aggregates: aggregates.collect::<Result<_, _>>()? };
        let format = match question.format.as_deref() {
            None | Some("json") => AnswerFormat::Json,
            Some("csv") => AnswerFormat::Csv,
            Some(other) => return Err(wrong(format!("format: expected json or csv, found {other:?}"))),
        };
        let range = TimeRange { start_ms: question.start.unwrap_or(0), end_ms: question.end.unwrap_or(i64::MAX / 2) };
        let limit = question.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
        Ok(Self { matchers, range, columns, limit, format })
    }

    fn answer(&self, store: &Store, over: &AtomicBool) -> Result<(&'static str, Vec<u8>), StoreRejection> {
        let budget = Budget::new(SAMPLES, MEMORY_BYTES, TIME, Some(over));
        let series = store.select(&self.matchers, self.range, self.limit)?;
        let mut answer = AnswerWriter::new(self.format, &self.columns);
        store
            .read(&series, self.range, &self.columns, &budget, &mut |chunk| {
                answer.add(&chunk);
                if answer.is_full() {
                    // The rest would be thrown away.
                    over.store(true, Ordering::Relaxed);
                }
            })
            .or_else(|error| if answer.is_full() { Ok(()) } else { Err(error) })?;
        answer.finish().ok_or_else(|| {
            let what = "the answer is too long; ask for a larger step, fewer series or a shorter range";
            StoreRejection(StatusCode::UNPROCESSABLE_ENTITY, what.into())
        })
    }
}

/// What patterns of a question select; it has to name something.
fn matchers(
    metric: Option<&str>,
    endpoint: Option<&str>,
    tags: Option<&str>,
) -> Result<Vec<StoreMatcher>, StoreRejection> {
    let wrong = |what: String| StoreRejection(StatusCode::BAD_REQUEST, what);
    let mut matchers = Vec::new();
    matchers.extend(metric.map(|pattern| matcher(StoredLabel::Metric, pattern)));
    matchers.extend(endpoint.map(|pattern| matcher(StoredLabel::Endpoint, pattern)));
    for tag in tags.unwrap_or_default().split(',').filter(|tag| !tag.is_empty()) {
        let (key, pattern) =
            tag.split_once('=').ok_or_else(|| wrong(format!("tags: expected key=pattern, found {tag:?}")))?;
        matchers.push(matcher(StoredLabel::Tag(key.into()), pattern));
    }
    match matchers.is_empty() {
        true => Err(wrong("say which series: metric, endpoint or tags; metric=* are all".into())),
        false => Ok(matchers),
    }
}

/// A pattern with `*` as a matcher.
fn matcher(label: StoredLabel, pattern: &str) -> StoreMatcher {
    if !pattern.contains('*') {
        return StoreMatcher { label, op: Op::Equal, value: pattern.into() };
    }
    let parts: Vec<String> = pattern.split('*').map(regex::escape).collect();
    StoreMatcher { label, op: Op::Regex, value: format!("(?s){}", parts.join(".*")) }
}

#[cfg(test)]
mod tests;
