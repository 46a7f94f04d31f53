//! Computes for ever, in the call that its settings choose.

use saker_sdk::prelude::*;
use saker_test_guests::At;

saker_sdk::settings! {
    /// Settings of `spin`.
    pub struct SpinSettings {
        /// The call that never returns.
        pub at: At = At::Collect,
    }
}

/// The guest.
pub struct Spin(At);

impl Collector for Spin {
    type Settings = SpinSettings;

    fn describe() -> Description {
        Description::new("spin", "1.0.0", "Computes for ever")
    }

    fn open(settings: SpinSettings) -> Result<Self, OpenError> {
        spin_if(settings.at == At::Open);
        Ok(Self(settings.at))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        spin_if(self.0 == At::Collect);
        Ok(Vec::new())
    }

    fn close(self) {
        spin_if(self.0 == At::Close);
    }
}

saker_sdk::export_collector!(Spin);

fn spin_if(wanted: bool) {
    if wanted {
        loop {
            std::hint::spin_loop();
        }
    }
}
