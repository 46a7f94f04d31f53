//! Influx line protocol over HTTP: `/write` as InfluxDB 1 has it, `/api/v2/write` as InfluxDB 2, and what their clients
//! ask before they write.
//!
//! A line that cannot be taken spoils no other: the answer is then 400 with "partial write" as InfluxDB's, the lines'
//! numbers and what is wrong with them.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Form, FromRequest, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use saker_http::body::BodyMeter;
use saker_http::{ApiError, RequestInfo};
use saker_pipeline::OverloadPolicy;
use serde::Deserialize;
use serde_json::json;

use super::{InfluxConfig, InfluxLines, Precision, WriteParameters};
use crate::admission::{self, BodyMemory, IngestAdmission};
use crate::keys::KeyCache;
use crate::reading::Report;
use crate::take::{BATCH_BYTES, Untaken, take};
use crate::{IngestContext, ListenerStats, ProtocolListenError, ProtocolListener};

/// What clients take us for; the version whose answers these are. VictoriaMetrics says the same.
const VERSION: [(&str, &str); 1] = [("x-influxdb-version", "1.8.0")];
/// A statement that is understood here has some words.
const STATEMENT_BYTES_MAX: usize = 16 << 10;

/// The paths that bring lines: as InfluxDB 1 has them, and as InfluxDB 2.
const PATHS: &[&str] = &[V1[0], V1[1], V2[0], V2[1]];
const V1: [&str; 2] = ["/write", "/influx/write"];
const V2: [&str; 2] = ["/api/v2/write", "/influx/api/v2/write"];

/// Influx' line protocol.
pub struct InfluxListener {
    listener: Arc<ListenerStats>,
    admission: Arc<IngestAdmission>,
    intake: ArcSwap<InfluxState>,
}

/// How lines are taken, and what is known of those that came before.
struct InfluxState {
    config: InfluxConfig,
    endpoint: Arc<str>,
    keys: Arc<KeyCache>,
}

impl ProtocolListener for InfluxListener {
    type Config = InfluxConfig;

    fn build(context: &IngestContext, config: &InfluxConfig, endpoint: &Arc<str>) -> Self {
        let (listener, intake) = (context.listeners.open("influx", PATHS), InfluxState::new(config, endpoint));
        listener.show_keys(intake.keys.clone());
        Self { listener, admission: context.admission.clone(), intake: ArcSwap::from_pointee(intake) }
    }

    fn router(self: &Arc<Self>) -> Router {
        let writes = V1.into_iter().fold(Router::new(), |writes, path| writes.route(path, post(write_v1)));
        let writes = V2.into_iter().fold(writes, |writes, path| writes.route(path, post(write_v2)));
        let admit = middleware::from_fn_with_state(self.admission.clone(), admission::admit);
        let queries = Router::new().route("/query", get(query).post(query));
        // What clients ask before they write.
        let queries = queries.layer(DefaultBodyLimit::max(STATEMENT_BYTES_MAX)).route("/ping", get(ping));
        writes.layer(admit).with_state(self.clone()).merge(queries)
    }

    /// What is known holds only as long as names are made in the same way.
    async fn apply(&self, config: &InfluxConfig, endpoint: &Arc<str>) -> Result<(), ProtocolListenError> {
        let now = self.intake.load();
        if now.config != *config || now.endpoint != *endpoint {
            let intake = InfluxState::new(config, endpoint);
            self.listener.show_keys(intake.keys.clone());
            self.intake.store(Arc::new(intake));
        }
        Ok(())
    }
}

impl InfluxState {
    fn new(config: &InfluxConfig, endpoint: &Arc<str>) -> Self {
        let keys = Arc::new(KeyCache::new(config.key_cache_bytes));
        Self { config: config.clone(), endpoint: endpoint.clone(), keys }
    }
}

/// What a write says of its lines. Other parameters, such as users and retention policies, mean nothing here.
#[derive(Debug, Deserialize)]
struct WriteQuery {
    #[serde(default)]
    precision: String,
    db: Option<String>,
    bucket: Option<String>,
}

type WriteQueryResult = Result<Query<WriteQuery>, QueryRejection>;

async fn write_v1(
    influx: State<Arc<InfluxListener>>,
    visit: Extension<RequestInfo>,
    asked: WriteQueryResult,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let report = write(&influx, &visit, asked, &headers, body).await?;
    Ok(answer(&report, |message| json!({"error": message})))
}

async fn write_v2(
    influx: State<Arc<InfluxListener>>,
    visit: Extension<RequestInfo>,
    asked: WriteQueryResult,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let report = write(&influx, &visit, asked, &headers, body).await?;
    Ok(answer(&report, |message| json!({"code": "invalid", "message": message})))
}

async fn write(
    influx: &Arc<InfluxListener>,
    visit: &RequestInfo,
    asked: WriteQueryResult,
    headers: &HeaderMap,
    body: Body,
) -> Result<Report, ApiError> {
    let bad = |message: String| ApiError::new(StatusCode::BAD_REQUEST, message);
    let Query(asked) = asked.map_err(|error| bad(error.body_text()))?;
    let precision = Precision::parse(&asked.precision)
        .ok_or_else(|| bad(format!("precision must be ns, us, ms, s, m or h, found {:?}", asked.precision)))?;
    if let Some(answer) = influx.admission.too_early() {
        return Err(answer);
    }
    let memory = influx.admission.memory(visit)?;
    let (body, mut memory) = saker_http::body::read(visit, headers, body, memory).await?;
    memory.grow(body.len().min(BATCH_BYTES)).map_err(|short| visit.no_memory(short))?;
    let intake = influx.intake.load_full();
    let request = WriteParameters {
        db: asked.db.or(asked.bucket).filter(|name| !name.is_empty()).map(Arc::from),
        precision,
        endpoint: intake.endpoint.clone(),
    };
    let (bytes, work) = (body.len(), take_body(influx.clone(), intake, body, memory, request));
    let taken = influx.admission.parse(bytes, work).await?;
    taken.map_err(|untaken| influx.admission.untaken(visit, &untaken))
}

async fn take_body(
    influx: Arc<InfluxListener>,
    intake: Arc<InfluxState>,
    body: Bytes,
    mut memory: BodyMemory,
    request: WriteParameters,
) -> Result<Report, Untaken> {
    let lines = InfluxLines::new(&intake.config.mapping, &request);
    let (session, body) = (influx.listener.session(), body[..].into());
    // The answer knows all of a body or lines that are wrong for ever, nothing in between.
    take(session, &intake.keys, &lines, body, &mut memory, OverloadPolicy::All).await
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
