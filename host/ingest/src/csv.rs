//! CSV over HTTP, as VictoriaMetrics imports it: `?format=1:metric:NAME,2:label:LABEL,3:time:unix_s` says what stands in
//! which column.

mod format;
mod layout;
mod row;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use saker_http::ApiError;

use self::format::Format;
use self::row::CsvRows;
use crate::asked::{Asked, answer, bad, nothing};
use crate::http_door::{HttpDoor, HttpListener, HttpProtocol};

/// CSV.
pub type Csv = HttpListener<CsvProtocol>;

/// CSV.
pub struct CsvProtocol;

impl HttpProtocol for CsvProtocol {
    const NAME: &'static str = "csv";
    const PATHS: &'static [&'static str] = &["/api/v1/import/csv", "/prometheus/api/v1/import/csv"];

    fn routes() -> Router<HttpDoor> {
        Self::PATHS.iter().fold(Router::new(), |router, path| router.route(path, post(import)))
    }
}

async fn import(State(listener): State<HttpDoor>, asked: Asked, body: Body) -> Result<Response, ApiError> {
    let text = asked.get("format").unwrap_or_default();
    let format = Format::read(text).map_err(|what| bad(what.to_string()))?;
    let intake = listener.intake();
    let rows = CsvRows { naming: intake.naming().with(asked.extra()?, text), format };
    let (report, _) = asked.take(&listener.way(&intake), rows, body, nothing).await?;
    Ok(answer(&report, StatusCode::NO_CONTENT))
}

#[cfg(test)]
mod tests;
