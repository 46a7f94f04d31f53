//! A call that hangs in the operating system: its caller goes on, its version is not called until the system lets go,
//! and nobody else notices.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use saker_model::{Point, SeriesId};
use saker_sandbox::{Backend, Blame, CallError, Hang, InstanceSpec, WriteError};
use serde_json::json;

use crate::support::neighbour::Neighbour;
use crate::support::{DEADLINE, in_time, once, open, plugin, run, sandbox, spec, turn, until, value};

/// A FIFO that nobody has open. Opening it for reading or for writing waits for somebody who does the other.
fn fifo(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    path
}

fn reading(path: &Path) -> InstanceSpec {
    let mut spec = spec(json!({ "path": path }));
    spec.grants.read = vec![path.parent().unwrap().into()];
    spec
}

/// Lets whoever waits for a FIFO go on.
fn let_go(fifo: &Path) {
    // Opened for both it waits for nobody.
    drop(OpenOptions::new().read(true).write(true).open(fifo).unwrap());
}

#[tokio::test]
async fn a_guest_that_waits_for_a_fifo_does_not_hold_its_caller() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let fifo = fifo(folder.path(), "fifo");
    let spec = reading(&fifo);

    let mut collector = open("read", &spec).await.unwrap();
    let error = in_time("fifo", DEADLINE, run(&mut collector)).await.unwrap_err();
    let wait = format!("opening {}", fifo.display());
    assert_eq!(error, CallError::Hung(Hang::Call { export: "collect", limit: DEADLINE, wait: wait.clone() }));
    assert_eq!((error.kind(), error.blame()), ("hung", Blame::Host));
    assert_eq!(
        error.to_string(),
        format!("collect took longer than its deadline of 200ms: {wait} hangs in the system")
    );
    assert!(!collector.is_alive());
    assert_eq!(spec.meters.stuck_threads(), 1);
    once("steady-1", &crate::support::spec(json!({}))).await.unwrap();

    // Neither this instance nor another one of the version loses a second thread.
    let calls = spec.meters.calls();
    for _ in 0..10 {
        let error = in_time("the next call", Duration::ZERO, open("read", &spec)).await.err().unwrap();
        assert_eq!(error.to_string(), format!("not called: {wait} in an earlier call still hangs in the system"));
        assert_eq!((error.kind(), error.blame()), ("hung", Blame::Host));
    }
    assert_eq!((spec.meters.stuck_threads(), spec.meters.calls()), (1, calls));

    let_go(&fifo);
    until("the thread's return", || spec.meters.stuck_threads() == 0).await;
    std::fs::remove_file(&fifo).unwrap();
    std::fs::write(&fifo, "it is a file now").unwrap();
    assert_eq!(value(&once("read", &spec).await.unwrap(), "read.bytes"), 16.0);
}

#[tokio::test]
async fn other_settings_may_be_tried_while_a_call_hangs_but_not_for_ever() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let fifo = fifo(folder.path(), "fifo");
    let mut spec = reading(&fifo);
    for version in 1..=4 {
        spec.hangs = Default::default();
        assert_eq!(once("read", &spec).await.unwrap_err().kind(), "hung");
        assert_eq!(spec.meters.stuck_threads(), version);
    }
    spec.hangs = Default::default();
    assert_eq!(once("read", &spec).await, Err(CallError::Hung(Hang::Many)));
    assert_eq!(spec.meters.stuck_threads(), 4);
    let_go(&fifo);
    until("the threads' return", || spec.meters.stuck_threads() == 0).await;
}

#[tokio::test]
async fn what_a_guest_computes_too_long_is_its_own_fault_and_no_hang() {
    let _turn = turn().await;
    let error = once("spin", &spec(json!({}))).await.unwrap_err();
    assert_eq!((error.kind(), error.blame()), ("deadline", Blame::Plugin));
}

#[tokio::test]
async fn destinations_that_hang_take_a_thread_each_however_often_they_are_tried() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let (backend, point) = (plugin("fifo-backend").await, Point { series: SeriesId(0), timestamp_ms: 1, value: 1.0 });
    let neighbour = Neighbour::in_sandbox(sandbox()).await;
    let destinations: Vec<_> = (0..8)
        .map(|destination| {
            let fifo = fifo(folder.path(), &format!("fifo-{destination}"));
            let mut spec = spec(json!({ "path": fifo }));
            spec.grants.write = vec![folder.path().into()];
            (fifo, spec)
        })
        .collect();
    let trying = destinations.iter().map(|(_, spec)| {
        let spec = spec.clone();
        tokio::spawn(async move {
            let mut rejected = 0;
            while rejected < 100 {
                let error = match Backend::open(sandbox(), backend, &spec).await {
                    Ok(mut backend) => match backend.write(Vec::new(), &[], &[point]).await {
                        Err(WriteError::Call(error)) => error,
                        other => panic!("{other:?}"),
                    },
                    Err(error) => error,
                };
                assert!(matches!(error, CallError::Hung(_)), "{error}");
                rejected += u32::from(matches!(error, CallError::Hung(Hang::Earlier(_))));
            }
        })
    });
    for task in trying.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let stuck: u64 = destinations.iter().map(|(_, spec)| spec.meters.stuck_threads()).sum();
    assert_eq!(stuck, 8);
    neighbour.has_noticed_nothing().await;
    for (fifo, spec) in &destinations {
        let_go(fifo);
        until("the thread's return", || spec.meters.stuck_threads() == 0).await;
    }
}
