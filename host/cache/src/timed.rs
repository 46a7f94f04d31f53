//! The window of one series.
//!
//! The rules are those of cAdvisor's `TimedStore` (`lib/utils/timed_store.go`), on a ring instead of a slice, so that
//! evicted points give their memory back.

use std::collections::VecDeque;

/// Points of one series, oldest first.
#[derive(Clone, Debug, Default)]
pub struct TimedStore {
    points: VecDeque<(i64, f64)>,
}

impl TimedStore {
    /// Adds a point at its place in time; equal times keep the order in which they came. Then evicts what is `age_ms`
    /// or more older than this point, if a younger one is left (so an age of 0 never evicts), and the oldest beyond
    /// `items`. Returns how many were evicted.
    pub fn add(&mut self, timestamp_ms: i64, value: f64, age_ms: i64, items: usize) -> usize {
        match self.points.back() {
            Some(&(last, _)) if last > timestamp_ms => {
                let at = self.points.partition_point(|&(time, _)| time <= timestamp_ms);
                self.points.insert(at, (timestamp_ms, value));
            }
            _ => self.points.push_back((timestamp_ms, value)),
        }
        // The cut hangs on the point that came, not on the clock or the newest: so a late point evicts nothing.
        let cut = timestamp_ms.saturating_sub(age_ms);
        let mut evicted = self.points.len().saturating_sub(items);
        // Most of the time nothing is due, or one point.
        if self.points.back().is_some_and(|&(newest, _)| newest > cut) {
            evicted = evicted.max(self.points.iter().take_while(|&&(time, _)| time <= cut).count());
        }
        self.points.drain(..evicted);
        evicted
    }

    /// Points from `start_ms` to `end_ms`, both included, oldest first; of more than `most`, the newest.
    pub fn range(&self, start_ms: i64, end_ms: i64, most: usize) -> impl Iterator<Item = (i64, f64)> {
        let from = self.points.partition_point(|&(time, _)| time < start_ms);
        let to = self.points.partition_point(|&(time, _)| time <= end_ms).max(from);
        let from = from.max(to.saturating_sub(most));
        self.points.range(from..to).copied()
    }

    /// How many points it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Takes out what is older than a time.
    pub(crate) fn remove_before(&mut self, before_ms: i64) {
        let gone = self.points.partition_point(|&(time, _)| time < before_ms);
        self.points.drain(..gone);
        if self.points.is_empty() {
            *self = Self::default();
        }
    }

    /// Takes out the oldest point.
    pub(crate) fn pop_oldest(&mut self) -> Option<(i64, f64)> {
        self.points.pop_front()
    }

    /// Gives memory back, if most of it is unused.
    pub(crate) fn shrink(&mut self) {
        if self.points.capacity() > 8 && self.points.capacity() > self.points.len() * 4 {
            self.points.shrink_to(self.points.len() * 2);
        }
    }

    /// The memory of its points.
    pub(crate) fn bytes(&self) -> usize {
        self.points.capacity() * size_of::<(i64, f64)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_AGE: i64 = i64::MAX;
    const MANY: usize = usize::MAX;

    fn store(times: &[i64], age_ms: i64, items: usize) -> Vec<i64> {
        let mut store = TimedStore::default();
        for &time in times {
            store.add(time, time as f64, age_ms, items);
        }
        times_of(&store, i64::MIN, i64::MAX, MANY)
    }

    fn times_of(store: &TimedStore, start_ms: i64, end_ms: i64, most: usize) -> Vec<i64> {
        store.range(start_ms, end_ms, most).map(|(time, _)| time).collect()
    }

    #[test]
    fn points_stand_in_the_order_of_their_times() {
        assert_eq!(store(&[1, 3, 2], NO_AGE, MANY), [1, 2, 3]);
        assert_eq!(store(&[2, 1], NO_AGE, MANY), [1, 2]);
    }

    #[test]
    fn equal_times_keep_the_order_in_which_they_came() {
        let mut store = TimedStore::default();
        for (time, value) in [(1, 1.0), (2, 2.0), (1, 3.0), (2, 4.0)] {
            store.add(time, value, NO_AGE, MANY);
        }
        let values: Vec<_> = store.range(0, 9, MANY).map(|(_, value)| value).collect();
        assert_eq!(values, [1.0, 3.0, 2.0, 4.0]);
    }

    #[test]
    fn five_seconds_of_age_keep_five_points_at_one_a_second() {
        assert_eq!(store(&[1000, 2000, 3000, 4000, 5000, 6000, 7000], 5000, MANY), [3000, 4000, 5000, 6000, 7000]);
    }

    #[test]
    fn a_late_point_never_evicts() {
        assert_eq!(store(&[10_000, 11_000, 1000], 5000, MANY), [1000, 10_000, 11_000]);
    }

    #[test]
    fn an_age_of_zero_never_evicts_by_age() {
        assert_eq!(store(&[1, 2, 3], 0, MANY), [1, 2, 3]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many() {
        assert_eq!(store(&[1, 2, 3, 4], NO_AGE, 2), [3, 4]);
        assert_eq!(store(&[1, 2], NO_AGE, 0), [] as [i64; 0]);
    }

    #[test]
    fn a_range_includes_both_ends_and_a_limit_keeps_the_newest() {
        let mut store = TimedStore::default();
        assert!(times_of(&store, 0, 10, MANY).is_empty());
        for time in 1..=5 {
            store.add(time, 0.0, NO_AGE, MANY);
        }
        assert_eq!(times_of(&store, 2, 4, MANY), [2, 3, 4]);
        assert_eq!(times_of(&store, 2, 4, 2), [3, 4]);
        assert_eq!(times_of(&store, 6, 9, MANY), [] as [i64; 0]);
        assert_eq!(times_of(&store, 4, 2, MANY), [] as [i64; 0]);
    }
}
