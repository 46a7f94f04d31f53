//! The `cadvisor-json` backend to a server that is played.

use serde_json::{Value, json};

use super::exact::{agent, delivered, push};
use super::played::Played;

#[test]
fn what_a_container_measured_at_one_time_arrives_as_one_record() {
    let server =
        Played::start(|before, _| if before == 0 { Some((503, "busy".into())) } else { Some((200, "{}".into())) });
    let settings = format!("url = \"http://{}/stats\"\nformat = \"array\"\ncompression = \"gzip\"", server.address);
    let agent = agent("cadvisor-json", &settings, &[&server.address]);
    let value = |metric: &str, tags: &str, value: f64| json!({"metric": metric, "value": value, "step": 10, "timestamp": 1_700_000_000, "tags": tags});
    push(
        &agent,
        &[
            value("cpu_usage_total", "container=/docker/abc", 81_250_000.0),
            value("memory_usage", "container=/docker/abc", 52_428_800.0),
            value("fs_usage", "container=/docker/abc,device=/dev/sda1", 1024.0),
            value("app.requests", "container=/docker/abc,code=200", 7.5),
            value("load.1min", "", 0.25),
        ],
    );
    delivered(&agent, 5);
    let asked = server.asked();
    assert_eq!((asked[1].path.as_str(), asked[1].header("content-type")), ("/stats", Some("application/json")));
    let mut records: Vec<Value> =
        asked[1..].iter().flat_map(|asked| serde_json::from_slice::<Vec<Value>>(&asked.body).unwrap()).collect();
    records.sort_by_key(|record| record["container_Name"].to_string());
    let at = "2023-11-14T22:13:20.000Z";
    let record = |container: &str, stats: Value| json!({"timestamp": 1_700_000_000_000_000_i64, "machine_name": "box", "container_Name": container, "container_stats": stats});
    assert_eq!(
        records,
        [
            record(
                "/",
                json!({"timestamp": at, "custom_metrics": {"load.1min": [{"timestamp": at, "float_value": 0.25}]}})
            ),
            record(
                "/docker/abc",
                json!({
                    "timestamp": at, "cpu": {"usage": {"total": 81_250_000}}, "memory": {"usage": 52_428_800},
                    "filesystem": [{"device": "/dev/sda1", "usage": 1024}],
                    "custom_metrics": {"app.requests": [{"labels": {"code": "200"}, "timestamp": at, "float_value": 7.5}]},
                })
            ),
        ]
    );
}
