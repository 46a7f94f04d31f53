//! The queries that run, and that have ended.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use saker_http::ApiError;
use serde::Serialize;
use serde_json::json;

use super::Shared;
use crate::log::{ActiveQuery, QueryRecord};

pub(super) fn routes() -> Router<Shared> {
    let operating =
        Router::new().route("/saker/v1/queries/{id}", delete(cancel)).layer(middleware::from_fn(saker_http::operator));
    Router::new().route("/saker/v1/queries", get(list)).merge(operating)
}

#[derive(Serialize)]
struct Queries {
    active: Vec<ActiveQuery>,
    ended: Vec<QueryRecord>,
}

async fn list(State(shared): State<Shared>) -> Response {
    let log = shared.engine.log();
    Json(Queries { active: log.active(), ended: log.ended() }).into_response()
}

async fn cancel(State(shared): State<Shared>, Path(id): Path<u64>) -> Response {
    if shared.engine.log().cancel(id) {
        return Json(json!({"cancelled": id})).into_response();
    }
    ApiError::new(StatusCode::NOT_FOUND, format!("no query {id} runs; /saker/v1/queries lists those that do"))
        .into_response()
}
