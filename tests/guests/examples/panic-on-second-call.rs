//! Does well once, and panics in its second call.

use saker_sdk::prelude::*;

/// The guest, and how often it was called.
pub struct PanicOnSecondCall(u32);

impl Collector for PanicOnSecondCall {
    type Settings = ();

    fn describe() -> Description {
        Description::new("panic-on-second-call", "2.0.0", "Panics in its second call")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self(0))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        self.0 += 1;
        assert!(self.0 < 2, "the second call");
        Ok(vec![Sample::gauge("panic-on-second-call.calls", f64::from(self.0))])
    }
}

saker_sdk::export_collector!(PanicOnSecondCall);
