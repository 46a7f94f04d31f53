//! Says more than anybody wants to read.

use saker_sdk::host::Level;
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Where lines go.
    pub enum Through {
        /// Standard output.
        Stdout = "stdout",
        /// Standard error.
        Stderr = "stderr",
        /// The host's log.
        Log = "log",
    }
}

saker_sdk::settings! {
    /// Settings of `chatter`.
    pub struct LogFloodSettings {
        /// Where lines go.
        pub through: Through = Through::Log,
        /// Lines of one call; the first is number 0.
        pub lines: u32 = 10_000,
        /// Bytes that follow a line's number.
        pub more_bytes: u32 = 0,
    }
}

/// The guest.
pub struct LogFlood(LogFloodSettings);

impl Collector for LogFlood {
    type Settings = LogFloodSettings;

    fn describe() -> Description {
        Description::new("log-flood", "1.0.0", "Says more than anybody wants to read")
            .requests(stdout(), "lines may go there")
    }

    fn open(settings: LogFloodSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let more = "x".repeat(self.0.more_bytes as usize);
        for number in 0..self.0.lines {
            match self.0.through {
                Through::Stdout => println!("line {number}{more}"),
                Through::Stderr => eprintln!("line {number}{more}"),
                Through::Log => host::log(Level::Error, &format!("line {number}{more}")),
            }
        }
        Ok(Vec::new())
    }
}

saker_sdk::export_collector!(LogFlood);
