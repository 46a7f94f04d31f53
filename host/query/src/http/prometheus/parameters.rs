//! Parameters that several routes have.

use std::time::Duration;

use saker_pipeline::reader::TimeRange;

use super::ApiFailure;
use crate::api::{parse_duration, parse_time, selector};
use crate::ast::Selector;
use crate::http::form::QueryForm;

/// Selectors of one request.
const SELECTORS_MAX: usize = 100;
/// Prometheus says so in `warnings` when a limit has cut something off.
pub(super) const TRUNCATED: &str = "results truncated due to limit";

/// A time that must be there.
pub(super) fn time(form: &QueryForm, name: &'static str) -> Result<i64, ApiFailure> {
    let text = form.get(name);
    parse_time(text).ok_or_else(|| ApiFailure::parameter(name, format!("cannot parse {text:?} to a valid timestamp")))
}

/// A time, or a default.
pub(super) fn time_or(form: &QueryForm, name: &'static str, default: i64) -> Result<i64, ApiFailure> {
    let Some(text) = form.given(name) else { return Ok(default) };
    parse_time(text).ok_or_else(|| {
        let why = format!("Invalid time value for '{name}': cannot parse {text:?} to a valid timestamp");
        ApiFailure::parameter(name, why)
    })
}

/// A duration in milliseconds, if there is one.
pub(super) fn duration(form: &QueryForm, name: &'static str) -> Result<Option<i64>, ApiFailure> {
    form.given(name).map(|text| duration_of(text, name)).transpose()
}

/// A duration in milliseconds that must be there.
pub(super) fn duration_of(text: &str, name: &'static str) -> Result<i64, ApiFailure> {
    parse_duration(text)
        .ok_or_else(|| ApiFailure::parameter(name, format!("cannot parse {text:?} to a valid duration")))
}

/// How long the asker waits.
pub(super) fn timeout(form: &QueryForm) -> Result<Option<Duration>, ApiFailure> {
    let timeout = duration(form, "timeout")?;
    Ok(timeout.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or_default())))
}

/// How many results are wanted; none or 0 wants all.
pub(super) fn limit(form: &QueryForm) -> Result<usize, ApiFailure> {
    let Some(text) = form.given("limit") else { return Ok(usize::MAX) };
    match text.parse::<i64>() {
        Ok(limit) if limit < 0 => Err(ApiFailure::parameter("limit", "limit must be non-negative")),
        Ok(0) => Ok(usize::MAX),
        Ok(limit) => Ok(usize::try_from(limit).unwrap_or(usize::MAX)),
        Err(_) => Err(ApiFailure::parameter("limit", format!("strconv.Atoi: parsing {text:?}: invalid syntax"))),
    }
}

/// From `start` to `end`; without them, of all times.
pub(super) fn range(form: &QueryForm) -> Result<TimeRange, ApiFailure> {
    let start_ms = time_or(form, "start", ALWAYS.start_ms)?;
    let end_ms = time_or(form, "end", ALWAYS.end_ms)?;
    Ok(TimeRange { start_ms, end_ms })
}

/// All times that there can be, with room for sums.
pub(super) const ALWAYS: TimeRange = TimeRange { start_ms: -9_000_000_000_000, end_ms: 9_000_000_000_000 };

/// The selectors of `match[]`.
pub(super) fn selectors(form: &QueryForm) -> Result<Vec<Selector>, ApiFailure> {
    let selectors = form.all("match[]").map(|text| {
        selector(text).map_err(|error| {
            // It is what Prometheus says where a selector selects nothing in particular.
            if error.problem.contains("at least one non-empty matcher") {
                return ApiFailure::parameter("match[]", "match[] must contain at least one non-empty matcher");
            }
            ApiFailure::syntax("match[]", &error)
        })
    });
    let selectors = selectors.take(SELECTORS_MAX + 1).collect::<Result<Vec<_>, _>>()?;
    if selectors.len() > SELECTORS_MAX {
        return Err(ApiFailure::parameter("match[]", format!("at most {SELECTORS_MAX} selectors at once")));
    }
    Ok(selectors)
}
