//! What guests say: lines of the log, cut, kept to a rate, and counted when they are dropped.

use saker_sandbox::{CallError, InstanceSpec, Kill};
use serde_json::json;

use crate::support::{PATIENCE, once, spec};

fn talking(through: &str, lines: u32, more_bytes: u32) -> InstanceSpec {
    let mut spec = spec(json!({ "through": through, "lines": lines, "more_bytes": more_bytes }));
    spec.limits.deadlines.collect = PATIENCE;
    spec
}

#[tokio::test]
async fn whatever_is_printed_or_logged_becomes_lines_of_the_log() {
    for through in ["stdout", "stderr", "log"] {
        let spec = talking(through, 3, 0);
        once("log-flood", &spec).await.unwrap();
        assert_eq!(spec.log_tail.lines(), ["line 0", "line 1", "line 2"], "{through}");
        assert_eq!(spec.meters.log_lines_dropped(), 0, "{through}");
    }
}

#[tokio::test]
async fn a_flood_of_lines_is_dropped_and_counted() {
    for through in ["stdout", "stderr", "log"] {
        let mut spec = talking(through, 10_000, 0);
        spec.limits.max_log_lines_per_s = 10;
        once("log-flood", &spec).await.unwrap();
        let tail = spec.log_tail.lines();
        assert_eq!(tail.len(), 20, "{through}");
        // A burst of forty, and what the time of the flood itself has brought.
        let passed = 10_000 - spec.meters.log_lines_dropped();
        assert!((40..200).contains(&passed), "{through}: {passed} lines have passed");
        assert!(tail.iter().all(|line| line.starts_with("line ")), "{tail:?}");
    }
}

#[tokio::test]
async fn a_long_line_is_cut() {
    for through in ["stdout", "stderr", "log"] {
        let mut spec = talking(through, 1, 5000);
        spec.limits.max_log_line_bytes = 10;
        once("log-flood", &spec).await.unwrap();
        assert_eq!(spec.log_tail.lines(), ["line 0xxxx…"], "{through}");
    }
}

#[tokio::test]
async fn a_single_endless_line_ends_at_the_limit_of_bytes() {
    let error = once("log-flood", &talking("log", 1, 9 << 20)).await.unwrap_err();
    assert_eq!(error, CallError::Killed(Kill::AnswerBytes { limit: 8 << 20 }));
}

#[tokio::test]
async fn standard_output_is_the_agents_own_only_if_it_is_granted() {
    let mut spec = talking("stdout", 1, 0);
    spec.grants.stdout = true;
    once("log-flood", &spec).await.unwrap();
    assert!(spec.log_tail.lines().is_empty(), "it went to standard output");
    let mut spec = talking("stderr", 1, 0);
    spec.grants.stdout = true;
    once("log-flood", &spec).await.unwrap();
    assert_eq!(spec.log_tail.lines(), ["line 0"], "the grant is for standard output alone");
}
