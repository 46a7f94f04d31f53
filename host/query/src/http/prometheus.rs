//! Prometheus' HTTP API, version 1.

mod failure;
mod listing;
mod parameters;
mod query;
pub(super) mod status;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::{JSON, Shared, text};

pub(super) use failure::ApiFailure;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/series", get(listing::series).post(listing::series))
        .route("/api/v1/labels", get(listing::labels).post(listing::labels))
        .route("/api/v1/label/{name}/values", get(listing::values))
        .route("/api/v1/metadata", get(status::metadata))
        .route("/api/v1/status/buildinfo", get(status::buildinfo))
        .route("/api/v1/format_query", get(query::format).post(query::format))
        .route("/api/v1/query_exemplars", get(query::exemplars).post(query::exemplars))
}

/// An answer, whatever it is.
fn respond(State(shared): &State<Shared>, answer: Result<String, ApiFailure>) -> Response {
    let answer = answer.and_then(|json| Ok(text(&shared.engine, StatusCode::OK, JSON, json)?));
    answer.unwrap_or_else(IntoResponse::into_response)
}
