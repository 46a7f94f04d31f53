//! What a series is known by in memory and on disk: its metric, endpoint and sorted tags, as one text.
//!
//! The metric comes first, so that in the order of keys the series of one metric are neighbours: they compress well
//! together, and a question for a metric reads one stretch of a dictionary. Type and step are attributes: where they
//! change, the series stays the same.

use std::sync::Arc;

use saker_model::{MetricType, Series};

/// Between the parts of a key. Names with control characters are rejected at the doors.
const SEPARATOR: char = '\u{1}';
/// Between a tag's name and its value.
const EQUALS: char = '\u{2}';
/// Longer keys are rejected: a name has 4 KiB at the most, and a record of the journal holds 64 KiB.
pub(crate) const KEY_BYTES_MAX: usize = 16 << 10;

/// How the values of a series are to be read, as of its newest registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredAttributes {
    pub(crate) metric_type: MetricType,
    pub(crate) step_s: u32,
}

impl StoredAttributes {
    pub(crate) fn of(series: &Series) -> Self {
        Self { metric_type: series.metric_type, step_s: series.step_s }
    }

    pub(crate) fn type_byte(self) -> u8 {
        self.metric_type as u8
    }

    pub(crate) fn from_wire(metric_type: u8, step_s: u64) -> Option<Self> {
        let metric_type = match metric_type {
            0 => MetricType::Gauge,
            1 => MetricType::Counter,
            2 => MetricType::Derive,
            _ => return None,
        };
        Some(Self { metric_type, step_s: u32::try_from(step_s).ok()? })
    }

    /// Whether the values are a total, of which the increase means something.
    pub(crate) fn is_total(self) -> bool {
        self.metric_type != MetricType::Gauge
    }
}

/// The key of a series; nothing if its names hold what separates them, or are too long.
pub(crate) fn key_of(series: &Series) -> Option<String> {
    let clean = |text: &str| !text.contains([SEPARATOR, EQUALS]);
    let mut key = String::with_capacity(64);
    key.push_str(&series.metric);
    key.push(SEPARATOR);
    key.push_str(&series.endpoint);
    let mut good = clean(&series.metric) && clean(&series.endpoint) && !series.metric.is_empty();
    for (name, value) in series.tags.iter() {
        good &= clean(name) && clean(value);
        key.push(SEPARATOR);
        key.push_str(name);
        key.push(EQUALS);
        key.push_str(value);
    }
    (good && key.len() <= KEY_BYTES_MAX).then_some(key)
}

/// What all keys of a metric begin with.
pub(crate) fn metric_prefix(metric: &str) -> String {
    format!("{metric}{SEPARATOR}")
}

/// A series that the store holds points of. It stays good across restarts; reading it when all is gone gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSeries {
    pub(crate) key: Arc<str>,
    pub(crate) attributes: StoredAttributes,
}

impl StoredSeries {
    pub(crate) fn new(key: Arc<str>, attributes: StoredAttributes) -> Self {
        Self { key, attributes }
    }

    /// The reference to a series by its names, whether the store holds any of it or not; nothing if no series can have
    /// them.
    #[must_use]
    pub fn of(series: &Series) -> Option<Self> {
        Some(Self { key: key_of(series)?.into(), attributes: StoredAttributes::of(series) })
    }

    /// The name.
    #[must_use]
    pub fn metric(&self) -> &str {
        self.key.split(SEPARATOR).next().unwrap_or_default()
    }

    /// Whose series.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        self.key.split(SEPARATOR).nth(1).unwrap_or_default()
    }

    /// Names and values of its tags, sorted by name.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.key.split(SEPARATOR).skip(2).filter_map(|tag| tag.split_once(EQUALS))
    }

    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<&str> {
        self.tags().find(|tag| tag.0 == name).map(|tag| tag.1)
    }

    /// How its values are to be read, as of when it was written last.
    #[must_use]
    pub fn metric_type(&self) -> MetricType {
        self.attributes.metric_type
    }

    /// How often it is measured, in seconds, as of when it was written last.
    #[must_use]
    pub fn step_s(&self) -> u32 {
        self.attributes.step_s
    }

    /// The same as the rest of the agent knows it.
    #[must_use]
    pub fn to_series(&self) -> Series {
        Series {
            endpoint: self.endpoint().into(),
            metric: self.metric().into(),
            tags: self.tags().map(|(name, value)| (name.into(), value.into())).collect(),
            metric_type: self.attributes.metric_type,
            step_s: self.attributes.step_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(metric: &str, tags: &[(&str, &str)]) -> Series {
        Series {
            endpoint: "web-1".into(),
            metric: metric.into(),
            tags: tags.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            metric_type: MetricType::Counter,
            step_s: 10,
        }
    }

    #[test]
    fn a_series_comes_back_from_its_key() {
        for tags in [&[][..], &[("a", "1")], &[("a", "x=y,z"), ("b", "")]] {
            let original = series("cpu.idle", tags);
            let reference = StoredSeries::of(&original).unwrap();
            assert_eq!(reference.to_series(), original);
            assert!(reference.key.starts_with(&metric_prefix("cpu.idle")));
        }
    }

    #[test]
    fn names_that_could_be_taken_for_others_are_rejected() {
        assert!(key_of(&series("a\u{1}b", &[])).is_none());
        assert!(key_of(&series("a", &[("b\u{2}", "c")])).is_none());
        assert!(key_of(&series("", &[])).is_none());
        assert!(key_of(&series(&"x".repeat(KEY_BYTES_MAX), &[])).is_none());
    }
}
