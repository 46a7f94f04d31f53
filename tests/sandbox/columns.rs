//! Values in columns: a series is defined once, and what breaks the contract ends the instance with a clear word.

use std::sync::Arc;

use saker_sandbox::{CallError, Kill, Measurement, Run};
use serde_json::json;

use crate::support::{PATIENCE, once, open, run, spec};

#[tokio::test]
async fn columns_bring_the_values_that_records_would() {
    let columns = once("columns", &spec(json!({"values": 120}))).await.unwrap();
    let records = once("columns", &spec(json!({"values": 120, "how": "records"}))).await.unwrap();
    assert_eq!(columns.len(), 120);
    assert_eq!(columns, records);
}

#[tokio::test]
async fn a_series_crosses_once_and_its_values_at_every_run() {
    let mut collector = open("steady-columns", &spec(json!({"values": 60}))).await.unwrap();
    let at = |timestamp_ms| Run { timestamp_ms, interval_ms: 10_000, step_s: 10 };
    for (timestamp_ms, defined) in [(1000, 60), (2000, 0), (3000, 0)] {
        let measured = collector.measure(&Arc::from("host-1"), at(timestamp_ms)).await.unwrap();
        let Measurement::Columns(batch) = measured else { panic!("{measured:?}") };
        assert_eq!((batch.changed.len(), batch.series.len()), (defined, 60));
        assert!(batch.timestamps_ms.iter().all(|&time| time == timestamp_ms));
    }
}

#[tokio::test]
async fn a_series_that_goes_and_comes_back_is_another_one_under_its_handle() {
    let spec = spec(json!({"values": 3, "coming_and_going": true}));
    let mut collector = open("steady-columns", &spec).await.unwrap();
    for values in [3, 2, 3, 2, 3] {
        assert_eq!(run(&mut collector).await.unwrap().len(), values);
    }
}

#[tokio::test]
async fn columns_that_break_the_contract_end_the_instance_with_a_clear_word() {
    for (how, words) in [
        ("uneven", "its columns have 60 handles, 1 timestamps and 60 values"),
        ("unknown", "its columns have a value of 60, which is no series that it has defined"),
        ("gone", "its columns have a value of 0, which is no series that it has defined"),
        ("far", "its columns define a series as 4294967295, and handles are 0 to limits.max_series, 50000"),
        ("many", "its columns define 60000 series and forget 0, and limits.max_series is 50000"),
        ("forgetful", "its columns define 60 series and forget 60000, and limits.max_series is 50000"),
        ("wide", "its columns stand for more than 33554432 bytes of names and values"),
        ("over", "it handed over 20001 records, and its limit is 20000"),
    ] {
        let mut spec = spec(json!({"how": how}));
        spec.limits.deadlines.collect = PATIENCE;
        // So that no other limit is met first.
        spec.limits.max_result_bytes = 64 << 20;
        let mut collector = open("columns", &spec).await.unwrap();
        let error = run(&mut collector).await.unwrap_err();
        assert!(matches!(error, CallError::Killed(_)) && error.to_string().contains(words), "{how}: {error}");
        assert_eq!((error.kind(), collector.is_alive()), ("answer", false), "{how}");
    }
}

#[tokio::test]
async fn what_a_collector_makes_the_agent_keep_of_its_series_is_bounded() {
    let mut spec = spec(json!({"how": "long"}));
    spec.limits.deadlines.collect = PATIENCE;
    let mut collector = open("columns", &spec).await.unwrap();
    let mut runs = 0;
    let error = loop {
        match run(&mut collector).await {
            Ok(values) => assert!(values.is_empty()),
            Err(error) => break error,
        }
        runs += 1;
        assert!(runs < 10, "60 MB of names are kept");
    };
    assert!(matches!(error, CallError::Killed(Kill::Columns { .. })), "{error}");
    assert!(error.to_string().contains("define series of more than 33554432 bytes in all"), "{error}");
}
