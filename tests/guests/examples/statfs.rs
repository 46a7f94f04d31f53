//! Asks for the size of a file system. Hides a rejection behind an error of its own, if it is told to.

use saker_sdk::host::{UsageError, filesystem_usage};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `usage`.
    pub struct StatfsSettings {
        /// A path on the file system.
        pub path: String = "/".into(),
        /// Whether a rejection is answered as something else.
        pub hide: bool = false,
    }
}

/// The guest.
pub struct Statfs(StatfsSettings);

impl Collector for Statfs {
    type Settings = StatfsSettings;

    fn describe() -> Description {
        Description::new("statfs", "1.0.0", "Asks for the size of a file system")
            .requests(statfs("/"), "it may be anywhere")
    }

    fn open(settings: StatfsSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        match filesystem_usage(&self.0.path) {
            Ok(usage) => Ok(vec![Sample::gauge("usage.bytes", usage.total_bytes as f64)]),
            Err(_) if self.0.hide => Err(CollectError::Other("I have no idea".into())),
            Err(UsageError::Denied(permission)) => Err(CollectError::Denied(permission)),
            Err(UsageError::Unavailable(message)) => Err(CollectError::Unavailable(message)),
        }
    }
}

saker_sdk::export_collector!(Statfs);
