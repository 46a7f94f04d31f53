//! Would like to be called each millisecond, and describes itself with what a terminal acts on.

use saker_sdk::prelude::*;

/// The guest.
pub struct TinyInterval;

impl Collector for TinyInterval {
    type Settings = ();

    fn describe() -> Description {
        Description::new("tiny-interval", "1.0.0\u{1b}[2J", "In a hurry\r\n2026-01-01 ERROR forged\u{202e}").every_ms(1)
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(vec![Sample::gauge("tiny-interval.called", 1.0)])
    }
}

saker_sdk::export_collector!(TinyInterval);
