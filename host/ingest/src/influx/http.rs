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
use saker_http::body::Meter;
use saker_http::{ApiError, Visit};
use saker_model::{Point, Reason, Refused};
use saker_pipeline::{Attempt, IngestSession, Refusing, now_ms};
use serde::Deserialize;
use serde_json::json;

use super::{InfluxConfig, KnownKeys, Precision, Reading, Report, Request};
use crate::admission::{self, Admission, BodyMemory};
use crate::{Context, Door, ListenError, Listener};

/// What clients take us for; the version whose answers these are. VictoriaMetrics says the same.
const VERSION: [(&str, &str); 1] = [("x-influxdb-version", "1.8.0")];
/// What a step of a long body holds besides it: its points, and its new series until they have names. Of a short one no
/// more than the body.
const STEP_BYTES: usize = 3 << 20;
/// A point of a body of many steps, and its copy on the way to a queue.
const POINT_BYTES: usize = 2 * size_of::<Point>();
/// A statement that is understood here has some words.
const STATEMENT_BYTES_MAX: usize = 16 << 10;

/// The paths that bring lines: as InfluxDB 1 has them, and as InfluxDB 2.
const PATHS: &[&str] = &[V1[0], V1[1], V2[0], V2[1]];
const V1: [&str; 2] = ["/write", "/influx/write"];
const V2: [&str; 2] = ["/api/v2/write", "/influx/api/v2/write"];

/// Influx' line protocol.
pub struct Influx {
    door: Arc<Door>,
    admission: Arc<Admission>,
    intake: ArcSwap<Intake>,
}

/// How lines are taken, and what is known of those that came before.
struct Intake {
    config: InfluxConfig,
    endpoint: Arc<str>,
    known: Arc<KnownKeys>,
}

impl Listener for Influx {
    type Config = InfluxConfig;

    fn build(context: &Context, config: &InfluxConfig, endpoint: &Arc<str>) -> Self {
        let (door, intake) = (context.doors.open("influx", PATHS), Intake::new(config, endpoint));
        door.show(intake.known.clone());
        Self { door, admission: context.admission.clone(), intake: ArcSwap::from_pointee(intake) }
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
    async fn apply(&self, config: &InfluxConfig, endpoint: &Arc<str>) -> Result<(), ListenError> {
        let now = self.intake.load();
        if now.config != *config || now.endpoint != *endpoint {
            let intake = Intake::new(config, endpoint);
            self.door.show(intake.known.clone());
            self.intake.store(Arc::new(intake));
        }
        Ok(())
    }
}

impl Intake {
    fn new(config: &InfluxConfig, endpoint: &Arc<str>) -> Self {
        Self { config: config.clone(), endpoint: endpoint.clone(), known: Arc::new(KnownKeys::new(config.known_bytes)) }
    }

    /// Takes the lines of a body: reads it step by step, then takes all points at once, or none.
    async fn take(
        &self,
        session: &IngestSession,
        admission: &Admission,
        body: &[u8],
        request: &Request,
        memory: &mut impl Meter,
        visit: &Visit,
    ) -> Result<Report, ApiError> {
        let mut charged = 0;
        for attempt in session.attempts() {
            let mut reading = Reading::new(body, &self.known, &self.config.mapping, request);
            let (mut points, mut refused) = (Vec::new(), Refused::default());
            while reading.has_more() && self.step(&attempt, &mut reading).await {
                refused.add_all(reading.refused());
                if !reading.has_more() && points.is_empty() {
                    break;
                }
                let now = (points.len() + reading.points().len()) * POINT_BYTES;
                if let Err(short) = memory.grow(now.saturating_sub(charged)) {
                    refused.add(Reason::NoRoom, (points.len() + reading.points().len()) as u64);
                    session.refuse(refused.total() as usize, &refused);
                    return Err(visit.no_memory(short));
                }
                charged = now.max(charged);
                points.extend_from_slice(reading.points());
                // A large body is no reason for others to wait.
                tokio::task::yield_now().await;
            }
            if reading.has_more() || !attempt.holds() {
                continue;
            }
            // Most bodies are of one step, and need not be copied.
            let points = if points.is_empty() { reading.points() } else { &points };
            let received = points.len() + refused.total() as usize;
            // The answer knows all of a body or lines that are wrong for ever, nothing in between.
            let taken = attempt.take(received, points, &refused, Refusing::All).await;
            taken.map_err(|overload| admission.refused(&overload))?;
            return Ok(reading.finish());
        }
        Err(admission::try_again("the names of series change too fast; try again"))
    }

    /// Reads a step and names its series; false if the names of before do not hold any more.
    async fn step(&self, attempt: &Attempt<'_>, reading: &mut Reading<'_>) -> bool {
        let now_s = attempt.now_s();
        reading.read(attempt.names(), now_s);
        let new = reading.new_values();
        if !new.is_empty() {
            reading.named(attempt.name(new).await);
        }
        let holds = attempt.touch(reading.seen().iter().copied(), now_s);
        if holds {
            reading.confirm();
        }
        holds
    }
}

/// What a write says of its lines. Other parameters, such as users and retention policies, mean nothing here.
#[derive(Debug, Deserialize)]
struct Asked {
    #[serde(default)]
    precision: String,
    db: Option<String>,
    bucket: Option<String>,
}

type Parameters = Result<Query<Asked>, QueryRejection>;

async fn write_v1(
    influx: State<Arc<Influx>>,
    visit: Extension<Visit>,
    asked: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let report = write(&influx, &visit, asked, &headers, body).await?;
    Ok(answer(&report, |message| json!({"error": message})))
}

async fn write_v2(
    influx: State<Arc<Influx>>,
    visit: Extension<Visit>,
    asked: Parameters,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let report = write(&influx, &visit, asked, &headers, body).await?;
    Ok(answer(&report, |message| json!({"code": "invalid", "message": message})))
}

async fn write(
    influx: &Arc<Influx>,
    visit: &Visit,
    asked: Parameters,
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
    memory.grow(body.len().min(STEP_BYTES)).map_err(|short| visit.no_memory(short))?;
    let intake = influx.intake.load_full();
    let request = Request {
        db: asked.db.or(asked.bucket).filter(|name| !name.is_empty()).map(Arc::from),
        precision,
        endpoint: intake.endpoint.clone(),
        now_ms: now_ms(),
    };
    let (bytes, work) = (body.len(), take(influx.clone(), intake, body, memory, request, visit.clone()));
    influx.admission.parse(bytes, work).await?
}

async fn take(
    influx: Arc<Influx>,
    intake: Arc<Intake>,
    body: Bytes,
    mut memory: BodyMemory,
    request: Request,
    visit: Visit,
) -> Result<Report, ApiError> {
    intake.take(influx.door.session(), &influx.admission, &body, &request, &mut memory, &visit).await
}

/// 204 if everything was taken, else 400 and what was not. `form` is the error as the client's InfluxDB puts it.
fn answer(report: &Report, form: impl Fn(&str) -> serde_json::Value) -> Response {
    let refused = report.faulty;
    if refused == 0 {
        return (StatusCode::NO_CONTENT, VERSION).into_response();
    }
    let lines: Vec<_> = report.faults.iter().map(|fault| format!("line {}: {}", fault.line, fault.what)).collect();
    let message =
        format!("partial write: {}; {refused} values refused, {} values taken", lines.join("; "), report.taken);
    let mut error = form(&message);
    error["taken"] = report.taken.into();
    error["refused"] = refused.into();
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
            let message = "only CREATE DATABASE and SHOW DATABASES are answered here; ask /api/v1/recent for values";
            return ApiError::new(StatusCode::BAD_REQUEST, message).into_response();
        }
    };
    (VERSION, Json(json!({"results": [result]}))).into_response()
}
