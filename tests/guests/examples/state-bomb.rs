//! Saves as much as it can, and answers how much that was.

use saker_sdk::prelude::*;

/// The guest.
pub struct StateBomb;

impl Collector for StateBomb {
    type Settings = ();

    fn describe() -> Description {
        Description::new("state-bomb", "1.0.0", "Saves too much")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let mut kept = 0;
        for kib in 1..=1024 {
            if host::save_state(&vec![1; kib << 10]).is_ok() {
                kept = kib << 10;
            }
        }
        Ok(vec![Sample::gauge("state-bomb.bytes", kept as f64)])
    }
}

saker_sdk::export_collector!(StateBomb);
