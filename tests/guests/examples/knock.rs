//! Asks over a Unix socket, with whatever method, path, headers and body it is told, and answers with the status and the
//! length of what came back.

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
        /// Headers, as `name: value`.
        pub headers: Vec<String> = Vec::new(),
        /// What is sent beside.
        pub body: String = String::new(),
        /// How much of the answer is kept.
        pub most: u32 = 1024,
    }
}

/// The guest.
pub struct Knock {
    target: Target,
    settings: KnockSettings,
}

impl Collector for Knock {
    type Settings = KnockSettings;

    fn describe() -> Description {
        Description::new("knock", "1.0.0", "Asks over a Unix socket")
            .wants(unix("GET", "<socket>", "/containers/"), "somebody may be there")
    }

    fn open(settings: KnockSettings) -> Result<Self, OpenError> {
        let mut target = Target::unix(&settings.socket, "/");
        target.path.clone_from(&settings.path);
        target.authority = settings.authority.clone().unwrap_or(target.authority);
        Ok(Self { target, settings })
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let KnockSettings { method, headers, body, .. } = &self.settings;
        let headers: Vec<_> = headers.iter().filter_map(|header| header.split_once(": ")).collect();
        let answer = if method == "GET" && body.is_empty() {
            self.target.get(&headers, self.settings.most as usize)
        } else {
            self.target.send(method, &headers, body.as_bytes()).map(|response| (response, Default::default()))
        };
        let (response, rest) = answer.map_err(|error| match error {
            HttpError::Denied(address) => CollectError::Denied(connect(&address)),
            HttpError::Unavailable(message) => CollectError::Unavailable(message),
        })?;
        Ok(vec![
            MetricValue::gauge("knock.status", f64::from(response.status)),
            MetricValue::gauge("knock.body_bytes", rest.bytes().len() as f64),
        ])
    }
}

saker_sdk::export_collector!(Knock);
