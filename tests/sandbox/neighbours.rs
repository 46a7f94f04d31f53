//! One that is well-behaved beside six that are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use saker_sandbox::{CallError, Deadlines, InstanceSpec};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::{DEADLINE, open, run, spec, turn, value};

const INTERVAL: Duration = Duration::from_millis(10);
const TICKS: u32 = 200;
/// Calls do not take longer, but for one in a hundred.
const SLOW: Duration = Duration::from_millis(50);

/// Opens `guest` and runs it, again and again, until told to stop; returns how its calls have ended.
fn misbehave(guest: &'static str, spec: InstanceSpec, stop: &Arc<AtomicBool>) -> JoinHandle<Vec<CallError>> {
    let stop = stop.clone();
    tokio::spawn(async move {
        let mut ends = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            match open(guest, &spec).await {
                Ok(mut collector) => ends.push(run(&mut collector).await.unwrap_err()),
                // A busy machine may take its time to end the thread of the last call.
                Err(CallError::Hung(_)) => tokio::time::sleep(INTERVAL).await,
                Err(error) => panic!("{guest}: {error}"),
            }
        }
        ends
    })
}

#[tokio::test]
async fn a_well_behaved_collector_misses_no_run_beside_six_that_are_not() {
    let _turn = turn().await;
    let stop = Arc::new(AtomicBool::new(false));
    let others: Vec<_> = [
        ("spin", "deadline", spec(json!({}))),
        ("memory-hog", "memory", spec(json!({}))),
        ("trap", "trap", spec(json!({}))),
        ("sample-flood", "answer", spec(json!({"records": 20_001}))),
        ("read", "denied", spec(json!({}))),
        ("socket-dialer", "denied", spec(json!({"address": "127.0.0.1:9"}))),
    ]
    .map(|(guest, kind, mut spec)| {
        if guest != "spin" {
            // Time enough to get where it is stopped, in the little that the others leave.
            spec.limits.deadlines = Deadlines::default();
        }
        (guest, kind, misbehave(guest, spec, &stop))
    })
    .into();

    let spec = spec(json!({"value": 7.0}));
    let mut steady = open("steady-1", &spec).await.unwrap();
    let (mut latest, mut slowest, mut slow) = (Duration::ZERO, Duration::ZERO, 0);
    let start = Instant::now();
    for number in 0..TICKS {
        let due = start + INTERVAL * number;
        tokio::time::sleep_until(due.into()).await;
        let called = Instant::now();
        assert_eq!(value(&run(&mut steady).await.unwrap(), "steady.value"), 7.0);
        slow += u32::from(called.elapsed() > SLOW);
        slowest = slowest.max(called.elapsed());
        latest = latest.max(due.elapsed());
    }
    stop.store(true, Ordering::Relaxed);
    println!("of {TICKS} runs the slowest took {slowest:?}, and the latest was done {latest:?} after it was due");
    // The machine may have others to run, but nobody waits until a neighbour has reached its deadline.
    assert!(slow <= TICKS / 100 && slowest < DEADLINE, "{slow} took longer than {SLOW:?}, the slowest {slowest:?}");
    assert_eq!(spec.meters.calls(), u64::from(TICKS) + 1, "every run, and open");

    for (guest, kind, other) in others {
        let ends = other.await.unwrap();
        println!("{guest}: {} calls", ends.len());
        assert!(ends.len() >= 3, "{guest} was called {} times", ends.len());
        assert!(ends.iter().all(|error| error.kind() == kind), "{guest}: {ends:?}");
    }
}

#[tokio::test]
async fn instances_of_one_plugin_share_no_memory() {
    let spec = spec(json!({}));
    let (mut one, mut two) = (open("counter", &spec).await.unwrap(), open("counter", &spec).await.unwrap());
    for calls in [1.0, 2.0, 3.0] {
        assert_eq!(value(&run(&mut one).await.unwrap(), "counter.calls"), calls);
    }
    assert_eq!(value(&run(&mut two).await.unwrap(), "counter.calls"), 1.0);
}
