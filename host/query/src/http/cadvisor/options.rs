//! What a request says beside its path.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::Method;
use saker_pipeline::reader::TimeRange;
use serde::Deserialize;

use super::ask::Failure;
use crate::api::parse_time;
use crate::cadvisor::{Count, Wanted};
use crate::http::form::QueryForm;
use crate::http::{Shared, now_ms};

/// Bytes of a question's body: two times and a number.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Stats of each container that version 1 answers if it is not said how many.
const STATS_ONE: usize = 60;
/// And version 2.
const STATS_TWO: usize = 64;
/// How far apart stats may lie: a minute is the longest that cAdvisor has between two.
const STEP_MS: i64 = 60_000;
/// How far back all stats go that are asked for without a start.
const ALL_MS: i64 = 86_400_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) endpoint: Option<String>,
    pub(super) range: TimeRange,
    pub(super) count: Count,
    pub(super) form: QueryForm,
}

/// The body of version 1's questions.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Body {
    num_stats: Option<i64>,
    start: Option<String>,
    end: Option<String>,
}

impl Options {
    /// Of version 1: a body, or the same as parameters.
    pub(super) async fn one(shared: &Shared, request: Request) -> Result<Self, Failure> {
        let form = QueryForm::parse(request.uri().query().unwrap_or_default().as_bytes())?;
        let mut body = Body::default();
        if request.method() == Method::POST {
            let bytes = to_bytes(request.into_body(), BODY_BYTES_MAX).await;
            let bytes = bytes.map_err(|_| Failure::Asked(format!("the body has more than {BODY_BYTES_MAX} bytes")))?;
            if !bytes.trim_ascii().is_empty() {
                body = serde_json::from_slice(&bytes).map_err(|error| Failure::Asked(format!("the body: {error}")))?;
            }
        }
        let count = match form.given("num_stats") {
            Some(text) => count("num_stats", text)?,
            None => body.num_stats.map_or(Ok(Count(Some(STATS_ONE))), |number| counted("num_stats", number))?,
        };
        let time = |name: &'static str, told: &Option<String>| time(name, form.given(name).or(told.as_deref()));
        Ok(Self::new(shared, (time("start", &body.start)?, time("end", &body.end)?), count, form))
    }

    /// Of version 2: parameters.
    pub(super) fn two(shared: &Shared, form: QueryForm) -> Result<Self, Failure> {
        let count = form.given("count").map_or(Ok(Count(Some(STATS_TWO))), |text| count("count", text))?;
        let times = (time("start_time", form.given("start_time"))?, time("end_time", form.given("end_time"))?);
        Ok(Self::new(shared, times, count, form))
    }

    fn new(shared: &Shared, (start, end): (Option<i64>, Option<i64>), count: Count, form: QueryForm) -> Self {
        let end_ms = end.unwrap_or_else(now_ms);
        let lookback_ms = shared.engine.config().settings().lookback_ms;
        let span_ms = count.0.map_or(ALL_MS, |count| (count as i64).saturating_mul(STEP_MS)).clamp(lookback_ms, ALL_MS);
        let start_ms = start.unwrap_or(end_ms.saturating_sub(span_ms));
        let endpoint = form.given("endpoint").map(ToOwned::to_owned);
        Self { endpoint, range: TimeRange { start_ms, end_ms }, count, form }
    }

    /// Which containers version 2 asks for.
    pub(super) fn wanted(&self, name: Option<String>) -> Result<Wanted, Failure> {
        let name = name.unwrap_or_default();
        let recursive = self.form.get("recursive") == "true";
        let namespace = match self.form.get("type") {
            "" | "name" => {
                let path = absolute(&name);
                return Ok(if recursive { Wanted::Below(path) } else { Wanted::Path(path) });
            }
            "docker" => "docker",
            "podman" => "podman",
            other => {
                return Err(Failure::Asked(format!("type: expected name, docker or podman, found {other:?}")));
            }
        };
        match (name.trim_matches('/'), recursive) {
            ("", _) => Ok(Wanted::Namespace(namespace)),
            (_, true) => Err(Failure::Asked(format!("recursive: of type {namespace} only / has others below it"))),
            (name, false) => Ok(Wanted::Named(namespace, name.to_owned())),
        }
    }
}

/// A path in the tree of control groups.
pub(super) fn absolute(name: &str) -> String {
    format!("/{}", name.trim_matches('/'))
}

fn count(name: &str, text: &str) -> Result<Count, Failure> {
    let number = text.parse().map_err(|_| Failure::Asked(format!("{name}: expected a number, found {text:?}")))?;
    counted(name, number)
}

fn counted(name: &str, number: i64) -> Result<Count, Failure> {
    match number {
        -1 => Ok(Count(None)),
        0.. => Ok(Count(Some(usize::try_from(number).unwrap_or(usize::MAX)))),
        _ => Err(Failure::Asked(format!("{name}: expected -1 for all, or how many, found {number}"))),
    }
}

/// A time; Go's zero is none.
fn time(name: &str, text: Option<&str>) -> Result<Option<i64>, Failure> {
    let Some(text) = text.filter(|text| !text.starts_with("0001-01-01T00:00:00")) else { return Ok(None) };
    let time = parse_time(text);
    time.map(Some)
        .ok_or_else(|| Failure::Asked(format!("{name}: expected a time such as 2026-11-29T13:00:00Z, found {text:?}")))
}
