//! `[pipeline]`.

use std::time::Duration;

use saker_config::{ByteSize, ConfigTable};
use saker_model::{LIMITS, SeriesLimits};

use crate::SeriesShares;

/// What the road may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PipelineConfig {
    /// Series that may be known at a time.
    pub max_series: usize,
    /// How these are shared out.
    pub shares: SeriesShares,
    /// What one series may be.
    pub series: SeriesLimits,
    /// After this time without a value a series is forgotten.
    pub series_ttl: Duration,
    /// Bytes of memory for points on their way.
    pub max_in_flight_bytes: usize,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        Self {
            max_series: 1_000_000,
            shares: SeriesShares { collectors: 0.1, listener: 0.5 },
            series: SeriesLimits::default(),
            series_ttl: Duration::from_secs(3600),
            max_in_flight_bytes: 128 << 20,
        }
    }
}

impl PipelineConfig {
    /// Reads its keys of the table. Points can be in memory for `idle_min`, and no series may be forgotten sooner.
    #[must_use]
    pub fn read(mut table: ConfigTable<'_>, idle_min: Duration) -> Self {
        let default = Self::default();
        let config = Self {
            max_series: table.get("max_series", default.max_series),
            shares: SeriesShares {
                collectors: share(&mut table, "collector_share", default.shares.collectors),
                listener: share(&mut table, "listener_share", default.shares.listener),
            },
            series: SeriesLimits { tags: table.get("max_tags", default.series.tags) },
            series_ttl: table.get("series_ttl", default.series_ttl),
            max_in_flight_bytes: table.get("max_in_flight_bytes", ByteSize(default.max_in_flight_bytes)).0,
        };
        if !(1..=LIMITS.tags_most).contains(&config.series.tags) {
            table.wrong("max_tags", format!("must be 1 to {}, as many as a queue can hold", LIMITS.tags_most));
        }
        if config.series_ttl < idle_min {
            table.wrong("series_ttl", format!("must be at least {idle_min:?}, for points can be in memory that long"));
        }
        table.finish();
        config
    }
}

/// A part of a whole.
fn share(table: &mut ConfigTable<'_>, key: &'static str, default: f64) -> f64 {
    let share = table.get(key, default);
    if !(0.0..=1.0).contains(&share) {
        table.wrong(key, "must be 0 to 1: a share of max_series");
    }
    share
}
