//! The doors over HTTP: Prometheus' API, Open-Falcon's, the exposition of the host, and the list of queries.
//!
//! What is asked is read on the async threads, and answered on the engine's. The caller adds admission and the token to
//! the whole; what changes something wants an operator, which is seen to here.

mod cadvisor;
mod doors;
mod falcon;
mod form;
mod gzip;
mod host;
mod prometheus;
mod queries;
mod samples;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use saker_pipeline::reader::{SeriesEraser, SeriesReader};

use crate::describe::Descriptions;
use crate::engine::{Engine, RunError};

pub use doors::PATHS;

/// What the doors need.
pub struct Dependencies {
    /// Runs the questions, over the store or what stands for it.
    pub engine: Arc<Engine>,
    /// Has the newest value of every series: the cache.
    pub recent: Arc<dyn SeriesReader>,
    /// Forgets series, if there is something that can.
    pub eraser: Option<Arc<dyn SeriesEraser>>,
    /// What is known of metrics besides their values.
    pub descriptions: Arc<dyn Descriptions>,
    /// The agent's version.
    pub version: &'static str,
    /// Where the agent is reached, for Open-Falcon's `info`.
    pub address: String,
}

type Shared = Arc<Dependencies>;

/// All routes. The caller puts [`saker_http::guarded`] around them.
pub fn router(dependencies: Dependencies) -> Router {
    let shared = Arc::new(dependencies);
    Router::new()
        .merge(prometheus::routes())
        .merge(falcon::routes())
        .merge(host::routes())
        .merge(cadvisor::routes())
        .merge(queries::routes())
        .merge(samples::routes())
        .with_state(shared)
}

const JSON: &str = "application/json";

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A text whose memory is charged to that of all answers.
fn text(
    engine: &Engine,
    status: StatusCode,
    content_type: &'static str,
    text: impl Into<Vec<u8>>,
) -> Result<Response, RunError> {
    let body = engine.charged(text.into())?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}
