//! A backend that appends to a file in each write. With a FIFO that nobody reads it waits in the operating system.

use std::fs::OpenOptions;
use std::io::Write;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `stall`.
    pub struct FifoBackendSettings {
        /// The file.
        pub path: String,
    }
}

/// The guest.
pub struct FifoBackend(String);

impl Backend for FifoBackend {
    type Settings = FifoBackendSettings;

    fn describe() -> Description {
        Description::new("fifo-backend", "1.0.0", "Waits for a file").requests(write("/tmp"), "the file may be there")
    }

    fn open(settings: FifoBackendSettings) -> Result<Self, OpenError> {
        Ok(Self(settings.path))
    }

    fn define(&mut self, _definitions: Vec<Definition>) {}

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        let file = OpenOptions::new().append(true).open(&self.0);
        let written = file.and_then(|mut file| points.iter().try_for_each(|point| writeln!(file, "{}", point.value)));
        written.map_err(|error| WriteError::retry(format!("{}: {error}", self.0), None))?;
        Ok(points.len())
    }

    fn forget(&mut self, _ids: Vec<saker_sdk::SeriesId>) {}
}

saker_sdk::export_backend!(FifoBackend);
