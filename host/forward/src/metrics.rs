//! What is counted of nodes and routes, for `/metrics`.

use std::fmt;
use std::sync::Arc;

use saker_telemetry::{Metrics, Out, one};

use crate::{Breaker, Forwarder};

/// The metrics of a forwarder and of all its nodes.
pub struct NodeMetrics(Arc<Forwarder>);

impl NodeMetrics {
    /// Those of this forwarder.
    #[must_use]
    pub fn new(forwarder: Arc<Forwarder>) -> Self {
        Self(forwarder)
    }
}

impl Metrics for NodeMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let forwarder = &self.0;
        let topology = forwarder.topology();
        let stats: Vec<_> = topology.nodes().iter().map(|node| (node.name().to_owned(), node.stats())).collect();
        let of = |read: &dyn Fn(&crate::NodeStats) -> u64| {
            stats.iter().map(|(name, stats)| (vec![("node", name.clone())], read(stats) as f64)).collect::<Vec<_>>()
        };
        out.counter("saker_node_enqueued_points", "Points routed to a node", of(&|stats| stats.enqueued))?;
        out.counter("saker_node_recovered_points", "Points found on disk", of(&|stats| stats.recovered))?;
        out.counter("saker_node_rerouted_points", "Enqueued for a node that is away", of(&|stats| stats.rerouted))?;
        out.counter("saker_node_hinted_points", "Enqueued to be caught up on later", of(&|stats| stats.hinted))?;
        out.counter("saker_node_delivered_points", "Points its backend has taken", of(&|stats| stats.delivered))?;
        out.gauge("saker_node_queued_points", "Points on their way", of(&|stats| stats.queued))?;
        out.gauge("saker_node_memory_points", "Points on their way in memory", of(&|stats| stats.in_memory))?;
        let on_disk = |read: &dyn Fn(&crate::SpoolStats) -> u64| {
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
        let dropped = stats.iter().flat_map(|(name, stats)| {
            stats.dropped.iter().map(move |(reason, count)| {
                (vec![("node", name.clone()), ("reason", reason.as_str().to_owned())], *count as f64)
            })
        });
        out.counter("saker_node_dropped_points", "Points that did not get there", dropped.collect())?;
        out.counter("saker_node_batches", "Batches that were taken", of(&|stats| stats.batches))?;
        let failures = stats.iter().flat_map(|(name, stats)| {
            stats.failures.iter().map(move |(kind, count)| {
                (vec![("node", name.clone()), ("kind", kind.as_str().to_owned())], *count as f64)
            })
        });
        out.counter("saker_node_failures", "Attempts that failed, by kind", failures.collect())?;
        let writes = topology.nodes().iter().map(|node| (vec![("node", node.name().to_owned())], node.writes()));
        out.durations("saker_node_write_duration_seconds", "How long its backend's writes take", writes)?;
        out.counter("saker_node_sessions", "Sessions that were opened", of(&|stats| stats.sessions))?;
        out.gauge("saker_routes", "Routes; without one nothing is sent", one(topology.routes().len() as f64))?;
        out.counter("saker_unrouted_points", "Points that no route matched", one(forwarder.unrouted() as f64))
    }
}
