//! Tries headers that would change where a request goes or where it ends, and answers how many were let through. Then
//! posts with a header of its own in the place where the agent puts a secret.

use saker_sdk::http::{HttpError, Target};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `smuggle`.
    pub struct HeaderSmugglerSettings {
        /// Where to post.
        pub url: String,
    }
}

/// Names and values that the agent must not take from a plugin.
const FORBIDDEN: &[(&str, &str)] = &[
    ("host", "elsewhere.example"),
    ("Host", "elsewhere.example"),
    ("connection", "keep-alive"),
    ("transfer-encoding", "chunked"),
    ("upgrade", "h2c"),
    ("proxy-authorization", "Basic eDp5"),
    ("x-a", "b\r\ncontent-length: 0"),
    ("x-a", "b\nHost: elsewhere.example"),
    ("x-a\r\nx-b", "c"),
    ("x a", "b"),
    ("", "b"),
];

/// The guest.
pub struct HeaderSmuggler(Target);

impl Collector for HeaderSmuggler {
    type Settings = HeaderSmugglerSettings;

    fn describe() -> Description {
        Description::new("header-smuggler", "1.0.0", "Tries forbidden headers")
    }

    fn open(settings: HeaderSmugglerSettings) -> Result<Self, OpenError> {
        Ok(Self(Target::parse(&settings.url)?))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let through = FORBIDDEN.iter().filter(|header| self.0.post(&[**header], b"smuggled").is_ok()).count();
        let response = self.0.post(&[("authorization", "a guess")], b"plain").map_err(|error| match error {
            HttpError::Denied(address) => CollectError::Denied(connect(&address)),
            HttpError::Unavailable(message) => CollectError::Unavailable(message),
        })?;
        Ok(vec![
            Sample::gauge("header-smuggler.through", through as f64),
            Sample::gauge("header-smuggler.status", f64::from(response.status)),
        ])
    }
}

saker_sdk::export_collector!(HeaderSmuggler);
