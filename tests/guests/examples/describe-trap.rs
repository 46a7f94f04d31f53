//! Panics when it is asked what it is.

use saker_sdk::prelude::*;

/// The guest.
pub struct DescribeTrap;

impl Collector for DescribeTrap {
    type Settings = ();

    fn describe() -> Description {
        panic!("told to panic in describe")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(DescribeTrap);
