//! `query`, `query_range`, and what is asked of expressions without evaluating them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::response::Response;
use saker_pipeline::reader::{ReadBudget, SeriesReader};

use super::{ApiFailure, parameters, respond};
use crate::ast::Expr;
use crate::engine::Engine;
use crate::eval::{EvalSettings, Query, QueryError, STEPS_MAX};
use crate::http::form::QueryForm;
use crate::http::{Shared, now_ms};
use crate::json::{self, AnswerExtras};
use crate::log::LoggedQuery;
use crate::peers::{self, Asked as PeersAsked, Union};
use crate::value::{QueryAnswer, QueryValue};

pub(super) async fn instant(shared: State<Shared>, form: QueryForm) -> Response {
    respond(&shared, answer_instant(&shared.engine, &form).await)
}

pub(super) async fn range(shared: State<Shared>, form: QueryForm) -> Response {
    respond(&shared, answer_range(&shared.engine, &form).await)
}

/// There are none.
pub(super) async fn exemplars(shared: State<Shared>, form: QueryForm) -> Response {
    let checked = parameters::range(&form).and_then(|range| {
        if range.end_ms < range.start_ms {
            return Err(ApiFailure::parameter("end", "end timestamp must not be before start timestamp"));
        }
        let text = form.get("query");
        crate::parse(text).map_err(|error| ApiFailure::syntax("query", &error))
    });
    respond(&shared, checked.map(|_| json::success_of("[]", &[])))
}

pub(super) async fn format(shared: State<Shared>, form: QueryForm) -> Response {
    let text = form.get("query");
    let formatted = crate::parse(text).map(|expr| crate::pretty(&expr));
    let formatted = formatted.map_err(|error| ApiFailure::syntax("query", &error));
    respond(&shared, formatted.map(|text| json::success_of(&serde_json::Value::from(text).to_string(), &[])))
}

/// What stands for all kinds of queries.
struct PreparedQuery {
    text: String,
    expr: Expr,
    settings: EvalSettings,
    limit: usize,
    timeout: Option<Duration>,
    wants_stats: bool,
}

impl PreparedQuery {
    fn read(engine: &Engine, form: &QueryForm) -> Result<Self, ApiFailure> {
        let text = form.get("query").to_owned();
        let mut settings = engine.config().settings();
        if let Some(lookback_ms) = parameters::duration(form, "lookback_delta")? {
            settings.lookback_ms = lookback_ms.clamp(1, LOOKBACK_MS_MAX);
        }
        Ok(Self {
            expr: crate::parse(&text).map_err(|error| ApiFailure::syntax("query", &error))?,
            text,
            settings,
            limit: parameters::limit(form)?,
            timeout: parameters::timeout(form)?,
            wants_stats: form.given("stats").is_some(),
        })
    }

    async fn run(
        self,
        engine: &Arc<Engine>,
        (start_ms, end_ms, step_ms): (i64, i64, i64),
        evaluate: impl FnOnce(&dyn SeriesReader, Query<'_>, &EvalSettings, &ReadBudget) -> Result<QueryAnswer, QueryError>
        + Send
        + 'static,
    ) -> Result<String, ApiFailure> {
        let config = engine.config();
        let time = self.timeout.map_or(config.limits.time, |timeout| timeout.min(config.limits.time));
        let times = PeersAsked::new(start_ms, end_ms, &self.settings);
        let (fetched, missing) = peers::fetch(&config.peers, &self.expr, times, time, config.limits.memory_bytes).await;
        let question = LoggedQuery { query: self.text.clone(), start_ms, end_ms, step_ms };
        let (shared, asked) = (engine.clone(), Instant::now());
        let work = move |budget: &ReadBudget| {
            let waited = asked.elapsed();
            let query = Query { text: &self.text, expr: &self.expr };
            budget.charge_memory(fetched.bytes())?;
            let own = &**shared.reader();
            let union = Union { own, fetched: &fetched };
            let reader: &dyn SeriesReader = if fetched.is_empty() { own } else { &union };
            let mut answer = evaluate(reader, query, &self.settings, budget)?;
            let cut = truncate(&mut answer.value, self.limit);
            let warnings = missing.iter().map(String::as_str).chain(cut.then_some(parameters::TRUNCATED));
            let warnings: &[&str] = &warnings.collect::<Vec<_>>();
            let stats = self.wants_stats.then(|| stats(budget, waited, asked.elapsed()));
            let extras = AnswerExtras { stats: stats.as_deref(), warnings };
            Ok(json::success(&answer, extras, budget.limits().memory_bytes)?)
        };
        Ok(engine.run(question, self.timeout, work).await?)
    }
}

/// A day: a value that is older says nothing of now.
const LOOKBACK_MS_MAX: i64 = 86_400_000;

async fn answer_instant(engine: &Arc<Engine>, form: &QueryForm) -> Result<String, ApiFailure> {
    let time_ms = parameters::time_or(form, "time", now_ms())?;
    let asked = PreparedQuery::read(engine, form)?;
    let evaluate = move |reader: &dyn SeriesReader, query: Query<'_>, settings: &EvalSettings, budget: &ReadBudget| {
        crate::instant(reader, query, time_ms, settings, budget)
    };
    asked.run(engine, (time_ms, time_ms, 0), evaluate).await
}

async fn answer_range(engine: &Arc<Engine>, form: &QueryForm) -> Result<String, ApiFailure> {
    let (start_ms, end_ms) = (parameters::time(form, "start")?, parameters::time(form, "end")?);
    if end_ms < start_ms {
        return Err(ApiFailure::parameter("end", "end timestamp must not be before start time"));
    }
    let step_ms = parameters::duration_of(form.get("step"), "step")?;
    if step_ms <= 0 {
        let why = "zero or negative query resolution step widths are not accepted. Try a positive integer";
        return Err(ApiFailure::parameter("step", why));
    }
    if (end_ms - start_ms) / step_ms > STEPS_MAX {
        let would_do_s = ((end_ms - start_ms) / (STEPS_MAX + 1) + 1000) / 1000;
        return Err(ApiFailure::bad(format!(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution \
             (?step=XX): a step of {would_do_s}s would do"
        )));
    }
    let asked = PreparedQuery::read(engine, form)?;
    let evaluate = move |reader: &dyn SeriesReader, query: Query<'_>, settings: &EvalSettings, budget: &ReadBudget| {
        crate::range(reader, query, (start_ms, end_ms), step_ms, settings, budget)
    };
    asked.run(engine, (start_ms, end_ms, step_ms), evaluate).await
}

/// Cuts a result to so many series; answers whether there were more.
fn truncate(value: &mut QueryValue, limit: usize) -> bool {
    let found = match value {
        QueryValue::Vector(samples) => samples.len(),
        QueryValue::Matrix(series) => series.len(),
        QueryValue::Scalar(_) | QueryValue::Text(..) => 0,
    };
    match value {
        QueryValue::Vector(samples) => samples.truncate(limit),
        QueryValue::Matrix(series) => series.truncate(limit),
        QueryValue::Scalar(_) | QueryValue::Text(..) => {}
    }
    found > limit
}

/// Statistics in Prometheus' shape. What it measures apart, sorting and preparing, is part of evaluation here.
fn stats(budget: &ReadBudget, waited: Duration, all: Duration) -> String {
    /// What a sample takes where it is held: its time and its value.
    const SAMPLE_BYTES: u64 = 16;
    let (queued, total) = (waited.as_secs_f64(), all.as_secs_f64());
    let evaluated = all.saturating_sub(waited).as_secs_f64();
    format!(
        "{{\"timings\":{{\"evalTotalTime\":{evaluated},\"resultSortTime\":0,\"queryPreparationTime\":0,\
         \"innerEvalTime\":{evaluated},\"execQueueTime\":{queued},\"execTotalTime\":{total}}},\
         \"samples\":{{\"totalQueryableSamples\":{},\"peakSamples\":{}}}}}",
        budget.samples(),
        budget.memory_peak() / SAMPLE_BYTES,
    )
}
