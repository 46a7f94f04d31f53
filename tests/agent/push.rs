//! Open-Falcon's push, the queries, and who may ask.

use serde_json::json;

use crate::agent::{Home, saker};
use crate::http;

#[test]
fn pushed_values_are_there_to_be_read_and_bad_ones_are_named() {
    let agent = Home::new(&[]).keys("endpoint = \"box\"").start();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let body = format!(
        r#"[{{"endpoint":"h1","metric":"m","value":1.5,"step":60,"counterType":"COUNTER","tags":"b=2,a=1","timestamp":{now}}},
            {{"metric":"m2","value":"7"}},{{"metric":"","value":1}},null,{{"metric":"x","value":true}}]"#
    );
    let (status, answer) = agent.post("/v1/push", &body);
    assert_eq!((status, &answer["msg"]), (200, &json!("some values were rejected")));
    assert_eq!(answer["data"]["total"], 5);
    assert_eq!(answer["data"]["accepted"], 2);
    let items: Vec<_> =
        answer["data"]["rejected"].as_array().unwrap().iter().map(|item| item["item"].as_u64().unwrap()).collect();
    assert_eq!(items, [2, 3, 4]);
    let recent = agent.json("/saker/v1/recent?metric=m*&tags=a=*");
    assert_eq!(recent["total"], 1);
    let series = &recent["series"][0];
    assert_eq!(
        (&series["endpoint"], &series["type"], &series["step_s"]),
        (&json!("h1"), &json!("COUNTER"), &json!(60))
    );
    assert_eq!(series["tags"], json!({"a": "1", "b": "2"}));
    assert_eq!(series["points"], json!([[now * 1000, 1.5]]));
    assert_eq!(agent.json("/saker/v1/series?endpoint=box")["series"][0]["metric"], "m2");
    assert_eq!(agent.metric("saker_received_points_total{source=\"push\"}"), Some(5.0));
    assert_eq!(agent.metric("saker_accepted_points_total{source=\"push\"}"), Some(2.0));
    assert_eq!(agent.metric("saker_rejected_points_total{source=\"push\",reason=\"bad_metric\"}"), Some(1.0));
    assert_eq!(agent.metric("saker_rejected_points_total{source=\"push\",reason=\"malformed\"}"), Some(2.0));
}

#[test]
fn what_is_no_list_of_values_is_rejected_whole() {
    let agent = Home::new(&[]).start();
    for body in ["", "{}", "[{]", "[1]"] {
        let (status, answer) = agent.post("/v1/push", body);
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].as_str().unwrap().starts_with("expected a JSON array of samples"), "{answer}");
    }
    let (status, _) = agent.post("/v1/push", r#"[{"metric":"m","value":"NaN"}]"#);
    assert_eq!(status, 400, "nothing was taken");
    assert_eq!(agent.post("/v1/push", "[]").0, 200);
}

#[test]
fn every_path_answers_and_others_are_named_as_missing() {
    let agent = Home::new(&["load"]).start();
    for path in [
        "/",
        "/health",
        "/ready",
        "/metrics",
        "/saker/v1/plugins",
        "/saker/v1/plugins/load",
        "/saker/v1/series",
        "/saker/v1/recent",
        "/saker/v1/routes",
    ] {
        assert_eq!(http::get(&agent.address, path).0, 200, "{path}");
    }
    assert_eq!(http::get(&agent.address, "/nowhere").0, 404);
    assert_eq!(http::get(&agent.address, "/saker/v1/plugins/nobody").0, 404);
    assert_eq!(http::get(&agent.address, "/saker/v1/recent?metrics=x").0, 400, "a mistyped parameter is a mistake");
}

#[test]
fn a_token_is_asked_for_everywhere_but_for_health() {
    let home = Home::new(&[]);
    std::fs::write(home.dir.path().join("token"), "0123456789abcdef0123\n").unwrap();
    let agent = home.config("token_file = \"token\"").start();
    let ask = |path: &str, token: &str| {
        let header = format!("Bearer {token}");
        http::request(&agent.address, "GET", path, &[("authorization", &header)], "").unwrap().0
    };
    assert_eq!(http::get(&agent.address, "/health").0, 200);
    assert_eq!(http::get(&agent.address, "/metrics").0, 401);
    assert_eq!(ask("/metrics", "0123456789abcdef0124"), 401);
    assert_eq!(ask("/metrics", "0123456789abcdef0123"), 200);
    let dir = agent.home.dir.path();
    let list = saker(&["plugin", "list", "--address", &agent.address], dir);
    assert!(String::from_utf8_lossy(&list.stderr).contains("wants a token"), "{list:?}");
    let list = saker(&["plugin", "list", "--address", &agent.address, "--token-file", "token"], dir);
    assert!(list.status.success(), "{list:?}");
}

#[test]
fn beyond_loopback_it_does_not_start_without_a_token() {
    let home = Home::new(&[]);
    let output = saker(&["run", "--set", "listen.http=0.0.0.0:0"], home.dir.path());
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("command line: listen.http: 0.0.0.0:0 can be reached from other machines"), "{text}");
}
