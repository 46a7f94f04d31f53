//! The record at every edge, and what makes one unusable.

use std::sync::Arc;

use crate::series::MetricType;
use crate::text::is_clean;

/// One measurement as a source hands it in: Open-Falcon's MetricValue with its tags taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricValue {
    /// Whose value.
    pub endpoint: Arc<str>,
    /// The name.
    pub metric: String,
    /// In any order until [`validate`](Self::validate) has sorted them.
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

/// Why a value was not taken. Every refusal is counted under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// No endpoint, or one that is too long or holds what [`clean`](crate::text::clean) takes out.
    #[error("endpoint must have 1 to 255 bytes and no control character")]
    BadEndpoint,
    /// No name, or one that is too long or holds what [`clean`](crate::text::clean) takes out.
    #[error("metric must have 1 to 255 bytes and no control character")]
    BadMetric,
    /// A tag without a key, with a part that is too long, or with `,`, `=` or what [`clean`](crate::text::clean) takes
    /// out.
    #[error("a tag's key and value must have 1 to 255 bytes and no comma, equals sign or control character")]
    BadTag,
    /// A key that stands twice.
    #[error("a tag key stands twice")]
    DuplicateTag,
    /// More tags than a series may have.
    #[error("more than 40 tags")]
    TooManyTags,
    /// Not a number, or an infinity.
    #[error("value is not finite")]
    NotFinite,
    /// A step of zero, or of more than a week.
    #[error("step must be 1 to 604800 seconds")]
    BadStep,
    /// Before 1970, or too far in the future.
    #[error("timestamp is before 1970, or no time at all")]
    BadTimestamp,
    /// The time stamp is later than this host's clock, by more than clocks differ.
    #[error("timestamp is more than ten minutes ahead of this host's clock")]
    AheadOfClock,
    /// The table of series is full.
    #[error("the limit of series is reached")]
    SeriesLimit,
    /// One call of a collector brought more series that were new than it may.
    #[error("more new series in one call than limits.new_series allows")]
    NewSeries,
    /// The source has as many series as it may have.
    #[error("the source has as many series as limits.series allows")]
    SourceSeries,
    /// The listener has as many series as one may have.
    #[error("the listener has as many series as [pipeline] listener_share allows")]
    ListenerSeries,
    /// Only collectors may bring more.
    #[error("the rest of the series is kept for collectors, as [pipeline] collector_share says")]
    ReservedSeries,
    /// A processor dropped the series.
    #[error("dropped by a processor")]
    Processor,
    /// A processor failed, and is set to drop what it cannot judge.
    #[error("a processor failed")]
    ProcessorFailed,
    /// A text where only numbers have a place.
    #[error("value is text, and only numbers can be kept")]
    TextValue,
    /// A queue had no room. The source may come again with it.
    #[error("a queue has no room")]
    NoRoom,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 18] = [
        Self::BadEndpoint,
        Self::BadMetric,
        Self::BadTag,
        Self::DuplicateTag,
        Self::TooManyTags,
        Self::NotFinite,
        Self::BadStep,
        Self::BadTimestamp,
        Self::AheadOfClock,
        Self::SeriesLimit,
        Self::NewSeries,
        Self::SourceSeries,
        Self::ListenerSeries,
        Self::ReservedSeries,
        Self::Processor,
        Self::ProcessorFailed,
        Self::TextValue,
        Self::NoRoom,
    ];

    /// The name that it is counted under.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadEndpoint => "bad_endpoint",
            Self::BadMetric => "bad_metric",
            Self::BadTag => "bad_tag",
            Self::DuplicateTag => "duplicate_tag",
            Self::TooManyTags => "too_many_tags",
            Self::NotFinite => "not_finite",
            Self::BadStep => "bad_step",
            Self::BadTimestamp => "bad_timestamp",
            Self::AheadOfClock => "ahead_of_clock",
            Self::SeriesLimit => "series_limit",
            Self::NewSeries => "new_series",
            Self::SourceSeries => "source_series",
            Self::ListenerSeries => "listener_series",
            Self::ReservedSeries => "reserved_series",
            Self::Processor => "processor",
            Self::ProcessorFailed => "processor_failed",
            Self::TextValue => "text_value",
            Self::NoRoom => "no_room",
        }
    }

    /// Whether it lies in what identifies the series, so that every other value of the series is refused as well.
    #[must_use]
    pub fn is_of_series(self) -> bool {
        matches!(
            self,
            Self::BadEndpoint | Self::BadMetric | Self::BadTag | Self::DuplicateTag | Self::TooManyTags | Self::BadStep
        )
    }
}

/// How many values were refused, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    malformed: u64,
    by_reason: [u64; Reason::ALL.len()],
}

impl Refused {
    /// Counts a record that could not even be read as values.
    pub fn add_malformed(&mut self) {
        self.malformed += 1;
    }

    /// How many records could not even be read as values.
    #[must_use]
    pub fn malformed_count(&self) -> u64 {
        self.malformed
    }

    /// Counts values that were refused for a reason.
    pub fn add(&mut self, reason: Reason, count: u64) {
        self.by_reason[reason as usize] += count;
    }

    /// Counts what another has counted.
    pub fn add_all(&mut self, other: &Self) {
        self.malformed += other.malformed;
        self.by_reason.iter_mut().zip(&other.by_reason).for_each(|(count, more)| *count += more);
    }

    /// How many were refused for a reason.
    #[must_use]
    pub fn of(&self, reason: Reason) -> u64 {
        self.by_reason[reason as usize]
    }

    /// All of them, the malformed ones included.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.malformed + self.by_reason.iter().sum::<u64>()
    }
}

/// What bounds a metric value.
#[derive(Clone, Copy, Debug)]
pub struct ValueLimits {
    /// Bytes of an endpoint, a metric, a tag's key or a tag's value. Open-Falcon's limit.
    pub text_bytes: usize,
    /// Tags of one series. VictoriaMetrics' limit.
    pub tags: usize,
    /// The longest step, in seconds: a week.
    pub step_s: u32,
    /// How far ahead of the clock a timestamp may be, in milliseconds: ten minutes. Clocks that are kept differ by less,
    /// and what is further ahead hides the true newest value of its series in most stores until that time has come.
    pub ahead_ms: i64,
}

/// The limits that [`MetricValue::validate`] checks.
pub const LIMITS: ValueLimits = ValueLimits { text_bytes: 255, tags: 40, step_s: 604_800, ahead_ms: 600_000 };

impl MetricValue {
    /// Sorts the tags, leaves out those without a value, and checks everything against [`LIMITS`]. `now_ms` is the
    /// clock.
    ///
    /// # Errors
    /// The first [`Reason`] found.
    pub fn validate(&mut self, now_ms: i64) -> Result<(), Reason> {
        if !is_text(&self.endpoint) {
            return Err(Reason::BadEndpoint);
        }
        if !is_text(&self.metric) {
            return Err(Reason::BadMetric);
        }
        // A tag without a value says nothing; VictoriaMetrics and Prometheus leave it out as well.
        self.tags.retain(|(_, value)| !value.is_empty());
        if self.tags.len() > LIMITS.tags {
            return Err(Reason::TooManyTags);
        }
        if !self.tags.iter().all(|(key, value)| is_tag_text(key) && is_tag_text(value)) {
            return Err(Reason::BadTag);
        }
        self.tags.sort_unstable();
        if self.tags.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(Reason::DuplicateTag);
        }
        if !self.value.is_finite() {
            return Err(Reason::NotFinite);
        }
        if self.step_s == 0 || self.step_s > LIMITS.step_s {
            return Err(Reason::BadStep);
        }
        check_time(self.timestamp_ms, now_ms)
    }
}

/// Whether a value may have that timestamp while the clock says `now_ms`.
///
/// # Errors
/// [`Reason::BadTimestamp`] or [`Reason::AheadOfClock`].
pub fn check_time(timestamp_ms: i64, now_ms: i64) -> Result<(), Reason> {
    if timestamp_ms < 0 {
        return Err(Reason::BadTimestamp);
    }
    if timestamp_ms > now_ms.saturating_add(LIMITS.ahead_ms) { Err(Reason::AheadOfClock) } else { Ok(()) }
}

/// Whether a text can be an endpoint or a metric's name.
#[must_use]
pub fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= LIMITS.text_bytes && is_clean(text)
}

fn is_tag_text(text: &str) -> bool {
    is_text(text) && !text.contains([',', '='])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    fn value() -> MetricValue {
        MetricValue {
            endpoint: "host".into(),
            metric: "cpu.idle".into(),
            tags: vec![],
            metric_type: MetricType::Gauge,
            value: 1.0,
            timestamp_ms: NOW_MS,
            step_s: 60,
        }
    }

    fn check(change: impl FnOnce(&mut MetricValue), expected: Result<(), Reason>) {
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
        check(|value| value.endpoint = "".into(), Err(Reason::BadEndpoint));
        check(|value| value.metric = String::new(), Err(Reason::BadMetric));
        check(|value| value.metric = "a\nb".into(), Err(Reason::BadMetric));
        check(|value| value.metric = "cpu\u{202e}elbi".into(), Err(Reason::BadMetric));
        check(|value| value.endpoint = "host\u{2028}2026 ERROR".into(), Err(Reason::BadEndpoint));
        check(|value| value.tags = tags(&[("a", "\u{200b}")]), Err(Reason::BadTag));
        check(|value| value.metric = "Temperatur.Außen".into(), Ok(()));
        check(|value| value.metric = "m".repeat(256), Err(Reason::BadMetric));
        check(|value| value.tags = tags(&[("a", "1"), ("a", "2")]), Err(Reason::DuplicateTag));
        check(|value| value.tags = tags(&[("a,b", "1")]), Err(Reason::BadTag));
        check(|value| value.tags = tags(&[("", "1")]), Err(Reason::BadTag));
        check(|value| value.tags = tags(&[("a", "b=c")]), Err(Reason::BadTag));
        check(|value| value.tags = (0..41).map(|n| (n.to_string(), "x".into())).collect(), Err(Reason::TooManyTags));
        check(|value| value.value = f64::NAN, Err(Reason::NotFinite));
        check(|value| value.value = f64::NEG_INFINITY, Err(Reason::NotFinite));
        check(|value| value.step_s = 0, Err(Reason::BadStep));
        check(|value| value.timestamp_ms = -1, Err(Reason::BadTimestamp));
        check(|value| value.timestamp_ms = NOW_MS + 600_001, Err(Reason::AheadOfClock));
        check(|value| value.timestamp_ms = i64::MAX, Err(Reason::AheadOfClock));
        check(|value| value.timestamp_ms = NOW_MS + 600_000, Ok(()));
        check(|value| value.timestamp_ms = 0, Ok(()));
    }

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
