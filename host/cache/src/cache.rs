//! All windows, under one bound of bytes.

use std::time::Duration;

use parking_lot::Mutex;
use saker_config::{ByteSize, ConfigTable};
use saker_model::{Point, SeriesId};
use saker_pipeline::Sink;

use crate::timed::TimedStore;

/// Series that are forgotten under one hold of the lock.
const REMOVED_AT_ONCE: usize = 1024;
/// Room for series is given back if it is this many times what is needed.
const SPARE: usize = 8;

/// What bounds the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// How far a series goes back from its newest point, in milliseconds.
    pub age_ms: i64,
    /// Points of one series.
    pub items: usize,
    /// Bytes of all points together.
    pub bytes: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { age_ms: 120_000, items: 1000, bytes: 64 << 20 }
    }
}

impl CacheLimits {
    /// Reads `[cache]`.
    #[must_use]
    pub fn read(mut table: ConfigTable<'_>) -> Self {
        let default = Self::default();
        let age = table.get("max_age", Duration::from_millis(default.age_ms.unsigned_abs()));
        let limits = Self {
            age_ms: i64::try_from(age.as_millis()).unwrap_or(i64::MAX),
            items: table.get("max_points_per_series", default.items),
            bytes: table.get("max_bytes", ByteSize(default.bytes)).0,
        };
        table.finish();
        limits
    }
}

/// What the cache holds and has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Series with at least one point.
    pub series: usize,
    /// Points.
    pub points: usize,
    /// Bytes of memory for points.
    pub bytes: usize,
    /// Points that went because of their age or their number.
    pub aged: u64,
    /// Points that went because the bytes were used up.
    pub squeezed: u64,
}

/// The recent points of every series.
pub struct Cache {
    inner: Mutex<CacheInner>,
}

struct CacheInner {
    limits: CacheLimits,
    stores: Vec<TimedStore>,
    stats: CacheStats,
    /// Where the next squeeze goes on.
    hand: usize,
}

impl Cache {
    /// An empty cache.
    #[must_use]
    pub fn new(limits: CacheLimits) -> Self {
        Self { inner: Mutex::new(CacheInner { limits, stores: Vec::new(), stats: CacheStats::default(), hand: 0 }) }
    }

    /// Changes the bounds; they take hold as points come in.
    pub fn set_limits(&self, limits: CacheLimits) {
        self.inner.lock().limits = limits;
    }

    /// Keeps points, in one go.
    pub fn add(&self, points: &[Point]) {
        let mut inner = self.inner.lock();
        for point in points {
            inner.add(point);
        }
    }

    /// Points of a series from `start_ms` to `end_ms`, both included, oldest first; of more than `most`, the newest.
    #[must_use]
    pub fn range(&self, series: SeriesId, start_ms: i64, end_ms: i64, most: usize) -> Vec<(i64, f64)> {
        let inner = self.inner.lock();
        inner.stores.get(series.index()).map_or_else(Vec::new, |store| store.range(start_ms, end_ms, most).collect())
    }

    /// Forgets series.
    pub fn remove(&self, ids: &[SeriesId]) {
        // Points come in between: nobody waits for a million series.
        for ids in ids.chunks(REMOVED_AT_ONCE) {
            let mut inner = self.inner.lock();
            for id in ids {
                if let Some(store) = inner.stores.get_mut(id.index()) {
                    let store = std::mem::take(store);
                    inner.stats.points -= store.len();
                    inner.stats.bytes -= store.bytes();
                    inner.stats.series -= usize::from(!store.is_empty());
                }
            }
        }
    }

    /// Forgets what a series has before a time.
    pub fn remove_before(&self, id: SeriesId, before_ms: i64) {
        let mut inner = self.inner.lock();
        if id.index() < inner.stores.len() {
            inner.change(id.index(), |store| store.remove_before(before_ms));
        }
    }

    /// Gives back the memory that a flood of series has left behind.
    pub fn shrink(&self) {
        let mut inner = self.inner.lock();
        let used = inner.stores.iter().rposition(|store| !store.is_empty()).map_or(0, |last| last + 1);
        if inner.stores.capacity() / SPARE > used {
            inner.stores.truncate(used);
            inner.stores.shrink_to(used * 2);
        }
    }

    /// What it holds and has done.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        self.inner.lock().stats
    }
}

impl Sink for Cache {
    fn keep(&self, points: &[Point]) {
        self.add(points);
    }

    fn forget(&self, ids: &[SeriesId]) {
        self.remove(ids);
    }

    fn shrink(&self) {
        self.shrink();
    }
}

impl CacheInner {
    fn add(&mut self, point: &Point) {
        let index = point.series.index();
        if index >= self.stores.len() {
            self.stores.resize_with(index + 1, TimedStore::default);
        }
        let CacheLimits { age_ms, items, bytes } = self.limits;
        let evicted = self.change(index, |store| store.add(point.timestamp_ms, point.value, age_ms, items));
        self.stats.aged += evicted as u64;
        while self.stats.bytes > bytes && self.stats.points > 0 {
            self.squeeze();
        }
    }

    /// Takes the oldest half of the next series that has any: memory is given back only in pieces of some size, and
    /// going round makes every series pay the same.
    fn squeeze(&mut self) {
        let count = self.stores.len();
        for _ in 0..count {
            self.hand = (self.hand + 1) % count;
            let points = self.stores[self.hand].len();
            if points > 0 {
                let hand = self.hand;
                for _ in 0..points.div_ceil(2) {
                    self.change(hand, |store| store.pop_oldest().is_some());
                    self.stats.squeezed += 1;
                }
                self.change(hand, |store| {
                    if store.is_empty() {
                        *store = TimedStore::default();
                    } else {
                        store.shrink();
                    }
                });
                return;
            }
        }
    }

    /// Changes one store and keeps the sums true.
    fn change<R>(&mut self, index: usize, change: impl FnOnce(&mut TimedStore) -> R) -> R {
        let store = &mut self.stores[index];
        let (points, bytes) = (store.len(), store.bytes());
        let result = change(store);
        self.stats.points = self.stats.points - points + store.len();
        self.stats.bytes = self.stats.bytes - bytes + store.bytes();
        self.stats.series = self.stats.series - usize::from(points > 0) + usize::from(!store.is_empty());
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CacheLimits = CacheLimits { age_ms: 120_000, items: 1000, bytes: 1 << 20 };

    fn point(series: u32, timestamp_ms: i64) -> Point {
        Point { series: SeriesId(series), timestamp_ms, value: timestamp_ms as f64 }
    }

    #[test]
    fn a_series_is_read_back_and_an_unknown_one_is_empty() {
        let cache = Cache::new(LIMITS);
        cache.add(&[point(3, 1000), point(3, 2000), point(1, 1500)]);
        assert_eq!(cache.range(SeriesId(3), 0, i64::MAX, 10), [(1000, 1000.0), (2000, 2000.0)]);
        assert_eq!(cache.range(SeriesId(2), 0, i64::MAX, 10), []);
        assert_eq!(cache.range(SeriesId(9), 0, i64::MAX, 10), []);
        let stats = cache.stats();
        assert_eq!((stats.series, stats.points), (2, 3));
    }

    #[test]
    fn age_and_number_evict_and_are_counted() {
        let cache = Cache::new(CacheLimits { items: 2, ..LIMITS });
        cache.add(&[point(0, 0), point(0, 1), point(0, 2), point(0, 500_000)]);
        assert_eq!(cache.range(SeriesId(0), 0, i64::MAX, 10), [(500_000, 500_000.0)]);
        assert_eq!(cache.stats().aged, 3);
    }

    #[test]
    fn memory_stays_below_its_bound_and_the_newest_points_are_kept() {
        let cache = Cache::new(CacheLimits { bytes: 16 * 1024, ..LIMITS });
        for time in 0..100 {
            let batch: Vec<_> = (0..50).map(|series| point(series, time)).collect();
            cache.add(&batch);
            assert!(cache.stats().bytes <= 16 * 1024);
        }
        let stats = cache.stats();
        assert!(stats.squeezed > 0);
        assert_eq!(stats.points as u64 + stats.squeezed, 5000, "every point is kept or counted");
        let newest = (0..50).filter(|&id| cache.range(SeriesId(id), 99, 99, 1).len() == 1).count();
        assert!(newest >= 45, "{newest} of 50 series have their newest point");
    }

    #[test]
    fn a_removed_series_leaves_nothing_behind() {
        let cache = Cache::new(LIMITS);
        cache.add(&[point(0, 1), point(1, 1)]);
        cache.remove(&[SeriesId(0), SeriesId(1), SeriesId(7)]);
        let stats = cache.stats();
        assert_eq!((stats.series, stats.points, stats.bytes), (0, 0, 0));
    }

    #[test]
    fn after_a_flood_of_series_the_room_for_them_is_given_back() {
        let cache = Cache::new(LIMITS);
        cache.add(&(0..50_000).map(|series| point(series, 1)).collect::<Vec<_>>());
        let gone: Vec<_> = (3..50_000).map(SeriesId).collect();
        cache.remove(&gone);
        cache.shrink();
        assert!(cache.inner.lock().stores.capacity() < 10);
        assert_eq!(cache.range(SeriesId(2), 0, 9, 1), cache.range(SeriesId(1), 0, 9, 1));
        cache.add(&[point(70_000, 1)]);
        assert_eq!(cache.range(SeriesId(70_000), 0, 9, 1), [(1, 1.0)]);
    }
}
