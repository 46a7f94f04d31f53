//! Computes for ever when it is let go of: in the destructor of what it holds.

use saker_sdk::prelude::*;

/// The guest.
pub struct DropSpin;

impl Collector for DropSpin {
    type Settings = ();

    fn describe() -> Description {
        Description::new("drop-spin", "1.0.0", "Ends never")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(DropSpin);

impl Drop for DropSpin {
    fn drop(&mut self) {
        loop {
            std::hint::spin_loop();
        }
    }
}
