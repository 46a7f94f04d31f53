//! What the cache holds: series, and their recent points.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use saker_http::ApiError;
use saker_model::flat::{self, Spaces};
use saker_model::{Glob, Series, SeriesId, SeriesTable};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::Cache;

/// Series in one answer, unless another number is asked for.
const LIMIT_DEFAULT: usize = 1000;
/// Series in one answer at most: some megabytes of names.
const LIMIT_MAX: usize = 10_000;
/// Bytes of one answer, but for the series that fills it. Who wants more goes on from `next`.
const ANSWER_BYTES: usize = 8 << 20;
/// What a point takes in an answer, roughly.
const POINT_BYTES: usize = 24;
/// Series that are looked at for one answer: a tenth of a second of work, whatever the patterns are.
const WALK_MAX: usize = 200_000;
/// Queries at the same time, on threads of their own; others wait.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Which series are wanted: patterns with `*`. Tags are `key=pattern`, separated by commas.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Selection {
    metric: Option<String>,
    endpoint: Option<String>,
    tags: Option<String>,
    /// The most series in the answer.
    limit: Option<usize>,
    /// Milliseconds since 1970-01-01 UTC, included.
    start: Option<i64>,
    /// Milliseconds since 1970-01-01 UTC, included.
    end: Option<i64>,
    /// The most points of each series; the newest are kept.
    points: Option<usize>,
    /// Where an earlier answer has ended: its `next`.
    after: Option<u32>,
}

#[derive(Serialize)]
struct SeriesView {
    id: u32,
    endpoint: String,
    metric: String,
    tags: serde_json::Map<String, Value>,
    #[serde(rename = "type")]
    metric_type: &'static str,
    step_s: u32,
    /// Milliseconds and value, oldest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Vec<(i64, f64)>>,
}

/// What requests are answered from.
#[derive(Clone)]
pub struct CacheApiState {
    /// The recent points.
    pub cache: Arc<Cache>,
    /// The series that they belong to.
    pub table: Arc<SeriesTable>,
}

/// Series, and their recent points.
pub fn router(state: CacheApiState) -> Router {
    Router::new().route("/saker/v1/series", get(series)).route("/saker/v1/recent", get(recent)).with_state(state)
}

async fn series(State(state): State<CacheApiState>, Query(selection): Query<Selection>) -> Result<Response, ApiError> {
    aside(move |wanted| answer(&state.table, &selection, wanted, |_, _| Some(None))).await
}

async fn recent(State(state): State<CacheApiState>, Query(selection): Query<Selection>) -> Result<Response, ApiError> {
    let (start, end) = (selection.start.unwrap_or(i64::MIN), selection.end.unwrap_or(i64::MAX));
    let most = selection.points.unwrap_or(usize::MAX);
    aside(move |wanted| {
        answer(&state.table, &selection, wanted, |id, room| {
            let points = state.cache.range(id, start, end, most.min(room));
            (!points.is_empty()).then_some(Some(points))
        })
    })
    .await
}

/// Whether somebody still waits for an answer.
#[derive(Clone, Default)]
struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Held by who waits; when that goes, nobody does.
struct CancelOnDrop(Cancellation);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Answers a query on a thread of its own, which ends when nobody waits for it any more.
async fn aside(
    query: impl FnOnce(&Cancellation) -> Result<Vec<u8>, ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    let failed = |error: String| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error);
    let turn = TURNS.acquire().await.map_err(|error| failed(error.to_string()))?;
    let wanted = Cancellation::default();
    let _waits = CancelOnDrop(wanted.clone());
    let asking = tokio::task::spawn_blocking(move || {
        // It is given back when the work is done.
        let _turn = turn;
        query(&wanted)
    });
    let text = asking.await.map_err(|error| failed(error.to_string()))??;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// The series that fit and for which `points` answers something, in the order of their ids; it is told how many points
/// there is room for. With `next` if there may be more, from where on they are.
fn answer(
    table: &SeriesTable,
    selection: &Selection,
    wanted: &Cancellation,
    points: impl Fn(SeriesId, usize) -> Option<Option<Vec<(i64, f64)>>>,
) -> Result<Vec<u8>, ApiError> {
    let metric = selection.metric.as_deref().map(Glob::new);
    let endpoint = selection.endpoint.as_deref().map(Glob::new);
    let tags = parse_tags(selection.tags.as_deref().unwrap_or_default())?;
    let fits = |series: &Series| {
        metric.as_ref().is_none_or(|glob| glob.matches(&series.metric))
            && endpoint.as_ref().is_none_or(|glob| glob.matches(&series.endpoint))
            && tags.iter().all(|(key, glob)| series.tag(key).is_some_and(|value| glob.matches(value)))
    };
    let failed = |error: serde_json::Error| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let limit = selection.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let (mut text, mut total, mut page) = (Vec::from(*b"{\"series\":["), 0, Vec::new());
    let mut next = (limit > 0).then_some(SeriesId(selection.after.unwrap_or(0)));
    let first = next.map_or(0, SeriesId::index);
    while let Some(from) = next.filter(|from| from.index() - first < WALK_MAX && !wanted.is_over()) {
        page.clear();
        next = table.page(from, &mut page);
        for (id, series) in page.iter().filter(|(_, series)| fits(series)) {
            if total == limit || text.len() >= ANSWER_BYTES {
                next = Some(*id);
                return Ok(ended(text, total, next));
            }
            let room = (ANSWER_BYTES - text.len()) / POINT_BYTES + 1;
            if let Some(points) = points(*id, room) {
                if total > 0 {
                    text.push(b',');
                }
                serde_json::to_writer(&mut text, &view(*id, series, points)).map_err(failed)?;
                total += 1;
            }
        }
    }
    Ok(ended(text, total, next))
}

/// An answer with its last words. `total` is what is shown: all that fit, if there is no `next`.
fn ended(mut text: Vec<u8>, total: usize, next: Option<SeriesId>) -> Vec<u8> {
    let next = next.map_or_else(String::new, |next| format!(",\"next\":{}", next.0));
    text.extend_from_slice(format!("],\"total\":{total}{next}}}").as_bytes());
    text
}

fn parse_tags(text: &str) -> Result<Vec<(String, Glob)>, ApiError> {
    flat::parse(text, Spaces::Keep)
        .map(|tag| match tag {
            Ok((key, pattern)) => Ok((key.into_owned(), Glob::new(&pattern))),
            Err(tag) => Err(ApiError::new(StatusCode::BAD_REQUEST, format!("tags must be key=pattern, found {tag:?}"))),
        })
        .collect()
}

fn view(id: SeriesId, series: &Series, points: Option<Vec<(i64, f64)>>) -> SeriesView {
    SeriesView {
        id: id.0,
        endpoint: series.endpoint.to_string(),
        metric: series.metric.to_string(),
        tags: series.tags.iter().map(|(key, value)| (key.to_string(), Value::from(&**value))).collect(),
        metric_type: series.metric_type.as_str(),
        step_s: series.step_s,
        points,
    }
}

#[cfg(test)]
mod tests {
    use saker_model::{MetricType, Tags};

    use super::*;

    fn table(series: usize) -> SeriesTable {
        let table = SeriesTable::new(series);
        for number in 0..series {
            let metric = if number % 1000 == 7 { "rare".to_owned() } else { format!("m{number}") };
            let tags: Tags = [("n".into(), number.to_string().into())].into_iter().collect();
            let series = Series {
                endpoint: "h".into(),
                metric: metric.into(),
                tags,
                metric_type: MetricType::Gauge,
                step_s: 10,
            };
            table.intern_series(series, 0).expect("there is room");
        }
        table
    }

    fn selection(query: &str) -> Selection {
        serde_json::from_str(query).expect("a selection")
    }

    fn ask(table: &SeriesTable, query: &str) -> Value {
        let text = answer(table, &selection(query), &Cancellation::default(), |_, _| Some(None));
        serde_json::from_slice(&text.unwrap_or_else(|_| panic!("{query}"))).expect("JSON")
    }

    #[test]
    fn a_page_tells_where_to_go_on_and_all_pages_show_each_series_once() {
        let table = table(5000);
        let (mut seen, mut after) = (Vec::new(), Some(0));
        while let Some(from) = after {
            let page = ask(&table, &format!(r#"{{"metric": "m*", "limit": 700, "after": {from}}}"#));
            assert!(page["total"].as_u64() == page["series"].as_array().map(|shown| shown.len() as u64));
            seen.extend(page["series"].as_array().into_iter().flatten().filter_map(|series| series["id"].as_u64()));
            after = page["next"].as_u64();
        }
        assert_eq!(seen, (0..5000).filter(|id| id % 1000 != 7).collect::<Vec<_>>());
        assert_eq!(ask(&table, r#"{"metric": "rare"}"#)["next"], Value::Null, "they are all there");
    }

    #[test]
    fn no_answer_looks_at_all_series_or_is_long_and_none_is_made_for_nobody() {
        let table = table(WALK_MAX + 5000);
        let page = ask(&table, r#"{"metric": "nobody"}"#);
        let next = page["next"].as_u64().unwrap_or(0) as usize;
        assert!((WALK_MAX..WALK_MAX + 2000).contains(&next), "{page}");
        let long = |_, room: usize| Some(Some(vec![(1_790_000_000_000, 0.123_456_789); room.min(100_000)]));
        let text = answer(&table, &selection("{}"), &Cancellation::default(), long).unwrap_or_default();
        assert!(text.len() < 2 * ANSWER_BYTES, "{}", text.len());
        let gone = Cancellation::default();
        drop(CancelOnDrop(gone.clone()));
        let text = answer(&table, &selection("{}"), &gone, |_, _| panic!("nobody waits")).unwrap_or_default();
        assert!(text.len() < 100);
    }
}
