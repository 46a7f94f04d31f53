//! The door of everything that takes points: while there is no room, a request is told to come again before its body is
//! read.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use saker_forward::{Forwarder, Overload, Share};

use super::Failure;
use crate::agent::Agent;

/// A request's body becomes this many times its size while it is taken in: the body itself, and its points.
const MEMORY_PER_BYTE: usize = 2;
/// What a body is counted as that does not tell its size.
const UNKNOWN_BYTES: usize = 1 << 20;
/// When to come again if memory is short.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Lets a request in if there is memory for it, and no queue refuses.
pub(super) async fn admit(State(agent): State<Arc<Agent>>, request: Request, next: Next) -> Response {
    let forwarder = &agent.pipeline.forwarder;
    if let Some(overload) = forwarder.refusal() {
        return refused(&overload);
    }
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    match memory_for(forwarder, length.unwrap_or(UNKNOWN_BYTES)) {
        Some(_share) => next.run(request).await,
        None => no_memory(),
    }
}

/// Memory for a body, as long as the share is kept, if there is any.
pub(super) fn memory_for(forwarder: &Forwarder, body_bytes: usize) -> Option<Share> {
    forwarder.budget().take(body_bytes.saturating_mul(MEMORY_PER_BYTE))
}

/// The answer to a body that there is no memory for.
pub(super) fn no_memory() -> Response {
    too_many("the agent's memory for points on their way is in use", RETRY_AFTER)
}

/// The answer to points that no queue has room for.
pub(super) fn refused(overload: &Overload) -> Response {
    too_many(&overload.to_string(), overload.retry_after)
}

fn too_many(message: &str, after: Duration) -> Response {
    let seconds = after.as_secs().max(1).to_string();
    let failure = Failure::new(StatusCode::TOO_MANY_REQUESTS, format!("{message}; try again in {seconds} s"));
    ([(header::RETRY_AFTER, seconds)], failure).into_response()
}
