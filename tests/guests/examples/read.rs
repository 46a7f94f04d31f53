//! Reads a file, `/etc/passwd` by default, and answers with its length. With a FIFO it waits in the operating system.

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `read`.
    pub struct ReadSettings {
        /// The file.
        pub path: String = "/etc/passwd".into(),
    }
}

/// The guest.
pub struct Read(ReadSettings);

impl Collector for Read {
    type Settings = ReadSettings;

    fn describe() -> Description {
        Description::new("read", "1.0.0", "Reads a file").requests(read("/etc"), "the file may be there")
    }

    fn open(settings: ReadSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let text = text::read(&self.0.path)?;
        println!("read {}", self.0.path);
        Ok(vec![Sample::gauge("read.bytes", text.len() as f64)])
    }
}

saker_sdk::export_collector!(Read);
