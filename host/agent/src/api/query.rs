//! What the cache holds: series, and their recent points.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use saker_http::ApiError;
use saker_model::{Glob, Series, SeriesId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::agent::Agent;

/// Series in one answer, unless another number is asked for.
const LIMIT_DEFAULT: usize = 1000;
/// Series in one answer at most: some megabytes of names.
const LIMIT_MAX: usize = 10_000;
/// Points in one answer at most: some ten megabytes.
const POINTS_MAX: usize = 500_000;
/// Queries at the same time, on threads of their own; others wait. Each may hold a list of all series.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Which series are wanted: patterns with `*`. Tags are `key=pattern`, separated by commas.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Selection {
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
}

#[derive(Serialize)]
pub(super) struct SeriesView {
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

#[derive(Serialize)]
pub(super) struct SeriesList {
    /// How many series fit, even if fewer are shown.
    total: usize,
    series: Vec<SeriesView>,
}

pub(super) async fn series(
    State(agent): State<Arc<Agent>>,
    Query(selection): Query<Selection>,
) -> Result<Response, ApiError> {
    aside(move || select(&agent, &selection, |_, _| Some(None))).await
}

pub(super) async fn recent(
    State(agent): State<Arc<Agent>>,
    Query(selection): Query<Selection>,
) -> Result<Response, ApiError> {
    let (start, end) = (selection.start.unwrap_or(i64::MIN), selection.end.unwrap_or(i64::MAX));
    let most = selection.points.unwrap_or(usize::MAX);
    aside(move || {
        select(&agent, &selection, |id, room| {
            let points = agent.pipeline.cache.range(id, start, end, most.min(room));
            (!points.is_empty()).then_some(Some(points))
        })
    })
    .await
}

/// Answers a query on a thread of its own: with a million series it takes seconds, and others want to be answered too.
async fn aside(query: impl FnOnce() -> Result<SeriesList, ApiError> + Send + 'static) -> Result<Response, ApiError> {
    let failed = |error: String| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error);
    let turn = TURNS.acquire().await.map_err(|error| failed(error.to_string()))?;
    let asking = tokio::task::spawn_blocking(move || {
        // It is given back when the work is done, whether or not somebody still waits for it.
        let _turn = turn;
        let list = query()?;
        serde_json::to_vec(&list).map_err(|error| failed(error.to_string()))
    });
    let text = asking.await.map_err(|error| failed(error.to_string()))??;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// The series that fit and for which `points` answers something; it is told how many points there is room for.
fn select(
    agent: &Agent,
    selection: &Selection,
    points: impl Fn(SeriesId, usize) -> Option<Option<Vec<(i64, f64)>>>,
) -> Result<SeriesList, ApiError> {
    let metric = selection.metric.as_deref().map(Glob::new);
    let endpoint = selection.endpoint.as_deref().map(Glob::new);
    let tags = parse_tags(selection.tags.as_deref().unwrap_or_default())?;
    let fits = |series: &Series| {
        metric.as_ref().is_none_or(|glob| glob.matches(&series.metric))
            && endpoint.as_ref().is_none_or(|glob| glob.matches(&series.endpoint))
            && tags.iter().all(|(key, glob)| series.tag(key).is_some_and(|value| glob.matches(value)))
    };
    let mut fitting: Vec<_> = agent.pipeline.table.all();
    fitting.retain(|(_, series)| fits(series));
    fitting.sort_by(|(_, a), (_, b)| (&a.metric, &a.endpoint, &a.tags).cmp(&(&b.metric, &b.endpoint, &b.tags)));
    let limit = selection.limit.unwrap_or(LIMIT_DEFAULT).min(LIMIT_MAX);
    let mut list = SeriesList { total: 0, series: Vec::new() };
    let mut room = POINTS_MAX;
    for (id, series) in fitting {
        let is_shown = list.series.len() < limit && room > 0;
        // Of a series that is only counted one point tells that there are some.
        if let Some(points) = points(id, if is_shown { room } else { 1 }) {
            list.total += 1;
            if is_shown {
                room -= points.as_ref().map_or(0, Vec::len);
                list.series.push(view(id, &series, points));
            }
        }
    }
    Ok(list)
}

fn parse_tags(text: &str) -> Result<Vec<(String, Glob)>, ApiError> {
    text.split(',')
        .filter(|tag| !tag.is_empty())
        .map(|tag| match tag.split_once('=') {
            Some((key, pattern)) => Ok((key.to_owned(), Glob::new(pattern))),
            None => Err(ApiError::new(StatusCode::BAD_REQUEST, format!("tags must be key=pattern, found {tag:?}"))),
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
