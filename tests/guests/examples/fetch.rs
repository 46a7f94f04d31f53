//! Posts by HTTP through the agent, and answers with the status and the length of what came back.

use saker_sdk::http::{HttpError, Target};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `fetch`.
    pub struct FetchSettings {
        /// Where to.
        pub url: String,
        /// What to post.
        pub body: String = "hello".into(),
    }
}

/// The guest.
pub struct Fetch {
    target: Target,
    body: String,
}

impl Collector for Fetch {
    type Settings = FetchSettings;

    fn describe() -> Description {
        Description::new("fetch", "1.0.0", "Posts by HTTP").wants(connect("127.0.0.1:*"), "somebody may be there")
    }

    fn open(settings: FetchSettings) -> Result<Self, OpenError> {
        Ok(Self { target: Target::parse(&settings.url)?, body: settings.body })
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let response = self.target.post(&[], self.body.as_bytes()).map_err(|error| match error {
            HttpError::Denied(address) => CollectError::Denied(connect(&address)),
            HttpError::Unavailable(message) => CollectError::Unavailable(message),
        })?;
        Ok(vec![
            MetricValue::gauge("fetch.status", f64::from(response.status)),
            MetricValue::gauge("fetch.body_bytes", response.body.len() as f64),
        ])
    }
}

saker_sdk::export_collector!(Fetch);
