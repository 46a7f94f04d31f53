//! How names and tags that came in become samples: what request and settings say of all of them.

use std::sync::Arc;

use saker_model::{MetricType, Sample};

use crate::extra::{ExtraTags, Scope};
use crate::keys::RawKey;

/// What holds for all series of a request, or of a socket.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    /// The tag that becomes the endpoint. An empty name is no tag's.
    pub(crate) endpoint_tag: String,
    /// How often values come, in seconds.
    pub(crate) step_s: u32,
    /// Whose values these are where no tag says it.
    pub(crate) endpoint: Arc<str>,
    extra: ExtraTags,
    scope: Scope,
}

impl Naming {
    /// Without a word from a request.
    pub(crate) fn new(endpoint_tag: &str, step_s: u32, endpoint: &Arc<str>) -> Self {
        let (endpoint_tag, endpoint) = (endpoint_tag.to_owned(), endpoint.clone());
        Self { endpoint_tag, step_s, endpoint, extra: ExtraTags::default(), scope: Scope::default() }
    }

    /// With tags of a request; `more` is what else it says that makes its names its own.
    pub(crate) fn with(self, extra: ExtraTags, more: &str) -> Self {
        Self { scope: extra.scope(more), extra, ..self }
    }

    /// A key of this request.
    #[inline]
    pub(crate) fn key<'a>(&'a self, raw: &'a [u8]) -> RawKey<'a> {
        RawKey::new(raw, self.scope.text(), self.scope.seed())
    }

    /// A key in parts of this request.
    #[inline]
    pub(crate) fn key_in_parts<'a>(&'a self, parts: [&'a [u8]; 3]) -> RawKey<'a> {
        RawKey::in_parts(parts, self.scope.text(), self.scope.seed())
    }

    /// A sample of this series; its time is set with its line's.
    pub(crate) fn sample(&self, metric: &str, mut tags: Vec<(String, String)>, value: f64) -> Sample {
        self.extra.apply(&mut tags);
        let named = tags.iter().position(|(name, value)| *name == self.endpoint_tag && !value.is_empty());
        let endpoint = named.map_or_else(|| self.endpoint.clone(), |place| tags.swap_remove(place).1.into());
        Sample {
            endpoint,
            metric: metric.to_owned(),
            tags,
            metric_type: MetricType::Gauge,
            value,
            timestamp_ms: 0,
            step_s: self.step_s,
        }
    }
}
