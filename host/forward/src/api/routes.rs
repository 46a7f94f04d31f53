//! Where values go, as JSON.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use saker_http::ApiError;
use saker_model::flat::{self, Spaces};
use saker_model::{MetricType, Series};
use serde::Deserialize;
use serde_json::{Value, json};

use super::ForwardApiState;
use crate::{DestinationStats, OnUnavailable};

/// A series to ask about: where does it go?
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteQuery {
    endpoint: Option<String>,
    metric: Option<String>,
    /// `k=v,k=v`
    tags: Option<String>,
}

pub(super) async fn routes(
    State(state): State<ForwardApiState>,
    Query(asked): Query<RouteQuery>,
) -> Result<Json<Value>, ApiError> {
    let topology = state.forwarder.topology();
    let routes: Vec<_> = topology
        .routes()
        .iter()
        .map(|route| {
            let globs = |globs: &[saker_model::Glob]| globs.iter().map(ToString::to_string).collect::<Vec<_>>();
            let tags: serde_json::Map<_, _> =
                route.matcher.tags.iter().map(|(key, patterns)| (key.clone(), json!(globs(patterns)))).collect();
            json!({
                "metric": globs(&route.matcher.metric),
                "endpoint": globs(&route.matcher.endpoint),
                "tags": tags,
                "destinations": route.destinations,
                "hash": format!("{:?}", route.hash).to_lowercase(),
                "replicas": route.replicas,
                "continue": route.go_on,
                "on_unavailable": match route.on_unavailable {
                    OnUnavailable::Spool => json!("spool"),
                    OnUnavailable::Reroute(after) => json!({"reroute_after_s": after.as_secs_f64()}),
                },
            })
        })
        .collect();
    let destinations: Vec<_> = topology
        .destinations()
        .iter()
        .map(|destination| {
            let backend = (state.backend_of)(destination.name());
            destination_view(destination.name(), backend.as_deref(), &destination.stats())
        })
        .collect();
    let mut answer =
        json!({"routes": routes, "destinations": destinations, "unrouted_points": state.forwarder.unrouted()});
    if let Some(metric) = &asked.metric {
        let series = series_of(&state, &asked, metric)?;
        answer["targets"] = json!({"series": series.key(), "destinations": topology.targets(&series)});
    }
    Ok(Json(answer))
}

fn destination_view(name: &str, backend: Option<&str>, stats: &DestinationStats) -> Value {
    let dropped: serde_json::Map<_, _> =
        stats.dropped.iter().map(|(reason, count)| (reason.as_str().to_owned(), json!(count))).collect();
    json!({
        "name": name,
        "backend": backend,
        "state": stats.breaker.as_str(),
        "enqueued": stats.enqueued,
        "recovered": stats.recovered,
        "rerouted": stats.rerouted,
        "hinted": stats.hinted,
        "delivered": stats.delivered,
        "queued": stats.queued,
        "in_memory": stats.in_memory,
        "disk": stats.spool.as_ref().map(|disk| json!({
            "bytes": disk.bytes,
            "segments": disk.segments,
            "damaged_segments": disk.damaged,
            "dead_letter_points": disk.dead_letter_points,
            "dead_letter_bytes": disk.dead_letter_bytes,
            "rejection": disk.rejection,
        })),
        "dropped": dropped,
        "batches": stats.batches,
        "failures": stats.failures_in_all(),
        "sessions": stats.sessions,
        "error": stats.error,
    })
}

fn series_of(state: &ForwardApiState, asked: &RouteQuery, metric: &str) -> Result<Series, ApiError> {
    let mut tags = flat::parse(asked.tags.as_deref().unwrap_or_default(), Spaces::Keep)
        .map(|tag| match tag {
            Ok((key, value)) => Ok((key.into(), value.into())),
            Err(tag) => Err(ApiError::new(StatusCode::BAD_REQUEST, format!("tags must be key=value, found {tag:?}"))),
        })
        .collect::<Result<Vec<(Box<str>, Box<str>)>, _>>()?;
    tags.sort_unstable();
    Ok(Series {
        endpoint: asked.endpoint.as_deref().map_or_else(|| (state.endpoint)(), Into::into),
        metric: metric.into(),
        tags: tags.into(),
        metric_type: MetricType::Gauge,
        step_s: 1,
    })
}
