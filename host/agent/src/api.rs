//! The HTTP API: what is asked for, and who answers it. Connections, admission and bodies are `saker-http`'s.
//!
//! Loopback needs no token; where one is set, every path but `/health` and `/ready` wants it as `Authorization: Bearer`,
//! or as Influx' clients say it, `Authorization: Token`.

mod query;
mod queues;
mod routes;
mod self_metrics;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use saker_http::{ApiError, Limits, Names, Server, Settings, StopTimes, Token};
use saker_plugins::ApiState;
use serde_json::json;
use tokio::net::TcpListener;

use crate::agent::Agent;
use crate::config::Config;

/// How long requests may go on at an address that is left.
const LEAVE: StopTimes = StopTimes { peers: Duration::from_secs(1), work: Duration::from_secs(5) };
/// How long bodies may still come, and answers be read, when the agent stops.
const PEERS_MAX: Duration = Duration::from_secs(2);

/// The server at the address that it was told to listen at; the port may have been left open.
pub(crate) struct Listener {
    server: Server,
    configured: SocketAddr,
}

impl Listener {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Takes other settings, if it listens where it is told to now.
    pub(crate) fn set(&self, configured: SocketAddr, settings: &Settings) -> bool {
        let is_here = self.configured == configured;
        if is_here {
            self.server.set(settings.clone());
        }
        is_here
    }

    /// No new requests; those that run have a part of this time to end, for the queues need some of it too.
    pub(crate) async fn stop(self, limit: Duration) {
        let work = limit / 2;
        self.server.stop(StopTimes { peers: PEERS_MAX.min(work / 2), work }).await;
    }

    async fn leave(self) {
        self.server.stop(LEAVE).await;
    }
}

/// What the server is told. The token is read anew each time.
///
/// # Errors
/// If the token cannot be had.
pub(crate) async fn settings(config: &Config) -> anyhow::Result<Settings> {
    let (listen, memory_bytes) = (config.listen.clone(), config.pipeline.memory_bytes);
    let reading = tokio::task::spawn_blocking(move || {
        let token = listen.token_file.as_deref().map(Token::read).transpose()?;
        let body_bytes = listen.limits.body_bytes.min(saker_ingest::body_bytes_most(memory_bytes));
        let limits = Limits { body_bytes, ..listen.limits };
        Ok(Settings { limits, names: Names::of_this_host(&listen.names), proxies: listen.trusted_proxies, token })
    });
    reading.await?
}

/// Listens somewhere else, or nowhere, with these settings. What listened before goes on until the new is there, and for
/// ever if it cannot be had.
///
/// # Errors
/// If the address cannot be had.
pub(crate) async fn listen(
    agent: &Arc<Agent>,
    before: Option<Listener>,
    configured: Option<SocketAddr>,
    settings: Settings,
) -> Result<Option<Listener>, (Option<Listener>, anyhow::Error)> {
    let Some(configured) = configured else {
        if let Some(before) = before {
            before.leave().await;
        }
        return Ok(None);
    };
    match before {
        Some(before) => match bind(configured).await {
            Ok(socket) => {
                let new = begin(agent, socket, configured, settings);
                before.leave().await;
                new.map(Some).map_err(|error| (None, error))
            }
            Err(_) if before.address().port() == configured.port() => {
                replace(agent, before, configured, settings).await
            }
            Err(error) => Err((Some(before), error)),
        },
        None => {
            let socket = bind(configured).await.map_err(|error| (None, error))?;
            begin(agent, socket, configured, settings).map(Some).map_err(|error| (None, error))
        }
    }
}

/// Listens at another address of the same port, which the system gives only when the old one is free. If it does not
/// even then, the old one is taken back.
async fn replace(
    agent: &Arc<Agent>,
    before: Listener,
    configured: SocketAddr,
    settings: Settings,
) -> Result<Option<Listener>, (Option<Listener>, anyhow::Error)> {
    let (address, at, kept) = (before.address(), before.configured, before.server.settings());
    let leaving = tokio::spawn(before.leave());
    let mut socket = bind(configured).await;
    let end = tokio::time::Instant::now() + LEAVE.work;
    // The socket is closed at once, but by another task.
    while socket.is_err() && !leaving.is_finished() && tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(5)).await;
        socket = bind(configured).await;
    }
    match socket {
        Ok(socket) => begin(agent, socket, configured, settings).map(Some).map_err(|error| (None, error)),
        Err(error) => {
            let again = match bind(address).await {
                Ok(socket) => begin(agent, socket, at, Settings::clone(&kept)).ok(),
                Err(_) => None,
            };
            Err((again, error))
        }
    }
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let socket = TcpListener::bind(address).await;
    socket.with_context(|| format!("cannot listen on {address}; set listen.http to another address or to \"off\""))
}

fn begin(
    agent: &Arc<Agent>,
    socket: TcpListener,
    configured: SocketAddr,
    settings: Settings,
) -> anyhow::Result<Listener> {
    let server = Server::start(socket, router(agent.clone()), settings, agent.http.clone())?;
    Ok(Listener { server, configured })
}

fn router(agent: Arc<Agent>) -> Router {
    let plugins = ApiState { statuses: agent.statuses.clone(), supervision: agent.supervision.clone() };
    let (ingest, count) =
        (agent.ingest.router(), middleware::from_fn_with_state(agent.ingest.doors(), saker_ingest::count));
    let guarded = Router::new()
        .route("/", get(index))
        .route("/metrics", get(self_metrics::metrics))
        .merge(saker_plugins::router(plugins.clone()))
        .route("/api/v1/routes", get(routes::routes))
        .route("/api/v1/series", get(query::series))
        .route("/api/v1/recent", get(query::recent))
        .route("/api/v1/queues", get(queues::list))
        .route("/api/v1/queues/{node}", get(queues::inspect))
        .with_state(agent.clone())
        .merge(ingest)
        .layer(middleware::from_fn(saker_http::guarded));
    let operating = Router::new()
        .merge(saker_plugins::operating(plugins))
        .route("/api/v1/queues/{node}/replay", post(queues::replay))
        .route("/api/v1/queues/{node}/drop", post(queues::discard))
        .layer(middleware::from_fn(saker_http::operator))
        .with_state(agent.clone());
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .with_state(agent)
        .merge(guarded)
        .merge(operating)
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "no such path; / lists those that there are") })
        .layer(count)
        // The server holds every body to its limit.
        .layer(DefaultBodyLimit::disable())
}

async fn index(State(agent): State<Arc<Agent>>) -> Json<serde_json::Value> {
    Json(json!({
        "name": "saker",
        "version": env!("CARGO_PKG_VERSION"),
        "endpoint": &**agent.endpoint.load_full(),
        "uptime_s": agent.started.elapsed().as_secs(),
        "paths": [
            "GET /health", "GET /ready", "GET /metrics", "GET /api/v1/plugins", "GET /api/v1/plugins/NAME",
            "POST /api/v1/plugins/NAME/revive",
            "GET /api/v1/series?metric=GLOB", "GET /api/v1/recent?metric=GLOB", "GET /api/v1/routes", "GET /api/v1/queues",
            "GET /api/v1/queues/NODE", "POST /api/v1/queues/NODE/replay", "POST /api/v1/queues/NODE/drop",
            "POST /v1/push", "POST /write", "POST /api/v2/write",
        ],
    }))
}

async fn ready(State(agent): State<Arc<Agent>>) -> Response {
    if !agent.pipeline.durable().is_open() {
        (StatusCode::SERVICE_UNAVAILABLE, "queues are being opened\n").into_response()
    } else if agent.supervision.is_settled() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "plugins are being loaded\n").into_response()
    }
}
