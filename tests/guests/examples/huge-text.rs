//! Makes a text of one gigabyte to answer with.

use saker_sdk::prelude::*;

/// The guest.
pub struct HugeText;

impl Collector for HugeText {
    type Settings = ();

    fn describe() -> Description {
        Description::new("huge-text", "1.0.0", "Says more than a gigabyte")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(vec![Sample::gauge(&"x".repeat(1 << 30), 1.0)])
    }
}

saker_sdk::export_collector!(HugeText);
