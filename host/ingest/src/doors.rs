//! The doors that points come in by, one for each protocol; and requests that are answered with an error, counted by
//! door and reason.
//!
//! Points are counted where they are known, by source; a body that was not read has none that anybody could count, so
//! its request is counted here, whoever has refused it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use parking_lot::RwLock;
use saker_http::Why;
use saker_pipeline::{Budget, IngestSession, Pipeline};

use crate::keys::{KeyCache, KeyCacheStats};
use crate::socket::SocketStats;

/// Queues or processors are not there yet.
pub(crate) const NOT_READY: &str = "not_ready";
/// A queue has failed after others had kept their part.
pub(crate) const TORN: &str = "torn";
/// Nothing of it could be read, or all of its values were refused.
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
pub struct Doors {
    pipeline: Arc<Pipeline>,
    all: RwLock<Vec<Arc<Door>>>,
}

/// What one protocol brings, and what is refused to it.
pub struct Door {
    name: &'static str,
    /// Those of HTTP that bring points.
    paths: &'static [&'static str],
    session: IngestSession,
    keys: ArcSwapOption<KeyCache>,
    /// Of those that have some.
    sockets: OnceLock<SocketStats>,
    refused: [AtomicU64; REASONS.len()],
}

impl Doors {
    /// No door yet. What comes in by one goes this way.
    #[must_use]
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline, all: RwLock::default() }
    }

    /// Opens a door. Its name is that of the source that its points are counted under; `paths` are those of HTTP that
    /// bring some.
    pub fn open(&self, name: &'static str, paths: &'static [&'static str]) -> Arc<Door> {
        let session = self.pipeline.session(name, Budget::Listener);
        let door = Arc::new(Door::new(name, paths, session));
        self.all.write().push(door.clone());
        door
    }

    /// Counts an answer to a request that was refused before it came to a door.
    pub fn turned_away(&self, path: &str, response: &Response) {
        if let Some(door) = self.at(path) {
            door.add(response);
        }
    }

    /// How many requests were refused, by door and reason, where there were some.
    pub(crate) fn refused(&self) -> Vec<(&'static str, &'static str, u64)> {
        self.all.read().iter().flat_map(|door| door.refused().collect::<Vec<_>>()).collect()
    }

    /// What each door that remembers keys holds of them.
    pub(crate) fn keys(&self) -> Vec<(&'static str, KeyCacheStats)> {
        let all = self.all.read();
        all.iter().filter_map(|door| Some((door.name, door.keys.load().as_ref()?.stats()))).collect()
    }

    /// The doors that have sockets of their own.
    pub(crate) fn with_sockets(&self) -> Vec<Arc<Door>> {
        self.all.read().iter().filter(|door| door.sockets.get().is_some()).cloned().collect()
    }

    /// The door that a path leads to.
    fn at(&self, path: &str) -> Option<Arc<Door>> {
        self.all.read().iter().find(|door| door.paths.contains(&path)).cloned()
    }
}

impl Door {
    fn new(name: &'static str, paths: &'static [&'static str], session: IngestSession) -> Self {
        Self {
            name,
            paths,
            session,
            keys: ArcSwapOption::empty(),
            sockets: OnceLock::new(),
            refused: Default::default(),
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

    /// Counts an answer.
    fn add(&self, response: &Response) {
        let reason = reason(response);
        let place = REASONS.iter().position(|&known| known == reason).unwrap_or(REASONS.len() - 1);
        self.refused[place].fetch_add(1, Ordering::Relaxed);
    }

    fn refused(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let all = REASONS.iter().zip(&self.refused);
        all.map(|(&reason, count)| (self.name, reason, count.load(Ordering::Relaxed)))
            .filter(|&(_, _, count)| count > 0)
    }
}

/// Counts what doors answer.
pub async fn count(State(doors): State<Arc<Doors>>, request: Request, next: Next) -> Response {
    let door = doors.at(request.uri().path());
    let response = next.run(request).await;
    if let Some(door) = door.filter(|_| response.status().is_client_error() || response.status().is_server_error()) {
        door.add(&response);
    }
    response
}

fn reason(response: &Response) -> &'static str {
    if let Some(Why(why)) = response.extensions().get() {
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
        let doors = Doors::new(pipeline());
        doors.open("push", &["/v1/push"]);
        doors.open("influx", &["/write", "/api/v2/write"]);
        let full = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "full").because("no_room");
        doors.turned_away("/write", &full.into_response());
        doors.turned_away("/api/v2/write", &StatusCode::UNAUTHORIZED.into_response());
        doors.turned_away("/v1/push", &StatusCode::IM_A_TEAPOT.into_response());
        doors.turned_away("/v1/other", &StatusCode::UNAUTHORIZED.into_response());
        assert_eq!(doors.refused(), [("push", OTHER, 1), ("influx", "token", 1), ("influx", "no_room", 1)]);
    }
}
