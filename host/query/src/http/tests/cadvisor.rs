use super::*;
use crate::cadvisor::tree;

fn filled() -> Doors {
    over(Arc::new(tree(now_ms())), QueryConfig::default())
}

async fn json_of(doors: &Doors, path: &str) -> serde_json::Value {
    let (status, kind, body) = doors.get(path).await;
    assert_eq!((status, &*kind), (200, "application/json"), "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn version_1_answers_one_a_list_and_a_map() {
    let doors = filled();
    let one = json_of(&doors, "/api/v1.3/containers/docker/web").await;
    assert_eq!((one["name"].as_str(), one["stats"].as_array().map(Vec::len)), (Some("/docker/web"), Some(3)));
    assert_eq!(json_of(&doors, "/api/v1.3/containers").await["name"], "/");
    assert_eq!(json_of(&doors, "/api/v1.3/containers/").await["name"], "/");
    assert_eq!(json_of(&doors, "/api/v1.3/subcontainers/docker").await.as_array().map(Vec::len), Some(3));
    assert_eq!(json_of(&doors, "/api/v1.3/docker").await["/docker/web"]["aliases"][0], "web");
    assert!(json_of(&doors, "/api/v1.3/docker/web").await["/docker/web"].is_object());
    assert_eq!(json_of(&doors, "/api/v1.3/machine").await["num_cores"], 2);
    let (status, _, body) = doors.json("POST", "/api/v1.3/containers/docker/web", r#"{"num_stats": 1}"#).await;
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["stats"].as_array().map(Vec::len)), (200, Some(1)));
    let zero = r#"{"num_stats": -1, "start": "0001-01-01T00:00:00Z", "end": "0001-01-01T00:00:00Z"}"#;
    assert_eq!(doors.json("POST", "/api/v1.3/containers/", zero).await.0, 200);
}

#[tokio::test]
async fn version_2_answers_maps_by_path() {
    let doors = filled();
    let stats = json_of(&doors, "/api/v2.1/stats/web?type=docker&count=2").await;
    assert_eq!(stats["/docker/web"]["stats"].as_array().map(Vec::len), Some(2));
    assert!(stats["/docker/web"]["stats"][1]["cpu_inst"].is_object());
    assert_eq!(json_of(&doors, "/api/v2.1/stats?recursive=true").await.as_object().map(serde_json::Map::len), Some(4));
    assert_eq!(json_of(&doors, "/api/v2.1/spec/docker/web").await["/docker/web"]["image"], "nginx:1");
    assert!(
        json_of(&doors, "/api/v2.1/summary/docker/web").await["/docker/web"]["hour_usage"]["cpu"]["present"]
            .as_bool()
            .unwrap()
    );
    assert_eq!(json_of(&doors, "/api/v2.1/machine").await["machine_id"], "m");
    assert_eq!(json_of(&doors, "/api/v2.1/version").await, "saker-0.1.0");
    assert_eq!(json_of(&doors, "/api/v2.1/attributes").await["kernel_version"], "6.1");
    let events = json_of(&doors, "/api/v2.1/events?oom_events=true&subcontainers=true").await;
    assert_eq!(events[0]["event_type"], "oomKill");
    assert_eq!(json_of(&doors, "/api/v2.1/events").await, serde_json::json!([]));
    let (status, kind, page) = doors.get("/metrics/cadvisor").await;
    assert_eq!((status, &*kind), (200, "text/plain; version=0.0.4; charset=utf-8"));
    assert!(page.contains("\ncontainer_memory_working_set_bytes{"), "{page}");
}

#[tokio::test]
async fn what_is_wrong_has_its_status_and_is_said_in_json() {
    let doors = filled();
    for (path, expected) in [
        ("/api/v1.3/containers/none", 404),
        ("/api/v1.3/docker/none", 404),
        ("/api/v1.3/containers/?num_stats=x", 400),
        ("/api/v1.3/containers/?num_stats=-2", 400),
        ("/api/v1.3/containers/?start=yesterday", 400),
        ("/api/v2.1/stats/none", 404),
        ("/api/v2.1/stats?type=rkt", 400),
        ("/api/v2.1/stats/web?type=docker&recursive=true", 400),
        ("/api/v2.1/stats?count=x", 400),
        ("/api/v2.1/events?stream=true", 400),
        ("/api/v2.1/events?max_events=x", 400),
        ("/api/v2.1/stats/%ff", 400),
    ] {
        let (status, kind, body) = doors.get(path).await;
        assert_eq!(status, expected, "{path}: {body}");
        if expected != 400 || !path.contains("%ff") {
            assert_eq!(kind, "application/json", "{path}");
            assert!(serde_json::from_str::<serde_json::Value>(&body).unwrap()["error"].is_string(), "{path}: {body}");
        }
    }
    assert_eq!(doors.json("POST", "/api/v1.3/containers/", "[").await.0, 400);
    assert_eq!(super::doors(&[]).get("/api/v1.3/machine").await.0, 404);
}
