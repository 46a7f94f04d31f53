//! What is known of metrics besides their values.

/// What a metric is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricDescription {
    /// In a sentence.
    pub help: String,
    /// Of what its values are, such as `bytes`; empty if that is not known.
    pub unit: String,
    /// The collector that brings it; empty if none does.
    pub collector: String,
}

/// Knows what metrics are, by their own names (`cpu.busy`).
pub trait Descriptions: Send + Sync {
    /// What a metric is, if that is known.
    fn of(&self, metric: &str) -> Option<MetricDescription>;
}

/// Knows nothing: a metric's help is then its own name, and its collector what stands before the first dot.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDescriptions;

impl Descriptions for NoDescriptions {
    fn of(&self, _: &str) -> Option<MetricDescription> {
        None
    }
}

/// What a metric is, as far as it can be told.
pub(crate) fn describe(descriptions: &dyn Descriptions, metric: &str) -> MetricDescription {
    let mut found = descriptions.of(metric).unwrap_or_default();
    if found.help.is_empty() {
        found.help = metric.into();
    }
    if found.collector.is_empty() {
        found.collector = metric.split('.').next().unwrap_or_default().into();
    }
    found
}
