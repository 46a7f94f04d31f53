//! Queues on a simulated disk: it hangs and rots. That it fails and loses power is in `power.rs`.
//!
//! `SAKER_FLIPS` says every how many bytes one is flipped; without it, some few, for each needs threads of its own.

use std::collections::BTreeSet;

use saker_journal::{SimDisk, SimFault, SimTrouble};

use super::durable::{DURABLE, away, delivered, end, values};
use super::*;

const FLIP_EVERY: u64 = 97;

pub(super) fn on(disk: &SimDisk, config: DeliveryConfig, script: &Script) -> Bench {
    Bench::with(config, Some(SpoolDir::on(disk.root())), &[("a", script.clone())], route(&["a"], 1))
}

pub(super) fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |number| number.parse().expect("a number"))
}

/// Long enough for what does not wait for the disk, and far from the limits of what does.
const SOON: Duration = Duration::from_secs(2);

async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(SOON, work).await.unwrap_or_else(|_| panic!("waits for the disk: {what}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_hangs_holds_up_no_other_destination_and_not_the_end() {
    // Where the record, the mark, or the reading of the folder hangs.
    for path in [".seg", "/mark", "a/queue"] {
        let (disk, scripts) = (SimDisk::new(1), [Script::default(), Script::default()]);
        let bench = Arc::new(on(&disk, DURABLE, &scripts[0]));
        bench.set(
            vec![bench.forwarder.topology().destinations()[0].clone(), bench.destination("b", &scripts[1], CONFIG)],
            route(&["a", "b"], 2),
        );
        bench.send_numbers(0..100).await.unwrap();
        delivered(&bench, 100).await;
        disk.fail(SimFault { path: path.into(), ..SimFault::at(0, SimTrouble::Hang) });
        let pushes: Vec<_> = (1..4)
            .map(|push| {
                let bench = bench.clone();
                tokio::spawn(async move { bench.send_numbers(push * 100..push * 100 + 100).await })
            })
            .collect();
        soon(
            "another destination",
            bench.until("the other destination goes on", |bench| bench.stats("b").delivered == 400),
        )
        .await;
        // At any time, on the threads that all share.
        soon("figures", async { (bench.stats("a"), bench.forwarder.rejection()) }).await;
        bench.until("something hangs", |_| disk.hanging() > 0).await;
        let account = soon("the end", bench.forwarder.drain(Duration::from_secs(1))).await;
        let [a, b] = &account.destinations[..] else { panic!("{account:?}") };
        assert_eq!((b.stats.delivered, b.stats.queued), (400, 0), "{path}");
        assert_eq!(a.stats.enqueued, a.stats.delivered + a.stats.queued, "{path}");
        assert_eq!(a.stats.delivered, scripts[0].taken().len() as u64, "{path}");
        disk.release();
        for push in pushes {
            drop(push.await);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_rejected_only_while_the_disk_hangs() {
    let (disk, script) = (SimDisk::new(1), Script::default());
    let bench = on(&disk, DURABLE, &script);
    bench.send_numbers(0..100).await.unwrap();
    disk.fail(SimFault { path: ".seg".into(), ..SimFault::at(0, SimTrouble::Hang) });
    let overload = bench.send_numbers(100..200).await.unwrap_err();
    assert!(overload.to_string().contains("does not answer"), "{overload}");
    soon("a rejection", bench.send_numbers(100..200)).await.unwrap_err();
    disk.release();
    bench.until("it is taken again", |bench| bench.forwarder.rejection().is_none()).await;
    bench.send_numbers(100..200).await.unwrap();
    bench.until("all is delivered", |bench| bench.stats("a").queued == 0).await;
    // The first of the two may have been in the middle of it.
    assert_eq!(values(&script).into_iter().collect::<BTreeSet<_>>(), (0..200).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_sent_again_takes_no_room_from_what_is_new() {
    for when_full in [WhenFull::Block, WhenFull::DropNewest, WhenFull::DropOldest] {
        let (disk, script) = (SimDisk::new(1), Script::default());
        let replay_window = Duration::from_secs(3600);
        let queue = QueueConfig { bytes: 64 << 10, when_full, replay_window, ..DURABLE.queue };
        let bench = on(&disk, DeliveryConfig { queue, ..DURABLE }, &script);
        for push in 0..200 {
            let sent = bench.send_numbers(push * 100..push * 100 + 100).await;
            assert!(sent.is_ok(), "{when_full:?}, push {push}: {sent:?}");
            bench.until("it is delivered", |bench| bench.stats("a").delivered == (push as u64 + 1) * 100).await;
        }
        assert_eq!(bench.stats("a").dropped_in_all(), 0, "{when_full:?}");
        // And some of it can be sent again still.
        script.0.answers.lock().push_back(retry());
        bench.send_numbers(0..1).await.unwrap();
        bench.until("some is sent again", |bench| bench.stats("a").recovered > 0).await;
        bench.until("all is delivered", |bench| bench.stats("a").queued == 0).await;
        assert_eq!(bench.stats("a").dropped_in_all(), 0, "{when_full:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_taken_shortly_before_a_crash_is_replayed() {
    let disk = SimDisk::new(1);
    let config =
        DeliveryConfig { queue: QueueConfig { replay_window: Duration::from_secs(60), ..DURABLE.queue }, ..DURABLE };
    let bench = on(&disk, config, &Script::default());
    for push in 0..3 {
        bench.send_numbers(push * 100..push * 100 + 100).await.unwrap();
        delivered(&bench, push as u64 * 100 + 100).await;
    }
    bench.until("it is written down", |_| mark_of(&disk).is_some_and(|mark| mark.sent.points() == 300)).await;
    let killed = disk.copy();
    end(bench).await;
    let script = Script::default();
    let again = on(&killed, config, &script);
    delivered(&again, 300).await;
    assert_eq!((again.stats("a").recovered, values(&script)), (300, (0..300).collect()));
    let script = Script::default();
    let orderly = on(&disk, config, &script);
    orderly.send_numbers(300..400).await.unwrap();
    delivered(&orderly, 100).await;
    assert_eq!((orderly.stats("a").recovered, values(&script)), (0, (300..400).collect()));
    // But if the destination turns out to have been away, it is.
    end(orderly).await;
    let script = Script::answering([retry()]);
    let away = on(&disk, config, &script);
    away.send_numbers(400..401).await.unwrap();
    delivered(&away, 401).await;
    assert_eq!(values(&script), (0..401).collect::<Vec<_>>());
}

fn mark_of(disk: &SimDisk) -> Option<crate::queue::span::DeliveryMark> {
    let folder = disk.copy().root().folder("a").and_then(|folder| folder.folder("queue")).ok()?;
    match saker_journal::Marks::open(&*folder).ok()?.read().ok()? {
        saker_journal::SavedMark::Held(bytes) => crate::queue::span::DeliveryMark::decode(&bytes),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_byte_costs_at_most_one_record_of_a_queue() {
    let disk = SimDisk::new(1);
    for life in 0..2 {
        let bench = on(&disk, DURABLE, &away());
        for push in 0..3 {
            bench.send_numbers(life * 150 + push * 50..life * 150 + push * 50 + 50).await.unwrap();
        }
        end(bench).await;
    }
    let every = number("SAKER_FLIPS", FLIP_EVERY);
    let (mut flips, mut lost_in_all) = (0, 0);
    for (path, bytes) in disk.files() {
        for offset in (flips % every..bytes).step_by(every as usize) {
            let (copy, script) = (disk.copy(), Script::default());
            assert!(copy.flip(&path, offset, 1 << (offset % 8)));
            let bench = on(&copy, DURABLE, &script);
            bench.until("it has started", |bench| bench.stats("a").recovered > 0).await;
            bench.until("all is delivered", |bench| bench.stats("a").queued == 0).await;
            let (stats, mut came) = (bench.stats("a"), values(&script));
            came.dedup();
            let lost = dropped(&stats, DropReason::Damaged);
            assert_eq!(came.len() as u64 + lost, 300, "{path}, byte {offset}: {stats:?}");
            assert!(lost <= 50, "{path}, byte {offset}: {lost} points are lost");
            flips += 1;
            lost_in_all += lost;
        }
    }
    println!("{flips} bytes flipped, {lost_in_all} points lost");
}
