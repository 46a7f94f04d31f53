//! Starts threads until it gets none, and answers how many it got.

use saker_sdk::prelude::*;

/// The guest.
pub struct Threads;

impl Collector for Threads {
    type Settings = ();

    fn describe() -> Description {
        Description::new("threads", "1.0.0", "Starts threads")
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let started = (0..1000).take_while(|_| std::thread::Builder::new().spawn(|| ()).is_ok()).count();
        Ok(vec![Sample::gauge("threads.started", started as f64)])
    }
}

saker_sdk::export_collector!(Threads);
