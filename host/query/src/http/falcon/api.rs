//! falcon-plus' api: `/api/v1/graph/…`.

use axum::extract::{Request, State};
use axum::http::Uri;
use axum::response::Response;
use saker_pipeline::reader::{ReadBudget, TimeRange};
use serde::Deserialize;

use super::body::{ErrorDialect, FalconRejection, Pair, respond};
use super::service::{RowRange, newest};
use crate::falcon::{self, Consolidation, IndexPage};
use crate::http::form::QueryForm;
use crate::http::{Shared, now_ms};
use crate::json;
use crate::log::LoggedQuery;

pub(super) const DIALECT: ErrorDialect = ErrorDialect::Api;

/// Items of a page, where nothing else is asked for.
const PAGE_ITEMS: usize = 500;
/// A series that had no value for so long is not listed: a week, as graph's index is swept.
const LISTED_MS: i64 = 7 * 86_400_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FalconPlusHistory {
    hostnames: Vec<String>,
    counters: Vec<String>,
    consol_fun: String,
    start_time: i64,
    end_time: i64,
    step: i64,
}

pub(super) async fn history(State(shared): State<Shared>, request: Request) -> Response {
    let answer = async {
        let body: FalconPlusHistory = DIALECT.json(request).await?;
        for (name, is_missing) in [
            ("hostnames", body.hostnames.is_empty()),
            ("counters", body.counters.is_empty()),
            ("consol_fun", body.consol_fun.is_empty()),
            ("start_time", body.start_time == 0),
            ("end_time", body.end_time == 0),
        ] {
            if is_missing {
                return Err(DIALECT.bad(format!("{name} is missing")));
            }
        }
        let consolidation = Consolidation::parse(&body.consol_fun)
            .ok_or_else(|| DIALECT.bad("consol_fun must be AVERAGE, MAX or MIN"))?;
        let count = body.hostnames.len().saturating_mul(body.counters.len());
        if count > PAIRS_MAX {
            return Err(DIALECT.bad(format!("{count} series are asked for, and {PAIRS_MAX} is the most")));
        }
        let of_host = |endpoint: &String| {
            let endpoint = endpoint.clone();
            body.counters.iter().map(move |counter| Pair { endpoint: endpoint.clone(), counter: counter.clone() })
        };
        let pairs = body.hostnames.iter().flat_map(of_host).collect();
        // Who names a step asks nothing of the index, so what is not known has an empty answer instead of none.
        let keeps_unknown = body.step != 0;
        let rows = RowRange { start_s: body.start_time, end_s: body.end_time, consolidation, keeps_unknown };
        rows.of(&shared, pairs, DIALECT).await
    };
    respond(&shared, DIALECT, answer.await)
}

/// Counters times endpoints of one question; more would fill any answer.
const PAIRS_MAX: usize = 20_000;

pub(super) async fn last(State(shared): State<Shared>, request: Request) -> Response {
    let answer = async {
        let pairs: Vec<Option<Pair>> = DIALECT.json(request).await?;
        newest(&shared, pairs.into_iter().flatten().collect(), DIALECT, false).await
    };
    respond(&shared, DIALECT, answer.await)
}

pub(super) async fn endpoints(State(shared): State<Shared>, uri: Uri) -> Response {
    let answer = async {
        let form = form(&uri)?;
        let (patterns, parts) = (form.get("q").to_owned(), form.get("tags").to_owned());
        if patterns.is_empty() && parts.is_empty() {
            return Err(DIALECT.bad("q and labels are all missing"));
        }
        let page = page(&form)?;
        list(&shared, "graph/endpoint", move |shared, range, bounds| {
            let reader = &**shared.engine.reader();
            let found = falcon::endpoints(reader, &patterns, &parts, range, page, bounds)?;
            Ok(json::list(&found, bounds.1.limits().memory_bytes, |out, endpoint| {
                falcon::push_endpoint(out, endpoint);
            })?)
        })
        .await
    };
    respond(&shared, DIALECT, answer.await)
}

pub(super) async fn counters(State(shared): State<Shared>, uri: Uri) -> Response {
    let answer = async {
        let form = form(&uri)?;
        if form.given("eid").is_none() {
            return Err(DIALECT.bad("eid is missing"));
        }
        let ids: Vec<u64> = form.get("eid").split(',').filter_map(|id| id.trim().parse().ok()).collect();
        if ids.is_empty() {
            return Err(DIALECT.bad("input error, please check your input info."));
        }
        let patterns = form.given("metricQuery").unwrap_or(".+").to_owned();
        let page = page(&form)?;
        list(&shared, "graph/endpoint_counter", move |shared, range, bounds| {
            let reader = &**shared.engine.reader();
            let found = falcon::counters(reader, &ids, &patterns, range, page, bounds)?;
            Ok(json::list(&found, bounds.1.limits().memory_bytes, falcon::push_endpoint_counter)?)
        })
        .await
    };
    respond(&shared, DIALECT, answer.await)
}

fn form(uri: &Uri) -> Result<QueryForm, FalconRejection> {
    let query = uri.query().unwrap_or_default();
    QueryForm::parse(query.as_bytes()).map_err(|error| DIALECT.form(&error))
}

fn page(form: &QueryForm) -> Result<IndexPage, FalconRejection> {
    let number = |name: &str, default: usize| {
        let Some(text) = form.given(name) else { return Ok(default) };
        text.parse().map_err(|_| DIALECT.bad(format!("{name} must be a number, found {text:?}")))
    };
    Ok(IndexPage { limit: number("limit", PAGE_ITEMS)?, page: number("page", 1)? })
}

/// How many series are looked at, and what the question may spend.
type Bounds<'a> = (usize, &'a ReadBudget);

async fn list(
    shared: &Shared,
    what: &str,
    work: impl FnOnce(&Shared, TimeRange, Bounds<'_>) -> Result<String, crate::eval::QueryError> + Send + 'static,
) -> Result<String, FalconRejection> {
    let end_ms = now_ms();
    let range = TimeRange { start_ms: end_ms - LISTED_MS, end_ms };
    let question = LoggedQuery { query: what.into(), start_ms: range.start_ms, end_ms, step_ms: 0 };
    let (series_max, inner) = (shared.engine.config().series, shared.clone());
    let work = move |budget: &ReadBudget| work(&inner, range, (series_max, budget));
    shared.engine.run(question, None, work).await.map_err(|error| DIALECT.failed(&error))
}
