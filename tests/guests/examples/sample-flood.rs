//! Answers with as many values as its settings say.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `flood`.
    pub struct SampleFloodSettings {
        /// Values of one answer.
        pub records: u32 = 1_000_000,
        /// Bytes of a metric's name.
        pub name_bytes: u32 = 5,
    }
}

/// The guest.
pub struct SampleFlood(SampleFloodSettings);

impl Collector for SampleFlood {
    type Settings = SampleFloodSettings;

    fn describe() -> Description {
        Description::new("sample-flood", "1.0.0", "Answers with too many values")
    }

    fn open(settings: SampleFloodSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let name = "n".repeat(self.0.name_bytes as usize);
        Ok((0..self.0.records).map(|number| Sample::gauge(&name, f64::from(number))).collect())
    }
}

saker_sdk::export_collector!(SampleFlood);
