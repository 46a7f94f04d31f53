//! VictoriaMetrics' JSON lines over HTTP, as its export writes them: a series a line, with arrays of values and times.

mod line;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use saker_http::ApiError;

use self::line::ImportLines;
use crate::asked::{Asked, answer};
use crate::http_door::{HttpDoor, HttpListener, HttpProtocol};

/// JSON lines.
pub type Import = HttpListener<ImportProtocol>;

/// JSON lines.
pub struct ImportProtocol;

impl HttpProtocol for ImportProtocol {
    const NAME: &'static str = "import";
    const PATHS: &'static [&'static str] = &["/api/v1/import", "/prometheus/api/v1/import"];

    fn routes() -> Router<HttpDoor> {
        Self::PATHS.iter().fold(Router::new(), |router, path| router.route(path, post(import)))
    }
}

async fn import(State(listener): State<HttpDoor>, asked: Asked, body: Body) -> Result<Response, ApiError> {
    let intake = listener.intake();
    let lines = ImportLines { naming: intake.naming().with(asked.extra()?, "") };
    let (report, _) = asked.take(&listener.way(&intake), lines, body, line::points_bytes).await?;
    Ok(answer(&report, StatusCode::NO_CONTENT))
}

#[cfg(test)]
mod tests;
