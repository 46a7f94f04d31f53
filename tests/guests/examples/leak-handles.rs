//! Asks for a timer again and again and lets go of none.

use saker_sdk::prelude::*;

/// The guest.
pub struct LeakHandles;

impl Collector for LeakHandles {
    type Settings = ();

    fn describe() -> Description {
        Description::new("leak-handles", "1.0.0", "Asks for timers and lets go of none")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        #[cfg(target_arch = "wasm32")]
        loop {
            std::mem::forget(wasip2::clocks::monotonic_clock::subscribe_duration(1_000_000_000));
        }
        #[cfg(not(target_arch = "wasm32"))]
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(LeakHandles);
