//! The way from a question to the samples: select series by matchers, then read them chunk by chunk.
//!
//! The store and the cache implement [`SeriesReader`], the query engines call it on threads that may block.
//! [`MemoryReader`] is the one for tests. Nothing here knows a query language, and names are the agent's own: a metric
//! is `cpu.busy`, not `cpu_busy`.

mod budget;
mod matcher;
mod memory;
mod pattern;

use std::sync::Arc;

use saker_model::Tags;

pub use budget::{Budget, BudgetLimits, Cancel};
pub use matcher::{Label, MatchOp, Matcher, MatcherError, MatcherSet};
pub use memory::MemoryReader;
pub use pattern::{Pattern, PatternError};

/// The value that stands for "the series ends here": Prometheus' stale marker, a NaN with bits of its own.
pub const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// Whether a value is the stale marker. Its bits decide, for no NaN equals another.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE.to_bits()
}

/// A time range in milliseconds since 1970-01-01 UTC, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first millisecond.
    pub start_ms: i64,
    /// The last millisecond.
    pub end_ms: i64,
}

impl TimeRange {
    /// Whether the range holds this time.
    #[must_use]
    pub fn contains(&self, time_ms: i64) -> bool {
        (self.start_ms..=self.end_ms).contains(&time_ms)
    }
}

/// What identifies a series to who reads it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// Whose series, usually a host's name.
    pub endpoint: Arc<str>,
    /// The name, as it was stored.
    pub metric: Arc<str>,
    /// Sorted by key, each key once.
    pub tags: Tags,
}

impl Identity {
    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
    }
}

/// A series that was selected. The id means something to the reader that gave it, and to nobody else.
#[derive(Clone, Debug)]
pub struct SeriesRef {
    /// The reader's own.
    pub id: u64,
    /// What the series is called.
    pub identity: Arc<Identity>,
}

/// What is kept of the samples of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Aggregate {
    /// The newest value.
    Last = 0,
    /// The oldest value.
    First,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The sum.
    Sum,
    /// How many there were.
    Count,
}

impl Aggregate {
    /// All of them, in the order of a chunk's columns.
    pub const ALL: [Self; 6] = [Self::Last, Self::First, Self::Min, Self::Max, Self::Sum, Self::Count];
}

/// Which aggregates a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Columns(u8);

impl Columns {
    /// Only the newest value of each bucket; of raw samples, their value.
    pub const LAST: Self = Self(1 << Aggregate::Last as u8);

    /// These and one more.
    #[must_use]
    pub fn with(self, aggregate: Aggregate) -> Self {
        Self(self.0 | 1 << aggregate as u8)
    }

    /// Whether an aggregate is wanted.
    #[must_use]
    pub fn contains(self, aggregate: Aggregate) -> bool {
        self.0 & 1 << aggregate as u8 != 0
    }

    /// Which column of a chunk holds an aggregate.
    #[must_use]
    pub fn position(self, aggregate: Aggregate) -> Option<usize> {
        let before = self.0 & ((1 << aggregate as u8) - 1);
        self.contains(aggregate).then_some(before.count_ones() as usize)
    }

    /// The wanted aggregates, in the order of a chunk's columns.
    pub fn iter(self) -> impl Iterator<Item = Aggregate> {
        Aggregate::ALL.into_iter().filter(move |aggregate| self.contains(*aggregate))
    }
}

/// Samples of one series that lie together in time.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Which series: its place in what `read` was asked for.
    pub series: usize,
    /// How long a bucket is, in milliseconds; 0 for raw samples.
    pub granularity_ms: i64,
    /// Growing, never twice the same. Of a bucket, the time of its newest sample.
    pub timestamps: &'a [i64],
    /// A column for each aggregate that was asked for, in the order of [`Columns::iter`], each as long as the
    /// timestamps. Of raw samples every column but the count holds the values.
    pub columns: &'a [&'a [f64]],
}

/// Why nothing was read, or not all of it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// Who asked went away, or an operator ended it.
    #[error("the query was cancelled")]
    Cancelled,
    /// It took too long.
    #[error("the query took longer than {limit_ms} ms; ask for a shorter range, fewer series or a larger step")]
    Timeout {
        /// The limit.
        limit_ms: u64,
    },
    /// It wanted more samples than it may.
    #[error("the query reads {wanted} samples or more, and {limit} is the most: {limit_hint}")]
    Samples {
        /// So many would have done, as far as is known.
        wanted: u64,
        /// The limit.
        limit: u64,
        /// What to do about it.
        limit_hint: String,
    },
    /// It wanted more memory than it may.
    #[error("the query needs {wanted} bytes or more, and {limit} is the most: ask for fewer series or a larger step")]
    Memory {
        /// So many would have done, as far as is known.
        wanted: u64,
        /// The limit.
        limit: u64,
    },
    /// A matcher's pattern cannot be used.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
    /// What is stored could not be read.
    #[error("cannot read {what}: {reason}")]
    Storage {
        /// The file or the part of it.
        what: String,
        /// Why.
        reason: String,
    },
}

/// Something that has samples and answers for them. Its calls block, so they belong on a query thread.
pub trait SeriesReader: Send + Sync {
    /// The series that match, and that may have samples in the range; in order of identity, at most `limit` of them.
    ///
    /// # Errors
    /// [`ReadError::Matcher`] and [`ReadError::Storage`].
    fn select(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<SeriesRef>, ReadError>;

    /// Visits all samples of the series within the range. Chunks of one series come in order of time; chunks of
    /// several series may come in turns. Samples are charged to the budget before they are visited, and the budget's
    /// cancellation ends the reading within a chunk.
    ///
    /// # Errors
    /// Whatever the budget says, and [`ReadError::Storage`].
    fn read(
        &self,
        series: &[SeriesRef],
        range: TimeRange,
        columns: Columns,
        budget: &Budget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError>;

    /// About how many samples [`read`](Self::read) would visit, from headers alone, so that a question that is far too
    /// large is refused before anything is read. A reader that cannot tell answers 0.
    fn estimate(&self, series: &[SeriesRef], range: TimeRange) -> u64 {
        let _ = (series, range);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_know_their_place_among_those_asked_for() {
        let columns = Columns::LAST.with(Aggregate::Sum).with(Aggregate::Min);
        assert_eq!(columns.iter().collect::<Vec<_>>(), [Aggregate::Last, Aggregate::Min, Aggregate::Sum]);
        assert_eq!(columns.position(Aggregate::Last), Some(0));
        assert_eq!(columns.position(Aggregate::Sum), Some(2));
        assert_eq!(columns.position(Aggregate::Count), None);
    }

    #[test]
    fn the_stale_marker_is_told_from_every_other_nan() {
        assert!(is_stale(STALE) && STALE.is_nan());
        assert!(!is_stale(f64::NAN) && !is_stale(f64::from_bits(0x7ff8_0000_0000_0002)) && !is_stale(0.0));
    }
}
