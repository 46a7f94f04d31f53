//! Whole queues, with their marks, that deliver while their disk fails, and lose power or are killed, life after life:
//! what was acknowledged has arrived in one of them, and each begins.
//!
//! `SAKER_POWER_CUTS` says how often they end so, `SAKER_FAULTS` every how manieth call fails in turn; without them, some
//! few, for each life has threads of its own.

use std::collections::BTreeMap;

use fastrand::Rng;
use saker_journal::{SimDisk, SimFault, SimTrouble};

use super::disk::{number, on};
use super::durable::DURABLE;
use super::*;
use crate::queue::spool::QueueCommand as What;

const CUTS: u64 = 90;
const FAULT_EVERY: u64 = 9;
/// Lives of one disk.
const LIVES: u64 = 3;
/// Runs at the same time: each waits most of its time.
const SIDE_BY_SIDE: u64 = 8;
const PUSHES: usize = 10;
/// A life makes at least so many calls of its disk, and three times as many with a store that answers.
const CALLS: u64 = 40;
/// Points of a batch.
const BATCH: usize = 100;

/// How a life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// What was synced is there.
    PowerCut,
    /// All that was written is there.
    Killed,
}

/// All lives of one disk.
struct Lives {
    disk: SimDisk,
    durability: Durability,
    chance: Rng,
    pushed: usize,
    /// How often each value that was acknowledged has arrived.
    acknowledged: BTreeMap<usize, u32>,
}

impl Lives {
    fn new(seed: u64, durability: Durability) -> Self {
        let (disk, chance) = (SimDisk::new(seed), Rng::with_seed(seed));
        Self { disk, durability, chance, pushed: 0, acknowledged: BTreeMap::new() }
    }

    fn config(&self) -> DeliveryConfig {
        let queue = QueueConfig {
            durability: self.durability,
            // So small that segments come and go.
            bytes: 1 << 16,
            points: 150,
            when_full: WhenFull::Block,
            batch_points: BATCH,
            batch_age: Duration::from_millis(1),
            ..DURABLE.queue
        };
        DeliveryConfig { queue, ..DURABLE }
    }

    /// Pushes and delivers while something goes wrong, and is over in the middle of whatever it was at.
    /// Answers how many calls of the disk that took.
    async fn live(&mut self, fault: Option<SimFault>, end: End) -> u64 {
        // In some lives the store is away, so that all is on the disk only.
        let failures = if self.chance.u64(..3) == 0 { 1_000_000 } else { self.chance.u64(..12) };
        let script = Script::answering((0..failures).map(|_| retry()));
        if let Some(fault) = fault {
            self.disk.fail(fault);
        }
        let bench = on(&self.disk, self.config(), &script);
        for _ in 0..PUSHES {
            let points = self.pushed..self.pushed + 1 + self.chance.u64(..70) as usize;
            self.pushed = points.end;
            if bench.send_numbers(points.clone()).await.is_ok() {
                self.acknowledged.extend(points.map(|point| (point, 0)));
            }
            if self.chance.u64(..3) == 0 {
                tokio::time::sleep(Duration::from_millis(self.chance.u64(..5))).await;
            }
        }
        // At one moment for the store and the disk: what arrives later arrives from a dead process.
        let (taken, calls) = (script.0.taken.lock(), self.disk.calls());
        self.disk = if end == End::PowerCut { self.disk.power_cut() } else { self.disk.copy() };
        self.arrived(&taken);
        drop(taken);
        drop(bench);
        calls
    }

    fn arrived(&mut self, taken: &[(String, f64)]) {
        for (_, value) in taken {
            if let Some(times) = self.acknowledged.get_mut(&(*value as usize)) {
                *times += 1;
            }
        }
    }

    /// What is left of the disk begins, and delivers what has not arrived yet. Answers what never does.
    async fn lost(&mut self, context: &str) -> Vec<usize> {
        let script = Script::default();
        let bench = on(&self.disk, self.config(), &script);
        let begins = bench.until("it begins", |bench| bench.forwarder.rejection().is_none());
        tokio::time::timeout(Duration::from_secs(60), begins).await.unwrap_or_else(|_| panic!("{context}: no start"));
        bench.forwarder.operate("a", What::InspectQueue(0)).await.unwrap();
        let destination = bench.forwarder.topology().destinations()[0].clone();
        while destination.stats().queued > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let stats = destination.stats();
        let (came, went) = (stats.enqueued + stats.recovered, stats.delivered + stats.dropped_in_all());
        assert_eq!(came, went, "{context}: the law: {stats:?}");
        drop((destination, bench));
        self.arrived(&script.taken());
        self.acknowledged.iter().filter(|(_, times)| **times == 0).map(|(value, _)| *value).collect()
    }
}

/// One disk whose lives end as told, with trouble in them; answers how many points were acknowledged.
async fn run(seed: u64, durability: Durability, end: End) -> usize {
    let mut lives = Lives::new(seed, durability);
    let mut context = format!("seed {seed}, {durability:?}, {end:?}:");
    for _ in 0..LIVES {
        let trouble = match (lives.chance.u64(..4), end) {
            (0 | 1, End::PowerCut) => Some(SimTrouble::PowerCut),
            (2, _) => Some(SimTrouble::Broken),
            (3, _) => Some(SimTrouble::Full),
            _ => None,
        };
        let (at, calls) = (lives.disk.calls() + lives.chance.u64(..3 * CALLS), 1 + lives.chance.u64(..5));
        let fault = trouble.map(|trouble| SimFault { calls, ..SimFault::at(at, trouble) });
        context += &format!(" {fault:?}");
        lives.live(fault, end).await;
    }
    let lost = lives.lost(&context).await;
    let all = lives.acknowledged.len();
    // What is only to survive the process may be lost with the power, but everything begins and is counted.
    let promised = durability == Durability::Disk || end == End::Killed;
    assert!(lost.is_empty() || !promised, "{context}: {} of {all} are lost: {lost:?}", lost.len());
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_lives_end_no_more_is_lost_than_was_promised() {
    let ends = number("SAKER_POWER_CUTS", CUTS);
    let (mut done, mut seed, mut acknowledged) = (0, 0, 0);
    while done < ends {
        let runs: Vec<_> = (0..SIDE_BY_SIDE)
            .map(|_| {
                seed += 1;
                let (durability, end) = match seed % 5 {
                    0 => (Durability::Process, End::PowerCut),
                    1 => (Durability::Process, End::Killed),
                    _ => (Durability::Disk, End::PowerCut),
                };
                tokio::spawn(run(seed, durability, end))
            })
            .collect();
        for run in runs {
            acknowledged += run.await.unwrap();
            done += LIVES;
        }
    }
    println!("{done} lives ended: {acknowledged} points were acknowledged, 0 lost beyond what was promised");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_failed_call_what_a_queue_acknowledges_is_on_disk() {
    let every = number("SAKER_FAULTS", FAULT_EVERY);
    let calls_in_all = Lives::new(0, Durability::Disk).live(None, End::PowerCut).await;
    assert!(calls_in_all > CALLS, "{calls_in_all} calls");
    let mut runs = Vec::new();
    for (trouble, calls) in
        [(SimTrouble::Broken, 1), (SimTrouble::Broken, 4), (SimTrouble::Full, 1), (SimTrouble::Full, 30)]
    {
        for at in (0..calls_in_all).filter(|at| (at + calls) % every == 0) {
            runs.push(async move {
                let mut lives = Lives::new(at, Durability::Disk);
                let fault = SimFault { calls, ..SimFault::at(at, trouble) };
                let context = format!("{fault:?}");
                lives.live(Some(fault), End::PowerCut).await;
                let lost = lives.lost(&context).await;
                assert!(lost.is_empty(), "{context}: {lost:?} are lost");
                lives.acknowledged.len()
            });
        }
    }
    let (count, mut acknowledged) = (runs.len(), 0);
    let mut runs = runs.into_iter();
    loop {
        let some: Vec<_> = runs.by_ref().take(SIDE_BY_SIDE as usize).map(tokio::spawn).collect();
        if some.is_empty() {
            break;
        }
        for run in some {
            acknowledged += run.await.unwrap();
        }
    }
    println!("{count} faults in lives of {calls_in_all} calls: {acknowledged} points were acknowledged, 0 lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_repeats_at_most_the_batch_that_was_under_way() {
    for seed in 0..number("SAKER_POWER_CUTS", CUTS) / 3 {
        let mut lives = Lives::new(seed, Durability::Process);
        lives.live(None, End::Killed).await;
        let lost = lives.lost("killed").await;
        let again = lives.acknowledged.values().filter(|times| **times > 1).count();
        assert!(lost.is_empty() && again <= BATCH, "seed {seed}: {again} came twice, {lost:?} are lost");
    }
}
