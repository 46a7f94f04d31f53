//! Has a name that no plugin may have.

use saker_sdk::prelude::*;

/// The guest.
pub struct InvalidName;

impl Collector for InvalidName {
    type Settings = ();

    fn describe() -> Description {
        Description::new("Mis named\u{1b}[2J", "1.0.0", "Has a name that no plugin may have")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(InvalidName);
