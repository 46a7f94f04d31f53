//! Prometheus' exposition text and OpenMetrics over HTTP: `/api/v1/import/prometheus` as VictoriaMetrics has it, and the
//! paths of a Pushgateway.
//!
//! A Pushgateway keeps what was pushed until it is deleted, and shows it to whoever scrapes. Here a push is a sample like
//! any other: it is of its moment, and there is nothing to be deleted.

mod group;
mod labels;
mod line;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use axum::routing::post;
use saker_http::ApiError;

use self::line::ExpositionLines;
use crate::asked::{Asked, answer, bad, nothing};
use crate::http_door::{HttpDoor, HttpListener, HttpProtocol};

/// Exposition text.
pub type Prometheus = HttpListener<PrometheusProtocol>;

/// Exposition text.
pub struct PrometheusProtocol;

/// Where text comes in.
const IMPORTS: [&str; 2] = ["/api/v1/import/prometheus", "/prometheus/api/v1/import/prometheus"];
/// Where a Pushgateway's clients push: the labels of a group follow.
const GROUPS: [&str; 3] =
    ["/metrics/", "/api/v1/import/prometheus/metrics/", "/prometheus/api/v1/import/prometheus/metrics/"];

impl HttpProtocol for PrometheusProtocol {
    const NAME: &'static str = "prometheus";
    const PATHS: &'static [&'static str] = &[IMPORTS[0], IMPORTS[1], GROUPS[0], GROUPS[1], GROUPS[2]];

    fn routes() -> Router<HttpDoor> {
        let imports = IMPORTS.iter().fold(Router::new(), |router, path| router.route(path, post(import)));
        let groups = post(push).put(push).delete(delete);
        GROUPS.iter().fold(imports, |router, path| router.route(&format!("{path}{{*group}}"), groups.clone()))
    }
}

async fn import(State(listener): State<HttpDoor>, asked: Asked, body: Body) -> Result<Response, ApiError> {
    take(&listener, &asked, &[], body, StatusCode::NO_CONTENT).await
}

async fn push(State(listener): State<HttpDoor>, uri: Uri, asked: Asked, body: Body) -> Result<Response, ApiError> {
    take(&listener, &asked, &labels_of(&uri)?, body, StatusCode::OK).await
}

/// There is nothing to be deleted; the status is a Pushgateway's.
async fn delete(uri: Uri) -> Result<StatusCode, ApiError> {
    labels_of(&uri).map(|_| StatusCode::ACCEPTED)
}

fn labels_of(uri: &Uri) -> Result<Vec<(String, String)>, ApiError> {
    let path = uri.path();
    let group = GROUPS.iter().rev().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path);
    group::read(group).map_err(|what| bad(what.to_string()))
}

async fn take(
    listener: &HttpDoor,
    asked: &Asked,
    labels: &[(String, String)],
    body: Body,
    done: StatusCode,
) -> Result<Response, ApiError> {
    let mut extra = asked.extra()?;
    for (name, value) in labels {
        extra.set(name.clone(), value.clone()).map_err(bad)?;
    }
    let time = asked.get("timestamp").filter(|text| !text.is_empty()).map(|text| {
        text.parse().map_err(|_| bad(format!("timestamp must be milliseconds since 1970, found {text:?}")))
    });
    let intake = listener.intake();
    let lines = ExpositionLines {
        naming: intake.naming().with(extra, ""),
        time_ms: time.transpose()?,
        is_openmetrics: is_openmetrics(&asked.headers)?,
    };
    let (report, _) = asked.take(&listener.way(&intake), lines, body, nothing).await?;
    Ok(answer(&report, done))
}

/// Whether timestamps are seconds.
fn is_openmetrics(headers: &HeaderMap) -> Result<bool, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.contains("protobuf") {
        let message = "protobuf is not read here; push text: Content-Type: text/plain; version=0.0.4";
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    Ok(kind.starts_with("application/openmetrics-text"))
}

#[cfg(test)]
mod tests;
