//! Asks for a gigabyte of random bytes at once.

use saker_sdk::prelude::*;

/// The guest.
pub struct RandomBomb;

impl Collector for RandomBomb {
    type Settings = ();

    fn describe() -> Description {
        Description::new("random-bomb", "1.0.0", "Asks for too much chance")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        #[cfg(target_arch = "wasm32")]
        wasip2::random::random::get_random_bytes(1 << 30);
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(RandomBomb);
