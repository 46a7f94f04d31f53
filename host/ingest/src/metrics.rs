//! What is counted of the doors, for `/metrics`.

use std::fmt;
use std::sync::Arc;

use saker_telemetry::{Metrics, Out};

use crate::AllListenerStats;
use crate::keys::KeyCacheStats;
use crate::socket::SocketStats;

/// The metrics of all doors.
pub struct IngestMetrics(Arc<AllListenerStats>);

impl IngestMetrics {
    /// Those of these doors.
    #[must_use]
    pub fn new(listeners: Arc<AllListenerStats>) -> Self {
        Self(listeners)
    }
}

impl Metrics for IngestMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let bodies = self.0.rejected().into_iter().map(|(listener, reason, count)| {
            (vec![("listener", listener.to_owned()), ("reason", reason.to_owned())], count as f64)
        });
        out.counter("saker_rejected_bodies", "Requests with points answered with an error", bodies.collect())?;
        let keys = self.0.keys();
        let of = |read: &dyn Fn(&KeyCacheStats) -> f64| {
            keys.iter().map(|(listener, stats)| (vec![("listener", (*listener).to_owned())], read(stats))).collect()
        };
        out.gauge("saker_key_cache_keys", "Names, as they are sent, that are known", of(&|keys| keys.keys as f64))?;
        out.gauge("saker_key_cache_bytes", "Memory for them", of(&|keys| keys.bytes as f64))?;
        out.counter(
            "saker_key_cache_evicted_keys",
            "Of them, forgotten for want of room",
            of(&|keys| keys.evicted as f64),
        )?;
        let tags = self.0.dropped_tags().into_iter();
        let tags = tags.map(|(listener, count)| (vec![("listener", listener.to_owned())], count as f64)).collect();
        out.counter("saker_dropped_tags", "Tags left out of new series, as their protocol has it", tags)?;
        self.sockets(out)
    }
}

impl IngestMetrics {
    /// Those of doors with sockets of their own.
    fn sockets(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let listeners = self.0.with_sockets();
        let of = |read: &dyn Fn(&SocketStats) -> f64| {
            listeners
                .iter()
                .map(|listener| (vec![("listener", listener.name().to_owned())], read(listener.sockets())))
                .collect()
        };
        let by = |read: &dyn Fn(&SocketStats) -> Vec<(&'static str, u64)>| {
            let counts = listeners
                .iter()
                .flat_map(|listener| read(listener.sockets()).into_iter().map(|count| (listener.name(), count)));
            let labels =
                |listener: &str, reason: &str| vec![("listener", listener.to_owned()), ("reason", reason.to_owned())];
            counts.map(|(listener, (reason, count))| (labels(listener, reason), count as f64)).collect()
        };
        let name = |what: &str| format!("saker_socket_{what}");
        out.gauge(&name("connections"), "Connections that are open", of(&|stats| stats.open() as f64))?;
        out.counter(&name("accepted_connections"), "Connections that were taken", of(&|stats| stats.taken() as f64))?;
        let turned = by(&|stats| stats.turned.all().collect());
        out.counter(&name("rejected_connections"), "Connections turned away", turned)?;
        let ended = by(&|stats| stats.ended.all().collect());
        out.counter(&name("ended_connections"), "Connections ended by the agent", ended)?;
        out.counter(&name("datagrams"), "Datagrams that were read", of(&|stats| stats.datagrams() as f64))?;
        let dropped = by(&|stats| stats.dropped.all().collect());
        out.counter(&name("dropped_datagrams"), "Datagrams that were not read", dropped)
    }
}
