//! Answers how late it is called: the time between its run and its own look at the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `punctual`.
    pub struct RunLatenessSettings {
        /// A tag, so that many can run.
        pub name: String = "run-lateness".into(),
    }
}

/// The guest.
pub struct RunLateness(RunLatenessSettings);

impl Collector for RunLateness {
    type Settings = RunLatenessSettings;

    fn describe() -> Description {
        Description::new("run-lateness", "1.0.0", "How late it is called, in milliseconds")
    }

    fn open(settings: RunLatenessSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, run: Run) -> Result<Vec<Sample>, CollectError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let late_ms = now.as_secs_f64() * 1000.0 - run.timestamp_ms as f64;
        Ok(vec![Sample::gauge("run-lateness.late_ms", late_ms).tag("name", &self.0.name)])
    }
}

saker_sdk::export_collector!(RunLateness);
