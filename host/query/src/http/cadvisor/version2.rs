//! `/api/v2.1` and `/metrics/cadvisor`.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use saker_pipeline::reader::{ReadBudget, SeriesReader, TimeRange};
use serde_json::{Value, json};

use super::ask::{Failure, Source, ask, respond};
use super::options::{Options, absolute};
use super::version1::fits;
use crate::cadvisor::{self, CadvisorError, Container, EventKind, Form as StatsForm, Wanted};
use crate::exposition::CONTENT_TYPE;
use crate::http::form::QueryForm;
use crate::http::{Shared, now_ms, text};

type Name = Option<Path<String>>;

/// Events that are answered if it is not said how many.
const EVENTS: usize = 10;
/// And at most.
const EVENTS_MAX: usize = 10_000;

fn options(shared: &Shared, uri: &Uri) -> Result<Options, Failure> {
    Options::two(shared, QueryForm::parse(uri.query().unwrap_or_default().as_bytes())?)
}

pub(super) async fn stats(State(shared): State<Shared>, path: Name, uri: Uri) -> Response {
    let answer = each(&shared, path, &uri, |reader, container, options, budget| {
        let window = (options.range, options.count);
        let spec = cadvisor::spec(reader, container, options.range, budget)?;
        let stats = cadvisor::stats(reader, container, StatsForm::Two, window, budget)?;
        Ok(json!({"spec": spec, "stats": stats}))
    });
    let answer = answer.await;
    respond(&shared, answer)
}

pub(super) async fn spec(State(shared): State<Shared>, path: Name, uri: Uri) -> Response {
    let answer = each(&shared, path, &uri, |reader, container, options, budget| {
        let mut spec = cadvisor::spec(reader, container, options.range, budget)?;
        if let Some(spec) = spec.as_object_mut().filter(|_| !container.aliases().is_empty()) {
            spec.insert("aliases".into(), container.aliases().into());
            spec.insert("namespace".into(), container.text("namespace").into());
        }
        Ok(spec)
    });
    let answer = answer.await;
    respond(&shared, answer)
}

pub(super) async fn summary(State(shared): State<Shared>, path: Name, uri: Uri) -> Response {
    let answer = each(&shared, path, &uri, |reader, container, options, budget| {
        cadvisor::summary(reader, container, options.range.end_ms, budget)
    });
    let answer = answer.await;
    respond(&shared, answer)
}

/// A map of paths to what `value` makes of each container.
async fn each(
    shared: &Shared,
    path: Name,
    uri: &Uri,
    value: impl Fn(&dyn SeriesReader, &Container, &Options, &ReadBudget) -> Result<Value, CadvisorError> + Send + 'static,
) -> Result<String, Failure> {
    let options = options(shared, uri)?;
    let wanted = options.wanted(path.map(|Path(name)| name))?;
    let range = options.range;
    ask(shared, uri.path().to_owned(), range, false, move |Source { reader, series_max, budget }| {
        let found = cadvisor::find(reader, &wanted, options.endpoint.as_deref(), range, series_max)?;
        let mut out = String::from("{");
        for container in &found.containers {
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&Value::from(container.path.as_str()).to_string());
            out.push(':');
            out.push_str(&value(reader, container, &options, budget)?.to_string());
            fits(out.len(), budget.limits().memory_bytes)?;
        }
        out.push('}');
        Ok(out)
    })
    .await
}

pub(super) async fn version(State(shared): State<Shared>) -> Response {
    let version = Value::from(cadvisor::version(shared.version)).to_string();
    respond(&shared, Ok(version))
}

pub(super) async fn attributes(State(shared): State<Shared>, uri: Uri) -> Response {
    let answer = async {
        let Options { endpoint, range, .. } = options(&shared, &uri)?;
        let (query, version) = (uri.path().to_owned(), shared.version);
        ask(&shared, query, range, false, move |Source { reader, series_max, budget }| {
            let about = (version, budget);
            Ok(cadvisor::attributes(reader, endpoint.as_deref(), range, series_max, about)?.to_string())
        })
        .await
    };
    let answer = answer.await;
    respond(&shared, answer)
}

pub(super) async fn events(State(shared): State<Shared>, path: Name, uri: Uri) -> Response {
    let answer = async {
        let Options { endpoint, range, form, .. } = options(&shared, &uri)?;
        if form.get("stream") == "true" {
            return Err(Failure::Asked("stream: events are not streamed; ask again with start_time".into()));
        }
        let is = |name: &str| form.get(name) == "true" || form.get("all_events") == "true";
        let kinds = [
            (EventKind::OomKill, is("oom_events") || is("oom_kill_events")),
            (EventKind::Creation, is("creation_events")),
            (EventKind::Deletion, is("deletion_events")),
        ];
        let most = form.given("max_events").map_or(Ok(EVENTS), |text| {
            let wrong = || Failure::Asked(format!("max_events: expected a number, found {text:?}"));
            text.parse::<usize>().map_err(|_| wrong())
        })?;
        let name = absolute(&path.map_or_else(String::new, |Path(name)| name));
        let wanted = if form.get("subcontainers") == "true" { Wanted::Below(name) } else { Wanted::Path(name) };
        let query = uri.path().to_owned();
        ask(&shared, query, range, false, move |Source { reader, series_max, budget }| {
            let found = cadvisor::find(reader, &wanted, endpoint.as_deref(), range, series_max)?;
            let mut events = cadvisor::events(reader, &found, (range, now_ms()), budget)?;
            // Containers and kinds first, then how many: the newest.
            events.retain(|event| kinds.contains(&(event.kind, true)));
            let skipped = events.len().saturating_sub(most.min(EVENTS_MAX));
            Ok(Value::Array(events[skipped..].iter().map(cadvisor::Event::json).collect()).to_string())
        })
        .await
    };
    let answer = answer.await;
    respond(&shared, answer)
}

pub(super) async fn metrics(State(shared): State<Shared>, uri: Uri) -> Response {
    let page = async {
        let form = QueryForm::parse(uri.query().unwrap_or_default().as_bytes())?;
        let endpoint = form.given("endpoint").map(ToOwned::to_owned);
        let end_ms = now_ms();
        let range = TimeRange { start_ms: end_ms - shared.engine.config().settings().lookback_ms + 1, end_ms };
        let version = shared.version;
        let query = "/metrics/cadvisor".to_owned();
        let page = ask(&shared, query, range, true, move |Source { reader, series_max, budget }| {
            cadvisor::exposition(reader, (endpoint.as_deref(), version), range, series_max, budget)
        });
        Ok::<_, Failure>(text(&shared.engine, StatusCode::OK, CONTENT_TYPE, page.await?)?)
    };
    let page = page.await;
    page.unwrap_or_else(IntoResponse::into_response)
}
