//! Sleeps, in the call that its settings choose.

use std::time::Duration;

use saker_sdk::prelude::*;
use saker_test_guests::At;

saker_sdk::settings! {
    /// Settings of `sleep`.
    pub struct SleepSettings {
        /// The call that sleeps.
        pub at: At = At::Collect,
        /// For how long, in milliseconds.
        pub ms: u32 = 3_600_000,
    }
}

/// The guest.
pub struct Sleep(SleepSettings);

impl Collector for Sleep {
    type Settings = SleepSettings;

    fn describe() -> Description {
        Description::new("sleep", "1.0.0", "Sleeps")
    }

    fn open(settings: SleepSettings) -> Result<Self, OpenError> {
        let guest = Self(settings);
        guest.sleep_in(At::Open);
        Ok(guest)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        self.sleep_in(At::Collect);
        Ok(Vec::new())
    }

    fn close(self) {
        self.sleep_in(At::Close);
    }
}

saker_sdk::export_collector!(Sleep);

impl Sleep {
    fn sleep_in(&self, at: At) {
        if self.0.at == at {
            std::thread::sleep(Duration::from_millis(self.0.ms.into()));
        }
    }
}
