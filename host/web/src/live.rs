//! The stream that a page keeps open: what it has missed, then every run as it comes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use saker_http::ApiError;
use saker_pipeline::now_ms;
use saker_pipeline::reader::TimeRange;
use saker_query::log::LoggedQuery;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;

use crate::feed::{Deaf, Feed, Listening, PAGES_MAX};
use crate::history;
use crate::router::Shared;

/// Something is sent at least this often, so that a page knows that the agent is there, and the agent that the page is.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// When a page is to come again that found no room.
const COME_AGAIN: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// The newest that the page has, in milliseconds since 1970-01-01 UTC.
    since: Option<i64>,
}

pub(crate) async fn live(State(shared): State<Shared>, Query(asked): Query<Asked>) -> Result<Response, ApiError> {
    // First, so that nothing is missed between what is stored and what comes.
    let listening = shared.feed.listen().map_err(|deaf| {
        let message = match deaf {
            Deaf::Full => format!("{PAGES_MAX} pages are open already"),
            Deaf::Ending => "the agent is stopping".into(),
        };
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message).after(COME_AGAIN)
    })?;
    let past = past(&shared, asked.since).await?;
    let first = Bytes::from(format!("event: past\ndata: {past}\n\n"));
    let events = stream::unfold((Some(first), listening), |(first, mut listening)| async move {
        let message = match first {
            Some(first) => first,
            None => next(&mut listening).await?,
        };
        Some((Ok::<_, Infallible>(message), (None, listening)))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// The next message, or a sign of life. Nothing if the page is too far behind, or the agent ends: it asks anew then.
async fn next(listening: &mut Listening) -> Option<Bytes> {
    match tokio::time::timeout(SILENCE_MAX, listening.events.recv()).await {
        Ok(Ok(message)) => Some(message),
        Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) => None,
        Err(_) => Some(Bytes::from_static(b": still here\n\n")),
    }
}

/// The columns since a time, at most those of [`history::SPAN_MS`].
pub(crate) async fn past(shared: &Shared, since: Option<i64>) -> Result<String, ApiError> {
    let end_ms = now_ms();
    let oldest = end_ms - history::SPAN_MS;
    let range = TimeRange { start_ms: since.unwrap_or(oldest).clamp(oldest, end_ms), end_ms };
    let (reader, feed): (_, Arc<Feed>) = (shared.engine.reader().clone(), shared.feed.clone());
    let question = LoggedQuery { query: "the page".into(), start_ms: range.start_ms, end_ms, step_ms: 0 };
    let read = shared.engine.run(question, None, move |budget| Ok(history::read(&*reader, &feed, range, budget)?));
    read.await.map_err(crate::router::unanswered)
}
