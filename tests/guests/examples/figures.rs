//! Shows as many figures of its own as its settings say.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `figures`.
    pub struct FiguresSettings {
        /// Gauges, each with a name of its own.
        pub gauges: u32 = 1,
    }
}

/// The guest.
pub struct Figures(FiguresSettings);

impl Collector for Figures {
    type Settings = FiguresSettings;

    fn describe() -> Description {
        Description::new("figures", "1.0.0", "Shows figures of its own")
    }

    fn open(settings: FiguresSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        host::counter_add("calls", 1.0);
        for number in 0..self.0.gauges {
            host::gauge_set(&format!("gauge-{number}"), number.into());
        }
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(Figures);
