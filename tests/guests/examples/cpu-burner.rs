//! Computes for a while, and then fails or succeeds, as its settings say.

use std::time::{Duration, Instant};

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `burn`.
    pub struct CpuBurnerSettings {
        /// How long it computes, in milliseconds.
        pub ms: u32 = 100,
        /// How many calls fail, until one succeeds.
        pub failing: u32 = 1,
    }
}

/// The guest.
pub struct CpuBurner {
    settings: CpuBurnerSettings,
    called: u32,
}

impl Collector for CpuBurner {
    type Settings = CpuBurnerSettings;

    fn describe() -> Description {
        Description::new("cpu-burner", "1.0.0", "Computes, and fails")
    }

    fn open(settings: CpuBurnerSettings) -> Result<Self, OpenError> {
        Ok(Self { settings, called: 0 })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(self.settings.ms.into()) {
            std::hint::spin_loop();
        }
        self.called += 1;
        if self.called.is_multiple_of(self.settings.failing + 1) {
            Ok(Vec::new())
        } else {
            Err(CollectError::Unavailable("told to fail".into()))
        }
    }
}

saker_sdk::export_collector!(CpuBurner);
