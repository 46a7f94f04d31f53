//! Requests that bring points and are answered with an error, counted by door and reason.
//!
//! Points are counted where they are known, by source; a body that was not read has none that anybody could count, so
//! its request is counted here, whoever has refused it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use saker_http::Why;

use crate::agent::Agent;

/// Queues or processors are not there yet.
pub(super) const NOT_READY: &str = "not_ready";
/// A queue has failed after others had kept their part.
pub(super) const TORN: &str = "torn";
/// Nothing of it could be read, or all of its values were refused.
const BAD: &str = "bad";
/// What is none of the others.
const OTHER: &str = "other";

const DOORS: [&str; 2] = ["push", "influx"];
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

/// What was refused at each door.
#[derive(Debug, Default)]
pub(crate) struct Doors([[AtomicU64; REASONS.len()]; DOORS.len()]);

impl Doors {
    /// Counts an answer.
    fn add(&self, door: usize, response: &Response) {
        let reason = reason(response);
        let place = REASONS.iter().position(|&known| known == reason).unwrap_or(REASONS.len() - 1);
        self.0[door][place].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer to a request that was refused before it came to a door.
    pub(crate) fn turned_away(&self, path: &str, response: &Response) {
        if let Some(door) = door(path) {
            self.add(door, response);
        }
    }

    /// How many were refused, by door and reason, where there were some.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> + '_ {
        let all = DOORS.iter().zip(&self.0).flat_map(|(&door, counts)| {
            REASONS.iter().zip(counts).map(move |(&reason, count)| (door, reason, count.load(Ordering::Relaxed)))
        });
        all.filter(|&(_, _, count)| count > 0)
    }
}

/// Counts what a door answers.
pub(super) async fn count(State(agent): State<Arc<Agent>>, request: Request, next: Next) -> Response {
    let door = door(request.uri().path());
    let response = next.run(request).await;
    if let Some(door) = door.filter(|_| response.status().is_client_error() || response.status().is_server_error()) {
        agent.doors.add(door, &response);
    }
    response
}

/// The place of a path's door.
fn door(path: &str) -> Option<usize> {
    match path {
        "/v1/push" => Some(0),
        "/write" | "/influx/write" | "/api/v2/write" | "/influx/api/v2/write" => Some(1),
        _ => None,
    }
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

    #[test]
    fn an_answer_is_counted_under_its_word_or_else_its_status() {
        let doors = Doors::default();
        let full = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "full").because("no_room");
        for answer in [full.into_response(), StatusCode::UNAUTHORIZED.into_response()] {
            doors.add(1, &answer);
        }
        doors.add(0, &StatusCode::IM_A_TEAPOT.into_response());
        let counted: Vec<_> = doors.refused().collect();
        assert_eq!(counted, [("push", OTHER, 1), ("influx", "token", 1), ("influx", "no_room", 1)]);
    }
}
