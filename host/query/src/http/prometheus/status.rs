//! What a Prometheus says of itself and of metrics.

use std::collections::BTreeMap;
use std::fmt::Write;

use axum::extract::State;
use axum::response::Response;
use saker_model::MetricType;
use saker_model::prometheus::metric_name;
use saker_pipeline::reader::{ReadBudget, SeriesReader, TimeRange};

use super::{ApiFailure, respond};
use crate::describe::{Descriptions, MetricDescription, describe};
use crate::eval::QueryError;
use crate::http::form::QueryForm;
use crate::http::{Shared, now_ms};
use crate::json::{self, push_text};
use crate::log::LoggedQuery;

/// The Prometheus whose API and language these are. Clients choose by it what they may ask.
const PROMETHEUS_VERSION: &str = "3.5.0";

pub(super) async fn buildinfo(shared: State<Shared>) -> Response {
    let data = format!(
        "{{\"version\":\"{PROMETHEUS_VERSION}\",\"revision\":\"saker {}\",\"branch\":\"\",\"buildUser\":\"\",\
         \"buildDate\":\"\",\"goVersion\":\"\"}}",
        shared.version
    );
    respond(&shared, Ok(json::success_of(&data, &[])))
}

pub(super) async fn metadata(shared: State<Shared>, form: QueryForm) -> Response {
    respond(&shared, answer_metadata(&shared, &form).await)
}

/// What a family of metrics is: each type and description that there is of it.
type Families = BTreeMap<String, Vec<(&'static str, MetricDescription)>>;

async fn answer_metadata(shared: &Shared, form: &QueryForm) -> Result<String, ApiFailure> {
    let number = |name: &str| match form.given(name).map(str::parse::<i64>) {
        None => Ok(usize::MAX),
        Some(Ok(number)) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        Some(Err(_)) => Err(ApiFailure::bad(format!("{name} must be a number"))),
    };
    let (limit, each) = (number("limit")?, number("limit_per_metric")?);
    let wanted = form.given("metric").map(ToOwned::to_owned);
    let series_max = shared.engine.config().series;
    let (recent, descriptions) = (shared.recent.clone(), shared.descriptions.clone());
    let question = LoggedQuery { query: "metadata".into(), start_ms: 0, end_ms: 0, step_ms: 0 };
    let work = move |budget: &ReadBudget| {
        let families = families(&*recent, &*descriptions, wanted.as_deref(), series_max)?;
        budget.check()?;
        Ok(json::success_of(&written(&families, limit, each), &[]))
    };
    Ok(shared.engine.run(question, None, work).await?)
}

fn families(
    recent: &dyn SeriesReader,
    descriptions: &dyn Descriptions,
    wanted: Option<&str>,
    series_max: usize,
) -> Result<Families, QueryError> {
    /// What is told of is what still has values.
    const AGE_MS: i64 = 3_600_000;
    let now_ms = now_ms();
    let range = TimeRange { start_ms: now_ms - AGE_MS, end_ms: now_ms };
    let mut families = Families::new();
    let mut last = None;
    for series in recent.select(&[], range, series_max)? {
        let this = (series.identity.metric.clone(), series.attributes.metric_type);
        if last.as_ref() == Some(&this) {
            continue;
        }
        let name = metric_name(&this.0).into_owned();
        if wanted.is_none_or(|wanted| wanted == name || wanted == &*this.0) {
            let word = type_word(this.1);
            let family = families.entry(name).or_default();
            let described = describe(descriptions, &this.0);
            if !family.contains(&(word, described.clone())) {
                family.push((word, described));
            }
        }
        last = Some(this);
    }
    Ok(families)
}

/// Prometheus' word for a type.
pub(in crate::http) fn type_word(metric_type: MetricType) -> &'static str {
    match metric_type {
        MetricType::Gauge => "gauge",
        MetricType::Counter | MetricType::Derive => "counter",
    }
}

fn written(families: &Families, limit: usize, each: usize) -> String {
    let mut out = String::from("{");
    for (place, (name, entries)) in families.iter().take(limit).enumerate() {
        out.push_str(if place > 0 { "," } else { "" });
        push_text(&mut out, name);
        out.push_str(":[");
        for (place, (word, description)) in entries.iter().take(each).enumerate() {
            // Writing into a text does not fail.
            let _ = write!(out, "{}{{\"type\":\"{word}\",\"help\":", if place > 0 { "," } else { "" });
            push_text(&mut out, &description.help);
            out.push_str(",\"unit\":");
            push_text(&mut out, &description.unit);
            out.push('}');
        }
        out.push(']');
    }
    out.push('}');
    out
}
