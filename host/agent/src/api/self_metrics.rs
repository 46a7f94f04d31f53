//! The agent's own metrics: what each part of it counts.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use saker_model::Reason;
use saker_sandbox::{Figure, Sandbox};
use saker_telemetry::{CONTENT_TYPE, Metrics, Out, by, one};

use super::Doors;
use super::influx::Influx;
use crate::agent::Agent;
use crate::laws::Laws;
use crate::pipeline::Pipeline;
use crate::status::Statuses;

pub(super) async fn metrics(State(agent): State<Arc<Agent>>) -> Response {
    match agent.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            saker_http::ApiError::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

/// What is counted of the log.
pub(crate) struct LogMetrics;

impl Metrics for LogMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let lost = crate::log::lost().map(|(reason, lines)| (vec![("reason", reason.to_owned())], lines as f64));
        out.counter("saker_log_lost_lines", "Lines of the log that were not written, by reason", lost.into())
    }
}

/// What is counted of sources and series.
pub(crate) struct PipelineMetrics {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) laws: Arc<Laws>,
}

impl Metrics for PipelineMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let pipeline = &self.pipeline;
        let sources = pipeline.sources();
        // Of one time each, so that what was received is what was accepted and refused.
        let counts: Vec<_> = sources.iter().map(|(name, counters)| (name.to_string(), counters.counts())).collect();
        let of = |read: &dyn Fn(&crate::pipeline::Counts) -> u64| {
            let sample = |(name, counts): &(String, _)| (vec![("source", name.clone())], read(counts) as f64);
            counts.iter().map(sample).collect::<Vec<_>>()
        };
        out.counter("saker_received_points", "Values that came in", of(&|counts| counts.received))?;
        out.counter("saker_accepted_points", "Values that were taken", of(&|counts| counts.accepted))?;
        let mut refused = Vec::new();
        for (name, counts) in &counts {
            let reasons = Reason::ALL.map(|reason| (reason.as_str(), counts.refused.of(reason)));
            let malformed = ("malformed", counts.refused.malformed_count());
            for (reason, count) in reasons.into_iter().chain([malformed]).filter(|&(_, count)| count > 0) {
                refused.push((vec![("source", name.clone()), ("reason", reason.to_owned())], count as f64));
            }
        }
        out.counter("saker_refused_points", "Values that were not taken, by reason", refused)?;
        let series =
            sources.iter().map(|(name, counters)| (vec![("source", name.to_string())], counters.series() as f64));
        out.gauge("saker_source_series", "Series that a source was the first to bring", series.collect())?;
        let breaches = self.laws.breaches().map(|(law, count)| (law.as_str(), count));
        out.counter("saker_law_breaches", "Counters found not to add up, by law", by("law", breaches))?;
        out.gauge("saker_series", "Series that are known", one(pipeline.table.len() as f64))?;
        let quota = pipeline.quota();
        let limits = [
            ("all", quota.limit),
            ("all_listeners", quota.listeners()),
            ("one_listener", quota.listener.min(quota.limit)),
        ];
        let limits = limits.map(|(of, series)| (vec![("of", of.to_owned())], series as f64));
        out.gauge("saker_series_limit", "Series that may be known, of all and of listeners", limits.into())?;
        let budget = pipeline.forwarder.budget();
        out.gauge("saker_memory_budget_bytes", "Memory for points on their way", one(budget.limit() as f64))?;
        out.gauge("saker_memory_used_bytes", "Of it in use", one(budget.used() as f64))
    }
}

/// What is counted of the doors that take points.
pub(crate) struct DoorMetrics {
    pub(crate) doors: Arc<Doors>,
    pub(crate) influx: Arc<Influx>,
}

impl Metrics for DoorMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let bodies = self.doors.refused().map(|(door, reason, count)| {
            (vec![("door", door.to_owned()), ("reason", reason.to_owned())], count as f64)
        });
        out.counter("saker_refused_bodies", "Requests with points answered with an error", bodies.collect())?;
        let known = self.influx.known();
        out.gauge("saker_influx_known_keys", "Measurements with tags that are known", one(known.keys as f64))?;
        out.gauge("saker_influx_known_bytes", "Memory for them", one(known.bytes as f64))?;
        out.counter("saker_influx_evicted_keys", "Known keys forgotten for want of room", one(known.evicted as f64))
    }
}

/// What is counted of plugins.
pub(crate) struct PluginMetrics {
    pub(crate) statuses: Arc<Statuses>,
    pub(crate) sandbox: Sandbox,
}

impl Metrics for PluginMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let views: Vec<_> = self.statuses.instances().iter().map(|status| (status.clone(), status.view())).collect();
        let of = |read: &dyn Fn(&crate::status::InstanceView) -> f64| {
            views.iter().map(|(_, view)| (vec![("plugin", view.name.clone())], read(view))).collect::<Vec<_>>()
        };
        let refused = self.statuses.folder_error().is_some();
        out.gauge(
            "saker_plugin_folder_refused",
            "Whether nothing is loaded from the plugin folder, for it cannot be read or others can write to it",
            one(f64::from(u8::from(refused))),
        )?;
        let running = views.iter().map(|(_, view)| {
            let labels = vec![
                ("plugin", view.name.clone()),
                ("kind", view.kind.to_owned()),
                ("version", view.version.clone()),
                ("state", view.state.to_owned()),
            ];
            (labels, 1.0)
        });
        let found = self.sandbox.cache_stats();
        let found = [("hit", found.hits), ("miss", found.misses)];
        let found = found.map(|(result, count)| (vec![("result", result.to_owned())], count as f64));
        out.counter("saker_compile_cache_lookups", "Looks for machine code on disk, by result", found.into())?;
        out.gauge("saker_plugin_info", "What runs, and how it fares", running.collect())?;
        out.counter("saker_plugin_calls", "Calls that were begun", of(&|view| view.calls as f64))?;
        out.counter("saker_plugin_cpu_seconds", "Processor time of calls", of(&|view| view.cpu_seconds))?;
        out.gauge(
            "saker_plugin_memory_bytes",
            "Linear memory after the last call",
            of(&|view| view.memory_bytes as f64),
        )?;
        out.counter("saker_plugin_values", "Values, series or points handled", of(&|view| view.counts.values as f64))?;
        out.counter("saker_plugin_swaps", "Versions put in place of others", of(&|view| view.counts.swaps as f64))?;
        out.counter("saker_plugin_rollbacks", "Versions taken back", of(&|view| view.counts.rollbacks as f64))?;
        out.counter("saker_plugin_log_lines_dropped", "Log lines over the rate", of(&|v| v.log_lines_dropped as f64))?;
        out.gauge("saker_plugin_stuck_threads", "Calls stuck in the system", of(&|view| view.stuck_threads as f64))?;
        let limits = views.iter().flat_map(|(_, view)| {
            let of = |(limit, value): (&&'static str, &f64)| {
                (vec![("plugin", view.name.clone()), ("limit", (*limit).to_owned())], *value)
            };
            view.limits.iter().map(of).collect::<Vec<_>>()
        });
        out.gauge("saker_plugin_limit", "What it may use, by limit: bytes, seconds or pieces", limits.collect())?;
        let mut ticks = Vec::new();
        let mut faults = Vec::new();
        let mut counters = Vec::new();
        let mut gauges = Vec::new();
        for (status, view) in &views {
            let plugin = || ("plugin", view.name.clone());
            if view.kind == "collector" {
                let counts = &view.counts;
                for (result, count) in [
                    ("succeeded", counts.succeeded),
                    ("failed", counts.failed),
                    ("skipped", counts.skipped),
                    ("overrun", counts.overrun),
                    ("no_room", counts.no_room),
                ] {
                    ticks.push((vec![plugin(), ("result", result.to_owned())], count as f64));
                }
            }
            faults.extend(
                view.counts.faults.iter().map(|(kind, n)| (vec![plugin(), ("kind", (*kind).to_owned())], *n as f64)),
            );
            for (name, figure) in status.figures.all() {
                let labels = vec![plugin(), ("name", name)];
                match figure {
                    Figure::Counter(total) => counters.push((labels, total)),
                    Figure::Gauge(value) => gauges.push((labels, value)),
                }
            }
        }
        out.counter("saker_plugin_ticks", "Ticks of collectors, by result", ticks)?;
        out.counter("saker_plugin_faults", "Calls that failed, by kind", faults)?;
        out.counter("saker_plugin_custom", "Counters of the plugins' own", counters)?;
        out.gauge("saker_plugin_custom_value", "Gauges of the plugins' own", gauges)
    }
}
