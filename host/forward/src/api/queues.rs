//! The queues on disk: listed, looked into, sent again, thrown away.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use saker_http::ApiError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::ForwardApiState;
use crate::{OperateError, QueueCommand, QueueCommandOutcome, QueuedPoint};

/// Points that are shown if nobody says how many.
const SHOWN: usize = 20;
/// And at most.
const SHOWN_MAX: usize = 10_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueQuery {
    /// `queue` or `dead-letters`.
    #[serde(default)]
    what: QueuePart,
    limit: Option<usize>,
    /// The destination that gets the points of a queue without one.
    to: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum QueuePart {
    #[default]
    Queue,
    DeadLetters,
}

pub(super) async fn list(State(state): State<ForwardApiState>) -> Result<Json<Value>, ApiError> {
    let forwarder = &state.forwarder;
    let topology = forwarder.topology();
    let mut queues: Vec<_> = topology
        .destinations()
        .iter()
        .map(|destination| {
            let stats = destination.stats();
            let disk = stats.spool.unwrap_or_default();
            json!({
                "destination": destination.name(), "configured": true, "state": stats.breaker.as_str(), "points": stats.queued,
                "in_memory": stats.in_memory, "bytes": disk.bytes, "segments": disk.segments,
                "dead_letter_points": disk.dead_letter_points, "dead_letter_bytes": disk.dead_letter_bytes,
                "error": disk.rejection.or(stats.error),
            })
        })
        .collect();
    let folders = match forwarder.spools().cloned() {
        // The disk may take its time, and others are not to wait for it.
        Some(spools) => {
            Some(tokio::task::spawn_blocking(move || spools.folders()).await.map_err(std::io::Error::other))
        }
        None => None,
    };
    let folders = folders.map(std::result::Result::flatten).transpose().map_err(|error| {
        ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot list the folder of queues: {error}"))
    })?;
    for folder in folders.into_iter().flatten().filter(|folder| topology.destination(&folder.destination).is_none()) {
        queues.push(json!({
            "destination": folder.destination, "configured": false, "bytes": folder.bytes, "changed_ms": folder.changed_ms,
        }));
    }
    Ok(Json(json!({"queues": queues})))
}

pub(super) async fn inspect(
    State(state): State<ForwardApiState>,
    Path(destination): Path<String>,
    Query(asked): Query<QueueQuery>,
) -> Result<Json<Value>, ApiError> {
    let limit = asked.limit.unwrap_or(SHOWN).min(SHOWN_MAX);
    let order = match asked.what {
        QueuePart::Queue => QueueCommand::InspectQueue(limit),
        QueuePart::DeadLetters => QueueCommand::InspectDeadLetters(limit),
    };
    let QueueCommandOutcome { points, shown } = state.forwarder.operate(&destination, order).await.map_err(not_done)?;
    let shown: Vec<_> = shown.iter().map(view).collect();
    Ok(Json(json!({"points": points, "shown": shown})))
}

pub(super) async fn replay(
    State(state): State<ForwardApiState>,
    Path(destination): Path<String>,
    Query(asked): Query<QueueQuery>,
) -> Result<Json<Value>, ApiError> {
    let forwarder = &state.forwarder;
    let points = if asked.to.is_none() && forwarder.topology().destination(&destination).is_some() {
        forwarder.operate(&destination, QueueCommand::ReplayDeadLetters).await.map_err(not_done)?.points
    } else {
        forwarder.hand_over(&destination, asked.to.as_deref()).await.map_err(not_done)?
    };
    tracing::info!(destination, points, "points are sent again, as an operator asked");
    Ok(Json(json!({"points": points})))
}

pub(super) async fn discard(
    State(state): State<ForwardApiState>,
    Path(destination): Path<String>,
    Query(asked): Query<QueueQuery>,
) -> Result<Json<Value>, ApiError> {
    let order = match asked.what {
        QueuePart::Queue => QueueCommand::DropQueue,
        QueuePart::DeadLetters => QueueCommand::DropDeadLetters,
    };
    let points = state.forwarder.operate(&destination, order).await.map_err(not_done)?.points;
    tracing::warn!(destination, points, "points were thrown away, as an operator asked");
    Ok(Json(json!({"points": points})))
}

fn view(shown: &QueuedPoint) -> Value {
    let series = &shown.series;
    let tags: serde_json::Map<_, _> = series.tags.iter().map(|(key, value)| (key.to_string(), json!(value))).collect();
    json!({
        "endpoint": &*series.endpoint, "metric": series.metric, "tags": tags, "type": series.metric_type.as_str(),
        "step_s": series.step_s, "timestamp_ms": shown.timestamp_ms, "value": shown.value, "reason": shown.reason.as_deref(),
    })
}

fn not_done(error: OperateError) -> ApiError {
    let status = match error {
        OperateError::Unknown(_) => StatusCode::NOT_FOUND,
        OperateError::InMemory(_) | OperateError::NeedsTarget(_) | OperateError::HasDestination(_) => {
            StatusCode::CONFLICT
        }
        OperateError::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    ApiError::new(status, error.to_string())
}
