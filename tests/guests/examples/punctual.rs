//! Answers how late it is called: the time between its tick and its own look at the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `punctual`.
    pub struct PunctualSettings {
        /// A tag, so that many can run.
        pub name: String = "punctual".into(),
    }
}

/// The guest.
pub struct Punctual(PunctualSettings);

impl Collector for Punctual {
    type Settings = PunctualSettings;

    fn describe() -> Description {
        Description::new("punctual", "1.0.0", "How late it is called, in milliseconds")
    }

    fn open(settings: PunctualSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let late_ms = now.as_secs_f64() * 1000.0 - tick.timestamp_ms as f64;
        Ok(vec![MetricValue::gauge("punctual.late_ms", late_ms).tag("name", &self.0.name)])
    }
}

saker_sdk::export_collector!(Punctual);
