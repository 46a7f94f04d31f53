//! Posts by HTTP through the agent, and answers with the status and the length of what came back.

use saker_sdk::http::{HttpError, Target};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `fetch`.
    pub struct HttpPostSettings {
        /// Where to.
        pub url: String,
        /// What to post.
        pub body: String = "hello".into(),
    }
}

/// The guest.
pub struct HttpPost {
    target: Target,
    body: String,
}

impl Collector for HttpPost {
    type Settings = HttpPostSettings;

    fn describe() -> Description {
        Description::new("http-post", "1.0.0", "Posts by HTTP")
            .requests(connect("127.0.0.1:*"), "somebody may be there")
    }

    fn open(settings: HttpPostSettings) -> Result<Self, OpenError> {
        Ok(Self { target: Target::parse(&settings.url)?, body: settings.body })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let response = self.target.post(&[], self.body.as_bytes()).map_err(|error| match error {
            HttpError::Denied(address) => CollectError::Denied(connect(&address)),
            HttpError::Unavailable(message) => CollectError::Unavailable(message),
        })?;
        Ok(vec![
            Sample::gauge("fetch.status", f64::from(response.status)),
            Sample::gauge("fetch.body_bytes", response.body.len() as f64),
        ])
    }
}

saker_sdk::export_collector!(HttpPost);
