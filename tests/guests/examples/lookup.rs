//! Asks a name server for a name: what it carries would be out, if it were asked.

use std::net::ToSocketAddrs;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `lookup`.
    pub struct LookupSettings {
        /// The name.
        pub name: String,
    }
}

/// The guest.
pub struct Lookup(String);

impl Collector for Lookup {
    type Settings = LookupSettings;

    fn describe() -> Description {
        Description::new("lookup", "1.0.0", "Carries out a word in a name")
    }

    fn open(settings: LookupSettings) -> Result<Self, OpenError> {
        Ok(Self(settings.name))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let found = (self.0.as_str(), 80).to_socket_addrs();
        let found = found.map_err(|error| CollectError::Unavailable(format!("{}: {error}", self.0)))?;
        Ok(vec![Sample::gauge("lookup.addresses", found.count() as f64)])
    }
}

saker_sdk::export_collector!(Lookup);
