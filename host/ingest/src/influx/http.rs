//! Influx line protocol over HTTP: `/write` as InfluxDB 1 has it, `/api/v2/write` as InfluxDB 2, and what their clients
//! ask before they write.
//!
//! A line that cannot be taken spoils no other: the answer is then 400 with "partial write" as InfluxDB's, the lines'
//! numbers and what is wrong with them.

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Form, FromRequest, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use saker_http::ApiError;
use serde::Deserialize;
use serde_json::json;

use super::{InfluxLines, InfluxProtocol, Precision, WriteParameters};
use crate::LineDoor;
use crate::asked::{Asked, bad, nothing};
use crate::reading::Report;

/// What clients take us for; the version whose answers these are. VictoriaMetrics says the same.
const VERSION: [(&str, &str); 1] = [("x-influxdb-version", "1.8.0")];
/// A statement that is understood here has some words.
const STATEMENT_BYTES_MAX: usize = 16 << 10;

/// The paths that bring lines: as InfluxDB 1 has them, and as InfluxDB 2.
pub(super) const PATHS: &[&str] = &[V1[0], V1[1], V2[0], V2[1]];
const V1: [&str; 2] = ["/write", "/influx/write"];
const V2: [&str; 2] = ["/api/v2/write", "/influx/api/v2/write"];

type Door = LineDoor<InfluxProtocol>;

/// The paths, and what clients ask before they write.
pub(super) fn routes() -> Router<Door> {
    let writes = V1.into_iter().fold(Router::new(), |writes, path| writes.route(path, post(write_v1)));
    V2.into_iter().fold(writes, |writes, path| writes.route(path, post(write_v2)))
}

/// What clients ask before they write.
pub(super) fn questions() -> Router {
    let queries = Router::new().route("/query", get(query).post(query));
    queries.layer(DefaultBodyLimit::max(STATEMENT_BYTES_MAX)).route("/ping", get(ping))
}

async fn write_v1(listener: State<Door>, asked: Asked, body: Body) -> Result<Response, ApiError> {
    let report = write(&listener, &asked, body).await?;
    Ok(answer(&report, |message| json!({"error": message})))
}

async fn write_v2(listener: State<Door>, asked: Asked, body: Body) -> Result<Response, ApiError> {
    let report = write(&listener, &asked, body).await?;
    Ok(answer(&report, |message| json!({"code": "invalid", "message": message})))
}

/// What a write says of its lines are precision, database and tags. Other parameters, such as users and retention
/// policies, mean nothing here.
async fn write(listener: &Door, asked: &Asked, body: Body) -> Result<Report, ApiError> {
    let precision = asked.get("precision").unwrap_or_default();
    let precision = Precision::parse(precision)
        .ok_or_else(|| bad(format!("precision must be ns, us, ms, s, m or h, found {precision:?}")))?;
    let db = asked.get("db").or(asked.get("bucket")).filter(|name| !name.is_empty()).map(Into::into);
    let (intake, extra) = (listener.intake(), asked.extra()?);
    let request = WriteParameters::new(&intake.config.mapping, &intake.endpoint).with(db, extra);
    let lines = InfluxLines::new(intake.config.mapping.clone(), WriteParameters { precision, ..request });
    // The answer knows all of a body or lines that are wrong for ever, nothing in between.
    Ok(asked.take(&listener.way(&intake), lines, body, nothing).await?.0)
}

/// 204 if everything was taken, else 400 and what was not. `form` is the error as the client's InfluxDB puts it.
fn answer(report: &Report, form: impl Fn(&str) -> serde_json::Value) -> Response {
    let rejected = report.faulty;
    if rejected == 0 {
        return (StatusCode::NO_CONTENT, VERSION).into_response();
    }
    let lines: Vec<_> = report.faults.iter().map(|fault| format!("line {}: {}", fault.line, fault.what)).collect();
    let message =
        format!("partial write: {}; {rejected} values rejected, {} values taken", lines.join("; "), report.taken);
    let mut error = form(&message);
    error["taken"] = report.taken.into();
    error["rejected"] = rejected.into();
    (StatusCode::BAD_REQUEST, VERSION, Json(error)).into_response()
}

#[derive(Deserialize)]
struct Ping {
    #[serde(default)]
    verbose: String,
}

/// Whether we are there; with `verbose=true` as JSON.
async fn ping(Query(ping): Query<Ping>) -> Response {
    match ping.verbose.as_str() {
        "" | "false" | "0" => (StatusCode::NO_CONTENT, VERSION).into_response(),
        _ => (VERSION, Json(json!({"version": VERSION[0].1}))).into_response(),
    }
}

#[derive(Default, Deserialize)]
struct Statement {
    #[serde(default)]
    q: String,
}

/// Clients create their database before they write. There is none to create, and nothing to be queried.
async fn query(Query(asked): Query<Statement>, request: axum::extract::Request) -> Response {
    let statement = if asked.q.is_empty() && request.method() == axum::http::Method::POST {
        Form::<Statement>::from_request(request, &()).await.map(|Form(statement)| statement.q).unwrap_or_default()
    } else {
        asked.q
    };
    let words = statement.to_ascii_lowercase();
    let words: Vec<_> = words.split_whitespace().take(2).collect();
    let result = match words[..] {
        ["create", "database"] => json!({"statement_id": 0}),
        ["show", "databases"] => {
            json!({"statement_id": 0, "series": [{"name": "databases", "columns": ["name"], "values": []}]})
        }
        _ => {
            let message = "only CREATE DATABASE and SHOW DATABASES are answered here; ask /saker/v1/recent for values";
            return ApiError::new(StatusCode::BAD_REQUEST, message).into_response();
        }
    };
    (VERSION, Json(json!({"results": [result]}))).into_response()
}
