//! Looks around in `describe`, where nothing is granted yet, and tells what it found in its summary.

use saker_sdk::prelude::*;

/// The guest.
pub struct DescribeSnooper;

impl Collector for DescribeSnooper {
    type Settings = ();

    fn describe() -> Description {
        let reached = std::net::TcpStream::connect("127.0.0.1:22").is_ok();
        let summary = format!(
            "variables {}, arguments {}, passwd {}, network {reached}, state {}",
            std::env::vars_os().count(),
            std::env::args_os().count(),
            std::fs::read("/etc/passwd").is_ok(),
            host::load_state().is_some(),
        );
        Description::new("describe-snooper", "1.0.0", &summary)
    }

    fn open(_settings: ()) -> Result<Self, OpenError> {
        Ok(Self)
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(DescribeSnooper);
