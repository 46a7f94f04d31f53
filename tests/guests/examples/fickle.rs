//! Says something else about itself each time that it is asked.

use std::cell::Cell;

use saker_sdk::prelude::*;

thread_local! {
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

/// The guest.
pub struct Fickle;

impl Collector for Fickle {
    type Settings = ();

    fn describe() -> Description {
        let asked = ASKED.get() + 1;
        ASKED.set(asked);
        Description::new("fickle", &format!("1.0.{asked}"), "Says something else each time")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        Ok(vec![MetricValue::gauge("fickle.value", 1.0)])
    }
}

saker_sdk::export_collector!(Fickle);
