//! What doors over HTTP have in common: what a request says beside its body, how that is taken, and the answer.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use saker_http::body::BodyMeter;
use saker_http::{ApiError, RequestInfo};
use saker_pipeline::OverloadPolicy;
use serde_json::{Value, json};

use crate::batch::Decoder;
use crate::extra::ExtraTags;
use crate::keys::KeyCache;
use crate::reading::Report;
use crate::take::{BATCH_BYTES, take, take_faultless};
use crate::{IngestAdmission, ListenerStats};

/// What a request says.
pub(crate) struct Asked {
    parameters: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) visit: RequestInfo,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let Query(parameters) = Query::try_from_uri(&parts.uri).map_err(|error| bad(error.body_text()))?;
        let visit = parts.extensions.get::<RequestInfo>().cloned();
        let visit = visit.ok_or_else(|| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "not through a server"))?;
        Ok(Self { parameters, headers: parts.headers.clone(), visit })
    }
}

/// It is the sender's fault.
pub(crate) fn bad(message: impl AsRef<str>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, message)
}

impl Asked {
    /// The first parameter of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether something is asked for that has no value, or one that says yes.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| !matches!(value, "0" | "false"))
    }

    /// Whether nothing is to be taken of a body that anything is wrong with.
    pub(crate) fn is_strict(&self) -> bool {
        self.wants("strict")
    }

    /// Tags for all of its series.
    pub(crate) fn extra(&self) -> Result<ExtraTags, ApiError> {
        let mut extra = ExtraTags::default();
        for (_, label) in self.parameters.iter().filter(|(name, _)| name == "extra_label") {
            extra.add(label).map_err(bad)?;
        }
        Ok(extra)
    }

    /// Has a body taken; answers what became of it, and its bytes. `beside` says what memory a body needs beside that for
    /// the points of a batch.
    pub(crate) async fn take<D: Decoder + 'static>(
        &self,
        way: &Way<'_>,
        decoder: D,
        body: Body,
        beside: fn(&[u8]) -> usize,
    ) -> Result<(Report, Bytes), ApiError> {
        if let Some(answer) = way.admission.too_early() {
            return Err(answer);
        }
        let memory = way.admission.memory(&self.visit)?;
        let (body, mut memory) = saker_http::body::read(&self.visit, &self.headers, body, memory).await?;
        let beside = body.len().min(BATCH_BYTES).saturating_add(beside(&body));
        memory.grow(beside).map_err(|short| self.visit.no_memory(short))?;
        let (listener, keys, is_strict) = (way.listener.clone(), way.keys.clone(), self.is_strict());
        let (bytes, kept) = (body.len(), body.clone());
        let work = async move {
            let (session, body) = (listener.session(), body[..].into());
            match is_strict {
                true => take_faultless(session, &keys, &decoder, body, &mut memory).await,
                false => take(session, &keys, &decoder, body, &mut memory, OverloadPolicy::All).await,
            }
        };
        let taken = way.admission.parse(bytes, work).await?;
        let report = taken.map_err(|untaken| way.admission.untaken(&self.visit, &untaken))?;
        way.listener.note(&report);
        Ok((report, kept))
    }
}

/// Of a body whose lines are short.
pub(crate) fn nothing(_: &[u8]) -> usize {
    0
}

/// Where a body goes.
pub(crate) struct Way<'a> {
    pub(crate) listener: &'a Arc<ListenerStats>,
    pub(crate) admission: &'a IngestAdmission,
    pub(crate) keys: &'a Arc<KeyCache>,
}

/// `done` if everything was taken, else what was not: 200 if something was, 400 if nothing was.
pub(crate) fn answer(report: &Report, done: StatusCode) -> Response {
    if report.faulty == 0 {
        return done.into_response();
    }
    let status = if report.taken == 0 { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    (status, Json(in_json(report))).into_response()
}

fn in_json(report: &Report) -> Value {
    let errors: Vec<_> = report.faults.iter().map(|fault| json!({"line": fault.line, "error": fault.what})).collect();
    let error = match report.faults.first() {
        Some(first) => format!("line {}: {}", first.line, first.what),
        None => "some of it was rejected".to_owned(),
    };
    json!({"error": error, "accepted": report.taken, "rejected": report.faulty, "errors": errors})
}
