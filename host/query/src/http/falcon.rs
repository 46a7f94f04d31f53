//! Open-Falcon's doors: the old query service's, falcon-plus' api's, and those that ask a graph for its state.

mod api;
mod body;
mod delete;
mod service;
mod state;

use axum::Router;
use axum::middleware;
use axum::routing::{delete, get, post};

use super::Shared;

pub(super) fn routes() -> Router<Shared> {
    let deleting = Router::new()
        .route("/api/v1/graph/endpoint", delete(delete::endpoints))
        .route("/api/v1/graph/counter", delete(delete::counters))
        .layer(middleware::from_fn(saker_http::operator));
    Router::new()
        .route("/graph/history", post(service::history))
        .route("/graph/info", post(service::info))
        .route("/graph/last", post(service::last))
        .route("/graph/last/raw", post(service::last_raw))
        .route("/api/v1/graph/history", post(api::history))
        .route("/api/v1/graph/lastpoint", post(api::last))
        .route("/api/v1/graph/endpoint", get(api::endpoints))
        .route("/api/v1/graph/endpoint_counter", get(api::counters))
        .route("/counter/all", get(state::counters))
        .route("/statistics/all", get(state::counters))
        .route("/index/updateAll", get(state::update))
        .route("/index/updateAll/concurrent", get(state::updating))
        .route("/api/v2/index", post(state::index))
        .merge(deleting)
}
