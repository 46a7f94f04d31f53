//! `/saker/v1/store`: what there is, and what an operator does with it: delete, compact, verify, export and import.
//!
//! The agent puts [`operating`] behind its operators' guard. `saker store` asks here, or, where no agent runs, has the same
//! routes answered from the files ([`crate::StoreFolder`]).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use saker_model::Series;
use saker_pipeline::now_ms;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{LIMIT_MAX, MEMORY_BYTES, StoreRejection, matchers};
use crate::budget::Budget;
use crate::error::StoreError;
use crate::key::StoredSeries;
use crate::policy::FOREVER_MS;
use crate::read::TimeRange;
use crate::store::Store;

/// Where it is.
pub const STORE: &str = "/saker/v1/store";
/// The header of an export that has a next page: the series to go on behind.
pub const NEXT: &str = "x-saker-next";
const NEXT_NAME: HeaderName = HeaderName::from_static(NEXT);
/// A page of an export ends with the series that brings it to so many bytes,
const PAGE_BYTES: usize = 4 << 20;
/// and reading it may look at so many points: a series at a second for ninety days.
const PAGE_SAMPLES: u64 = 8_000_000;
const PAGE_TIME: Duration = Duration::from_secs(60);
/// A body that is imported: a page, with the largest series behind the first bytes of it.
const IMPORT_BYTES: usize = 4 * PAGE_BYTES;
/// Series of a page.
const PAGE_SERIES: usize = 1000;
/// What does much work is done one at a time.
const TURNS: usize = 1;

/// Has what is kept of series elsewhere, before a time if one is given, forgotten with the store's.
pub type Forget = Arc<dyn Fn(&[Series], Option<i64>) + Send + Sync>;

/// Which series; times are milliseconds since 1970-01-01 UTC.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    metric: Option<String>,
    endpoint: Option<String>,
    tags: Option<String>,
    start: Option<i64>,
    end: Option<i64>,
    /// Of a delete: what is older goes, without it all.
    before: Option<i64>,
    /// Of a delete: only says what would go.
    dry_run: Option<bool>,
    /// Of an export: the series that the page before ended with.
    after: Option<String>,
}

#[derive(Clone)]
struct Door {
    store: Arc<Store>,
    forget: Forget,
    turns: Arc<Semaphore>,
}

/// What only looks.
pub(super) fn looking(store: Arc<Store>) -> Router {
    Router::new()
        .route(STORE, get(status))
        .route("/saker/v1/store/policies", get(policies))
        .route("/saker/v1/store/export", get(export))
        .with_state(door(store, Arc::new(|_, _| {})))
}

/// What changes something or reads everything, which is an operator's.
pub fn operating(store: Arc<Store>, forget: Forget) -> Router {
    Router::new()
        .route("/saker/v1/store/delete", post(delete))
        .route("/saker/v1/store/compact", post(compact))
        .route("/saker/v1/store/verify", post(verify))
        .route("/saker/v1/store/import", post(import).layer(DefaultBodyLimit::max(IMPORT_BYTES)))
        .with_state(door(store, forget))
}

fn door(store: Arc<Store>, forget: Forget) -> Door {
    Door { store, forget, turns: Arc::new(Semaphore::new(TURNS)) }
}

impl From<StoreError> for StoreRejection {
    fn from(error: StoreError) -> Self {
        let why = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Self(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}{why}"))
    }
}

fn failed(error: impl std::fmt::Display) -> StoreRejection {
    StoreRejection(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

impl Door {
    /// Does something that blocks, when it is its turn.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreRejection> + Send + 'static,
    ) -> Result<T, StoreRejection> {
        let turn = self.turns.clone().acquire_owned().await.map_err(failed)?;
        self.look(move |door| {
            // It is given back when the work is done, even if nobody waits any more.
            let _turn = turn;
            work(door)
        })
        .await
    }

    /// Does something that blocks for a moment.
    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, StoreRejection> + Send + 'static,
    ) -> Result<T, StoreRejection> {
        let door = self.clone();
        tokio::task::spawn_blocking(move || work(&door)).await.map_err(failed)?
    }
}

impl Question {
    fn range(&self) -> TimeRange {
        TimeRange { start_ms: self.start.unwrap_or(0), end_ms: self.end.unwrap_or(i64::MAX / 2) }
    }

    /// The series that are meant: some have to be named.
    fn select(&self, store: &Store, range: TimeRange, limit: usize) -> Result<Vec<StoredSeries>, StoreRejection> {
        let matchers = matchers(self.metric.as_deref(), self.endpoint.as_deref(), self.tags.as_deref())?;
        Ok(store.select(&matchers, range, limit)?)
    }
}

type Asked = Result<Query<Question>, QueryRejection>;

fn asked(question: Asked) -> Result<Question, StoreRejection> {
    question.map(|Query(question)| question).map_err(|error| StoreRejection(StatusCode::BAD_REQUEST, error.body_text()))
}

async fn status(State(door): State<Door>) -> Result<Json<Value>, StoreRejection> {
    door.look(|door| {
        let status = door.store.status()?;
        let tiers: Vec<Value> = status
            .tiers
            .iter()
            .map(|tier| {
                json!({
                    "granularity_ms": tier.granularity_ms, "kept_ms": kept(tier.kept_ms), "files": tier.files,
                    "unmerged": tier.unmerged, "bytes": tier.bytes, "points": tier.points, "oldest_ms": tier.oldest_ms,
                })
            })
            .collect();
        let totals = status.totals;
        let dropped = totals.too_old + totals.ahead + totals.not_finite + totals.unknown + totals.no_room;
        Ok(Json(json!({
            "tiers": tiers, "live_series": status.live_series, "series_bytes": status.series_bytes,
            "head_bytes": status.head_bytes, "head_began_ms": status.head_began_ms, "index_bytes": status.index_bytes,
            "journal_bytes": status.journal_bytes, "deleted_series": status.deleted_series,
            "damaged_extents": status.damaged_extents,
            "set_aside": status.set_aside.iter().map(|(name, bytes)| json!({"file": name, "bytes": bytes})).collect::<Vec<_>>(),
            "samples": totals.samples, "backfilled": totals.backfilled, "too_old": totals.too_old, "dropped": dropped,
        })))
    })
    .await
}

/// A time that things are kept; nothing stands for ever.
fn kept(kept_ms: i64) -> Option<i64> {
    (kept_ms < FOREVER_MS).then_some(kept_ms)
}

async fn policies(State(door): State<Door>) -> Json<Value> {
    let config = door.store.config();
    let policies: Vec<Value> = config
        .policies
        .policies()
        .iter()
        .map(|policy| {
            let definition = policy
                .definition
                .iter()
                .map(|each| json!({"granularity_ms": each.granularity_ms, "timespan_ms": kept(each.timespan_ms)}));
            json!({
                "name": policy.name, "raw_ms": kept(policy.raw_ms), "definition": definition.collect::<Vec<_>>(),
                "std": policy.std, "percentiles": policy.percentiles, "back_window_ms": policy.back_window_ms,
                "clock": if policy.by_data { "data" } else { "agent" },
            })
        })
        .collect();
    let rules: Vec<Value> = config
        .policies
        .rules()
        .map(|rule| {
            let tags = rule.tags.iter().map(|(name, glob)| (name.clone(), json!(glob.to_string())));
            let tags: serde_json::Map<_, _> = tags.collect();
            json!({"metric": rule.metric.to_string(), "tags": tags, "policy": rule.policy})
        })
        .collect();
    Json(json!({"policies": policies, "rules": rules}))
}

async fn delete(State(door): State<Door>, question: Asked) -> Result<Json<Value>, StoreRejection> {
    let question = asked(question)?;
    door.work(move |door| {
        let all = TimeRange { start_ms: 0, end_ms: i64::MAX / 2 };
        let series = question.select(&door.store, all, LIMIT_MAX)?;
        let dry_run = question.dry_run.unwrap_or(false);
        if !dry_run && !series.is_empty() {
            door.store.delete(&series, question.before)?;
            // What came before the delete and is shown from elsewhere goes too; the store first, for a crash in between
            // leaves what goes by itself.
            let known: Vec<Series> = series.iter().map(StoredSeries::to_series).collect();
            (door.forget)(&known, question.before);
        }
        let names: Vec<Value> = series.iter().map(name).collect();
        Ok(Json(json!({"series": series.len(), "deleted": !dry_run, "before": question.before, "names": names})))
    })
    .await
}

fn name(series: &StoredSeries) -> Value {
    let tags: serde_json::Map<_, _> = series.tags().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    json!({"endpoint": series.endpoint(), "metric": series.metric(), "tags": tags})
}

async fn compact(State(door): State<Door>) -> Result<Json<Value>, StoreRejection> {
    door.work(|door| {
        let done = door.store.compact()?;
        Ok(Json(json!({"written_anew": done.merged_files, "deleted_series": door.store.status()?.deleted_series})))
    })
    .await
}

async fn verify(State(door): State<Door>) -> Result<Json<Value>, StoreRejection> {
    door.work(|door| {
        let files: Vec<Value> = door
            .store
            .verify()?
            .iter()
            .map(|file| {
                json!({
                    "file": file.name, "bytes": file.bytes, "frames": file.frames,
                    "damaged_frames": file.damaged_frames, "damaged_bytes": file.damaged_bytes,
                })
            })
            .collect();
        Ok(Json(json!({"files": files})))
    })
    .await
}

/// A page of an export, and in a header behind which series the next one goes on.
async fn export(State(door): State<Door>, question: Asked) -> Result<Response, StoreRejection> {
    let question = asked(question)?;
    door.work(move |door| {
        let range = question.range();
        let mut series = question.select(&door.store, range, usize::MAX)?;
        if let Some(after) = &question.after {
            series.retain(|series| *series.key > **after);
        }
        let (mut page, mut done) = (Vec::new(), 0);
        for series in series.iter().take(PAGE_SERIES) {
            let budget = Budget::new(PAGE_SAMPLES, MEMORY_BYTES, PAGE_TIME, None);
            let series = std::slice::from_ref(series);
            door.store.export(series, range, &budget, &mut |_, block| page.extend_from_slice(block))?;
            done += 1;
            if page.len() >= PAGE_BYTES {
                break;
            }
        }
        let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
        match series.get(done) {
            Some(_) => Ok((kind, [(NEXT_NAME, encoded(&series[done - 1].key))], page).into_response()),
            None => Ok((kind, page).into_response()),
        }
    })
    .await
}

/// A key as a part of a query: it has characters that no header may have.
fn encoded(key: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    key.bytes().map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }).collect()
}

async fn import(State(door): State<Door>, body: Bytes) -> Result<Json<Value>, StoreRejection> {
    door.work(move |door| {
        let imported = door.store.import(&body, now_ms())?;
        Ok(Json(json!({
            "taken": imported.taken, "too_old": imported.too_old, "rejected": imported.rejected,
            "damaged_blocks": imported.damaged_blocks, "damaged_bytes": imported.damaged_bytes,
        })))
    })
    .await
}

#[cfg(test)]
mod tests;
