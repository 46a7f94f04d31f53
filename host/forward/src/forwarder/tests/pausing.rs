//! What a destination asks for with `Retry-After`, against everything that wakes a sender.

use super::durable::DURABLE;
use super::*;

fn busy(seconds: u64) -> Script {
    Script::answering([SendError::Retry { after: Some(Duration::from_secs(seconds)), message: "429".into() }])
}

fn calls(script: &Script) -> u64 {
    script.0.calls.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_whatever_wakes_the_sender() {
    let script = busy(8);
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    let destination = bench.forwarder.topology().destinations()[0].clone();
    // As the start does when the backend is put in place: nobody waits for it yet, so it is kept.
    script.0.changed.notify_one();
    bench.send(100).await;
    bench.until("it is offered", |_| calls(&script) == 1).await;
    let start = tokio::time::Instant::now();
    for round in 1..8 {
        tokio::time::sleep(Duration::from_millis(990)).await;
        script.0.changed.notify_one();
        destination.set_config(CONFIG);
        bench.send_numbers(round * 100..round * 100 + 100).await.expect("there is room");
        assert_eq!(calls(&script), 1, "after {:?}", start.elapsed());
    }
    bench.until("it is offered again", |_| calls(&script) > 1).await;
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(7_990) && waited < Duration::from_millis(8_500), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn another_version_of_the_backend_ends_a_pause() {
    let script = busy(60);
    let bench = Bench::new(&[("a", script.clone())], route(&["a"], 1));
    bench.send(100).await;
    bench.until("it is offered", |_| calls(&script) == 1).await;
    let start = tokio::time::Instant::now();
    script.0.generation.fetch_add(1, Ordering::Relaxed);
    script.0.changed.notify_one();
    bench.until("it is offered again", |_| calls(&script) > 1).await;
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_holds_for_the_backlog_and_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let script = busy(3000);
    let queue = QueueConfig { age: Duration::from_millis(200), ..DURABLE.queue };
    let spools = SpoolDir::open(folder.path()).unwrap();
    let config = DeliveryConfig { queue, ..DURABLE };
    let bench = Bench::with(config, Some(spools), &[("a", script.clone())], route(&["a"], 1));
    bench.send(300).await;
    bench.until("it is offered", |_| calls(&script) == 1).await;
    // It goes back to the disk after its time in memory, and comes from there again.
    bench.until("it goes back to the disk", |bench| bench.stats("a").in_memory == 0).await;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(calls(&script), 1);
    }
    let start = std::time::Instant::now();
    let account = bench.forwarder.drain(Duration::from_secs(5)).await;
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!((account.destinations[0].stats.queued, calls(&script)), (300, 1));
}
