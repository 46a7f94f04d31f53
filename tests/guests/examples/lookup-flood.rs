//! Begins look-ups and lets go of them, as many as it is told to: of one name, or of ever another one.

use saker_sdk::prelude::*;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;

saker_sdk::settings! {
    /// Settings of `lookup-flood`.
    pub struct LookupFloodSettings {
        /// The name.
        pub names: Vec<String>,
        /// How many look-ups.
        pub times: u32 = 100_000,
    }
}

/// The guest.
pub struct LookupFlood(LookupFloodSettings);

impl Collector for LookupFlood {
    type Settings = LookupFloodSettings;

    fn describe() -> Description {
        Description::new("lookup-flood", "1.0.0", "Begins look-ups and lets go of them")
    }

    fn open(settings: LookupFloodSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let network = instance_network();
        let (mut begun, mut rejected) = (0, 0);
        for name in self.0.names.iter().cycle().take(self.0.times as usize) {
            match resolve_addresses(&network, name) {
                Ok(_) => begun += 1,
                Err(_) => rejected += 1,
            }
        }
        Ok(vec![
            Sample::gauge("lookup-flood.begun", f64::from(begun)),
            Sample::gauge("lookup-flood.rejected", f64::from(rejected)),
        ])
    }
}

saker_sdk::export_collector!(LookupFlood);
