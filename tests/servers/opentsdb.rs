//! The `opentsdb` backend to VictoriaMetrics.

use serde_json::json;

use crate::one_destination::{agent, now_s, push, until_delivered};
use crate::servers::Server;

#[test]
fn victoria_metrics_reads_back_what_was_sent_over_http() {
    let (server, address) = Server::victoria_metrics_listening("-opentsdbHTTPListenAddr");
    let settings = format!("url = \"http://{address}\", precision = \"ms\"");
    check_read_back(&server, &settings, &address);
}

#[test]
fn victoria_metrics_reads_back_what_was_sent_over_telnet() {
    let (server, address) = Server::victoria_metrics_listening("-opentsdbListenAddr");
    check_read_back(&server, &format!("url = \"tcp://{address}\""), &address);
}

fn check_read_back(server: &Server, settings: &str, address: &str) {
    let agent = agent("opentsdb", settings, address);
    let now = now_s();
    // More than one request.
    let values: Vec<_> = (0..200).map(|number| (now - number, number as f64 / 8.0 - 5.0)).collect();
    let pushed: Vec<_> = values.iter().map(|(time, value)| ("a.b c", "k=v;w,é=磁", "GAUGE", *time, *value)).collect();
    push(&agent, &pushed);
    until_delivered(&agent, 200);
    let query = "sum(count_over_time({endpoint=\"web-1.eu\"}[1h]))";
    assert_eq!(server.settled(query, 200.0), 200.0);
    let exported = server.exported("{endpoint=\"web-1.eu\"}");
    let [series] = &exported[..] else { panic!("{exported:?}") };
    let labels = json!({"__name__": "a.b_c", "endpoint": "web-1.eu", "k": "v_w", "é": "磁"});
    assert_eq!(series["metric"], labels);
    for (time, value) in values {
        let place = series["timestamps"].as_array().unwrap().iter().position(|kept| *kept == time * 1000).unwrap();
        assert_eq!(series["values"][place].as_f64(), Some(value));
    }
}
