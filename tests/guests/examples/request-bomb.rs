//! Would like to have seven permissions of a megabyte each.

use saker_sdk::prelude::*;
use saker_test_guests::speech;

/// The guest.
pub struct RequestBomb;

impl Collector for RequestBomb {
    type Settings = ();

    fn describe() -> Description {
        let description = Description::new("request-bomb", "1.0.0", "Wants too much");
        (0..7)
            .fold(description, |description, number| description.requests(read(&speech(number, 1 << 20)), "I want it"))
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(RequestBomb);
