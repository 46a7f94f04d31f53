//! The way from a question to the samples: select series by matchers, then read them chunk by chunk.
//!
//! The store and the cache implement [`SeriesReader`], the query engines call it on threads that may block. Nothing here
//! knows a query language, and names are the agent's own: a metric is `cpu.busy`, not `cpu_busy`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use saker_model::{MetricType, Series, Tags};

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
    /// The series of this identity.
    #[must_use]
    pub fn to_series(&self, attributes: Attributes) -> Series {
        Series {
            endpoint: self.endpoint.clone(),
            metric: (&*self.metric).into(),
            tags: self.tags.clone(),
            metric_type: attributes.metric_type,
            step_s: attributes.step_s,
        }
    }

    /// The value of a tag.
    #[must_use]
    pub fn tag(&self, key: &str) -> Option<&str> {
        tag(&self.tags, key)
    }
}

/// What a series is besides its identity. The latest that was said counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// How its values are to be read.
    pub metric_type: MetricType,
    /// How often it is measured, in seconds.
    pub step_s: u32,
}

/// A series that was selected. The id means something to the reader that gave it, and to nobody else.
#[derive(Clone, Debug)]
pub struct SeriesRef {
    /// The reader's own.
    pub id: u64,
    /// What the series is called.
    pub identity: Arc<Identity>,
    /// What it is besides.
    pub attributes: Attributes,
}

/// What of a series a matcher looks at. A tag that a series does not have is an empty text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MatcherLabel {
    /// The endpoint.
    Endpoint,
    /// The metric's name.
    Metric,
    /// The value of a tag.
    Tag(String),
}

/// What a text must be. Patterns are ready to be used: what language they are in is the business of who asks.
#[derive(Clone)]
pub enum TextCondition {
    /// This text.
    Is(String),
    /// Any other text.
    IsNot(String),
    /// A text of which this is true.
    Meets(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl TextCondition {
    /// Whether a text meets it.
    #[must_use]
    pub fn is_met_by(&self, text: &str) -> bool {
        match self {
            Self::Is(value) => value == text,
            Self::IsNot(value) => value != text,
            Self::Meets(test) => test(text),
        }
    }
}

impl fmt::Debug for TextCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(value) => write!(f, "= {value:?}"),
            Self::IsNot(value) => write!(f, "!= {value:?}"),
            Self::Meets(_) => f.write_str("a test"),
        }
    }
}

/// A condition that a series must meet.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// What it looks at.
    pub label: MatcherLabel,
    /// What that must be.
    pub condition: TextCondition,
}

impl Matcher {
    /// Whether a series meets it.
    #[must_use]
    pub fn matches(&self, identity: &Identity) -> bool {
        self.matches_parts(&identity.endpoint, &identity.metric, &identity.tags)
    }

    /// The same, of a series that has no [`Identity`] yet.
    #[must_use]
    pub fn matches_parts(&self, endpoint: &str, metric: &str, tags: &[(Box<str>, Box<str>)]) -> bool {
        self.condition.is_met_by(match &self.label {
            MatcherLabel::Endpoint => endpoint,
            MatcherLabel::Metric => metric,
            MatcherLabel::Tag(name) => tag(tags, name).unwrap_or_default(),
        })
    }
}

fn tag<'t>(tags: &'t [(Box<str>, Box<str>)], key: &str) -> Option<&'t str> {
    tags.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
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
    /// When the oldest was measured, in milliseconds since 1970-01-01 UTC.
    FirstTime,
    /// Of a counter, the sum of the values that it had each time before it began anew, from the oldest sample of the
    /// bucket to the newest, so that it grew by last - first + dropped. A NaN where that is not known, as of gauges.
    Dropped,
}

impl Aggregate {
    /// All of them, in the order of a chunk's columns.
    pub const ALL: [Self; 8] =
        [Self::Last, Self::First, Self::Min, Self::Max, Self::Sum, Self::Count, Self::FirstTime, Self::Dropped];
}

/// Which aggregates a caller wants, and of which tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AggregateSet {
    aggregates: u8,
    tier_ms: i64,
}

impl AggregateSet {
    /// Only the newest value of each bucket; of raw samples, their value.
    pub const LAST: Self = Self { aggregates: 1 << Aggregate::Last as u8, tier_ms: 0 };

    /// These and one more.
    #[must_use]
    pub fn with(self, aggregate: Aggregate) -> Self {
        Self { aggregates: self.aggregates | 1 << aggregate as u8, ..self }
    }

    /// Buckets of a tier where there are any, in place of the finest that there is: see [`SeriesReader::tier`].
    #[must_use]
    pub fn of_tier(self, granularity_ms: i64) -> Self {
        Self { tier_ms: granularity_ms, ..self }
    }

    /// The tier that is preferred to raw samples; 0 for none.
    #[must_use]
    pub fn tier_ms(self) -> i64 {
        self.tier_ms
    }

    /// Whether an aggregate is wanted.
    #[must_use]
    pub fn contains(self, aggregate: Aggregate) -> bool {
        self.aggregates & 1 << aggregate as u8 != 0
    }

    /// Which column of a chunk holds an aggregate.
    #[must_use]
    pub fn position(self, aggregate: Aggregate) -> Option<usize> {
        let before = self.aggregates & ((1 << aggregate as u8) - 1);
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
    /// A column for each aggregate that was asked for, in the order of [`AggregateSet::iter`], each as long as the
    /// timestamps. Of raw samples every column but the count holds the values, also those that buckets alone have.
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
    /// The series that match, and that may have samples in the range; in order of identity, at most `limit` of them. If
    /// there are more, it may be any of them.
    ///
    /// # Errors
    /// [`ReadError::Storage`].
    fn select(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<SeriesRef>, ReadError>;

    /// Visits all samples of the series within the range: raw ones as far as they are kept, and before them buckets of the
    /// finest tier that is kept, unless a tier is preferred. A bucket that reaches into the range comes whole; nothing
    /// comes twice. Chunks of one series come in order of time; chunks of several series may come in turns. Samples are charged to the budget before they are visited, and the budget's
    /// cancellation ends the reading within a chunk.
    ///
    /// # Errors
    /// Whatever the budget says, and [`ReadError::Storage`].
    fn read(
        &self,
        series: &[SeriesRef],
        range: TimeRange,
        columns: AggregateSet,
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError>;

    /// Since when samples of all of these series are kept as they came, in milliseconds since 1970-01-01 UTC. Nothing if none
    /// are, or if the reader cannot tell.
    fn samples_since(&self, series: &[SeriesRef]) -> Option<i64> {
        let _ = series;
        None
    }

    /// The longest buckets that are kept of any series and that fill a span of time of this length whole.
    fn tier(&self, span_ms: i64) -> Option<i64> {
        let _ = span_ms;
        None
    }

    /// About how many samples [`read`](Self::read) would visit, from headers alone, so that a question that is far too
    /// large is rejected before anything is read. What is more than `most` need not be counted to its end. A reader
    /// that cannot tell answers 0.
    fn estimate(&self, series: &[SeriesRef], range: TimeRange, most: u64) -> u64 {
        let _ = (series, range, most);
        0
    }
}

/// Something that can forget what it has.
pub trait SeriesEraser: Send + Sync {
    /// Forgets all samples of series. What comes later is kept again. Blocks, so it belongs on a query thread.
    ///
    /// # Errors
    /// [`ReadError::Storage`].
    fn erase(&self, series: &[SeriesRef]) -> Result<(), ReadError>;
}

/// A flag that ends a query. Clones are the same flag.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Ends the query at its next look.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was ended.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The limits of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadLimits {
    /// Samples that it may read. At about 5 ns each the default is a quarter of a second of one core.
    pub samples: u64,
    /// Bytes that it may hold at once, of results and of what they are made from.
    pub memory_bytes: u64,
    /// How long it may take.
    pub time: Duration,
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self { samples: 50_000_000, memory_bytes: 32 << 20, time: Duration::from_secs(30) }
    }
}

/// What one query may still spend. Counters are atomic, so that a reader may use several threads.
#[derive(Debug)]
pub struct ReadBudget {
    limits: ReadLimits,
    started: Instant,
    cancel: Cancel,
    samples: AtomicU64,
    memory: AtomicU64,
    memory_peak: AtomicU64,
}

impl ReadBudget {
    /// A whole budget, whose time begins now.
    #[must_use]
    pub fn new(limits: ReadLimits, cancel: Cancel) -> Self {
        Self {
            limits,
            started: Instant::now(),
            cancel,
            samples: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            memory_peak: AtomicU64::new(0),
        }
    }

    /// Ends the query unless it may go on. A look at the clock, so once a chunk or a column and not once a sample.
    ///
    /// # Errors
    /// [`ReadError::Cancelled`] and [`ReadError::Timeout`].
    pub fn check(&self) -> Result<(), ReadError> {
        if self.cancel.is_cancelled() {
            return Err(ReadError::Cancelled);
        }
        if self.started.elapsed() > self.limits.time {
            return Err(ReadError::Timeout { limit_ms: self.limits.time.as_millis() as u64 });
        }
        Ok(())
    }

    /// Spends samples.
    ///
    /// # Errors
    /// [`ReadError::Samples`] if there are not so many left, and those of [`check`](Self::check).
    pub fn charge_samples(&self, count: u64) -> Result<(), ReadError> {
        let wanted = self.samples.fetch_add(count, Ordering::Relaxed) + count;
        self.fit_samples(wanted)?;
        self.check()
    }

    /// Rejects what is known beforehand to need more samples than are left.
    ///
    /// # Errors
    /// [`ReadError::Samples`], with the number that would do.
    pub fn foresee_samples(&self, count: u64) -> Result<(), ReadError> {
        self.fit_samples(self.samples.load(Ordering::Relaxed).saturating_add(count))
    }

    fn fit_samples(&self, wanted: u64) -> Result<(), ReadError> {
        let limit = self.limits.samples;
        if wanted <= limit {
            return Ok(());
        }
        let share = (limit as f64 / wanted as f64 * 100.0).floor();
        let limit_hint = if share < 1.0 {
            format!("ask for less than a hundredth of the range or of the series, or allow {wanted} samples")
        } else {
            format!("ask for {share} % of the range or of the series, or allow {wanted} samples")
        };
        Err(ReadError::Samples { wanted, limit, limit_hint })
    }

    /// Takes memory, until [`release_memory`](Self::release_memory) gives it back.
    ///
    /// # Errors
    /// [`ReadError::Memory`] if there is not so much left; then nothing was taken.
    pub fn charge_memory(&self, bytes: u64) -> Result<(), ReadError> {
        let wanted = self.memory.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if wanted > self.limits.memory_bytes {
            self.memory.fetch_sub(bytes, Ordering::Relaxed);
            return Err(ReadError::Memory { wanted, limit: self.limits.memory_bytes });
        }
        self.memory_peak.fetch_max(wanted, Ordering::Relaxed);
        Ok(())
    }

    /// Gives memory back.
    pub fn release_memory(&self, bytes: u64) {
        self.memory.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Samples that were spent.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples.load(Ordering::Relaxed)
    }

    /// The most memory that was held at once, in bytes.
    #[must_use]
    pub fn memory_peak(&self) -> u64 {
        self.memory_peak.load(Ordering::Relaxed)
    }

    /// How long it has taken.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// The flag that ends it.
    #[must_use]
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// The limits that it began with.
    #[must_use]
    pub fn limits(&self) -> ReadLimits {
        self.limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_know_their_place_among_those_asked_for() {
        let columns = AggregateSet::LAST.with(Aggregate::Sum).with(Aggregate::Min);
        assert_eq!(columns.iter().collect::<Vec<_>>(), [Aggregate::Last, Aggregate::Min, Aggregate::Sum]);
        assert_eq!(columns.position(Aggregate::Last), Some(0));
        assert_eq!(columns.position(Aggregate::Sum), Some(2));
        assert_eq!(columns.position(Aggregate::Count), None);
        let of_tier = columns.of_tier(60_000).with(Aggregate::Dropped);
        assert_eq!((of_tier.tier_ms(), of_tier.position(Aggregate::Dropped)), (60_000, Some(3)));
    }

    #[test]
    fn a_rejection_says_the_number_that_would_do() {
        let limits = ReadLimits { samples: 100, memory_bytes: 10, ..ReadLimits::default() };
        let budget = ReadBudget::new(limits, Cancel::default());
        budget.charge_samples(60).unwrap();
        let error = budget.foresee_samples(140).unwrap_err().to_string();
        assert!(error.contains("50 % of the range") && error.contains("allow 200 samples"), "{error}");
        budget.charge_samples(40).unwrap();
        assert!(budget.charge_samples(1).is_err());
        budget.charge_memory(10).unwrap();
        assert_eq!(budget.charge_memory(5), Err(ReadError::Memory { wanted: 15, limit: 10 }));
        budget.release_memory(5);
        budget.charge_memory(5).unwrap();
    }

    #[test]
    fn a_cancelled_or_late_query_ends_at_its_next_look() {
        let cancel = Cancel::default();
        let budget = ReadBudget::new(ReadLimits::default(), cancel.clone());
        budget.check().unwrap();
        cancel.cancel();
        assert_eq!(budget.check(), Err(ReadError::Cancelled));
        let late = ReadBudget::new(ReadLimits { time: Duration::ZERO, ..ReadLimits::default() }, Cancel::default());
        while late.elapsed().is_zero() {}
        assert_eq!(late.charge_samples(1), Err(ReadError::Timeout { limit_ms: 0 }));
    }

    #[test]
    fn a_matcher_looks_at_endpoint_metric_or_a_tag_and_a_missing_tag_is_empty() {
        let identity = Identity {
            endpoint: "web-1".into(),
            metric: "cpu.busy".into(),
            tags: [("core".into(), "0".into())].into(),
        };
        let matches = |label, condition| Matcher { label, condition }.matches(&identity);
        let tag = |name: &str| MatcherLabel::Tag(name.into());
        assert!(matches(MatcherLabel::Endpoint, TextCondition::Is("web-1".into())));
        assert!(matches(MatcherLabel::Metric, TextCondition::Meets(Arc::new(|text| text.starts_with("cpu.")))));
        assert!(!matches(tag("core"), TextCondition::IsNot("0".into())));
        assert!(matches(tag("none"), TextCondition::Is(String::new())));
    }
}
