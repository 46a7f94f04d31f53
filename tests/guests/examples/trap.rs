//! Panics, in the call that its settings choose.

use saker_sdk::prelude::*;
use saker_test_guests::At;

saker_sdk::settings! {
    /// Settings of `trap`.
    pub struct TrapSettings {
        /// The call that panics.
        pub at: At = At::Collect,
    }
}

/// The guest.
pub struct Trap(At);

impl Collector for Trap {
    type Settings = TrapSettings;

    fn describe() -> Description {
        Description::new("trap", "1.0.0", "Panics")
    }

    fn open(settings: TrapSettings) -> Result<Self, OpenError> {
        assert!(settings.at != At::Open, "told to panic in open");
        Ok(Self(settings.at))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        assert!(self.0 != At::Collect, "told to panic in collect");
        Ok(Vec::new())
    }

    fn close(self) {
        assert!(self.0 != At::Close, "told to panic in close");
    }
}

saker_sdk::export_collector!(Trap);
