//! Aborts its process, as it thinks.

use saker_sdk::prelude::*;

/// The guest.
pub struct Abort;

impl Collector for Abort {
    type Settings = ();

    fn describe() -> Description {
        Description::new("abort", "1.0.0", "Aborts")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        std::process::abort()
    }
}

saker_sdk::export_collector!(Abort);
