//! Asks for the fill of several file systems, one after the other, and answers how many did.

use saker_sdk::host::{UsageError, filesystem_usage};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `df`.
    pub struct DfSettings {
        /// A path on each file system.
        pub paths: Vec<String>,
    }
}

/// The guest.
pub struct Df(Vec<String>);

impl Collector for Df {
    type Settings = DfSettings;

    fn describe() -> Description {
        Description::new("df", "1.0.0", "Asks for the fill of file systems").wants(usage("/"), "they may be anywhere")
    }

    fn open(settings: DfSettings) -> Result<Self, OpenError> {
        Ok(Self(settings.paths))
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let mut answered = 0;
        for path in &self.0 {
            match filesystem_usage(path) {
                Ok(_) => answered += 1,
                Err(UsageError::Denied(permission)) => return Err(CollectError::Denied(permission)),
                Err(UsageError::Unavailable(message)) => println!("{message}"),
            }
        }
        Ok(vec![MetricValue::gauge("df.answered", f64::from(answered))])
    }
}

saker_sdk::export_collector!(Df);
