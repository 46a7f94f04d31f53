//! What waits for a node, in memory: bounded in number and age, the oldest dropped first.
//!
//! [`NodeQueue`] is all that a sender and the forwarder see of it.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use saker_model::{Point, SeriesId};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::node::{Counters, DropReason};

/// What bounds a queue, and how batches are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Points in the queue; 24 bytes each.
    pub points: usize,
    /// How long a point may wait.
    pub age: Duration,
    /// Points of one batch.
    pub batch_points: usize,
    /// How long points wait for others to fill the batch.
    pub batch_age: Duration,
}

/// Points on their way, and the handles to take back before them.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) forget: Vec<SeriesId>,
    pub(crate) points: Vec<Point>,
    /// When its oldest point came.
    pub(crate) since: Instant,
}

pub(crate) struct NodeQueue {
    inner: Mutex<Inner>,
    /// Tells the sender that there is something to do.
    ready: Notify,
}

struct Inner {
    limits: QueueLimits,
    points: VecDeque<Point>,
    /// When points came: so many at that time, in the order of `points`.
    arrivals: VecDeque<(Instant, usize)>,
    /// Handles to take back once so many points of all time have left.
    forgets: VecDeque<(u64, Vec<SeriesId>)>,
    /// How many points have left in all time.
    left: u64,
    hurry: bool,
}

impl NodeQueue {
    pub(crate) fn new(limits: QueueLimits) -> Self {
        let inner = Inner {
            limits,
            points: VecDeque::new(),
            arrivals: VecDeque::new(),
            forgets: VecDeque::new(),
            left: 0,
            hurry: false,
        };
        Self { inner: Mutex::new(inner), ready: Notify::new() }
    }

    pub(crate) fn set_limits(&self, limits: QueueLimits) {
        self.inner.lock().limits = limits;
        self.ready.notify_one();
    }

    /// Adds points. Makes room by dropping the oldest.
    pub(crate) fn push(&self, points: &[Point], counters: &Counters) {
        let mut inner = self.inner.lock();
        counters.enqueue(points.len());
        // More than fit at all: the newest are kept.
        let kept = &points[points.len().saturating_sub(inner.limits.points)..];
        counters.drop(DropReason::QueueFull, points.len() - kept.len());
        let over = (inner.points.len() + kept.len()).saturating_sub(inner.limits.points);
        if over > 0 {
            inner.discard(over);
            counters.drop(DropReason::QueueFull, over);
        }
        let before = inner.points.len();
        inner.points.extend(kept);
        inner.arrivals.push_back((Instant::now(), kept.len()));
        let full = inner.limits.batch_points;
        // The sender needs to know of the first point, which starts its clock, and of the one that fills a batch.
        if before == 0 || (before < full && inner.points.len() >= full) {
            drop(inner);
            self.ready.notify_one();
        }
    }

    /// Takes handles back, after the points that are in the queue now.
    pub(crate) fn forget(&self, ids: Vec<SeriesId>) {
        let mut inner = self.inner.lock();
        let after = inner.left + inner.points.len() as u64;
        inner.forgets.push_back((after, ids));
    }

    /// No more waiting for batches to fill.
    pub(crate) fn hurry(&self) {
        self.inner.lock().hurry = true;
        self.ready.notify_one();
    }

    /// Puts points back to the front, which have been there since.
    pub(crate) fn put_back(&self, points: Vec<Point>, since: Instant) {
        let mut inner = self.inner.lock();
        inner.left -= points.len() as u64;
        inner.arrivals.push_front((since, points.len()));
        for point in points.into_iter().rev() {
            inner.points.push_front(point);
        }
    }

    /// How many points wait here.
    pub(crate) fn len(&self) -> usize {
        self.inner.lock().points.len()
    }

    /// The next batch of at most `most` points, when there is one. Can be dropped while it waits.
    pub(crate) async fn next(&self, most: usize, counters: &Counters) -> Batch {
        loop {
            let due = match self.inner.lock().next(most, counters) {
                Next::Batch(batch) => return batch,
                Next::At(due) => Some(due),
                Next::Nothing => None,
            };
            match due {
                // Waking early is harmless: the loop looks again.
                Some(due) => drop(tokio::time::timeout_at(due, self.ready.notified()).await),
                None => self.ready.notified().await,
            }
        }
    }
}

enum Next {
    Batch(Batch),
    At(Instant),
    Nothing,
}

impl Inner {
    fn next(&mut self, most: usize, counters: &Counters) -> Next {
        let now = Instant::now();
        while let Some(&(came, count)) = self.arrivals.front()
            && now.duration_since(came) > self.limits.age
        {
            self.discard(count);
            counters.drop(DropReason::Expired, count);
        }
        let Some(&(since, _)) = self.arrivals.front() else { return Next::Nothing };
        let full = self.points.len() >= self.limits.batch_points.min(most);
        let due = since + self.limits.batch_age;
        if !full && !self.hurry && now < due {
            return Next::At(due);
        }
        let mut forget = Vec::new();
        while self.forgets.front().is_some_and(|&(after, _)| after <= self.left) {
            forget.extend(self.forgets.pop_front().into_iter().flat_map(|(_, ids)| ids));
        }
        // A batch ends where handles are taken back, for beyond that place they may stand for other series.
        let room = self.forgets.front().map_or(usize::MAX, |&(after, _)| (after - self.left) as usize);
        let count = self.points.len().min(self.limits.batch_points).min(most).min(room);
        let points = self.points.drain(..count).collect();
        self.note_left(count);
        Next::Batch(Batch { forget, points, since })
    }

    /// Drops the oldest points.
    fn discard(&mut self, count: usize) {
        self.points.drain(..count);
        self.note_left(count);
    }

    fn note_left(&mut self, mut count: usize) {
        self.left += count as u64;
        while let Some(front) = self.arrivals.front_mut() {
            let here = front.1.min(count);
            front.1 -= here;
            count -= here;
            if front.1 > 0 {
                break;
            }
            self.arrivals.pop_front();
        }
        // After a backlog the memory is given back.
        if self.points.is_empty() && self.points.capacity() > 4 * self.limits.batch_points {
            self.points = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: QueueLimits =
        QueueLimits { points: 100, age: Duration::from_secs(60), batch_points: 10, batch_age: Duration::from_secs(1) };

    fn points(range: std::ops::Range<u32>) -> Vec<Point> {
        range.map(|id| Point { series: SeriesId(id), timestamp_ms: 0, value: 0.0 }).collect()
    }

    fn ids(batch: &Batch) -> Vec<u32> {
        batch.points.iter().map(|point| point.series.0).collect()
    }

    async fn next(queue: &NodeQueue, counters: &Counters) -> Batch {
        tokio::time::timeout(Duration::from_secs(5), queue.next(usize::MAX, counters)).await.expect("a batch")
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_goes_at_once_and_a_part_after_its_age() {
        let (queue, counters) = (NodeQueue::new(LIMITS), Counters::default());
        let start = Instant::now();
        queue.push(&points(0..13), &counters);
        assert_eq!(ids(&next(&queue, &counters).await), (0..10).collect::<Vec<_>>());
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(ids(&next(&queue, &counters).await), [10, 11, 12]);
        assert_eq!(start.elapsed().as_millis() / 10, 100);
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_hurry_nothing_waits() {
        let (queue, counters) = (NodeQueue::new(LIMITS), Counters::default());
        let start = Instant::now();
        queue.push(&points(0..1), &counters);
        queue.hurry();
        assert_eq!(ids(&next(&queue, &counters).await), [0]);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_make_room_and_are_counted() {
        let (queue, counters) = (NodeQueue::new(LIMITS), Counters::default());
        queue.push(&points(0..95), &counters);
        queue.push(&points(95..105), &counters);
        assert_eq!((queue.len(), counters.dropped(DropReason::QueueFull)), (100, 5));
        assert_eq!(ids(&next(&queue, &counters).await)[0], 5);
        queue.push(&points(0..250), &counters);
        assert_eq!(queue.len(), 100);
        assert_eq!(counters.enqueued(), 355);
        assert_eq!(counters.dropped(DropReason::QueueFull) + 100 + 10, 355);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_too_long_expires_and_is_counted() {
        let (queue, counters) = (NodeQueue::new(LIMITS), Counters::default());
        queue.push(&points(0..15), &counters);
        tokio::time::advance(Duration::from_secs(61)).await;
        queue.push(&points(15..16), &counters);
        assert_eq!(ids(&next(&queue, &counters).await), [15]);
        assert_eq!(counters.dropped(DropReason::Expired), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn handles_are_taken_back_between_the_points_before_and_after() {
        let (queue, counters) = (NodeQueue::new(LIMITS), Counters::default());
        queue.push(&points(0..2), &counters);
        queue.forget(vec![SeriesId(0)]);
        queue.push(&points(0..1), &counters);
        let (first, second) = (next(&queue, &counters).await, next(&queue, &counters).await);
        assert_eq!((ids(&first), first.forget.len()), (vec![0, 1], 0));
        assert_eq!((ids(&second), second.forget), (vec![0], vec![SeriesId(0)]));
    }
}
