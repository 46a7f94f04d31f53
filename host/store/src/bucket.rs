//! Buckets: what is kept of the points of a while, and how it is made of points and of finer buckets.
//!
//! There is one way to make them, here, so that a tier is a function of the raw points whether it was stored, read at
//! once from raw, or put together from finer tiers. The increase of a bucket is the sum over the pairs of neighbours
//! whose later point lies in it; after a drop, which is a counter that began anew, the new value counts.

use crate::column::is_stale;
use crate::lane::floor;
use crate::sketch::Digest;

/// What is kept of the points of `[start_ms, start_ms + granularity)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) start_ms: i64,
    pub(crate) count: u64,
    pub(crate) sum: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) first: f64,
    pub(crate) last: f64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    /// Of a total only.
    pub(crate) increase: Option<f64>,
    /// If the policy asks for it.
    pub(crate) squares: Option<f64>,
    /// If the policy asks for it.
    pub(crate) digest: Option<Digest>,
}

/// What is kept beside what always is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BucketExtras {
    pub(crate) increase: bool,
    pub(crate) squares: bool,
    pub(crate) digest: bool,
}

impl Bucket {
    fn begin(start_ms: i64, (time_ms, value): (i64, f64), extras: BucketExtras) -> Self {
        Self {
            start_ms,
            count: 0,
            sum: 0.0,
            min: value,
            max: value,
            first: value,
            last: value,
            first_ms: time_ms,
            last_ms: time_ms,
            increase: extras.increase.then_some(0.0),
            squares: extras.squares.then_some(0.0),
            digest: extras.digest.then(Digest::default),
        }
    }

    fn add(&mut self, (time_ms, value): (i64, f64), before: Option<f64>) {
        self.count += 1;
        self.sum += value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        (self.last, self.last_ms) = (value, time_ms);
        if let Some(increase) = &mut self.increase {
            *increase += before.map_or(0.0, |before| if value >= before { value - before } else { value });
        }
        if let Some(squares) = &mut self.squares {
            *squares += value * value;
        }
        if let Some(digest) = &mut self.digest {
            digest.add(value);
        }
    }

    /// Takes in a later one.
    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        (self.last, self.last_ms) = (other.last, other.last_ms);
        self.increase = self.increase.zip(other.increase).map(|(left, right)| left + right);
        self.squares = self.squares.zip(other.squares).map(|(left, right)| left + right);
        self.digest = self.digest.take().zip(other.digest.as_ref()).map(|(mut left, right)| {
            left.merge(right);
            left
        });
    }
}

/// Makes buckets of points and of finer buckets, which come in the order of their times.
pub(crate) struct Accumulator {
    granularity_ms: i64,
    extras: BucketExtras,
    /// The value before the next point.
    before: Option<f64>,
    current: Option<Bucket>,
    pub(crate) done: Vec<Bucket>,
}

impl Accumulator {
    /// `before` is the value of the last point before those that come, if there ever was one.
    pub(crate) fn new(granularity_ms: i64, extras: BucketExtras, before: Option<f64>) -> Self {
        Self { granularity_ms, extras, before, current: None, done: Vec::new() }
    }

    /// What the last point before those that come was.
    pub(crate) fn set_before(&mut self, before: Option<f64>) {
        self.before = before;
    }

    pub(crate) fn point(&mut self, point: (i64, f64)) {
        if is_stale(point.1) {
            return;
        }
        let before = self.before.replace(point.1);
        let extras = self.extras;
        self.bucket_at(point.0, |start_ms| Bucket::begin(start_ms, point, extras)).add(point, before);
    }

    pub(crate) fn bucket(&mut self, bucket: &Bucket) {
        self.before = Some(bucket.last);
        let mut fresh = false;
        let current = self.bucket_at(bucket.start_ms, |start_ms| {
            fresh = true;
            Bucket { start_ms, ..bucket.clone() }
        });
        if !fresh {
            current.merge(bucket);
        }
    }

    fn bucket_at(&mut self, time_ms: i64, make: impl FnOnce(i64) -> Bucket) -> &mut Bucket {
        let start_ms = floor(time_ms, self.granularity_ms);
        if let Some(finished) = self.current.take_if(|current| current.start_ms != start_ms) {
            self.done.push(finished);
        }
        self.current.get_or_insert_with(|| make(start_ms))
    }

    /// All buckets.
    pub(crate) fn finish(mut self) -> Vec<Bucket> {
        self.done.extend(self.current.take());
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::STALE;

    const ALL: BucketExtras = BucketExtras { increase: true, squares: true, digest: true };

    fn buckets(points: &[(i64, f64)], granularity_ms: i64) -> Vec<Bucket> {
        let mut accumulator = Accumulator::new(granularity_ms, ALL, None);
        points.iter().for_each(|point| accumulator.point(*point));
        accumulator.finish()
    }

    #[test]
    fn a_counter_that_begins_anew_has_grown_by_its_new_value() {
        let found = buckets(&[(0, 100.0), (10, 150.0), (20, 30.0), (70, 40.0)], 60);
        let increases: Vec<_> = found.iter().map(|bucket| bucket.increase).collect();
        assert_eq!(increases, [Some(80.0), Some(10.0)], "the first point ever adds nothing");
    }

    #[test]
    fn coarse_buckets_are_the_same_of_points_and_of_finer_buckets() {
        let points: Vec<_> = (0..500).map(|tick| (tick * 7, f64::from((tick * tick % 97) as i32))).collect();
        let mut accumulator = Accumulator::new(600, ALL, None);
        buckets(&points, 60).iter().for_each(|bucket| accumulator.bucket(bucket));
        assert_eq!(accumulator.finish(), buckets(&points, 600));
    }

    #[test]
    fn a_stale_mark_is_no_value() {
        let found = buckets(&[(0, 1.0), (1, STALE), (2, 4.0)], 60);
        assert_eq!((found[0].count, found[0].increase), (2, Some(3.0)));
    }
}
