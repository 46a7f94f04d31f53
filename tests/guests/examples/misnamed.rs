//! Has a name that no plugin may have.

use saker_sdk::prelude::*;

/// The guest.
pub struct Misnamed;

impl Collector for Misnamed {
    type Settings = ();

    fn describe() -> Description {
        Description::new("Mis named\u{1b}[2J", "1.0.0", "Has a name that no plugin may have")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(Misnamed);
