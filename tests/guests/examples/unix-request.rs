//! Asks over a Unix socket, with whatever method, path, headers and body it is told, and answers with the status and the
//! length of what came back.

use saker_sdk::http::{HttpError, Target};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `knock`.
    pub struct UnixRequestSettings {
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
pub struct UnixRequest {
    target: Target,
    settings: UnixRequestSettings,
}

impl Collector for UnixRequest {
    type Settings = UnixRequestSettings;

    fn describe() -> Description {
        Description::new("unix-request", "1.0.0", "Asks over a Unix socket")
            .requests(unix("GET", "<socket>", "/containers/"), "somebody may be there")
    }

    fn open(settings: UnixRequestSettings) -> Result<Self, OpenError> {
        let mut target = Target::unix(&settings.socket, "/");
        target.path.clone_from(&settings.path);
        target.authority = settings.authority.clone().unwrap_or(target.authority);
        Ok(Self { target, settings })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let UnixRequestSettings { method, headers, body, .. } = &self.settings;
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
            Sample::gauge("unix-request.status", f64::from(response.status)),
            Sample::gauge("unix-request.max_body_bytes", rest.bytes().len() as f64),
        ])
    }
}

saker_sdk::export_collector!(UnixRequest);
