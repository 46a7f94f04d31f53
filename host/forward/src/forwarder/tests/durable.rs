//! Queues on disk: what they keep over the end of a forwarder, and what they do when they are full or damaged.

use std::path::Path;

use super::*;
use crate::queue::spool::QueueCommand as What;

pub(super) const DURABLE: DeliveryConfig = DeliveryConfig {
    queue: QueueConfig { durability: Durability::Process, ..CONFIG.queue },
    backoff: BackoffConfig { min: Duration::from_millis(1), max: Duration::from_millis(20) },
    stale_markers: false,
};

pub(super) fn away() -> Script {
    Script::answering((0..1_000_000).map(|_| retry()))
}

fn open(folder: &Path, config: DeliveryConfig, script: &Script) -> Bench {
    let spools = SpoolDir::open(folder).unwrap();
    Bench::with(config, Some(spools), &[("a", script.clone())], route(&["a"], 1))
}

/// Ends it as a process ends: what is queued stays on disk.
pub(super) async fn end(bench: Bench) -> DestinationStats {
    let account = bench.forwarder.drain(Duration::ZERO).await;
    drop(bench);
    account.destinations.into_iter().next().unwrap().stats
}

pub(super) async fn delivered(bench: &Bench, points: u64) {
    bench.until("all are delivered", |bench| bench.stats("a").delivered >= points).await;
}

pub(super) fn values(script: &Script) -> Vec<usize> {
    let mut values: Vec<_> = script.taken().iter().map(|(_, value)| *value as usize).collect();
    values.sort_unstable();
    values
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_sent_by_the_next_process_and_only_once() {
    for durability in [Durability::Process, Durability::Disk] {
        let (folder, config) = (tempfile::tempdir().unwrap(), DURABLE);
        let config = DeliveryConfig { queue: QueueConfig { durability, ..config.queue }, ..config };
        let bench = open(folder.path(), config, &away());
        bench.send(1000).await;
        bench.send_numbers(1000..1500).await.unwrap();
        let left = end(bench).await;
        assert_eq!((left.queued, left.dropped_in_all()), (1500, 0), "nothing was dropped at the end");
        let script = Script::default();
        let bench = open(folder.path(), config, &script);
        delivered(&bench, 1500).await;
        assert_eq!(bench.stats("a").recovered, 1500);
        assert_eq!(values(&script), (0..1500).collect::<Vec<_>>());
        end(bench).await;
        let bench = open(folder.path(), config, &script);
        bench.send_numbers(1500..1501).await.unwrap();
        delivered(&bench, 1).await;
        assert_eq!(values(&script), (0..1501).collect::<Vec<_>>(), "what was delivered is not sent again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_memory_has_no_room_for_waits_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let config = DeliveryConfig { queue: QueueConfig { points: 200, ..DURABLE.queue }, ..DURABLE };
    let script = away();
    let bench = open(folder.path(), config, &script);
    for start in (0..5000).step_by(50) {
        bench.send_numbers(start..start + 50).await.unwrap();
    }
    let stats = bench.stats("a");
    assert!(stats.queued == 5000 && stats.in_memory <= 200, "{stats:?}");
    script.0.answers.lock().clear();
    delivered(&bench, 5000).await;
    let order: Vec<_> = script.taken().iter().map(|(_, value)| *value as usize).collect();
    let newest = order.iter().position(|&value| value == 4999).unwrap();
    assert!(newest < 2000, "the newest came as number {newest}");
    assert_eq!(values(&script), (0..5000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_damaged_segment_only_its_own_points_are_lost_and_they_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    // Segments of 128 KiB.
    let config = DeliveryConfig { queue: QueueConfig { bytes: 1 << 20, ..DURABLE.queue }, ..DURABLE };
    let bench = open(folder.path(), config, &away());
    let mut sent = 0;
    while segments(folder.path()).len() < 4 {
        bench.send_numbers(sent..sent + 100).await.unwrap();
        sent += 100;
    }
    end(bench).await;
    let second = segments(folder.path()).remove(1);
    let mut bytes = std::fs::read(&second).unwrap();
    // More than parity can tell.
    let middle = bytes.len() / 2;
    bytes[middle..middle + 8_000].fill(0);
    std::fs::write(&second, bytes).unwrap();
    let script = Script::default();
    let bench = open(folder.path(), config, &script);
    bench
        .until("all that can be is delivered", |bench| {
            let stats = bench.stats("a");
            stats.recovered > 0 && stats.queued == 0
        })
        .await;
    let stats = bench.stats("a");
    let lost = dropped(&stats, DropReason::Damaged);
    assert_eq!(stats.delivered + lost, sent as u64);
    assert!(lost > 0 && lost < sent as u64 / 3, "{lost} of {sent}");
    let mut once = values(&script);
    once.dedup();
    assert_eq!(once.len() as u64, stats.delivered, "none came twice");
    bench
        .until("it was set aside", |_| {
            folder
                .path()
                .join("a/queue")
                .read_dir()
                .unwrap()
                .any(|entry| entry.unwrap().file_name().to_string_lossy().ends_with(".damaged"))
        })
        .await;
}

fn segments(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = folder.join("a/queue").read_dir() else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    paths.sort();
    paths
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_does_what_it_is_told_and_counts_it() {
    for when_full in [WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::Block] {
        let folder = tempfile::tempdir().unwrap();
        let config = DeliveryConfig {
            queue: QueueConfig { bytes: 64 << 10, points: 100, when_full, ..DURABLE.queue },
            ..DURABLE
        };
        let script = away();
        let bench = open(folder.path(), config, &script);
        let (mut sent, mut rejected) = (0, 0);
        for _ in 0..100 {
            match bench.send_numbers(sent..sent + 100).await {
                Ok(()) => sent += 100,
                Err(overload) => {
                    assert!(overload.to_string().contains("full"), "{overload}");
                    rejected += 1;
                }
            }
        }
        let full = dropped(&bench.stats("a"), DropReason::QueueFull);
        let bytes = bench.stats("a").spool.unwrap().bytes;
        assert!(bytes <= 64 << 10, "{bytes}");
        assert_eq!(
            (rejected > 0, full > 0),
            (when_full == WhenFull::Block, when_full != WhenFull::Block),
            "{when_full:?}"
        );
        script.0.answers.lock().clear();
        bench.until("the rest is delivered", |bench| bench.stats("a").queued == 0).await;
        let came = values(&script);
        assert_eq!(came.len() as u64 + full, sent as u64, "{when_full:?}");
        match when_full {
            // The oldest of all were in the sender's hand.
            WhenFull::DropOldest => assert!(came.contains(&(sent - 1)) && !came.contains(&150)),
            WhenFull::DropNewest => assert!(came.contains(&0) && !came.contains(&(sent - 1))),
            WhenFull::Block => {
                bench.until("there is room again", |bench| bench.forwarder.rejection().is_none()).await;
                bench.send_numbers(sent..sent + 100).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_rejected_is_kept_with_the_reason_and_can_be_sent_again() {
    let folder = tempfile::tempdir().unwrap();
    let some = SendError::Reject { points: vec![1, 3], message: "bad names".into() };
    let script = Script::answering([some]);
    let bench = open(folder.path(), DURABLE, &script);
    bench.send(5).await;
    bench.until("the rest is delivered", |bench| bench.stats("a").queued == 0).await;
    let dead = bench.forwarder.operate("a", What::InspectDeadLetters(10)).await.unwrap();
    let shown: Vec<_> =
        dead.shown.iter().map(|shown| (shown.series.metric.to_string(), shown.reason.clone().unwrap())).collect();
    assert_eq!(shown, [("m1".to_owned(), "bad names".into()), ("m3".to_owned(), "bad names".into())]);
    let replayed = bench.forwarder.operate("a", What::ReplayDeadLetters).await.unwrap();
    assert_eq!(replayed.points, 2);
    bench.until("they are delivered after all", |bench| bench.stats("a").delivered == 5).await;
    assert_eq!(values(&script), [0, 1, 2, 3, 4]);
    assert_eq!(bench.forwarder.operate("a", What::InspectDeadLetters(10)).await.unwrap().points, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_queue_of_a_removed_destination_can_be_given_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path(), DURABLE, &away());
    bench.send(300).await;
    end(bench).await;
    let script = Script::default();
    let spools = SpoolDir::open(folder.path()).unwrap();
    let bench = Bench::with(DURABLE, Some(spools.clone()), &[("b", script.clone())], route(&["b"], 1));
    let names = || spools.folders().unwrap().into_iter().map(|folder| folder.destination).collect::<Vec<_>>();
    bench.until("both are listed", |_| names() == ["a", "b"]).await;
    let seen = bench.forwarder.operate("a", What::InspectQueue(3)).await.unwrap();
    assert_eq!((seen.points, seen.shown.len(), seen.shown[2].value), (300, 3, 2.0));
    let rejected = bench.forwarder.hand_over("a", None).await.unwrap_err();
    assert!(rejected.to_string().contains("--to DESTINATION"), "{rejected}");
    assert_eq!(bench.forwarder.hand_over("a", Some("b")).await, Ok(300));
    bench.until("the other has them", |bench| bench.stats("b").delivered == 300).await;
    assert_eq!((names(), values(&script)), (vec!["b".to_owned()], (0..300).collect()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_operator_discards_is_gone_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let bench = open(folder.path(), DURABLE, &away());
    bench.send(300).await;
    let done = bench.forwarder.operate("a", What::DropQueue).await.unwrap();
    // A batch of a hundred is in the sender's hand.
    assert!(done.points >= 200, "{done:?}");
    assert_eq!(dropped(&bench.stats("a"), DropReason::Discarded), done.points);
    let left = end(bench).await;
    assert_eq!(left.queued, 300 - done.points);
    let bench = open(folder.path(), DURABLE, &Script::default());
    delivered(&bench, left.queued).await;
    assert_eq!(bench.stats("a").recovered, left.queued);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_cannot_be_opened_rejects_until_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let first = open(folder.path(), DURABLE, &away());
    first.send(10).await;
    let script = Script::default();
    let second = open(folder.path(), DURABLE, &script);
    let overload = second.send_numbers(10..20).await.unwrap_err();
    assert!(overload.to_string().contains("in use"), "{overload}");
    end(first).await;
    second.until("it was opened", |bench| bench.forwarder.rejection().is_none()).await;
    second.send_numbers(10..20).await.unwrap();
    delivered(&second, 20).await;
    assert_eq!(values(&script), (0..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_destination_took_shortly_before_it_was_away_is_sent_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let config =
        DeliveryConfig { queue: QueueConfig { replay_window: Duration::from_secs(10), ..DURABLE.queue }, ..DURABLE };
    let script = Script::default();
    let bench = open(folder.path(), config, &script);
    bench.send(100).await;
    delivered(&bench, 100).await;
    script.0.answers.lock().push_back(retry());
    bench.send_numbers(100..200).await.unwrap();
    delivered(&bench, 300).await;
    let mut twice: Vec<_> = (0..100).chain(0..200).collect();
    twice.sort_unstable();
    assert_eq!(values(&script), twice, "and what it took afterwards is not");
    assert_eq!(bench.stats("a").recovered, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_moves_to_memory_loses_nothing_of_what_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let memory = DeliveryConfig {
        queue: QueueConfig { durability: Durability::Memory, points: 200, ..DURABLE.queue },
        ..DURABLE
    };
    // While it runs,
    let bench = open(folder.path(), DURABLE, &away());
    bench.send(1000).await;
    bench.forwarder.topology().destinations()[0].set_config(memory);
    bench.send_numbers(1000..1500).await.unwrap();
    let left = end(bench).await;
    assert_eq!((left.queued, left.dropped_in_all()), (1500, 0));
    // and at the next start.
    let script = Script::default();
    let bench = open(folder.path(), memory, &script);
    delivered(&bench, 1500).await;
    assert_eq!(values(&script), (0..1500).collect::<Vec<_>>());
    end(bench).await;
    // Then there is nothing left.
    let bench = open(folder.path(), memory, &script);
    assert!(bench.stats("a").spool.is_none());
    // A queue in memory stays there until the next start as well.
    bench.forwarder.topology().destinations()[0].set_config(DURABLE);
    bench.send_numbers(1500..1600).await.unwrap();
    bench.until("it is delivered", |bench| bench.stats("a").delivered == 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_removed_under_load_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let config = DeliveryConfig { queue: QueueConfig { points: 200, ..DURABLE.queue }, ..DURABLE };
    let bench = open(folder.path(), config, &away());
    bench.send(2000).await;
    std::fs::remove_dir_all(folder.path().join("a")).unwrap();
    bench.until("it is noticed", |bench| dropped(&bench.stats("a"), DropReason::Damaged) > 0).await;
    let lost = dropped(&bench.stats("a"), DropReason::Damaged);
    assert!((1500..=1900).contains(&lost), "what is in memory, or is being sent, is not lost: {lost}");
    bench.send_numbers(2000..2300).await.unwrap();
    assert!(!segments(folder.path()).is_empty());
    end(bench).await;
    let script = Script::default();
    let bench = open(folder.path(), config, &script);
    bench
        .until("what is there is delivered", |bench| values(&script).len() >= 300 && bench.stats("a").queued == 0)
        .await;
    let values = values(&script);
    assert!((2000..2300).all(|value| values.binary_search(&value).is_ok()), "{values:?}");
}
