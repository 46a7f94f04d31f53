//! Mounts that do not answer: the others are told, nobody waits for long, and no second thread is lost to one of them.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use saker_sandbox::{Collector, FileSystemStats, InstanceSpec, System};
use serde_json::json;

use crate::support::neighbour::Neighbour;
use crate::support::{elsewhere, run, spec, turn, until, value};

/// A system whose mounts below `/hung` do not answer until they are told to.
#[derive(Clone, Default)]
struct Mounts(Arc<State>);

#[derive(Default)]
struct State {
    answers: Mutex<bool>,
    changed: Condvar,
    waiting: AtomicUsize,
    asked: Mutex<HashMap<String, u32>>,
}

impl Mounts {
    fn system(&self) -> System {
        let state = self.0.clone();
        let measure = move |path: &str| {
            *state.asked.lock().entry(path.to_owned()).or_default() += 1;
            if path.starts_with("/hung") {
                state.waiting.fetch_add(1, Ordering::SeqCst);
                let mut answers = state.answers.lock();
                state.changed.wait_while(&mut answers, |answers| !*answers);
                state.waiting.fetch_sub(1, Ordering::SeqCst);
            }
            if path == "/gone" { Err(io::Error::other("stale file handle")) } else { Ok(FileSystemStats::default()) }
        };
        System { measure: Some(Arc::new(measure)), ..System::default() }
    }

    fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::SeqCst)
    }

    fn asked(&self, path: &str) -> u32 {
        self.0.asked.lock().get(path).copied().unwrap_or_default()
    }

    fn answer(&self) {
        *self.0.answers.lock() = true;
        self.0.changed.notify_all();
    }
}

fn asking(paths: &[String]) -> InstanceSpec {
    let mut spec = spec(json!({ "paths": paths }));
    spec.grants.statfs = vec!["/".into()];
    spec.limits.deadlines.collect = Duration::from_secs(5);
    spec
}

#[tokio::test]
async fn a_mount_that_hangs_costs_the_others_nothing() {
    let _turn = turn().await;
    let mounts = Mounts::default();
    let (sandbox, plugin) = elsewhere(mounts.system(), "statfs-many").await;
    let neighbour = Neighbour::in_sandbox(&sandbox).await;
    let spec = asking(&["/", "/hung", "/gone", "/srv"].map(String::from));
    let mut collector = Collector::open(&sandbox, &plugin, &spec).await.unwrap();
    for round in 1..=3 {
        let start = Instant::now();
        assert_eq!(value(&run(&mut collector).await.unwrap(), "df.answered"), 2.0);
        let took = start.elapsed();
        println!("round {round}: {took:?}");
        assert!(took < if round == 1 { Duration::from_secs(2) } else { Duration::from_millis(200) }, "{took:?}");
        assert_eq!((mounts.asked("/hung"), mounts.asked("/srv"), mounts.waiting()), (1, round, 1));
    }
    let told = spec.log_tail.lines();
    assert!(told.iter().any(|line| line.contains("/hung: timed out")), "{told:?}");
    assert!(told.iter().any(|line| line.contains("/gone: stale file handle")), "{told:?}");
    // Those that have answered may be about to end.
    until("only its thread is left", || spec.meters.asking_threads() == 1).await;
    assert_eq!(spec.meters.stuck_threads(), 0);
    // An instance that follows knows it as well.
    let mut collector = Collector::open(&sandbox, &plugin, &spec).await.unwrap();
    assert_eq!(value(&run(&mut collector).await.unwrap(), "df.answered"), 2.0);
    assert_eq!(mounts.asked("/hung"), 1);

    mounts.answer();
    until("the thread's return", || spec.meters.asking_threads() == 0).await;
    assert_eq!(value(&run(&mut collector).await.unwrap(), "df.answered"), 3.0);
    neighbour.has_noticed_nothing().await;
}

#[tokio::test]
async fn however_many_mounts_hang_an_instance_ends_in_time() {
    let _turn = turn().await;
    let mounts = Mounts::default();
    let (sandbox, plugin) = elsewhere(mounts.system(), "statfs-many").await;
    let neighbour = Neighbour::in_sandbox(&sandbox).await;
    let mut paths: Vec<_> = (0..1000).map(|n| format!("/hung/{n}")).collect();
    paths.insert(10, "/srv".into());
    let spec = asking(&paths);
    for _ in 0..3 {
        let mut collector = Collector::open(&sandbox, &plugin, &spec).await.unwrap();
        let values = run(&mut collector).await.unwrap();
        assert!(value(&values, "df.answered") <= 1.0);
        assert!(mounts.waiting() <= 16, "{} threads", mounts.waiting());
    }
    let other = asking(&["/srv".to_owned()]);
    let mut collector = Collector::open(&sandbox, &plugin, &other).await.unwrap();
    assert_eq!(value(&run(&mut collector).await.unwrap(), "df.answered"), 1.0, "others ask as before");
    mounts.answer();
    until("the threads' return", || spec.meters.asking_threads() == 0).await;
    neighbour.has_noticed_nothing().await;
}
