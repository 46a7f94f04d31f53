//! Answers with as many values as its settings say.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `flood`.
    pub struct FloodSettings {
        /// Values of one answer.
        pub records: u32 = 1_000_000,
        /// Bytes of a metric's name.
        pub name_bytes: u32 = 5,
    }
}

/// The guest.
pub struct Flood(FloodSettings);

impl Collector for Flood {
    type Settings = FloodSettings;

    fn describe() -> Description {
        Description::new("flood", "1.0.0", "Answers with too many values")
    }

    fn open(settings: FloodSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let name = "n".repeat(self.0.name_bytes as usize);
        Ok((0..self.0.records).map(|number| MetricValue::gauge(&name, f64::from(number))).collect())
    }
}

saker_sdk::export_collector!(Flood);
