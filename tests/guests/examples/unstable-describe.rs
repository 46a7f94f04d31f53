//! Says something else about itself each time that it is asked.

use std::cell::Cell;

use saker_sdk::prelude::*;

thread_local! {
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

/// The guest.
pub struct UnstableDescribe;

impl Collector for UnstableDescribe {
    type Settings = ();

    fn describe() -> Description {
        let asked = ASKED.get() + 1;
        ASKED.set(asked);
        Description::new("unstable-describe", &format!("1.0.{asked}"), "Says something else each time")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(vec![Sample::gauge("unstable-describe.value", 1.0)])
    }
}

saker_sdk::export_collector!(UnstableDescribe);
