//! A processor that computes for a while over each series, and keeps it.

use std::time::{Duration, Instant};

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `ponder`.
    pub struct SlowProcessorSettings {
        /// How long it computes, in milliseconds.
        pub ms: u32 = 100,
    }
}

/// The guest.
pub struct SlowProcessor(SlowProcessorSettings);

impl Processor for SlowProcessor {
    type Settings = SlowProcessorSettings;

    fn describe() -> Description {
        Description::new("slow-processor", "1.0.0", "Computes over each series")
    }

    fn open(settings: SlowProcessorSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn map_series(&mut self, _series: Series) -> Result<Verdict, ProcessError> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(self.0.ms.into()) {
            std::hint::spin_loop();
        }
        Ok(Verdict::Keep)
    }
}

saker_sdk::export_processor!(SlowProcessor);
