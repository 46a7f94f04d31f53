//! Asks for the fill of several file systems, one after the other, and answers how many did.

use saker_sdk::host::{UsageError, filesystem_usage};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `df`.
    pub struct StatfsManySettings {
        /// A path on each file system.
        pub paths: Vec<String>,
    }
}

/// The guest.
pub struct StatfsMany(Vec<String>);

impl Collector for StatfsMany {
    type Settings = StatfsManySettings;

    fn describe() -> Description {
        Description::new("statfs-many", "1.0.0", "Asks for the fill of file systems")
            .requests(statfs("/"), "they may be anywhere")
    }

    fn open(settings: StatfsManySettings) -> Result<Self, OpenError> {
        Ok(Self(settings.paths))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let mut answered = 0;
        for path in &self.0 {
            match filesystem_usage(path) {
                Ok(_) => answered += 1,
                Err(UsageError::Denied(permission)) => return Err(CollectError::Denied(permission)),
                Err(UsageError::Unavailable(message)) => println!("{message}"),
            }
        }
        Ok(vec![Sample::gauge("df.answered", f64::from(answered))])
    }
}

saker_sdk::export_collector!(StatfsMany);
