//! Building a [`Sample`].

use crate::bindings::types::{MetricType, Sample};

impl Sample {
    /// A level that stands for itself.
    #[must_use]
    pub fn gauge(metric: &str, value: f64) -> Self {
        Self::new(metric, MetricType::Gauge, value)
    }

    /// A total that only grows.
    #[must_use]
    pub fn counter(metric: &str, value: f64) -> Self {
        Self::new(metric, MetricType::Counter, value)
    }

    /// A total that is stored as its rate of change.
    #[must_use]
    pub fn derive(metric: &str, value: f64) -> Self {
        Self::new(metric, MetricType::Derive, value)
    }

    /// A value of any type. Endpoint, timestamp and step are the agent's to fill in.
    #[must_use]
    pub fn new(metric: &str, metric_type: MetricType, value: f64) -> Self {
        Self {
            endpoint: None,
            metric: metric.into(),
            tags: Vec::new(),
            metric_type,
            value,
            timestamp_ms: None,
            step_s: None,
        }
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.tags.push((key.into(), value.into()));
        self
    }

    /// Says whose value it is, where that is not the agent's own endpoint.
    #[must_use]
    pub fn endpoint(mut self, endpoint: &str) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }
}
