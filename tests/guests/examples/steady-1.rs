//! Does what it should: one value a run. Version 1 of two, which are told apart by a tag.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `steady`.
    pub struct SteadySettings {
        /// The value of every run.
        pub value: f64 = 1.0,
    }
}

/// The guest.
pub struct Steady(SteadySettings);

impl Collector for Steady {
    type Settings = SteadySettings;

    fn describe() -> Description {
        Description::new("steady", "1.0.0", "One value a run")
    }

    fn open(settings: SteadySettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(vec![Sample::gauge("steady.value", self.0.value).tag("version", "1")])
    }
}

saker_sdk::export_collector!(Steady);
