//! What is asked of a graph about itself. The index is never behind, so there is nothing to bring up to date.

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Deserialize;

use super::body::{ErrorDialect, respond};
use crate::http::{Shared, now_ms};

pub(super) async fn counters(State(shared): State<Shared>) -> Response {
    let json = shared.engine.counts().falcon.json(now_ms() / 1000);
    respond(&shared, ErrorDialect::Service, Ok(json))
}

pub(super) async fn update(State(shared): State<Shared>) -> Response {
    respond(&shared, ErrorDialect::Service, Ok("{\"msg\":\"ok\"}".into()))
}

pub(super) async fn updating(State(shared): State<Shared>) -> Response {
    respond(&shared, ErrorDialect::Service, Ok("{\"msg\":\"ok\",\"value\":0}".into()))
}

/// An item that is to be indexed. It is checked to be one, and nothing else is to be done.
#[derive(Deserialize)]
struct IndexItem {
    #[serde(rename = "endpoint")]
    _endpoint: String,
    #[serde(rename = "metric")]
    _metric: String,
    #[serde(rename = "step")]
    _step: i64,
    #[serde(rename = "dstype")]
    _dstype: String,
    #[serde(rename = "tags", default)]
    _tags: String,
}

pub(super) async fn index(State(shared): State<Shared>, request: Request) -> Response {
    let items = ErrorDialect::Service.json::<Vec<IndexItem>>(request).await;
    respond(&shared, ErrorDialect::Service, items.map(|_| "{\"msg\":\"ok\"}".into()))
}
