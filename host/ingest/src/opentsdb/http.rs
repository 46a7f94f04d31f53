//! `/api/put` as OpenTSDB answers it: 204 if all was taken, else 400 and, if `details` is asked for, which points were not.

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use saker_http::ApiError;
use serde_json::{Value, json};

use super::object::PutObjects;
use super::{OpentsdbProtocol, naming};
use crate::LineDoor;
use crate::asked::{Asked, nothing};
use crate::json::value_end;
use crate::reading::{Fault, Report};

/// The paths that bring points.
pub(super) const PATHS: &[&str] = &["/api/put", "/opentsdb/api/put"];
/// A point is shown to who has sent it if it has no more bytes.
const SHOWN_BYTES: usize = 4 << 10;

type Door = LineDoor<OpentsdbProtocol>;

/// At the API's port.
pub(super) fn routes() -> Router<Door> {
    PATHS.iter().fold(Router::new(), |router, path| router.route(path, post(put)))
}

/// At its own port, with what clients ask before they write.
pub(super) fn own_routes() -> Router<Door> {
    let version = || async { Json(json!({"version": "2.4.0", "short_revision": "", "repo": "saker"})) };
    routes().route("/api/version", get(version).post(version))
}

async fn put(State(listener): State<Door>, asked: Asked, body: Body) -> Result<Response, ApiError> {
    let intake = listener.intake();
    let naming = naming(&intake.config, &intake.endpoint).with(asked.extra()?, "json");
    let (report, body) = asked.take(&listener.way(&intake), PutObjects { naming }, body, nothing).await?;
    Ok(answer(&report, &body, asked.wants("summary"), asked.wants("details")))
}

fn answer(report: &Report, body: &[u8], is_summary: bool, is_detailed: bool) -> Response {
    let (taken, faulty) = (report.taken + report.skipped, report.faulty);
    let status = if faulty == 0 { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    if is_summary || is_detailed {
        let mut answer = json!({"success": taken, "failed": faulty});
        if is_detailed {
            answer["errors"] = report.faults.iter().map(|fault| detail(fault, body)).collect();
        }
        return (status, Json(answer)).into_response();
    }
    if faulty == 0 {
        return StatusCode::NO_CONTENT.into_response();
    }
    let first = report.faults.first().map_or("", |fault| fault.what.as_str());
    let details =
        format!("{faulty} of {} were not taken; append \"details\" to see which; the first: {first}", taken + faulty);
    let error = json!({"code": 400, "message": "One or more data points had errors", "details": details});
    (status, Json(json!({"error": error}))).into_response()
}

/// A point that was not taken, and why.
fn detail(fault: &Fault, body: &[u8]) -> Value {
    let end = value_end(body, fault.at).filter(|end| end - fault.at <= SHOWN_BYTES);
    let point = end.and_then(|end| serde_json::from_slice::<Value>(&body[fault.at..end]).ok());
    json!({"datapoint": point, "error": fault.what})
}
