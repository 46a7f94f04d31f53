//! Opens files and closes none.

use std::fs::File;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `leak-files`.
    pub struct LeakFilesSettings {
        /// The file that is opened.
        pub path: String,
        /// How many times in one call.
        pub times: u32 = 10,
    }
}

/// The guest, with all that it has opened.
pub struct LeakFiles(LeakFilesSettings, Vec<File>);

impl Collector for LeakFiles {
    type Settings = LeakFilesSettings;

    fn describe() -> Description {
        Description::new("leak-files", "1.0.0", "Opens files and closes none")
    }

    fn open(settings: LeakFilesSettings) -> Result<Self, OpenError> {
        Ok(Self(settings, Vec::new()))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        for _ in 0..self.0.times {
            self.1.push(File::open(&self.0.path).map_err(|error| CollectError::from_io(&self.0.path, &error))?);
        }
        Ok(vec![Sample::gauge("leak-files.open", self.1.len() as f64)])
    }
}

saker_sdk::export_collector!(LeakFiles);
