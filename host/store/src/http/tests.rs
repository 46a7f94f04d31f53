use std::convert::Infallible;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use saker_journal::SimDisk;
use saker_model::{MetricType, Point, STALE_MARKER, Series, SeriesId};
use tower_service::Service as _;

use super::*;
use crate::store::StoreConfig;

const START_MS: i64 = 1_767_225_600_000;

fn door() -> Router {
    let disk = SimDisk::new(1);
    let (store, _) = Store::open(&*disk.root(), StoreConfig::default(), START_MS).unwrap();
    for (handle, metric) in ["cpu.idle", "cpu.busy", "df.\"free\""].into_iter().enumerate() {
        let series = Series {
            endpoint: "h".into(),
            metric: metric.into(),
            tags: [("core".into(), "0".into())].into(),
            metric_type: MetricType::Gauge,
            step_s: 10,
        };
        assert!(store.register(handle as u32, &series));
        let points: Vec<Point> = (0..12)
            .map(|tick| Point {
                series: SeriesId(handle as u32),
                timestamp_ms: START_MS + tick * 10_000,
                value: if tick == 11 { STALE_MARKER } else { tick as f64 + 0.5 },
            })
            .collect();
        store.append_points(&points, START_MS + 120_000).unwrap();
    }
    router(Arc::new(store))
}

async fn ask(query: &str) -> (StatusCode, String) {
    let request = Request::get(format!("{RANGE}?{query}")).body(Body::empty()).unwrap();
    let response: Result<Response, Infallible> = door().call(request).await;
    let response = response.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn raw_points_come_back_as_they_were() {
    let (status, text) = ask(&format!("metric=cpu.idle&start={}", START_MS + 100_000)).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let expected = serde_json::json!([{
        "endpoint": "h", "metric": "cpu.idle", "tags": {"core": "0"}, "type": "GAUGE", "step_s": 10,
        "granularity_s": 0.0, "columns": ["value"],
        "points": [[START_MS + 100_000, 10.5], [START_MS + 110_000, null]],
    }]);
    assert_eq!(found, expected);
}

#[tokio::test]
async fn buckets_have_the_aggregates_that_were_asked_for() {
    let (_, text) = ask("metric=cpu.*&step=1m&aggregate=max,count,mean").await;
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 2);
    let points = serde_json::json!([[START_MS, 5.5, 6.0, 3.0], [START_MS + 60_000, 10.5, 5.0, 8.5]]);
    assert_eq!((&found[0]["metric"], &found[0]["points"]), (&serde_json::json!("cpu.busy"), &points));
}

#[tokio::test]
async fn a_table_has_a_line_for_each_point() {
    let (_, text) = ask("metric=df.*&tags=core=*&step=1m&aggregate=max&format=csv").await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "endpoint,metric,tags,timestamp,max");
    assert_eq!(lines[1], format!("h,\"df.\"\"free\"\"\",core=0,{START_MS},5.5"));
    assert_eq!(lines.len(), 3);
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_rejected_with_what_is_wrong() {
    for (query, status, what) in [
        ("", StatusCode::BAD_REQUEST, "say which series"),
        ("metric=a&step=soon", StatusCode::BAD_REQUEST, "step"),
        ("metric=a&aggregate=mode", StatusCode::BAD_REQUEST, "there are mean"),
        ("metric=a&format=xml", StatusCode::BAD_REQUEST, "json or csv"),
        ("metric=a&tags=core", StatusCode::BAD_REQUEST, "key=pattern"),
        ("metric=a&colour=red", StatusCode::BAD_REQUEST, "colour"),
        ("metric=*&limit=2", StatusCode::UNPROCESSABLE_ENTITY, "more than 2 series"),
    ] {
        let (found, text) = ask(query).await;
        assert_eq!(found, status, "{query}: {text}");
        assert!(text.contains(what), "{query}: {text}");
    }
    assert_eq!(ask("metric=none").await, (StatusCode::OK, "[]".to_owned()));
    assert_eq!(ask("metric=cpu.(").await, (StatusCode::OK, "[]".to_owned()), "it is no regular expression");
}
