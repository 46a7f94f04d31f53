//! Writes to a file, and answers with the length that the file has then. Nobody may, unless it is granted.

use std::fs::{self, OpenOptions};
use std::io::Write as _;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `write`.
    pub struct WriteSettings {
        /// The file.
        pub path: String,
        /// Whether it is to be made; otherwise it is there and is appended to.
        pub create: bool = false,
        /// How many bytes.
        pub bytes: u32 = 10,
    }
}

/// The guest.
pub struct Write(WriteSettings);

impl Collector for Write {
    type Settings = WriteSettings;

    fn describe() -> Description {
        Description::new("write", "1.0.0", "Writes to a file")
            .requests(write("/var/lib/write"), "the file may be there")
            .requests(data_dir(), "or there")
    }

    fn open(settings: WriteSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let WriteSettings { path, create, bytes } = &self.0;
        let length = OpenOptions::new()
            .append(true)
            .create(*create)
            .open(path)
            .and_then(|mut file| file.write_all(&vec![b'x'; *bytes as usize]))
            .and_then(|()| fs::metadata(path))
            .map_err(|error| CollectError::from_io_writing(path, &error))?;
        Ok(vec![Sample::gauge("write.bytes", length.len() as f64)])
    }
}

saker_sdk::export_collector!(Write);
