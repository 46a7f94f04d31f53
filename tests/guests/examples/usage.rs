//! Asks for the size of a file system. Hides a refusal behind an error of its own, if it is told to.

use saker_sdk::host::{UsageError, filesystem_usage};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `usage`.
    pub struct UsageSettings {
        /// A path on the file system.
        pub path: String = "/".into(),
        /// Whether a refusal is answered as something else.
        pub hide: bool = false,
    }
}

/// The guest.
pub struct Usage(UsageSettings);

impl Collector for Usage {
    type Settings = UsageSettings;

    fn describe() -> Description {
        Description::new("usage", "1.0.0", "Asks for the size of a file system").wants(usage("/"), "it may be anywhere")
    }

    fn open(settings: UsageSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        match filesystem_usage(&self.0.path) {
            Ok(usage) => Ok(vec![MetricValue::gauge("usage.bytes", usage.total_bytes as f64)]),
            Err(_) if self.0.hide => Err(CollectError::Other("I have no idea".into())),
            Err(UsageError::Denied(permission)) => Err(CollectError::Denied(permission)),
            Err(UsageError::Unavailable(message)) => Err(CollectError::Unavailable(message)),
        }
    }
}

saker_sdk::export_collector!(Usage);
