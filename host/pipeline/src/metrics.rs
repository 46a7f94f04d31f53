//! What is counted of sources and series, for `/metrics`.

use std::fmt;
use std::sync::Arc;

use saker_model::RejectReason;
use saker_telemetry::{Metrics, Out, by, one};

use crate::{LawWatch, Pipeline};

/// What is counted of sources and series.
pub struct PipelineMetrics {
    /// Whose.
    pub pipeline: Arc<Pipeline>,
    /// What was found of its laws.
    pub laws: Arc<LawWatch>,
}

impl Metrics for PipelineMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let pipeline = &self.pipeline;
        let sources = pipeline.sources();
        // Of one time each, so that what was received is what was accepted and rejected.
        let counts: Vec<_> = sources.iter().map(|(name, counters)| (name.to_string(), counters.counts())).collect();
        let of = |read: &dyn Fn(&crate::SourceCounts) -> u64| {
            let sample = |(name, counts): &(String, _)| (vec![("source", name.clone())], read(counts) as f64);
            counts.iter().map(sample).collect::<Vec<_>>()
        };
        out.counter("saker_received_points", "Values that came in", of(&|counts| counts.received))?;
        out.counter("saker_accepted_points", "Values that were taken", of(&|counts| counts.accepted))?;
        let mut rejected = Vec::new();
        for (name, counts) in &counts {
            let reasons = RejectReason::ALL.map(|reason| (reason.as_str(), counts.rejected.of(reason)));
            let malformed = ("malformed", counts.rejected.malformed_count());
            for (reason, count) in reasons.into_iter().chain([malformed]).filter(|&(_, count)| count > 0) {
                rejected.push((vec![("source", name.clone()), ("reason", reason.to_owned())], count as f64));
            }
        }
        out.counter("saker_rejected_points", "Values that were not taken, by reason", rejected)?;
        let series =
            sources.iter().map(|(name, counters)| (vec![("source", name.to_string())], counters.series() as f64));
        out.gauge("saker_source_series", "Series that a source was the first to bring", series.collect())?;
        let breaches = self.laws.breaches().map(|(law, count)| (law.as_str(), count));
        out.counter("saker_law_breaches", "Counters found not to add up, by law", by("law", breaches))?;
        out.gauge("saker_series", "Series that are known", one(pipeline.table().len() as f64))?;
        let quota = pipeline.quota();
        let limits = [
            ("all", quota.limit),
            ("all_listeners", quota.listeners()),
            ("one_listener", quota.listener.min(quota.limit)),
        ];
        let limits = limits.map(|(of, series)| (vec![("scope", of.to_owned())], series as f64));
        out.gauge("saker_series_limit", "Series that may be known, of all and of listeners", limits.into())?;
        let budget = pipeline.memory();
        out.gauge("saker_in_flight_limit_bytes", "Memory for points on their way", one(budget.limit() as f64))?;
        out.gauge("saker_in_flight_bytes", "Of it in use", one(budget.used() as f64))
    }
}
