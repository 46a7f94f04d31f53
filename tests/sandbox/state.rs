//! What outlives a call: saved state, and figures of a plugin's own.

use saker_sandbox::{CallError, CustomMetric, Deadlines, InstanceSpec, StateCell};
use serde_json::{Value, json};

use crate::support::{once, open, run, spec, value};

fn counting(settings: Value, state: &StateCell) -> InstanceSpec {
    InstanceSpec { state: state.clone(), ..spec(settings) }
}

async fn count(state: &StateCell) -> f64 {
    value(&once("counter", &counting(json!({}), state)).await.unwrap(), "counter.saved")
}

#[tokio::test]
async fn state_outlives_the_instance_that_saved_it() {
    let state = StateCell::default();
    let mut first = open("counter", &counting(json!({}), &state)).await.unwrap();
    for saved in [1.0, 2.0] {
        assert_eq!(value(&run(&mut first).await.unwrap(), "counter.saved"), saved);
    }
    first.close().await.unwrap();
    let values = once("counter", &counting(json!({}), &state)).await.unwrap();
    assert_eq!((value(&values, "counter.saved"), value(&values, "counter.calls")), (3.0, 1.0));
    let kept = state.take_changed().expect("it has changed");
    assert_eq!(count(&StateCell::with(Some(kept.to_vec()))).await, 4.0, "as after a restart of the agent");
}

#[tokio::test]
async fn only_a_call_that_succeeds_saves() {
    let state = StateCell::default();
    assert_eq!(count(&state).await, 1.0);
    for (then, kind) in [("fail", "error"), ("panic", "trap"), ("flood", "answer")] {
        let error = once("counter", &counting(json!({ "then": then }), &state)).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert_eq!(state.load().as_deref(), Some(&1u32.to_le_bytes()[..]), "{then}");
    }
    assert_eq!(count(&state).await, 2.0);
}

#[tokio::test]
async fn an_instance_that_has_failed_does_not_see_what_it_could_not_save() {
    let state = StateCell::default();
    let mut collector = open("counter", &counting(json!({"then": "fail"}), &state)).await.unwrap();
    for _ in 0..2 {
        run(&mut collector).await.unwrap_err();
        assert_eq!(state.load(), None);
    }
}

#[tokio::test]
async fn a_trial_on_a_fork_leaves_nothing_behind() {
    let state = StateCell::default();
    assert_eq!(count(&state).await, 1.0);
    assert_eq!(count(&state.fork()).await, 2.0);
    assert_eq!(count(&state).await, 2.0);
}

#[tokio::test]
async fn state_has_a_limit_that_the_guest_is_told() {
    let state = StateCell::default();
    let mut spec = counting(json!({"more_bytes": 1000}), &state);
    spec.limits.max_state_bytes = 1003;
    let error = once("counter", &spec).await.unwrap_err();
    assert_eq!(error.to_string(), "StateError::TooLarge(1003)");
    assert!(matches!(error, CallError::Plugin(_)));
    assert_eq!(state.load(), None);
    spec.limits.max_state_bytes = 1004;
    once("counter", &spec).await.unwrap();
    assert_eq!(state.load().unwrap().len(), 1004);
}

#[tokio::test]
async fn figures_of_a_plugins_own_add_up_and_are_limited_in_number() {
    let mut spec = spec(json!({"gauges": 50}));
    spec.limits.max_custom_metrics = 10;
    for _ in 0..3 {
        once("custom-metrics", &spec).await.unwrap();
    }
    let all = spec.custom_metrics.all();
    assert_eq!((all.len(), spec.custom_metrics.rejected()), (10, 3 * 41));
    assert_eq!(all["calls"], CustomMetric::Counter(3.0));
    assert_eq!(all["gauge-8"], CustomMetric::Gauge(8.0));
}

#[tokio::test]
async fn no_more_is_saved_than_the_limit() {
    let mut spec = spec(json!({}));
    spec.limits.deadlines = Deadlines::default();
    assert_eq!(value(&once("state-bomb", &spec).await.unwrap(), "state-bomb.bytes"), 65_536.0);
    assert_eq!(spec.state.load().unwrap().len(), 65_536);
}
