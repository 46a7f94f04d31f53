//! Errors that guests return or fall into: each keeps its sort, and says whose fault it is.

use saker_sandbox::{Backend, Blame, CallError, Kill, PluginFault, Processor};
use serde_json::{Value, json};

use crate::support::{once, open, plugin, run, sandbox, spec};

async fn check(settings: Value, kind: &str, blame: Blame, words: &str) {
    let error = once("fail", &spec(settings)).await.unwrap_err();
    assert_eq!((error.kind(), error.blame(), error.to_string().as_str()), (kind, blame, words));
}

#[tokio::test]
async fn an_error_of_the_guest_keeps_its_sort() {
    use Blame::{Operator, Plugin};
    let denied = "denied: seeing the environment variable HOME; to allow it, write under [plugin.guest]: grant.env = \
                  [\"HOME\"]";
    check(json!({"how": "unavailable"}), "unavailable", Operator, "unavailable: told to fail").await;
    check(json!({"how": "malformed"}), "error", Plugin, "malformed: line 7: expected a number").await;
    check(json!({"how": "other"}), "error", Plugin, "told to fail").await;
    check(json!({"how": "denied"}), "denied", Operator, denied).await;
    check(json!({"how": "denied", "at": "open"}), "denied", Operator, denied).await;
    check(json!({"how": "other", "at": "open"}), "error", Plugin, "told to fail").await;
    check(json!({"how": "settings", "at": "open"}), "settings", Operator, "settings: how: told to fail").await;
    check(
        json!({"how": 1}),
        "settings",
        Operator,
        "settings: how: expected one of settings, denied, unavailable, malformed, other, found 1",
    )
    .await;
}

#[tokio::test]
async fn an_instance_outlives_an_error_of_its_own() {
    let mut collector = open("fail", &spec(json!({}))).await.unwrap();
    for _ in 0..3 {
        assert_eq!(run(&mut collector).await, Err(PluginFault::Other("told to fail".into()).into()));
        assert!(collector.is_alive());
    }
    collector.close().await.unwrap();
}

/// A panic ends the call, its place is known, and what it said is in the log.
fn check_trap(error: &CallError, said: &[String], call: &str) {
    let CallError::Killed(Kill::Trap { reason, frames }) = error else { panic!("{error}") };
    assert_eq!((error.kind(), error.blame()), ("trap", Blame::Plugin));
    assert!(reason.contains("unreachable") && !frames.is_empty(), "{error}");
    assert!(said.iter().any(|line| line.contains(&format!("told to panic in {call}"))), "{said:?}");
}

#[tokio::test]
async fn a_guest_that_panics_is_gone_and_its_last_words_are_kept() {
    let at = |call: &str| spec(json!({ "at": call }));

    let opening = at("open");
    let error = open("trap", &opening).await.err().unwrap();
    check_trap(&error, &opening.log_tail.lines(), "open");

    let collecting = at("collect");
    let mut collector = open("trap", &collecting).await.unwrap();
    let error = run(&mut collector).await.unwrap_err();
    check_trap(&error, &collecting.log_tail.lines(), "collect");
    assert!(!collector.is_alive());

    let closing = at("close");
    let collector = open("trap", &closing).await.unwrap();
    let error = collector.close().await.unwrap_err();
    check_trap(&error, &closing.log_tail.lines(), "close");
}

#[tokio::test]
async fn a_plugin_cannot_be_opened_as_another_kind() {
    let spec = spec(json!({}));
    let steady = plugin("steady-1").await;
    let wrong = |text: &str| CallError::Plugin(PluginFault::Settings(text.into()));
    assert_eq!(Backend::open(sandbox(), steady, &spec).await.err(), Some(wrong("steady is a collector")));
    assert_eq!(Processor::open(sandbox(), steady, &spec).await.err(), Some(wrong("steady is a collector")));
    assert_eq!(open("scripted-backend", &spec).await.err(), Some(wrong("scripted-backend is a backend")));
    assert_eq!(open("verdict-by-name", &spec).await.err(), Some(wrong("verdict-by-name is a processor")));
}

#[tokio::test]
async fn what_would_end_a_process_ends_the_call() {
    for (guest, words) in [("exit", "exit"), ("abort", "unreachable")] {
        let error = once(guest, &spec(json!({}))).await.unwrap_err();
        assert_eq!((error.kind(), error.blame()), ("trap", Blame::Plugin), "{guest}: {error}");
        assert!(error.to_string().contains(words), "{guest}: {error}");
    }
}

#[tokio::test]
async fn there_are_no_threads() {
    let values = once("threads", &spec(json!({}))).await.unwrap();
    assert_eq!(crate::support::value(&values, "threads.started"), 0.0);
}
