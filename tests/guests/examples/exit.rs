//! Ends its process, as it thinks, and with success.

use saker_sdk::prelude::*;

/// The guest.
pub struct Exit;

impl Collector for Exit {
    type Settings = ();

    fn describe() -> Description {
        Description::new("exit", "1.0.0", "Ends its process")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        std::process::exit(0)
    }
}

saker_sdk::export_collector!(Exit);
