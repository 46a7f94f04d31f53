//! A call that hangs in the operating system: its caller goes on, and its thread comes back when the system lets go.

use std::fs::OpenOptions;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use saker_sandbox::{CallError, Kill};
use serde_json::json;

use crate::support::{DEADLINE, in_time, once, open, spec, tick, turn, until};

#[tokio::test]
async fn a_guest_that_waits_for_a_fifo_holds_a_thread_but_not_its_caller() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut spec = spec(json!({ "path": fifo }));
    spec.grants.read = vec![folder.path().into()];

    let mut collector = open("read", &spec).await.unwrap();
    let error = in_time("fifo", DEADLINE, tick(&mut collector)).await.unwrap_err();
    assert_eq!(error, CallError::Killed(Kill::Deadline { export: "collect", limit: DEADLINE }));
    assert!(!collector.is_alive());
    assert_eq!(spec.meters.stuck_threads(), 1);
    once("steady-1", &crate::support::spec(json!({}))).await.unwrap();

    // Opening it for writing lets the reader's open return, and closing it ends its read.
    drop(OpenOptions::new().write(true).open(&fifo).unwrap());
    until("the thread's return", || spec.meters.stuck_threads() == 0).await;
}
