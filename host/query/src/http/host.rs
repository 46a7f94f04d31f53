//! `/metrics/host`: saker in node_exporter's place.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use saker_http::ApiError;
use saker_pipeline::reader::{ReadBudget, TimeRange};
use std::sync::atomic::Ordering::Relaxed;

use super::form::QueryForm;
use super::{Shared, gzip, now_ms, text};
use crate::engine::RunError;
use crate::exposition::{CONTENT_TYPE, CollectorFilter, Exposition, exposition};
use crate::log::LoggedQuery;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/metrics/host", get(host))
}

async fn host(State(shared): State<Shared>, headers: HeaderMap, form: QueryForm) -> Response {
    let filter = CollectorFilter {
        collect: form.all("collect[]").map(ToOwned::to_owned).collect(),
        exclude: form.all("exclude[]").map(ToOwned::to_owned).collect(),
    };
    let packs = gzip::is_taken(&headers);
    match expose(&shared, filter, packs).await {
        Ok((found, packed)) => respond(&shared, found, packed),
        Err(error) => {
            let status = match error {
                RunError::Died => StatusCode::INTERNAL_SERVER_ERROR,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
            ApiError::new(status, error.to_string()).into_response()
        }
    }
}

type Packed = Option<Vec<u8>>;

async fn expose(shared: &Shared, filter: CollectorFilter, packs: bool) -> Result<(Exposition, Packed), RunError> {
    let config = shared.engine.config();
    let (recent, descriptions) = (shared.recent.clone(), shared.descriptions.clone());
    let end_ms = now_ms();
    let range = TimeRange { start_ms: end_ms - config.settings().lookback_ms + 1, end_ms };
    let question = LoggedQuery { query: "/metrics/host".into(), start_ms: range.start_ms, end_ms, step_ms: 0 };
    let work = move |budget: &ReadBudget| {
        let found = exposition(&*recent, &*descriptions, &filter, range, config.series, budget)?;
        let packed = packs.then(|| gzip::pack(found.text.as_bytes())).flatten();
        Ok((found, packed))
    };
    shared.engine.run(question, None, work).await
}

fn respond(shared: &Shared, found: Exposition, packed: Packed) -> Response {
    if !found.missing.is_empty() {
        let message = format!("no collector has values under the name {}", found.missing.join(", "));
        return ApiError::new(StatusCode::BAD_REQUEST, message).into_response();
    }
    shared.engine.counts().left_out.fetch_add(found.left_out, Relaxed);
    let is_packed = packed.is_some();
    let body = packed.unwrap_or_else(|| found.text.into_bytes());
    let response = text(&shared.engine, StatusCode::OK, CONTENT_TYPE, body);
    let mut response = match response {
        Ok(response) => response,
        Err(error) => return ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_packed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
