//! Calls that do not end by themselves: they end at their deadline, and only they.

use std::time::Duration;

use saker_sandbox::{Blame, CallError, Kill};
use serde_json::json;

use crate::support::{DEADLINE, in_time, open, run, spec, turn, until};

fn check_killed(error: &CallError, export: &'static str) {
    assert_eq!(*error, CallError::Killed(Kill::Deadline { export, limit: DEADLINE }));
    assert_eq!((error.kind(), error.blame()), ("deadline", Blame::Plugin));
    assert_eq!(error.to_string(), format!("killed: {export} took longer than its deadline of 200ms"));
}

/// `guest` does not end in `open`, in `collect` and in `close`.
async fn check_all_calls(guest: &str) {
    let _turn = turn().await;
    let at = |call: &str| spec(json!({ "at": call }));

    let error = in_time(guest, DEADLINE, open(guest, &at("open"))).await.err().unwrap();
    check_killed(&error, "open");

    let mut collector = open(guest, &at("collect")).await.unwrap();
    let error = in_time(guest, DEADLINE, run(&mut collector)).await.unwrap_err();
    check_killed(&error, "collect");
    assert!(!collector.is_alive());
    assert_eq!(run(&mut collector).await, Err(CallError::Host("the instance is gone".into())));

    let mut collector = open(guest, &at("close")).await.unwrap();
    run(&mut collector).await.unwrap();
    let error = in_time(guest, DEADLINE, collector.close()).await.unwrap_err();
    check_killed(&error, "close");
}

#[tokio::test]
async fn a_guest_that_computes_for_ever_ends_at_its_deadline_in_every_call() {
    check_all_calls("spin").await;
}

#[tokio::test]
async fn a_guest_that_sleeps_past_its_deadline_ends_there_in_every_call() {
    check_all_calls("sleep").await;
}

#[tokio::test]
async fn a_guest_that_sleeps_within_its_deadline_is_left_alone() {
    let mut collector = open("sleep", &spec(json!({"ms": 20}))).await.unwrap();
    assert_eq!(run(&mut collector).await, Ok(Vec::new()));
    assert!(collector.is_alive());
}

/// What the killed run of a guest has used: processor time and real time.
async fn used(guest: &str) -> (Duration, Duration) {
    let spec = spec(json!({}));
    let mut collector = open(guest, &spec).await.unwrap();
    let (calls, cpu, wall) = (spec.meters.calls(), spec.meters.cpu(), spec.meters.durations().sum());
    run(&mut collector).await.unwrap_err();
    assert_eq!(spec.meters.calls(), calls + 1);
    until("the thread's return", || spec.meters.stuck_threads() == 0).await;
    (spec.meters.cpu() - cpu, spec.meters.durations().sum() - wall)
}

#[tokio::test]
async fn what_a_killed_call_has_used_is_counted() {
    let _turn = turn().await;
    let (spinning, wall) = used("spin").await;
    // The guest's own clock begins when it has a thread.
    assert!(wall >= DEADLINE / 2, "{wall:?}");
    // Not all of the time: the machine may have others to run.
    assert!(spinning > DEADLINE / 10 && spinning <= wall, "{spinning:?} of {wall:?}");
    let (sleeping, wall) = used("sleep").await;
    assert!(wall >= DEADLINE / 2, "{wall:?}");
    assert!(sleeping < DEADLINE / 10, "{sleeping:?} of {wall:?}");
}

#[tokio::test]
async fn a_destructor_that_never_ends_ends_with_close() {
    let _turn = turn().await;
    let mut collector = open("drop-spin", &spec(json!({}))).await.unwrap();
    run(&mut collector).await.unwrap();
    let error = in_time("drop-spin", DEADLINE, collector.close()).await.unwrap_err();
    check_killed(&error, "close");
}
