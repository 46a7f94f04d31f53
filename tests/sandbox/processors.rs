//! Processors: their verdicts, and what becomes of one that gives none.

use std::sync::Arc;

use saker_model::{MetricType, Series};
use saker_sandbox::{Blame, CallError, Kill, PluginFault, Processor, Verdict};
use serde_json::{Value, json};

use crate::support::{DEADLINE, in_time, plugin, sandbox, spec, turn};

fn series(metric: &str) -> Series {
    Series {
        endpoint: Arc::from("host-1"),
        metric: metric.into(),
        tags: [("core".into(), "0".into())].into(),
        metric_type: MetricType::Gauge,
        step_s: 10,
    }
}

async fn open(guest: &str, settings: Value) -> Processor {
    Processor::open(sandbox(), plugin(guest).await, &spec(settings)).await.unwrap()
}

#[tokio::test]
async fn there_is_a_verdict_for_each_series_in_their_order() {
    let settings = json!({"drop": ["a"], "rename": {"b": "c"}, "fail": ["d"]});
    let mut judge = open("verdict-by-name", settings).await;
    let verdicts = judge.map_series(&["x", "a", "b", "d", "x"].map(series)).await.unwrap();
    let [Verdict::Keep, Verdict::Drop, Verdict::Change(value), Verdict::Fail(message), Verdict::Keep] = &verdicts[..]
    else {
        panic!("{verdicts:?}")
    };
    assert_eq!((value.metric.as_str(), &*value.endpoint, value.step_s), ("c", "host-1", 10));
    assert_eq!(value.tags, [("core".to_owned(), "0".to_owned())]);
    assert_eq!(message, "told to fail");
    assert_eq!(judge.map_series(&[]).await.unwrap(), []);
    judge.close().await.unwrap();
}

#[tokio::test]
async fn a_processor_that_miscounts_is_malformed() {
    let mut miscount = open("missing-verdict", json!({})).await;
    let error = miscount.map_series(&["a", "b", "c"].map(series)).await.unwrap_err();
    assert_eq!(error, CallError::Plugin(PluginFault::Malformed("it gave 2 verdicts for 3 series".into())));
    assert_eq!(error.blame(), Blame::Plugin);
}

#[tokio::test]
async fn a_processor_that_never_decides_ends_at_its_deadline() {
    let _turn = turn().await;
    let mut judge = open("verdict-by-name", json!({"spin": ["a"]})).await;
    assert_eq!(judge.map_series(&[series("b")]).await.unwrap(), [Verdict::Keep]);
    let error = in_time("verdict-by-name", DEADLINE, judge.map_series(&[series("a")])).await.unwrap_err();
    assert_eq!(error, CallError::Killed(Kill::Deadline { export: "map-series", limit: DEADLINE }));
    assert!(!judge.is_alive());
}

#[tokio::test]
async fn a_name_that_no_series_can_have_is_rejected_like_any_value() {
    let mut relabel = open("relabel", json!({})).await;
    let verdicts = relabel.map_series(&[series("a")]).await.unwrap();
    let [Verdict::Change(value)] = &verdicts[..] else { panic!("{verdicts:?}") };
    assert!(value.clone().validate(0).is_err());
}
