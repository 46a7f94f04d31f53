//! Buckets in windows: what of a bucket lies in a window, and what a function makes of whole buckets and samples together,
//! so that it is what all their samples would give.

use saker_pipeline::reader::{Aggregate, AggregateSet, Chunk};

use super::functions::kahan::Kahan;
use super::functions::rate::Change;

/// Beyond this a number may not be a whole one to the last digit.
const WHOLE_MAX: f64 = (1_u64 << 53) as f64;
/// A sum from which a part was taken is known as well as before if so much of it is left.
const LEFT_LEAST: f64 = 1e-3;

/// What is read where buckets may come: without what counters dropped, which takes a look at the bucket before.
pub(super) fn columns() -> AggregateSet {
    let plain = Aggregate::ALL.into_iter().filter(|aggregate| *aggregate != Aggregate::Dropped);
    plain.fold(AggregateSet::default(), AggregateSet::with)
}

/// A bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) granularity_ms: i64,
    pub(super) first_ms: i64,
    pub(super) last_ms: i64,
    pub(super) first: f64,
    pub(super) last: f64,
    min: f64,
    max: f64,
    sum: f64,
    pub(super) count: f64,
    /// See [`Aggregate::Dropped`].
    dropped: f64,
}

impl Part {
    /// The buckets of a chunk that was read with [`columns`].
    pub(super) fn each<'a>(chunk: &'a Chunk<'a>) -> impl Iterator<Item = Self> + 'a {
        let column = |aggregate: Aggregate| chunk.columns[aggregate as usize];
        (0..chunk.timestamps.len()).map(move |row| Self {
            granularity_ms: chunk.granularity_ms,
            first_ms: column(Aggregate::FirstTime)[row] as i64,
            last_ms: chunk.timestamps[row],
            first: column(Aggregate::First)[row],
            last: column(Aggregate::Last)[row],
            min: column(Aggregate::Min)[row],
            max: column(Aggregate::Max)[row],
            sum: column(Aggregate::Sum)[row],
            count: column(Aggregate::Count)[row],
            // The last column, if it was asked for.
            dropped: chunk.columns.get(Aggregate::Dropped as usize).map_or(f64::NAN, |dropped| dropped[row]),
        })
    }

    /// Its samples, if it has no others than its first and its last.
    pub(super) fn samples(&self) -> Option<([i64; 2], [f64; 2], usize)> {
        (self.count <= 2.0).then_some(([self.first_ms, self.last_ms], [self.first, self.last], self.count as usize))
    }

    /// Whether another one holds the same samples.
    pub(super) fn is_copy(&self, other: &Self) -> bool {
        let times = |part: &Self| (part.granularity_ms, part.first_ms, part.last_ms);
        times(self) == times(other) && self.count == other.count && self.sum == other.sum
    }

    /// The first millisecond of the bucket.
    pub(super) fn start_ms(&self) -> i64 {
        self.first_ms.div_euclid(self.granularity_ms) * self.granularity_ms
    }

    /// What of it lies in a window, as far as that is known.
    fn cut(&self, start_ms: i64, end_ms: i64) -> Cut {
        let all = Known { count: true, sum: true, min: true, max: true, first: true, last: true, dropped: true };
        if self.first_ms > start_ms && self.last_ms <= end_ms {
            return Cut { part: *self, known: Known { dropped: !self.dropped.is_nan(), ..all } };
        }
        if self.first_ms == end_ms && self.first_ms > start_ms {
            let Self { first, first_ms, granularity_ms, .. } = *self;
            let (min, max, sum, last, last_ms, count, dropped) = (first, first, first, first, first_ms, 1.0, 0.0);
            let part = Self { granularity_ms, first_ms, last_ms, first, last, min, max, sum, count, dropped };
            return Cut { part, known: all };
        }
        if self.first_ms == start_ms && self.last_ms <= end_ms {
            return self.without_first();
        }
        let known = Known { first: self.first_ms > start_ms, last: self.last_ms <= end_ms, ..Known::default() };
        Cut { part: *self, known }
    }

    /// The window begins at its first sample, which is not in it.
    fn without_first(&self) -> Cut {
        let whole = |value: f64| value.fract() == 0.0 && value.abs() < WHOLE_MAX;
        let sum = self.sum - self.first;
        let exact = whole(self.sum) && whole(self.first) || sum.abs() >= LEFT_LEAST * self.first.abs();
        let known = Known {
            count: true,
            sum: exact,
            // Another sample may have the same value, which is not known unless it is the last.
            min: self.first > self.min || self.last == self.min,
            max: self.first < self.max || self.last == self.max,
            first: false,
            last: true,
            dropped: false,
        };
        Cut { part: Self { count: self.count - 1.0, sum, ..*self }, known }
    }
}

/// A part of a bucket that lies in a window.
struct Cut {
    part: Part,
    known: Known,
}

/// What of it is known.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    count: bool,
    sum: bool,
    min: bool,
    max: bool,
    first: bool,
    last: bool,
    dropped: bool,
}

/// Functions of windows that can be told from whole buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartFn {
    Rate,
    Increase,
    Delta,
    Sum,
    Avg,
    Count,
    Min,
    Max,
    First,
    Last,
    FirstTime,
    LastTime,
    Present,
}

impl PartFn {
    /// The function of that name, if it is one of these.
    pub(super) fn find(name: &str) -> Option<Self> {
        Some(match name {
            "rate" => Self::Rate,
            "increase" => Self::Increase,
            "delta" => Self::Delta,
            "sum_over_time" => Self::Sum,
            "avg_over_time" => Self::Avg,
            "count_over_time" => Self::Count,
            "min_over_time" => Self::Min,
            "max_over_time" => Self::Max,
            "first_over_time" => Self::First,
            "last_over_time" => Self::Last,
            "ts_of_first_over_time" => Self::FirstTime,
            "ts_of_last_over_time" => Self::LastTime,
            "present_over_time" | "absent_over_time" => Self::Present,
            _ => return None,
        })
    }

    /// What is read for it.
    pub(super) fn columns(self) -> AggregateSet {
        match self {
            Self::Rate | Self::Increase => columns().with(Aggregate::Dropped),
            _ => columns(),
        }
    }

    /// Whether what is known of a part is enough, first or last of its window as it may be.
    fn is_told_by(self, known: Known, is_first: bool, is_last: bool) -> bool {
        let first = !is_first || known.first;
        match self {
            Self::Rate | Self::Increase => known.count && first && known.last && known.dropped,
            Self::Delta => known.count && first && (!is_last || known.last),
            Self::Sum => known.sum,
            Self::Avg => known.sum && known.count,
            Self::Count => known.count,
            Self::Min => known.min,
            Self::Max => known.max,
            Self::First | Self::FirstTime => first,
            Self::Last | Self::LastTime => !is_last || known.last,
            Self::Present => known.first || known.last,
        }
    }

    fn value(self, all: &Summary, (start_ms, end_ms): (i64, i64)) -> Option<f64> {
        let seconds = |time_ms: i64| time_ms as f64 / 1000.0;
        let change = |is_counter: bool, is_per_second: bool| {
            let change = Change {
                first: all.first,
                change: all.last - all.first + if is_counter { all.dropped } else { 0.0 },
                gaps: all.count - 1.0,
                first_ms: all.first_ms,
                last_ms: all.last_ms,
            };
            change.extrapolated((start_ms, end_ms), is_counter, is_per_second)
        };
        match self {
            Self::Rate => change(true, true),
            Self::Increase => change(true, false),
            Self::Delta => change(false, false),
            Self::Sum => Some(all.sum.total()),
            Self::Avg => Some(all.sum.sum / all.count + all.sum.lost / all.count),
            Self::Count => Some(all.count),
            Self::Min => Some(all.min),
            Self::Max => Some(all.max),
            Self::First => Some(all.first),
            Self::Last => Some(all.last),
            Self::FirstTime => Some(seconds(all.first_ms)),
            Self::LastTime => Some(seconds(all.last_ms)),
            Self::Present => Some(1.0),
        }
    }
}

/// A window that has buckets in it.
pub(super) struct Parts<'a> {
    /// Those that lie in it, at least with a sample.
    pub(super) parts: &'a [Part],
    /// The samples beside them.
    pub(super) timestamps: &'a [i64],
    pub(super) values: &'a [f64],
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
}

/// What a window with buckets gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Told {
    /// What its samples would give.
    Exactly(Option<f64>),
    /// What a window gives that is longer, so that its buckets are whole.
    Widened(Option<f64>),
    /// Nothing: not even whole buckets tell that.
    Nothing,
}

impl Parts<'_> {
    /// What a function makes of it.
    pub(super) fn tell(&self, function: PartFn) -> Told {
        let (mut all, mut sample) = (Summary::default(), 0);
        let (mut start_ms, mut end_ms) = (self.start_ms, self.end_ms);
        let last = self.parts.len() - 1;
        for (place, part) in self.parts.iter().enumerate() {
            while sample < self.timestamps.len() && self.timestamps[sample] < part.first_ms {
                all.add_sample(self.timestamps[sample], self.values[sample]);
                sample += 1;
            }
            let mut cut = part.cut(self.start_ms, self.end_ms);
            let (is_first, is_last) = (all.count == 0.0, place == last && sample == self.timestamps.len());
            if !function.is_told_by(cut.known, is_first, is_last) {
                cut = part.cut(i64::MIN, i64::MAX);
                if !function.is_told_by(cut.known, is_first, is_last) {
                    return Told::Nothing;
                }
                let bucket_ms = part.start_ms();
                if part.first_ms <= self.start_ms {
                    start_ms = bucket_ms - 1;
                }
                if part.last_ms > self.end_ms {
                    end_ms = bucket_ms + part.granularity_ms - 1;
                }
            }
            all.add_part(&cut.part);
        }
        for (time_ms, value) in self.timestamps[sample..].iter().zip(&self.values[sample..]) {
            all.add_sample(*time_ms, *value);
        }
        let value = function.value(&all, (start_ms, end_ms));
        if (start_ms, end_ms) == (self.start_ms, self.end_ms) { Told::Exactly(value) } else { Told::Widened(value) }
    }
}

/// What parts and samples are together.
#[derive(Default)]
struct Summary {
    count: f64,
    sum: Kahan,
    min: f64,
    max: f64,
    first: f64,
    last: f64,
    first_ms: i64,
    last_ms: i64,
    dropped: f64,
}

impl Summary {
    fn add_sample(&mut self, time_ms: i64, value: f64) {
        self.follow((time_ms, value), (time_ms, value), (value, value));
        self.count += 1.0;
        self.sum.add(value);
    }

    fn add_part(&mut self, part: &Part) {
        self.follow((part.first_ms, part.first), (part.last_ms, part.last), (part.min, part.max));
        self.count += part.count;
        self.sum.add(part.sum);
        if !part.dropped.is_nan() {
            self.dropped += part.dropped;
        }
    }

    fn follow(&mut self, first: (i64, f64), last: (i64, f64), (min, max): (f64, f64)) {
        if self.count == 0.0 {
            (self.first_ms, self.first) = first;
            (self.min, self.max) = (min, max);
        } else {
            if first.1 < self.last {
                self.dropped += self.last;
            }
            // A NaN is beaten by anything.
            self.min = if min < self.min || self.min.is_nan() { min } else { self.min };
            self.max = if max > self.max || self.max.is_nan() { max } else { self.max };
        }
        (self.last_ms, self.last) = last;
    }
}
