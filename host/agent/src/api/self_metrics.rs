//! The agent's own figures, as OpenMetrics text. All names are here.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, LabelSetEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use saker_forward::Breaker;
use saker_model::Reason;
use saker_sandbox::Figure;

use crate::agent::Agent;

const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn metrics(State(agent): State<Arc<Agent>>) -> Response {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(SelfMetrics(agent)));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &registry) {
        Ok(()) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            saker_http::ApiError::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}

/// Reads the figures when it is asked for them; nothing is counted twice.
struct SelfMetrics(Arc<Agent>);

impl fmt::Debug for SelfMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SelfMetrics")
    }
}

impl Collector for SelfMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(&mut encoder);
        self.process(&mut out)?;
        self.pipeline(&mut out)?;
        self.influx(&mut out)?;
        self.http(&mut out)?;
        self.plugins(&mut out)?;
        self.nodes(&mut out)
    }
}

type Labels = Vec<(&'static str, String)>;

struct LabelSet(Labels);

impl EncodeLabelSet for LabelSet {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>().encode(encoder)
    }
}

struct Out<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Out<'_, '_> {
    fn counter(&mut self, name: &str, help: &str, samples: Vec<(Labels, f64)>) -> fmt::Result {
        self.family(name, help, samples, ConstCounter::new(0.0).metric_type(), ConstCounter::new)
    }

    fn gauge(&mut self, name: &str, help: &str, samples: Vec<(Labels, f64)>) -> fmt::Result {
        self.family(name, help, samples, ConstGauge::new(0.0).metric_type(), ConstGauge::new)
    }

    fn family<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        samples: Vec<(Labels, f64)>,
        kind: prometheus_client::metrics::MetricType,
        make: impl Fn(f64) -> M,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            let metric = make(value);
            if labels.is_empty() {
                // A descriptor is spent on its first unlabelled sample, and there is only one.
                return metric.encode(family);
            }
            metric.encode(family.encode_family(&LabelSet(labels))?)?;
        }
        Ok(())
    }
}

fn one(value: f64) -> Vec<(Labels, f64)> {
    vec![(Vec::new(), value)]
}

fn by(label: &'static str, counts: impl Iterator<Item = (&'static str, u64)>) -> Vec<(Labels, f64)> {
    counts.map(|(name, count)| (vec![(label, name.to_owned())], count as f64)).collect()
}

impl SelfMetrics {
    fn process(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let versions = vec![
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("wasmtime", saker_sandbox::wasmtime_version().to_owned()),
        ];
        out.gauge("saker_build_info", "Versions of the agent and of wasmtime", vec![(versions, 1.0)])?;
        out.gauge("saker_uptime_seconds", "Time since the start", one(self.0.started.elapsed().as_secs_f64()))?;
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
        out.counter("process_cpu_seconds", "Processor time of the agent, plugins included", one(cpu))?;
        let lost = crate::log::lost().map(|(reason, lines)| (vec![("reason", reason.to_owned())], lines as f64));
        out.counter("saker_log_lost_lines", "Lines of the log that were not written, by reason", lost.into())?;
        let resident = resident_bytes().unwrap_or(0);
        out.gauge("process_resident_memory_bytes", "Memory of the agent, plugins included", one(resident as f64))
    }

    fn pipeline(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let pipeline = &self.0.pipeline;
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
        let breaches = self.0.laws.breaches().map(|(law, count)| (law.as_str(), count));
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
        let cache = pipeline.cache.stats();
        out.gauge("saker_cache_series", "Series in the cache", one(cache.series as f64))?;
        out.gauge("saker_cache_points", "Points in the cache", one(cache.points as f64))?;
        out.gauge("saker_cache_bytes", "Memory of the points in the cache", one(cache.bytes as f64))?;
        let evicted = [("age", cache.aged), ("bytes", cache.squeezed)];
        let evicted = evicted.map(|(reason, count)| (vec![("reason", reason.to_owned())], count as f64));
        out.counter("saker_cache_evicted_points", "Points that left the cache, by reason", evicted.into())
    }

    fn influx(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let known = self.0.influx.known();
        out.gauge("saker_influx_known_keys", "Measurements with tags that are known", one(known.keys as f64))?;
        out.gauge("saker_influx_known_bytes", "Memory for them", one(known.bytes as f64))?;
        out.counter("saker_influx_evicted_keys", "Known keys forgotten for want of room", one(known.evicted as f64))
    }

    fn http(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let stats = &self.0.http;
        out.gauge("saker_http_connections", "Connections that are open", one(stats.open() as f64))?;
        out.counter("saker_http_accepted_connections", "Connections that were taken", one(stats.taken() as f64))?;
        out.counter("saker_http_refused_connections", "Connections turned away", by("reason", stats.turned.all()))?;
        out.counter("saker_http_ended_connections", "Connections ended by the agent", by("reason", stats.ended.all()))?;
        out.counter("saker_http_refused_requests", "Requests refused, by reason", by("reason", stats.refused.all()))?;
        let bodies = self.0.doors.refused().map(|(door, reason, count)| {
            (vec![("door", door.to_owned()), ("reason", reason.to_owned())], count as f64)
        });
        out.counter("saker_refused_bodies", "Requests with points answered with an error", bodies.collect())?;
        out.counter("saker_http_bodies", "Bodies of requests, by their end", by("end", stats.bodies.all()))
    }

    fn plugins(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let views: Vec<_> = self.0.statuses.instances().iter().map(|status| (status.clone(), status.view())).collect();
        let of = |read: &dyn Fn(&crate::status::InstanceView) -> f64| {
            views.iter().map(|(_, view)| (vec![("plugin", view.name.clone())], read(view))).collect::<Vec<_>>()
        };
        let refused = self.0.statuses.folder_error().is_some();
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
        let found = self.0.sandbox.cache_stats();
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

    fn nodes(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let forwarder = &self.0.pipeline.forwarder;
        let topology = forwarder.topology();
        let stats: Vec<_> = topology.nodes().iter().map(|node| (node.name().to_owned(), node.stats())).collect();
        let of = |read: &dyn Fn(&saker_forward::NodeStats) -> u64| {
            stats.iter().map(|(name, stats)| (vec![("node", name.clone())], read(stats) as f64)).collect::<Vec<_>>()
        };
        out.counter("saker_node_enqueued_points", "Points routed to a node", of(&|stats| stats.enqueued))?;
        out.counter("saker_node_recovered_points", "Points found on disk", of(&|stats| stats.recovered))?;
        out.counter("saker_node_rerouted_points", "Enqueued for a node that is away", of(&|stats| stats.rerouted))?;
        out.counter("saker_node_hinted_points", "Enqueued to be caught up on later", of(&|stats| stats.hinted))?;
        out.counter("saker_node_delivered_points", "Points its backend has taken", of(&|stats| stats.delivered))?;
        out.gauge("saker_node_queued_points", "Points on their way", of(&|stats| stats.queued))?;
        out.gauge("saker_node_memory_points", "Points on their way in memory", of(&|stats| stats.in_memory))?;
        let on_disk = |read: &dyn Fn(&saker_forward::SpoolStats) -> u64| {
            let disks = stats.iter().filter_map(|(name, stats)| Some((name, stats.spool.as_ref()?)));
            disks.map(|(name, disk)| (vec![("node", name.clone())], read(disk) as f64)).collect::<Vec<_>>()
        };
        out.gauge("saker_node_queue_bytes", "Size of the queue on disk", on_disk(&|disk| disk.bytes))?;
        out.gauge("saker_node_queue_segments", "Segments of the queue on disk", on_disk(&|disk| disk.segments))?;
        out.gauge("saker_node_damaged_segments", "Segments that were set aside", on_disk(&|disk| disk.damaged))?;
        out.gauge("saker_node_damaged_bytes", "Size of what was set aside", on_disk(&|disk| disk.damaged_bytes))?;
        out.counter(
            "saker_node_torn_bytes",
            "Half written when it died, of unknown points",
            on_disk(&|d| d.torn_bytes),
        )?;
        out.gauge("saker_node_refusing", "Whether its queue takes nothing", on_disk(&|d| d.refusal.is_some().into()))?;
        out.gauge("saker_node_dead_points", "Rejected points that are kept", on_disk(&|disk| disk.dead_points))?;
        out.gauge("saker_node_dead_bytes", "Size of the rejected points", on_disk(&|disk| disk.dead_bytes))?;
        out.counter("saker_node_dead_dropped_points", "Rejected, gone for newer ones", on_disk(&|d| d.dead_dropped))?;
        let states = stats.iter().flat_map(|(name, stats)| {
            [Breaker::Closed, Breaker::Open, Breaker::HalfOpen].map(|state| {
                let labels = vec![("node", name.clone()), ("state", state.as_str().to_owned())];
                (labels, f64::from(u8::from(stats.breaker == state)))
            })
        });
        out.gauge("saker_node_breaker", "1 for the state that it is in", states.collect())?;
        let budget = forwarder.budget();
        out.gauge("saker_memory_budget_bytes", "Memory for points on their way", one(budget.limit() as f64))?;
        out.gauge("saker_memory_used_bytes", "Of it in use", one(budget.used() as f64))?;
        let dropped = stats.iter().flat_map(|(name, stats)| {
            stats.dropped.iter().map(move |(reason, count)| {
                (vec![("node", name.clone()), ("reason", reason.as_str().to_owned())], *count as f64)
            })
        });
        out.counter("saker_node_dropped_points", "Points that did not get there", dropped.collect())?;
        out.counter("saker_node_batches", "Batches that were taken", of(&|stats| stats.batches))?;
        out.counter("saker_node_failures", "Attempts that failed", of(&|stats| stats.failures))?;
        out.counter("saker_node_sessions", "Sessions that were opened", of(&|stats| stats.sessions))?;
        out.gauge("saker_routes", "Routes; without one nothing is sent", one(topology.routes().len() as f64))?;
        out.counter("saker_unrouted_points", "Points that no route matched", one(forwarder.unrouted() as f64))
    }
}

/// Resident memory of this process: the second column of `/proc/self/statm`, in pages.
fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
