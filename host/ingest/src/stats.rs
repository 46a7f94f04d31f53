//! The doors that points come in by, one for each protocol; and requests that are answered with an error, counted by
//! listener and reason.
//!
//! Points are counted where they are known, by source; a body that was not read has none that anybody could count, so
//! its request is counted here, whoever has rejected it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use parking_lot::RwLock;
use saker_http::RejectCode;
use saker_pipeline::{IngestSession, Pipeline, SeriesBudget};

use crate::keys::{KeyCache, KeyCacheStats};
use crate::reading::Report;
use crate::socket::SocketStats;

/// Queues or processors are not there yet.
pub(crate) const NOT_READY: &str = "not_ready";
/// A queue has failed after others had kept their part.
pub(crate) const TORN: &str = "torn";
/// Nothing of it could be read, or all of its values were rejected.
const BAD: &str = "bad";
/// What is none of the others.
const OTHER: &str = "other";

const REASONS: [&str; 13] = [
    BAD,
    "token",
    "forbidden",
    "method",
    "slow",
    "too_large",
    "encoding",
    "no_room",
    "no_memory",
    "no_turn",
    NOT_READY,
    TORN,
    OTHER,
];

/// All doors.
pub struct AllListenerStats {
    pipeline: Arc<Pipeline>,
    all: RwLock<Vec<Arc<ListenerStats>>>,
}

/// What one protocol brings, and what is rejected to it.
pub struct ListenerStats {
    name: &'static str,
    /// Those of HTTP that bring points.
    paths: &'static [&'static str],
    session: IngestSession,
    keys: ArcSwapOption<KeyCache>,
    /// Left out of new series.
    dropped_tags: AtomicU64,
    /// Of those that have some.
    sockets: OnceLock<SocketStats>,
    rejected: [AtomicU64; REASONS.len()],
}

impl AllListenerStats {
    /// No listener yet. What comes in by one goes this way.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline, all: RwLock::default() }
    }

    /// Opens a listener. Its name is that of the source that its points are counted under; `paths` are those of HTTP
    /// that bring some.
    pub fn open(&self, name: &'static str, paths: &'static [&'static str]) -> Arc<ListenerStats> {
        let session = self.pipeline.session(name, SeriesBudget::Listener);
        let listener = Arc::new(ListenerStats::new(name, paths, session));
        self.all.write().push(listener.clone());
        listener
    }

    /// Counts an answer to a request that was rejected before it came to a listener.
    pub fn turned_away(&self, path: &str, response: &Response) {
        if let Some(listener) = self.at(path) {
            listener.add(response);
        }
    }

    /// How many requests were rejected, by listener and reason, where there were some.
    pub(crate) fn rejected(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.all.read().iter().flat_map(|listener| listener.rejected().collect::<Vec<_>>()).collect()
    }

    /// How many tags were left out of new series.
    pub(crate) fn dropped_tags(&self) -> Vec<(&'static str, u64)> {
        self.all.read().iter().map(|listener| (listener.name, listener.dropped_tags.load(Ordering::Relaxed))).collect()
    }

    /// What each listener that remembers keys holds of them.
    pub(crate) fn keys(&self) -> Vec<(&'static str, KeyCacheStats)> {
        let all = self.all.read();
        all.iter().filter_map(|listener| Some((listener.name, listener.keys.load().as_ref()?.stats()))).collect()
    }

    /// The doors that have sockets of their own.
    pub(crate) fn with_sockets(&self) -> Vec<Arc<ListenerStats>> {
        self.all.read().iter().filter(|listener| listener.sockets.get().is_some()).cloned().collect()
    }

    /// The listener that a path leads to.
    fn at(&self, path: &str) -> Option<Arc<ListenerStats>> {
        // One that ends with a slash stands for all below it.
        let leads = |known: &&str| *known == path || (known.ends_with('/') && path.starts_with(known));
        self.all.read().iter().find(|listener| listener.paths.iter().any(&leads)).cloned()
    }
}

impl ListenerStats {
    fn new(name: &'static str, paths: &'static [&'static str], session: IngestSession) -> Self {
        Self {
            name,
            paths,
            session,
            keys: ArcSwapOption::empty(),
            dropped_tags: AtomicU64::new(0),
            sockets: OnceLock::new(),
            rejected: Default::default(),
        }
    }

    /// What comes in by it.
    pub(crate) fn session(&self) -> &IngestSession {
        &self.session
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Has it shown how much is known of what came before.
    pub(crate) fn show_keys(&self, keys: Arc<KeyCache>) {
        self.keys.store(Some(keys));
    }

    /// What is counted of its sockets, once it has been asked for.
    pub(crate) fn sockets(&self) -> &SocketStats {
        self.sockets.get_or_init(SocketStats::default)
    }

    /// Counts what a report says beside its values.
    pub(crate) fn note(&self, report: &Report) {
        self.dropped_tags.fetch_add(report.dropped_tags, Ordering::Relaxed);
    }

    /// Counts an answer.
    fn add(&self, response: &Response) {
        let reason = reason(response);
        let place = REASONS.iter().position(|&known| known == reason).unwrap_or(REASONS.len() - 1);
        self.rejected[place].fetch_add(1, Ordering::Relaxed);
    }

    fn rejected(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let all = REASONS.iter().zip(&self.rejected);
        all.map(|(&reason, count)| (self.name, reason, count.load(Ordering::Relaxed)))
            .filter(|&(_, _, count)| count > 0)
    }
}

/// Counts what doors answer.
pub async fn count(State(listeners): State<Arc<AllListenerStats>>, request: Request, next: Next) -> Response {
    let listener = listeners.at(request.uri().path());
    let response = next.run(request).await;
    if let Some(listener) =
        listener.filter(|_| response.status().is_client_error() || response.status().is_server_error())
    {
        listener.add(&response);
    }
    response
}

fn reason(response: &Response) -> &'static str {
    if let Some(RejectCode(why)) = response.extensions().get() {
        return why;
    }
    match response.status() {
        StatusCode::BAD_REQUEST => BAD,
        StatusCode::UNAUTHORIZED => "token",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::METHOD_NOT_ALLOWED => "method",
        StatusCode::REQUEST_TIMEOUT => "slow",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "encoding",
        StatusCode::SERVICE_UNAVAILABLE => NOT_READY,
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use saker_http::ApiError;

    use super::*;
    use crate::testing::pipeline;

    #[test]
    fn an_answer_is_counted_under_its_word_or_else_its_status() {
        let listeners = AllListenerStats::new(pipeline());
        listeners.open("push", &["/v1/push"]);
        listeners.open("influx", &["/write", "/api/v2/write"]);
        let full = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "full").because("no_room");
        listeners.turned_away("/write", &full.into_response());
        listeners.turned_away("/api/v2/write", &StatusCode::UNAUTHORIZED.into_response());
        listeners.turned_away("/v1/push", &StatusCode::IM_A_TEAPOT.into_response());
        listeners.turned_away("/v1/other", &StatusCode::UNAUTHORIZED.into_response());
        listeners.open("pushgateway", &["/metrics/job/"]);
        listeners.turned_away("/metrics/job/a", &StatusCode::BAD_REQUEST.into_response());
        listeners.turned_away("/metrics", &StatusCode::BAD_REQUEST.into_response());
        assert_eq!(
            listeners.rejected(),
            [("push", OTHER, 1), ("influx", "token", 1), ("influx", "no_room", 1), ("pushgateway", BAD, 1)]
        );
    }
}
