//! The record at every edge, and what makes one unusable: its series, or its point.

use std::sync::Arc;

use crate::reason::RejectReason;
use crate::series::MetricType;
use crate::stale::is_stale;
use crate::text::is_clean;

/// One measurement as a source hands it in: Open-Falcon's MetricValue with its tags taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Whose value.
    pub endpoint: Arc<str>,
    /// The name.
    pub metric: String,
    /// In any order until [`arrange`](Self::arrange) has sorted them.
    pub tags: Vec<(String, String)>,
    /// How the value is to be read.
    pub metric_type: MetricType,
    /// The value.
    pub value: f64,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub timestamp_ms: i64,
    /// How often it is measured, in seconds.
    pub step_s: u32,
}

/// Why a series is none. Every value of it is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SeriesError {
    /// No endpoint, or one that is too long or holds what [`clean`](crate::text::clean) takes out.
    #[error("endpoint must have 1 to 255 bytes and no control character")]
    BadEndpoint,
    /// No name, or one that is too long or holds what [`clean`](crate::text::clean) takes out.
    #[error("metric must have 1 to 255 bytes and no control character")]
    BadMetric,
    /// A tag without a key, with a part that is too long, or with what [`clean`](crate::text::clean) takes out.
    #[error("a tag must have a key of 1 to 255 bytes, a value of at most 4096, and no control character")]
    BadTag,
    /// A key that stands twice.
    #[error("a tag key stands twice")]
    DuplicateTag,
    /// More tags than a series may have.
    #[error("more tags than [pipeline] max_tags allows")]
    TooManyTags,
    /// All its texts together are too long.
    #[error("endpoint, metric and tags have more than 16384 bytes together")]
    TooLong,
    /// A step of zero, or of more than a week.
    #[error("step must be 1 to 604800 seconds")]
    BadStep,
}

/// Why a point is none. Others of its series may be good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PointError {
    /// An infinity, or no number and not the stale marker.
    #[error("value is not finite")]
    NotFinite,
    /// Before 1970, or too far in the future.
    #[error("timestamp is before 1970, or no time at all")]
    BadTimestamp,
    /// The time stamp is later than this host's clock, by more than clocks differ.
    #[error("timestamp is more than ten minutes ahead of this host's clock")]
    AheadOfClock,
}

/// What bounds every sample.
#[derive(Clone, Copy, Debug)]
pub struct SampleLimits {
    /// Bytes of an endpoint, a metric or a tag's key. Open-Falcon's limit.
    pub text_bytes: usize,
    /// Bytes of a tag's value: paths, command lines and images of containers are long. Prometheus' servers take as much.
    pub tag_value_bytes: usize,
    /// Bytes of all texts of a series: with its definition a record of a queue still has room for points.
    pub series_bytes: usize,
    /// Tags of one series, where nothing else is set. VictoriaMetrics' limit; what has more is dropped there unsaid.
    pub tags: usize,
    /// What that may be set to: as many as the definition of a series in a queue can hold.
    pub tags_most: usize,
    /// The longest step, in seconds: a week.
    pub step_s: u32,
    /// How far ahead of the clock a timestamp may be, in milliseconds: ten minutes. Clocks that are kept differ by less,
    /// and what is further ahead hides the true newest value of its series in most stores until that time has come.
    pub ahead_ms: i64,
}

/// The limits of every sample.
pub const LIMITS: SampleLimits = SampleLimits {
    text_bytes: 255,
    tag_value_bytes: 4096,
    series_bytes: 16 << 10,
    tags: 40,
    tags_most: 256,
    step_s: 604_800,
    ahead_ms: 600_000,
};

/// What of a series' bounds is set by the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesLimits {
    /// How many tags it may have.
    pub tags: usize,
}

impl Default for SeriesLimits {
    fn default() -> Self {
        Self { tags: LIMITS.tags }
    }
}

impl Sample {
    /// Puts the value in the order that its series is looked for in: sorts the tags, and leaves out those without a value,
    /// which say nothing; VictoriaMetrics and Prometheus leave them out as well. Cheap where there is nothing to do.
    pub fn arrange(&mut self) {
        if self.tags.iter().any(|(_, value)| value.is_empty()) {
            self.tags.retain(|(_, value)| !value.is_empty());
        }
        if !self.tags.is_sorted() {
            self.tags.sort_unstable();
        }
    }

    /// Checks what the value says of its series, once it is [arranged](Self::arrange). A series that is known has passed.
    ///
    /// # Errors
    /// The first [`SeriesError`] found.
    pub fn check_series(&self, limits: &SeriesLimits) -> Result<(), SeriesError> {
        if !is_text(&self.endpoint) {
            return Err(SeriesError::BadEndpoint);
        }
        if !is_text(&self.metric) {
            return Err(SeriesError::BadMetric);
        }
        if self.tags.len() > limits.tags {
            return Err(SeriesError::TooManyTags);
        }
        let is_value = |text: &str| text.len() <= LIMITS.tag_value_bytes && is_clean(text);
        if !self.tags.iter().all(|(key, value)| is_text(key) && is_value(value)) {
            return Err(SeriesError::BadTag);
        }
        if self.tags.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(SeriesError::DuplicateTag);
        }
        let tags: usize = self.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
        if self.endpoint.len() + self.metric.len() + tags > LIMITS.series_bytes {
            return Err(SeriesError::TooLong);
        }
        self.check_step()
    }

    /// Checks the step, which may be another in each value.
    ///
    /// # Errors
    /// [`SeriesError::BadStep`].
    pub fn check_step(&self) -> Result<(), SeriesError> {
        if (1..=LIMITS.step_s).contains(&self.step_s) { Ok(()) } else { Err(SeriesError::BadStep) }
    }

    /// Checks value and time. `now_ms` is the clock.
    ///
    /// # Errors
    /// The first [`PointError`] found.
    pub fn check_point(&self, now_ms: i64) -> Result<(), PointError> {
        check_number(self.value)?;
        check_time(self.timestamp_ms, now_ms)
    }

    /// All of it, for whoever has a value and no series yet: arranges it, and checks its series against the limits that
    /// hold where nothing else is set, then its point.
    ///
    /// # Errors
    /// The first [`RejectReason`] found.
    pub fn validate(&mut self, now_ms: i64) -> Result<(), RejectReason> {
        self.arrange();
        self.check_series(&SeriesLimits::default())?;
        Ok(self.check_point(now_ms)?)
    }
}

/// Whether a number can be a value: if it is finite, or the [stale marker](crate::STALE_MARKER).
///
/// # Errors
/// [`PointError::NotFinite`].
pub fn check_number(value: f64) -> Result<(), PointError> {
    if value.is_finite() || is_stale(value) { Ok(()) } else { Err(PointError::NotFinite) }
}

/// Whether a value may have that timestamp while the clock says `now_ms`.
///
/// # Errors
/// [`PointError::BadTimestamp`] or [`PointError::AheadOfClock`].
pub fn check_time(timestamp_ms: i64, now_ms: i64) -> Result<(), PointError> {
    if timestamp_ms < 0 {
        return Err(PointError::BadTimestamp);
    }
    if timestamp_ms > now_ms.saturating_add(LIMITS.ahead_ms) { Err(PointError::AheadOfClock) } else { Ok(()) }
}

/// Whether a text can be an endpoint, a metric's name or a tag's key.
#[must_use]
pub fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= LIMITS.text_bytes && is_clean(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn value() -> Sample {
        Sample {
            endpoint: "host".into(),
            metric: "cpu.idle".into(),
            tags: vec![],
            metric_type: MetricType::Gauge,
            value: 1.0,
            timestamp_ms: NOW_MS,
            step_s: 60,
        }
    }

    fn check(change: impl FnOnce(&mut Sample), expected: Result<(), RejectReason>) {
        let mut value = value();
        change(&mut value);
        assert_eq!(value.validate(NOW_MS), expected, "{value:?}");
    }

    fn tags(tags: &[(&str, &str)]) -> Vec<(String, String)> {
        tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    }

    #[test]
    fn tags_are_sorted_and_empty_ones_left_out() {
        let mut value = value();
        value.tags = tags(&[("b", "2"), ("c", ""), ("a", "1")]);
        assert_eq!(value.validate(NOW_MS), Ok(()));
        assert_eq!(value.tags, tags(&[("a", "1"), ("b", "2")]));
    }

    #[test]
    fn every_kind_of_unusable_value_has_its_reason() {
        check(|value| value.endpoint = "".into(), Err(RejectReason::BadEndpoint));
        check(|value| value.metric = String::new(), Err(RejectReason::BadMetric));
        check(|value| value.metric = "a\nb".into(), Err(RejectReason::BadMetric));
        check(|value| value.metric = "cpu\u{202e}elbi".into(), Err(RejectReason::BadMetric));
        check(|value| value.endpoint = "host\u{2028}2026 ERROR".into(), Err(RejectReason::BadEndpoint));
        check(|value| value.tags = tags(&[("a", "\u{200b}")]), Err(RejectReason::BadTag));
        check(|value| value.metric = "Temperatur.Außen".into(), Ok(()));
        check(|value| value.metric = "m".repeat(256), Err(RejectReason::BadMetric));
        check(|value| value.tags = tags(&[("a", "1"), ("a", "2")]), Err(RejectReason::DuplicateTag));
        check(|value| value.tags = tags(&[("", "1")]), Err(RejectReason::BadTag));
        check(|value| value.tags = tags(&[("a,b=", "b=c,\\")]), Ok(()));
        check(|value| value.tags = tags(&[("a\t", "1")]), Err(RejectReason::BadTag));
        check(|value| value.tags = tags(&[("a", &"v".repeat(4096))]), Ok(()));
        check(|value| value.tags = tags(&[("a", &"v".repeat(4097))]), Err(RejectReason::BadTag));
        let long: Vec<_> = (0..4).map(|n| (n.to_string(), "v".repeat(4096))).collect();
        check(|value| value.tags.clone_from(&long), Err(RejectReason::TooLong));
        check(
            |value| value.tags = (0..41).map(|n| (n.to_string(), "x".into())).collect(),
            Err(RejectReason::TooManyTags),
        );
        check(|value| value.value = f64::NAN, Err(RejectReason::NotFinite));
        check(|value| value.value = crate::STALE_MARKER, Ok(()));
        check(|value| value.value = f64::NEG_INFINITY, Err(RejectReason::NotFinite));
        check(|value| value.step_s = 0, Err(RejectReason::BadStep));
        check(|value| value.timestamp_ms = -1, Err(RejectReason::BadTimestamp));
        check(|value| value.timestamp_ms = NOW_MS + 600_001, Err(RejectReason::AheadOfClock));
        check(|value| value.timestamp_ms = i64::MAX, Err(RejectReason::AheadOfClock));
        check(|value| value.timestamp_ms = NOW_MS + 600_000, Ok(()));
        check(|value| value.timestamp_ms = 0, Ok(()));
    }

    #[test]
    fn the_number_of_tags_is_a_setting() {
        let mut value = value();
        value.tags = (0..41).map(|n| (n.to_string(), "x".into())).collect();
        value.arrange();
        assert_eq!(value.check_series(&SeriesLimits { tags: 41 }), Ok(()));
        assert_eq!(value.check_series(&SeriesLimits { tags: 40 }), Err(SeriesError::TooManyTags));
    }

    #[test]
    fn a_bad_point_says_nothing_of_its_series_nor_a_bad_series_of_its_point() {
        let mut value = value();
        value.value = f64::INFINITY;
        assert_eq!(value.check_series(&SeriesLimits::default()), Ok(()));
        assert_eq!(value.check_point(NOW_MS), Err(PointError::NotFinite));
        value.value = 1.0;
        value.metric = String::new();
        assert_eq!(value.check_series(&SeriesLimits::default()), Err(SeriesError::BadMetric));
        assert_eq!(value.check_point(NOW_MS), Ok(()));
    }
}
