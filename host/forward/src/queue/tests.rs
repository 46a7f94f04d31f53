//! The fresh lane of a queue in memory. Queues on disk are tested with whole forwarders.

use saker_model::SeriesId;

use super::*;
use crate::queue::QueueConfig;

const CONFIG: QueueConfig = QueueConfig {
    durability: Durability::Memory,
    bytes: 0,
    when_full: WhenFull::DropOldest,
    points: 100,
    age: Duration::from_secs(60),
    backlog_share: 0.5,
    replay_window: Duration::ZERO,
    max_dead_letter_bytes: 0,
    batch_points: 10,
    batch_age: Duration::from_secs(1),
};

fn queue() -> DestinationQueue {
    let (table, budget) = (Arc::new(SeriesTable::new(10)), Arc::new(MemoryBudget::new(1 << 20)));
    DestinationQueue::new("a", CONFIG, Arc::new(DestinationCounters::default()), table, budget, None)
}

fn points(range: std::ops::Range<u32>) -> Vec<Point> {
    range.map(|id| Point { series: SeriesId(id), timestamp_ms: 0, value: 0.0 }).collect()
}

async fn push(queue: &DestinationQueue, range: std::ops::Range<u32>) {
    let table = SeriesTable::new(10);
    queue.push(points(range), &table).await.expect("memory takes all");
}

async fn next(queue: &DestinationQueue) -> Vec<u32> {
    let work = tokio::time::timeout(Duration::from_secs(5), queue.next()).await.expect("a batch");
    let SenderWork::Fresh(batch) = work else { panic!("{work:?}") };
    batch.points.iter().map(|point| point.series.0).collect()
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_goes_at_once_and_a_part_after_its_age() {
    let queue = queue();
    let start = Instant::now();
    push(&queue, 0..10).await;
    push(&queue, 10..13).await;
    assert_eq!(next(&queue).await, (0..10).collect::<Vec<_>>());
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(next(&queue).await, [10, 11, 12]);
    assert_eq!(start.elapsed().as_millis() / 10, 100);
}

#[tokio::test(start_paused = true)]
async fn small_pushes_make_one_batch() {
    let queue = queue();
    for start in 0..4 {
        push(&queue, start * 3..start * 3 + 3).await;
    }
    assert_eq!(next(&queue).await, (0..9).collect::<Vec<_>>(), "a fourth would be more than ten");
}

#[tokio::test(start_paused = true)]
async fn in_a_hurry_nothing_waits() {
    let queue = queue();
    let start = Instant::now();
    push(&queue, 0..1).await;
    queue.hurry();
    assert_eq!(next(&queue).await, [0]);
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_make_room_and_are_counted() {
    let queue = queue();
    push(&queue, 0..95).await;
    push(&queue, 95..105).await;
    let counters = queue.shared.counters.clone();
    assert_eq!((queue.in_memory(), counters.lost(DropReason::QueueFull)), (100, 5));
    assert_eq!(next(&queue).await[0], 5);
    push(&queue, 0..250).await;
    assert_eq!(queue.in_memory(), 100);
    assert_eq!(counters.enqueued(), 355);
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_expires_and_is_counted() {
    let queue = queue();
    push(&queue, 0..5).await;
    tokio::time::advance(Duration::from_secs(61)).await;
    push(&queue, 15..16).await;
    assert_eq!(next(&queue).await, [15]);
    assert_eq!(queue.shared.counters.lost(DropReason::Expired), 5);
}

#[tokio::test(start_paused = true)]
async fn memory_that_is_used_up_keeps_only_what_is_sent_next() {
    let queue = queue();
    push(&queue, 0..90).await;
    let others = queue.shared.budget.take(1 << 20);
    assert!(others.is_none(), "the queue holds some");
    let _others = queue.shared.budget.take(900 << 10).expect("and leaves some");
    push(&queue, 90..95).await;
    assert_eq!(queue.in_memory(), 20);
}
