//! Deletes series, as falcon-plus' api does: those of endpoints, or counters of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use saker_pipeline::reader::{Matcher, MatcherLabel, ReadBudget, SeriesRef, TextCondition, TimeRange};
use serde::Deserialize;

use super::api::DIALECT;
use super::body::{FalconRejection, respond};
use crate::eval::QueryError;
use crate::falcon::counter_of;
use crate::http::{Shared, now_ms};
use crate::log::LoggedQuery;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CountersBody {
    endpoints: Vec<String>,
    counters: Vec<String>,
}

pub(super) async fn endpoints(State(shared): State<Shared>, request: Request) -> Response {
    let answer = async {
        let endpoints: Vec<String> = DIALECT.json(request).await?;
        let gone = erase(&shared, endpoints, None).await?;
        Ok(format!("{{\"affected_counter\":{},\"affected_endpoint\":{}}}", gone.counters, gone.endpoints))
    };
    respond(&shared, DIALECT, answer.await)
}

pub(super) async fn counters(State(shared): State<Shared>, request: Request) -> Response {
    let answer = async {
        let body: CountersBody = DIALECT.json(request).await?;
        for (name, list) in [("endpoints", &body.endpoints), ("counters", &body.counters)] {
            if list.is_empty() {
                return Err(DIALECT.bad(format!("{name} is missing")));
            }
        }
        let gone = erase(&shared, body.endpoints, Some(body.counters)).await?;
        Ok(format!("{{\"affected_counter\":{}}}", gone.counters))
    };
    respond(&shared, DIALECT, answer.await)
}

struct Gone {
    endpoints: usize,
    counters: usize,
}

/// Erases the series of endpoints, all or those of these counters.
async fn erase(
    shared: &Shared,
    endpoints: Vec<String>,
    counters: Option<Vec<String>>,
) -> Result<Gone, FalconRejection> {
    let Some(eraser) = shared.eraser.clone() else {
        let message = "there is no store whose series could be deleted; recent values go by themselves";
        return Err(DIALECT.with(StatusCode::NOT_IMPLEMENTED, message));
    };
    let query = format!("delete series of {} endpoints", endpoints.len());
    let question = LoggedQuery { query, start_ms: 0, end_ms: 0, step_ms: 0 };
    let (engine, series_max) = (shared.engine.clone(), shared.engine.config().series);
    let work = move |budget: &ReadBudget| {
        let endpoints: BTreeSet<String> = endpoints.into_iter().collect();
        let of_them = TextCondition::Meets(Arc::new(move |endpoint| endpoints.contains(endpoint)));
        let matchers = [Matcher { label: MatcherLabel::Endpoint, condition: of_them }];
        let range = TimeRange { start_ms: 0, end_ms: now_ms().saturating_mul(2) };
        let mut found = engine.reader().select(&matchers, range, series_max.saturating_add(1))?;
        if found.len() > series_max {
            return Err(QueryError::SeriesLimit { selector: "these endpoints".into(), limit: series_max });
        }
        if let Some(counters) = counters {
            let counters: BTreeSet<String> = counters.iter().map(|counter| canonical(counter)).collect();
            found.retain(|series| counters.contains(&counter_of(&series.identity)));
        }
        budget.check()?;
        eraser.erase(&found)?;
        let endpoints: BTreeSet<&str> = found.iter().map(|series: &SeriesRef| &*series.identity.endpoint).collect();
        Ok(Gone { endpoints: endpoints.len(), counters: found.len() })
    };
    shared.engine.run(question, None, work).await.map_err(|error| DIALECT.failed(&error))
}

/// A counter with its tags in order.
fn canonical(counter: &str) -> String {
    let parsed = crate::falcon::Counter::parse(counter);
    if parsed.tags.is_empty() {
        return parsed.metric.into();
    }
    let tags = saker_model::flat::tags(parsed.tags.iter().map(|(key, value)| (&**key, &**value)));
    format!("{}/{tags}", parsed.metric)
}
