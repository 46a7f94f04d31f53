//! The HTTP API put together: every component's routes, behind the server's guards, and what is said of the whole agent.
//!
//! Loopback needs no token; where one is set, every path but `/health` and `/ready` wants it as `Authorization: Bearer`,
//! or as Influx' clients say it, `Authorization: Token`.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use saker_http::ApiError;
use saker_ingest::AllListenerStats;
use saker_pipeline::Pipeline;
use saker_plugins::Supervision;
use saker_telemetry::{CONTENT_TYPE, MetricRegistry};
use serde_json::json;

/// The routes of all components: who may ask for them is decided here.
pub(crate) struct Routes {
    /// What anybody who may ask at all may ask.
    pub(crate) guarded: Router,
    /// What changes something, and wants an operator.
    pub(crate) operating: Router,
    /// For browsers.
    pub(crate) page: saker_web::Routers,
    pub(crate) listeners: Arc<AllListenerStats>,
}

/// What the whole agent says of itself.
#[derive(Clone)]
pub(crate) struct About {
    pub(crate) endpoint: Arc<ArcSwap<Arc<str>>>,
    pub(crate) started: Instant,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) supervision: Supervision,
}

pub(crate) fn router(routes: Routes, about: About, metrics: Arc<MetricRegistry>) -> Router {
    let index =
        Router::new().route("/", get(index)).with_state(about.clone()).layer(middleware::from_fn(saker_http::guarded));
    let guarded = Router::new()
        .merge(Router::new().route("/metrics", get(self::metrics)).with_state(metrics))
        .merge(routes.guarded)
        .layer(middleware::from_fn(saker_http::guarded));
    let operating = routes.operating.layer(middleware::from_fn(saker_http::operator));
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .with_state(about)
        .merge(routes.page.front(index))
        .merge(routes.page.open)
        .merge(guarded)
        .merge(operating)
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "no such path; / lists those that there are") })
        .layer(middleware::from_fn_with_state(routes.listeners, saker_ingest::count))
        // The server holds every body to its limit.
        .layer(DefaultBodyLimit::disable())
}

/// Every path that the agent answers on, whose it is and what it takes to ask, which a test holds to the routers.
const PATHS: &str = include_str!("paths.txt");

/// Methods and paths, for whoever looks around.
fn paths() -> impl Iterator<Item = String> {
    let rows = PATHS.lines().filter(|line| !line.starts_with('#') && !line.ends_with(" own"));
    rows.filter_map(|line| {
        let mut words = line.split_whitespace();
        Some(format!("{} {}", words.next()?, words.next()?))
    })
}

async fn index(State(about): State<About>) -> Json<serde_json::Value> {
    Json(json!({
        "name": "saker",
        "version": env!("CARGO_PKG_VERSION"),
        "endpoint": &**about.endpoint.load_full(),
        "uptime_s": about.started.elapsed().as_secs(),
        "paths": paths().collect::<Vec<_>>(),
    }))
}

async fn metrics(State(metrics): State<Arc<MetricRegistry>>) -> Response {
    match metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn ready(State(about): State<About>) -> Response {
    if !about.pipeline.durable().is_open() {
        (StatusCode::SERVICE_UNAVAILABLE, "queues are being opened\n").into_response()
    } else if about.supervision.is_settled() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "plugins are being loaded\n").into_response()
    }
}
