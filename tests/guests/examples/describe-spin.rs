//! Computes for ever when it is asked what it is.

use saker_sdk::prelude::*;

/// The guest.
pub struct DescribeSpin;

impl Collector for DescribeSpin {
    type Settings = ();

    fn describe() -> Description {
        loop {
            std::hint::spin_loop();
        }
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(DescribeSpin);
