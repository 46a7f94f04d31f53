//! A well-behaved collector in the same sandbox, whose runs are counted while another misbehaves.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use saker_sandbox::{Collector, Deadlines, Sandbox};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{bytes, run, spec, value};

const INTERVAL: Duration = Duration::from_millis(10);
/// A call that takes longer was held up by more than a busy machine.
const HELD_UP: Duration = Duration::from_millis(500);

/// The collector, until it is asked.
pub(crate) struct Neighbour {
    stop: Arc<AtomicBool>,
    task: JoinHandle<u32>,
}

impl Neighbour {
    /// Runs in this sandbox from now on.
    pub(crate) async fn in_sandbox(sandbox: &Sandbox) -> Self {
        let plugin = sandbox.load(&bytes("steady-1")).await.unwrap();
        let mut spec = spec(json!({"value": 7.0}));
        // What is looked for is whether it gets a thread; a busy machine may take its time for the call.
        spec.limits.deadlines = Deadlines::default();
        let mut steady = Collector::open(sandbox, &plugin, &spec).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut runs = 0;
            while !stopped.load(Ordering::Relaxed) {
                let called = Instant::now();
                assert_eq!(value(&run(&mut steady).await.unwrap(), "steady.value"), 7.0);
                assert!(called.elapsed() < HELD_UP, "run {runs} took {:?}", called.elapsed());
                runs += 1;
                tokio::time::sleep(INTERVAL).await;
            }
            runs
        });
        Self { stop, task }
    }

    /// Ends it: no run has failed, none was held up, and there were some.
    pub(crate) async fn has_noticed_nothing(self) {
        self.stop.store(true, Ordering::Relaxed);
        let runs = self.task.await.unwrap();
        println!("the neighbour had {runs} runs");
        assert!(runs > 0);
    }
}
