//! What is counted of the doors, for `/metrics`.

use std::fmt;
use std::sync::Arc;

use saker_telemetry::{Metrics, Out, one};

use crate::Doors;

/// The metrics of all doors.
pub struct IngestMetrics(Arc<Doors>);

impl IngestMetrics {
    /// Those of these doors.
    #[must_use]
    pub fn new(doors: Arc<Doors>) -> Self {
        Self(doors)
    }
}

impl Metrics for IngestMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let bodies = self.0.refused().into_iter().map(|(door, reason, count)| {
            (vec![("door", door.to_owned()), ("reason", reason.to_owned())], count as f64)
        });
        out.counter("saker_refused_bodies", "Requests with points answered with an error", bodies.collect())?;
        let known = self.0.known();
        out.gauge("saker_influx_known_keys", "Measurements with tags that are known", one(known.keys as f64))?;
        out.gauge("saker_influx_known_bytes", "Memory for them", one(known.bytes as f64))?;
        out.counter("saker_influx_evicted_keys", "Known keys forgotten for want of room", one(known.evicted as f64))
    }
}
