//! Shows as many figures of its own as its settings say.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `figures`.
    pub struct CustomMetricsSettings {
        /// Gauges, each with a name of its own.
        pub gauges: u32 = 1,
    }
}

/// The guest.
pub struct CustomMetrics(CustomMetricsSettings);

impl Collector for CustomMetrics {
    type Settings = CustomMetricsSettings;

    fn describe() -> Description {
        Description::new("custom-metrics", "1.0.0", "Shows figures of its own")
    }

    fn open(settings: CustomMetricsSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        host::counter_add("calls", 1.0);
        for number in 0..self.0.gauges {
            host::gauge_set(&format!("gauge-{number}"), number.into());
        }
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(CustomMetrics);
