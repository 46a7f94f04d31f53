//! `series`, `labels` and `label/NAME/values`.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use saker_pipeline::reader::{ReadBudget, TimeRange};

use super::parameters::{self, TRUNCATED};
use super::{ApiFailure, respond};
use crate::api::{self, Listed};
use crate::ast::Selector;
use crate::engine::Engine;
use crate::eval::{EvalSettings, QueryError};
use crate::http::Shared;
use crate::http::form::QueryForm;
use crate::json;
use crate::log::LoggedQuery;

pub(super) async fn series(shared: State<Shared>, form: QueryForm) -> Response {
    let answer = async {
        let asked = ListingQuery::read(&shared.engine, &form)?;
        if asked.selectors.is_empty() {
            return Err(ApiFailure::bad("no match[] parameter provided"));
        }
        let list = |asked: &ListingQuery, engine: &Engine, budget: &ReadBudget| {
            let ListingQuery { settings, selectors, range, limit } = asked;
            api::series(&**engine.reader(), settings, selectors, *range, *limit, budget)
        };
        asked.run(&shared.engine, "series", list, json::push_labels).await
    };
    respond(&shared, answer.await)
}

pub(super) async fn labels(shared: State<Shared>, form: QueryForm) -> Response {
    let answer = async {
        let list = |asked: &ListingQuery, engine: &Engine, budget: &ReadBudget| {
            let ListingQuery { settings, selectors, range, limit } = asked;
            api::label_names(&**engine.reader(), settings, selectors, *range, *limit, budget)
        };
        let asked = ListingQuery::read(&shared.engine, &form)?;
        asked.run(&shared.engine, "labels", list, |out, name| json::push_text(out, name)).await
    };
    respond(&shared, answer.await)
}

pub(super) async fn values(shared: State<Shared>, Path(name): Path<String>, form: QueryForm) -> Response {
    let answer = async {
        let label = unescaped(&name).ok_or_else(|| ApiFailure::bad(format!("invalid label name: {name:?}")))?;
        let list = move |asked: &ListingQuery, engine: &Engine, budget: &ReadBudget| {
            let ListingQuery { settings, selectors, range, limit } = asked;
            api::label_values(&**engine.reader(), settings, &label, selectors, *range, *limit, budget)
        };
        let asked = ListingQuery::read(&shared.engine, &form)?;
        asked.run(&shared.engine, "label values", list, |out, value| json::push_text(out, value)).await
    };
    respond(&shared, answer.await)
}

struct ListingQuery {
    settings: EvalSettings,
    selectors: Vec<Selector>,
    range: TimeRange,
    limit: usize,
}

impl ListingQuery {
    fn read(engine: &Engine, form: &QueryForm) -> Result<Self, ApiFailure> {
        Ok(Self {
            settings: engine.config().settings(),
            range: parameters::range(form)?,
            selectors: parameters::selectors(form)?,
            limit: parameters::limit(form)?,
        })
    }

    async fn run<T: 'static>(
        self,
        engine: &Arc<Engine>,
        what: &str,
        list: impl FnOnce(&Self, &Engine, &ReadBudget) -> Result<Listed<T>, QueryError> + Send + 'static,
        push: impl Fn(&mut String, &T) + Send + 'static,
    ) -> Result<String, ApiFailure> {
        let selectors: Vec<String> = self.selectors.iter().map(crate::printer::series).collect();
        let query = format!("{what} {}", selectors.join(" "));
        let question = LoggedQuery { query, start_ms: self.range.start_ms, end_ms: self.range.end_ms, step_ms: 0 };
        let shared = engine.clone();
        let work = move |budget: &ReadBudget| {
            let found = list(&self, &shared, budget)?;
            let items = json::list(&found.items, budget.limits().memory_bytes, push)?;
            let warnings = if found.cut { vec![TRUNCATED.to_owned()] } else { Vec::new() };
            Ok(json::success_of(&items, &warnings))
        };
        Ok(engine.run(question, None, work).await?)
    }
}

/// A label's name as Prometheus 3 escapes it in a path: `U__disk_2e_name` is `disk.name`.
fn unescaped(name: &str) -> Option<String> {
    let Some(escaped) = name.strip_prefix("U__") else { return Some(name.into()) };
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('_') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let (code, after) = after.split_once('_')?;
        out.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unescaped_as_prometheus_3_escapes_them() {
        for (name, expected) in [
            ("core", Some("core")),
            ("disk.name", Some("disk.name")),
            ("U__disk_2e_name", Some("disk.name")),
            ("U__a__b", Some("a_b")),
            ("U__gr_f6__df_e", Some("größe")),
            ("U__a_2e", None),
            ("U__a_zz_", None),
            ("U__a_d800_", None),
        ] {
            assert_eq!(unescaped(name).as_deref(), expected, "{name}");
        }
    }
}
