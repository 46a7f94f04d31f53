//! Asks over a Unix socket, with headers that ask for another method and another protocol, and answers with the status
//! and the length of what came back.

use saker_sdk::http::{HttpError, Target};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `knock`.
    pub struct KnockSettings {
        /// The socket.
        pub socket: String,
        /// What to ask for.
        pub path: String,
        /// How.
        pub method: String = "GET".into(),
        /// An authority in the place of the socket's own.
        pub authority: Option<String> = None,
    }
}

/// The guest.
pub struct Knock {
    target: Target,
    method: String,
}

impl Collector for Knock {
    type Settings = KnockSettings;

    fn describe() -> Description {
        Description::new("knock", "1.0.0", "Asks over a Unix socket")
            .wants(unix("GET", "<socket>", "/containers/"), "somebody may be there")
    }

    fn open(settings: KnockSettings) -> Result<Self, OpenError> {
        let mut target = Target::unix(&settings.socket, "/");
        target.path = settings.path;
        target.authority = settings.authority.unwrap_or(target.authority);
        Ok(Self { target, method: settings.method })
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let headers = [("x-http-method-override", "POST")];
        let response = self.target.send(&self.method, &headers, b"").map_err(|error| match error {
            HttpError::Denied(address) => CollectError::Denied(connect(&address)),
            HttpError::Unavailable(message) => CollectError::Unavailable(message),
        })?;
        Ok(vec![
            MetricValue::gauge("knock.status", f64::from(response.status)),
            MetricValue::gauge("knock.body_bytes", response.body.len() as f64),
        ])
    }
}

saker_sdk::export_collector!(Knock);
