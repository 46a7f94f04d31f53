//! What is counted of connections, requests and bodies, for `/metrics`.

use std::fmt;
use std::sync::Arc;

use saker_telemetry::{Metrics, Out, by, one};

use crate::Stats;

/// The metrics of all servers that share these counts.
pub struct HttpMetrics(Arc<Stats>);

impl HttpMetrics {
    /// Those of these counts.
    #[must_use]
    pub fn new(stats: Arc<Stats>) -> Self {
        Self(stats)
    }
}

impl Metrics for HttpMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let stats = &self.0;
        out.gauge("saker_http_connections", "Connections that are open", one(stats.open() as f64))?;
        out.counter("saker_http_accepted_connections", "Connections that were taken", one(stats.taken() as f64))?;
        out.counter("saker_http_rejected_connections", "Connections turned away", by("reason", stats.turned.all()))?;
        out.counter("saker_http_ended_connections", "Connections ended by the agent", by("reason", stats.ended.all()))?;
        out.counter(
            "saker_http_rejected_requests",
            "Requests rejected, by reason",
            by("reason", stats.rejected.all()),
        )?;
        out.durations(
            "saker_http_request_duration_seconds",
            "From the head of a request to that of its answer",
            [(Vec::new(), &stats.requests)],
        )?;
        out.counter("saker_http_bodies", "Bodies of requests, by their end", by("end", stats.bodies.all()))
    }
}
