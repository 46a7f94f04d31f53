//! Writes to a file, which nobody may: directories are granted for reading.

use std::fs::OpenOptions;
use std::io::Write as _;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `write`.
    pub struct WriteSettings {
        /// The file.
        pub path: String,
        /// Whether it is to be made; otherwise it is there and is appended to.
        pub create: bool = false,
    }
}

/// The guest.
pub struct Write(WriteSettings);

impl Collector for Write {
    type Settings = WriteSettings;

    fn describe() -> Description {
        Description::new("write", "1.0.0", "Writes to a file")
    }

    fn open(settings: WriteSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let WriteSettings { path, create } = &self.0;
        let written = OpenOptions::new()
            .append(true)
            .create_new(*create)
            .open(path)
            .and_then(|mut file| file.write_all(b"I was here"));
        written.map_err(|error| CollectError::Other(format!("{path}: {error}")))?;
        Ok(vec![MetricValue::gauge("write.done", 1.0)])
    }
}

saker_sdk::export_collector!(Write);
