//! The agent's own metrics: what each part of it counts.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use saker_telemetry::CONTENT_TYPE;

use crate::agent::Agent;

pub(super) async fn metrics(State(agent): State<Arc<Agent>>) -> Response {
    match agent.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            saker_http::ApiError::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}
