//! The HTTP API.
//!
//! Loopback needs no token; where one is set, every path but `/health`, `/ready` and `/ping` wants it as
//! `Authorization: Bearer`, or as Influx' clients say it, `Authorization: Token`.

mod admission;
mod falcon;
mod influx;
mod query;
mod queues;
mod self_metrics;
mod views;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) use self::influx::Influx;
use crate::agent::Agent;
use crate::config::ListenConfig;

/// A token is at least this long, or it could be guessed.
const TOKEN_BYTES_MIN: usize = 16;

/// A socket that answers.
pub(crate) struct Listener {
    address: SocketAddr,
    configured: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Listener {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it was told to; the port may have been left open.
    pub(crate) fn configured(&self) -> SocketAddr {
        self.configured
    }

    /// No new requests; those that run have so long to end.
    pub(crate) async fn stop(self, limit: Duration) {
        // A task that has ended needs no word.
        let _ = self.stop.send(());
        let abort = self.task.abort_handle();
        if tokio::time::timeout(limit, self.task).await.is_err() {
            abort.abort();
        }
    }
}

/// Listens at an address.
///
/// # Errors
/// If the address or the token cannot be had.
pub(crate) async fn listen(
    agent: Arc<Agent>,
    configured: SocketAddr,
    config: &ListenConfig,
) -> anyhow::Result<Listener> {
    let token = config.token_file.as_deref().map(read_token).transpose()?;
    let socket = TcpListener::bind(configured)
        .await
        .with_context(|| format!("cannot listen on {configured}; set listen.http to another address or to \"off\""))?;
    let address = socket.local_addr()?;
    let app = router(agent, token.map(Arc::from), config.body_bytes);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        let server = axum::serve(socket, app).with_graceful_shutdown(async move { drop(stopped.await) });
        if let Err(error) = server.await {
            tracing::error!("the HTTP API has ended: {error}");
        }
    });
    Ok(Listener { address, configured, stop, task })
}

/// The first line of a token file.
pub(crate) fn read_token(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the token in {}", path.display()))?;
    let token = text.lines().next().unwrap_or_default().trim();
    if token.len() < TOKEN_BYTES_MIN {
        anyhow::bail!("the token in {} must have at least {TOKEN_BYTES_MIN} characters", path.display());
    }
    Ok(token.to_owned())
}

fn router(agent: Arc<Agent>, token: Option<Arc<str>>, body_bytes: usize) -> Router {
    let taking = Router::new()
        .route("/v1/push", post(falcon::push))
        .merge(influx::writes())
        .layer(middleware::from_fn_with_state(agent.clone(), admission::admit));
    let guarded = Router::new()
        .route("/metrics", get(self_metrics::metrics))
        .route("/api/v1/plugins", get(views::plugins))
        .route("/api/v1/plugins/{name}", get(views::plugin))
        .route("/api/v1/plugins/{name}/revive", post(views::revive))
        .route("/api/v1/routes", get(views::routes))
        .route("/api/v1/series", get(query::series))
        .route("/api/v1/recent", get(query::recent))
        .route("/api/v1/queues", get(queues::list))
        .route("/api/v1/queues/{node}", get(queues::inspect))
        .route("/api/v1/queues/{node}/replay", post(queues::replay))
        .route("/api/v1/queues/{node}/drop", post(queues::discard))
        .merge(influx::queries())
        .merge(taking)
        .layer(DefaultBodyLimit::max(body_bytes))
        .layer(middleware::from_fn_with_state(token, authorize));
    Router::new()
        .route("/", get(index))
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/ping", get(influx::ping))
        .merge(guarded)
        .fallback(|| async { Failure::new(StatusCode::NOT_FOUND, "no such path; / lists those that there are") })
        .with_state(agent)
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
    if agent.supervision.is_settled() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "plugins are being loaded\n").into_response()
    }
}

async fn authorize(State(token): State<Option<Arc<str>>>, request: Request, next: Next) -> Response {
    let Some(token) = token else { return next.run(request).await };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("Token ")));
    let given = given.unwrap_or_default();
    if bool::from(given.trim().as_bytes().ct_eq(token.as_bytes())) {
        return next.run(request).await;
    }
    let failure = Failure::new(StatusCode::UNAUTHORIZED, "a token is needed: Authorization: Bearer TOKEN");
    ([(header::WWW_AUTHENTICATE, "Bearer")], failure).into_response()
}

/// The answer to values that come before their processors: it is too early to judge them.
fn too_early(agent: &Agent) -> Option<Response> {
    let early = !agent.config.load().pipeline.processors.is_empty() && !agent.supervision.is_judging();
    early.then(|| try_again("the processors are being loaded; try again"))
}

/// It is not to be had now, but soon.
fn try_again(message: &str) -> Response {
    ([(header::RETRY_AFTER, "1")], Failure::new(StatusCode::SERVICE_UNAVAILABLE, message)).into_response()
}

/// An answer that is none: a status and why.
pub(crate) struct Failure {
    status: StatusCode,
    message: String,
}

impl Failure {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"error": self.message}))).into_response()
    }
}
