//! Queues on disk under clocks that jump.

use super::durable::{DURABLE, away, delivered, end};
use super::*;
use crate::clock::Clock as _;
use crate::clock::by_hand::Machine;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;
const POINTS: usize = 1000;

fn open(folder: &std::path::Path, machine: &Arc<Machine>, script: &Script) -> Bench {
    let spools = SpoolDir::open(folder).unwrap().with_clock(machine.clone());
    let queue = QueueConfig { age: Duration::from_secs(7 * 86_400), ..DURABLE.queue };
    Bench::with(DeliveryConfig { queue, ..DURABLE }, Some(spools), &[("a", script.clone())], route(&["a"], 1))
}

async fn recovered(bench: &Bench) {
    bench.until("it is found", |bench| bench.stats("a").recovered == POINTS as u64).await;
}

/// A queue that was filled by a boot whose clock had held.
async fn filled(folder: &std::path::Path, machine: &Arc<Machine>) {
    let bench = open(folder, machine, &away());
    bench.send(POINTS).await;
    machine.run(2 * HOUR_MS);
    let left = end(bench).await;
    assert_eq!(left.queued, POINTS as u64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_outlive_a_boot_with_a_wrong_clock_and_are_delivered() {
    for wrong in [-30 * DAY_MS as i64, 8 * DAY_MS as i64, 400 * DAY_MS as i64] {
        let (folder, machine) = (tempfile::tempdir().unwrap(), Machine::new());
        filled(folder.path(), &machine).await;
        let right = machine.wall_ms();
        machine.boot(right.saturating_add_signed(wrong));
        let bench = open(folder.path(), &machine, &away());
        recovered(&bench).await;
        machine.run(HOUR_MS / 2);
        let left = end(bench).await;
        assert_eq!((left.queued, left.dropped_in_all()), (POINTS as u64, 0), "{wrong}");
        machine.boot(right + HOUR_MS / 2);
        let script = Script::default();
        let bench = open(folder.path(), &machine, &script);
        delivered(&bench, POINTS as u64).await;
        assert_eq!(end(bench).await.dropped_in_all(), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_expires_once_the_clock_has_held_for_an_hour() {
    let (folder, machine) = (tempfile::tempdir().unwrap(), Machine::new());
    filled(folder.path(), &machine).await;
    machine.boot(machine.wall_ms() + 9 * DAY_MS);
    let bench = open(folder.path(), &machine, &away());
    recovered(&bench).await;
    let expired = |bench: &Bench| dropped(&bench.stats("a"), DropReason::Expired);
    assert_eq!(expired(&bench), 0);
    machine.run(HOUR_MS + 60_000);
    // All but the batch that is being offered.
    bench.until("it has gone", |bench| expired(bench) > POINTS as u64 / 2).await;
}
