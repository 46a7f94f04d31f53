//! Why values are not taken, and how many were not.

use crate::value::{PointError, SeriesError};

/// Why a value was not taken. Every rejection is counted under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum RejectReason {
    /// See [`SeriesError::BadEndpoint`].
    #[error("{}", SeriesError::BadEndpoint)]
    BadEndpoint,
    /// See [`SeriesError::BadMetric`].
    #[error("{}", SeriesError::BadMetric)]
    BadMetric,
    /// See [`SeriesError::BadTag`].
    #[error("{}", SeriesError::BadTag)]
    BadTag,
    /// See [`SeriesError::DuplicateTag`].
    #[error("{}", SeriesError::DuplicateTag)]
    DuplicateTag,
    /// See [`SeriesError::TooManyTags`].
    #[error("{}", SeriesError::TooManyTags)]
    TooManyTags,
    /// See [`SeriesError::TooLong`].
    #[error("{}", SeriesError::TooLong)]
    TooLong,
    /// See [`SeriesError::BadStep`].
    #[error("{}", SeriesError::BadStep)]
    BadStep,
    /// See [`PointError::NotFinite`].
    #[error("{}", PointError::NotFinite)]
    NotFinite,
    /// See [`PointError::BadTimestamp`].
    #[error("{}", PointError::BadTimestamp)]
    BadTimestamp,
    /// See [`PointError::AheadOfClock`].
    #[error("{}", PointError::AheadOfClock)]
    AheadOfClock,
    /// The table of series is full.
    #[error("the limit of series is reached")]
    SeriesLimit,
    /// One call of a collector brought more series that were new than it may.
    #[error("more new series in one call than limits.max_new_series allows")]
    NewSeries,
    /// The source has as many series as it may have.
    #[error("the source has as many series as limits.max_series allows")]
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

impl RejectReason {
    /// Every reason.
    pub const ALL: [Self; 19] = [
        Self::BadEndpoint,
        Self::BadMetric,
        Self::BadTag,
        Self::DuplicateTag,
        Self::TooManyTags,
        Self::TooLong,
        Self::BadStep,
        Self::NotFinite,
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
            Self::TooLong => "series_too_long",
            Self::BadStep => "bad_step",
            Self::NotFinite => "not_finite",
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

    /// Whether it lies in what identifies the series, so that every other value of the series is rejected as well.
    #[must_use]
    pub fn is_of_series(self) -> bool {
        matches!(
            self,
            Self::BadEndpoint
                | Self::BadMetric
                | Self::BadTag
                | Self::DuplicateTag
                | Self::TooManyTags
                | Self::TooLong
                | Self::BadStep
        )
    }
}

/// How many values were rejected, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RejectCounts {
    malformed: u64,
    by_reason: [u64; RejectReason::ALL.len()],
}

impl RejectCounts {
    /// Counts a record that could not even be read as values.
    pub fn add_malformed(&mut self) {
        self.malformed += 1;
    }

    /// How many records could not even be read as values.
    #[must_use]
    pub fn malformed_count(&self) -> u64 {
        self.malformed
    }

    /// Counts values that were rejected for a reason.
    pub fn add(&mut self, reason: RejectReason, count: u64) {
        self.by_reason[reason as usize] += count;
    }

    /// Counts what another has counted.
    pub fn add_all(&mut self, other: &Self) {
        self.malformed += other.malformed;
        self.by_reason.iter_mut().zip(&other.by_reason).for_each(|(count, more)| *count += more);
    }

    /// How many were rejected for a reason.
    #[must_use]
    pub fn of(&self, reason: RejectReason) -> u64 {
        self.by_reason[reason as usize]
    }

    /// All of them, the malformed ones included.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.malformed + self.by_reason.iter().sum::<u64>()
    }
}

impl From<SeriesError> for RejectReason {
    fn from(error: SeriesError) -> Self {
        match error {
            SeriesError::BadEndpoint => Self::BadEndpoint,
            SeriesError::BadMetric => Self::BadMetric,
            SeriesError::BadTag => Self::BadTag,
            SeriesError::DuplicateTag => Self::DuplicateTag,
            SeriesError::TooManyTags => Self::TooManyTags,
            SeriesError::TooLong => Self::TooLong,
            SeriesError::BadStep => Self::BadStep,
        }
    }
}

impl From<PointError> for RejectReason {
    fn from(error: PointError) -> Self {
        match error {
            PointError::NotFinite => Self::NotFinite,
            PointError::BadTimestamp => Self::BadTimestamp,
            PointError::AheadOfClock => Self::AheadOfClock,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        let mut names: Vec<_> = RejectReason::ALL.iter().map(|reason| reason.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RejectReason::ALL.len());
    }
}
