//! What agents ask each other: samples and buckets as they are kept, of what selectors find.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use saker_pipeline::reader::{ReadBudget, TimeRange};

use super::form::QueryForm;
use super::prometheus::ApiFailure;
use super::{JSON, Shared, text};
use crate::api::selector;
use crate::ast::Selector;
use crate::log::LoggedQuery;
use crate::peers::{SAMPLES, encode, read};

/// Selectors of one question.
const SELECTORS_MAX: usize = 100;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route(SAMPLES, post(samples))
}

async fn samples(State(shared): State<Shared>, form: QueryForm) -> Response {
    answer(&shared, &form).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(shared: &Shared, form: &QueryForm) -> Result<Response, ApiFailure> {
    let spans = spans(form)?;
    let (start_ms, end_ms) = spans.first().map_or((0, 0), |(_, range)| (range.start_ms, range.end_ms));
    let query = form.all("match[]").collect::<Vec<_>>().join(" ");
    let question = LoggedQuery { query: format!("a peer reads {query}"), start_ms, end_ms, step_ms: 0 };
    let (engine, settings) = (shared.engine.clone(), shared.engine.config().settings());
    let work = move |budget: &ReadBudget| Ok(encode(&read(&**engine.reader(), &spans, &settings, budget)?));
    let body = shared.engine.run(question, None, work).await?;
    Ok(text(&shared.engine, StatusCode::OK, JSON, body)?)
}

fn spans(form: &QueryForm) -> Result<Vec<(Selector, TimeRange)>, ApiFailure> {
    let times = |name| form.all(name).map(|text| text.parse::<i64>().ok()).collect::<Option<Vec<_>>>();
    let (starts, ends) = times("start[]").zip(times("end[]")).unwrap_or_default();
    let selectors: Vec<&str> = form.all("match[]").collect();
    if selectors.is_empty()
        || selectors.len() > SELECTORS_MAX
        || selectors.len() != starts.len()
        || starts.len() != ends.len()
    {
        let why = "as many match[], start[] and end[], in milliseconds, and at most 100 of each";
        return Err(ApiFailure::parameter("match[]", why));
    }
    let parsed =
        selectors.into_iter().map(|text| selector(text).map_err(|error| ApiFailure::syntax("match[]", &error)));
    let ranges = starts.into_iter().zip(ends).map(|(start_ms, end_ms)| TimeRange { start_ms, end_ms });
    parsed.zip(ranges).map(|(selector, range)| Ok((selector?, range))).collect()
}
