//! Tries headers that would change where a request goes or where it ends, and answers how many were let through. Then
//! posts with a header of its own in the place where the agent puts a secret.

use saker_sdk::http::{HttpError, Target};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `smuggle`.
    pub struct SmuggleSettings {
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
pub struct Smuggle(Target);

impl Collector for Smuggle {
    type Settings = SmuggleSettings;

    fn describe() -> Description {
        Description::new("smuggle", "1.0.0", "Tries forbidden headers")
    }

    fn open(settings: SmuggleSettings) -> Result<Self, OpenError> {
        Ok(Self(Target::parse(&settings.url)?))
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let through = FORBIDDEN.iter().filter(|header| self.0.post(&[**header], b"smuggled").is_ok()).count();
        let response = self.0.post(&[("authorization", "a guess")], b"plain").map_err(|error| match error {
            HttpError::Denied(address) => CollectError::Denied(connect(&address)),
            HttpError::Unavailable(message) => CollectError::Unavailable(message),
        })?;
        Ok(vec![
            MetricValue::gauge("smuggle.through", through as f64),
            MetricValue::gauge("smuggle.status", f64::from(response.status)),
        ])
    }
}

saker_sdk::export_collector!(Smuggle);
