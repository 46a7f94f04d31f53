//! What is counted of plugins, as metrics.

use std::fmt;
use std::sync::Arc;

use saker_sandbox::{CustomMetric, Sandbox};
use saker_telemetry::{Metrics, Out, one};

use crate::status::{InstanceView, Statuses};

/// What is counted of plugins.
pub struct PluginMetrics {
    /// What is known of every instance.
    pub statuses: Arc<Statuses>,
    /// Where machine code is looked for.
    pub sandbox: Sandbox,
}

impl Metrics for PluginMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let views: Vec<_> = self.statuses.instances().iter().map(|status| (status.clone(), status.view())).collect();
        let of = |read: &dyn Fn(&InstanceView) -> f64| {
            views.iter().map(|(_, view)| (vec![("plugin", view.name.clone())], read(view))).collect::<Vec<_>>()
        };
        let rejected = self.statuses.folder_error().is_some();
        out.gauge(
            "saker_plugin_folder_rejected",
            "Whether nothing is loaded from the plugin folder, for it cannot be read or others can write to it",
            one(f64::from(u8::from(rejected))),
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
        let durations =
            views.iter().map(|(status, view)| (vec![("plugin", view.name.clone())], status.meters.durations()));
        out.durations("saker_plugin_call_duration_seconds", "Real time of calls", durations)?;
        out.counter("saker_plugin_cpu_seconds", "Processor time of calls", of(&|view| view.cpu_seconds))?;
        out.gauge(
            "saker_plugin_memory_bytes",
            "Linear memory after the last call",
            of(&|view| view.memory_bytes as f64),
        )?;
        out.counter("saker_plugin_values", "Values, series or points handled", of(&|view| view.counts.values as f64))?;
        out.counter(
            "saker_plugin_replacements",
            "Versions put in place of others",
            of(&|view| view.counts.swaps as f64),
        )?;
        out.counter("saker_plugin_rollbacks", "Versions taken back", of(&|view| view.counts.rollbacks as f64))?;
        out.counter("saker_plugin_dropped_log_lines", "Log lines over the rate", of(&|v| v.log_lines_dropped as f64))?;
        out.gauge("saker_plugin_stuck_threads", "Calls stuck in the system", of(&|view| view.stuck_threads as f64))?;
        let limits = views.iter().flat_map(|(_, view)| {
            let of = |(limit, value): (&&'static str, &f64)| {
                (vec![("plugin", view.name.clone()), ("limit", (*limit).to_owned())], *value)
            };
            view.limits.iter().map(of).collect::<Vec<_>>()
        });
        out.gauge("saker_plugin_limit", "What it may use, by limit: bytes, seconds or pieces", limits.collect())?;
        let mut runs = Vec::new();
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
                    runs.push((vec![plugin(), ("result", result.to_owned())], count as f64));
                }
            }
            faults.extend(
                view.counts.faults.iter().map(|(kind, n)| (vec![plugin(), ("kind", (*kind).to_owned())], *n as f64)),
            );
            for (name, figure) in status.custom_metrics.all() {
                let labels = vec![plugin(), ("name", name)];
                match figure {
                    CustomMetric::Counter(total) => counters.push((labels, total)),
                    CustomMetric::Gauge(value) => gauges.push((labels, value)),
                }
            }
        }
        out.counter("saker_collector_runs", "Runs of collectors, by result", runs)?;
        out.counter("saker_plugin_call_failures", "Calls that failed, by kind", faults)?;
        out.counter("saker_plugin_custom", "Counters of the plugins' own", counters)?;
        out.gauge("saker_plugin_custom_value", "Gauges of the plugins' own", gauges)
    }
}
