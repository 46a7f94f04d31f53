//! What is counted of destinations and routes, for `/metrics`.

use std::fmt;
use std::sync::Arc;

use saker_telemetry::{Metrics, Out, one};

use crate::{Breaker, Forwarder};

/// The metrics of a forwarder and of all its destinations.
pub struct DestinationMetrics(Arc<Forwarder>);

impl DestinationMetrics {
    /// Those of this forwarder.
    #[must_use]
    pub fn new(forwarder: Arc<Forwarder>) -> Self {
        Self(forwarder)
    }
}

impl Metrics for DestinationMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let forwarder = &self.0;
        let topology = forwarder.topology();
        let stats: Vec<_> = topology
            .destinations()
            .iter()
            .map(|destination| (destination.name().to_owned(), destination.stats()))
            .collect();
        let of = |read: &dyn Fn(&crate::DestinationStats) -> u64| {
            stats
                .iter()
                .map(|(name, stats)| (vec![("destination", name.clone())], read(stats) as f64))
                .collect::<Vec<_>>()
        };
        out.counter(
            "saker_destination_enqueued_points",
            "Points routed to a destination",
            of(&|stats| stats.enqueued),
        )?;
        out.counter("saker_destination_recovered_points", "Points found on disk", of(&|stats| stats.recovered))?;
        out.counter(
            "saker_destination_rerouted_points",
            "Enqueued for a destination that is away",
            of(&|stats| stats.rerouted),
        )?;
        out.counter("saker_destination_hinted_points", "Enqueued to be caught up on later", of(&|stats| stats.hinted))?;
        out.counter(
            "saker_destination_delivered_points",
            "Points its backend has taken",
            of(&|stats| stats.delivered),
        )?;
        out.gauge("saker_destination_queued_points", "Points on their way", of(&|stats| stats.queued))?;
        out.gauge("saker_destination_memory_points", "Points on their way in memory", of(&|stats| stats.in_memory))?;
        let on_disk = |read: &dyn Fn(&crate::SpoolStats) -> u64| {
            let disks = stats.iter().filter_map(|(name, stats)| Some((name, stats.spool.as_ref()?)));
            disks.map(|(name, disk)| (vec![("destination", name.clone())], read(disk) as f64)).collect::<Vec<_>>()
        };
        out.gauge("saker_destination_queue_bytes", "Size of the queue on disk", on_disk(&|disk| disk.bytes))?;
        out.gauge("saker_destination_queue_segments", "Segments of the queue on disk", on_disk(&|disk| disk.segments))?;
        out.gauge("saker_destination_damaged_segments", "Segments that were set aside", on_disk(&|disk| disk.damaged))?;
        out.gauge(
            "saker_destination_damaged_bytes",
            "Size of what was set aside",
            on_disk(&|disk| disk.damaged_bytes),
        )?;
        out.counter(
            "saker_destination_torn_bytes",
            "Half written when it died, of unknown points",
            on_disk(&|d| d.torn_bytes),
        )?;
        out.gauge(
            "saker_destination_queue_blocked",
            "Whether its queue takes nothing",
            on_disk(&|d| d.rejection.is_some().into()),
        )?;
        out.gauge(
            "saker_destination_dead_letter_points",
            "Rejected points that are kept",
            on_disk(&|disk| disk.dead_letter_points),
        )?;
        out.gauge(
            "saker_destination_dead_letter_bytes",
            "Size of the rejected points",
            on_disk(&|disk| disk.dead_letter_bytes),
        )?;
        out.counter(
            "saker_destination_dead_letter_dropped_points",
            "Rejected, gone for newer ones",
            on_disk(&|d| d.dead_letter_dropped),
        )?;
        let states = stats.iter().flat_map(|(name, stats)| {
            [Breaker::Closed, Breaker::Open, Breaker::HalfOpen].map(|state| {
                let labels = vec![("destination", name.clone()), ("state", state.as_str().to_owned())];
                (labels, f64::from(u8::from(stats.breaker == state)))
            })
        });
        out.gauge("saker_destination_state", "1 for the state that it is in", states.collect())?;
        let dropped = stats.iter().flat_map(|(name, stats)| {
            stats.dropped.iter().map(move |(reason, count)| {
                (vec![("destination", name.clone()), ("reason", reason.as_str().to_owned())], *count as f64)
            })
        });
        out.counter("saker_destination_dropped_points", "Points that did not get there", dropped.collect())?;
        out.counter("saker_destination_batches", "Batches that were taken", of(&|stats| stats.batches))?;
        let failures = stats.iter().flat_map(|(name, stats)| {
            stats.failures.iter().map(move |(kind, count)| {
                (vec![("destination", name.clone()), ("kind", kind.as_str().to_owned())], *count as f64)
            })
        });
        out.counter("saker_destination_failures", "Attempts that failed, by kind", failures.collect())?;
        let writes = topology
            .destinations()
            .iter()
            .map(|destination| (vec![("destination", destination.name().to_owned())], destination.writes()));
        out.durations("saker_destination_write_duration_seconds", "How long its backend's writes take", writes)?;
        out.counter("saker_destination_sessions", "Sessions that were opened", of(&|stats| stats.sessions))?;
        out.gauge("saker_routes", "Routes; without one nothing is sent", one(topology.routes().len() as f64))?;
        out.counter("saker_unrouted_points", "Points that no route matched", one(forwarder.unrouted() as f64))
    }
}
