//! What is counted of the cache, for `/metrics`.

use std::fmt;
use std::sync::Arc;

use saker_telemetry::{Metrics, Out, one};

use crate::Cache;

/// The metrics of a cache.
pub struct CacheMetrics(Arc<Cache>);

impl CacheMetrics {
    /// Those of this cache.
    #[must_use]
    pub fn new(cache: Arc<Cache>) -> Self {
        Self(cache)
    }
}

impl Metrics for CacheMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let cache = self.0.stats();
        out.gauge("saker_cache_series", "Series in the cache", one(cache.series as f64))?;
        out.gauge("saker_cache_points", "Points in the cache", one(cache.points as f64))?;
        out.gauge("saker_cache_bytes", "Memory of the points in the cache", one(cache.bytes as f64))?;
        let evicted = [("age", cache.aged), ("bytes", cache.squeezed)];
        let evicted = evicted.map(|(reason, count)| (vec![("reason", reason.to_owned())], count as f64));
        out.counter("saker_cache_evicted_points", "Points that left the cache, by reason", evicted.into())
    }
}
