//! Influx line protocol: what is written is there, and what is not is said.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::agent::{Agent, Home};
use crate::http;

fn write(agent: &Agent, path: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> (u16, Value) {
    let (status, body) = http::request(&agent.address, "POST", path, headers, body.as_ref()).unwrap();
    (status, serde_json::from_str(&body).unwrap_or(Value::Null))
}

fn seconds() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// The points of a metric's only series.
fn points(agent: &Agent, metric: &str) -> Value {
    let recent = agent.json(&format!("/saker/v1/recent?metric={metric}"));
    assert_eq!(recent["total"], 1, "{metric}: {recent}");
    recent["series"][0]["points"].clone()
}

fn accepted(agent: &Agent) -> Option<f64> {
    agent.metric("saker_accepted_points_total{source=\"influx\"}")
}

#[test]
fn lines_of_either_version_packed_or_not_arrive_as_values() {
    let agent = Home::new(&[]).keys("endpoint = \"box\"").start();
    let now = seconds();
    let line = format!("cpu,host=web-1,core=0 user=1.5,idle=97i {now}\n");
    assert_eq!(write(&agent, "/write?db=telegraf&precision=s&u=me&p=secret", &[], &line).0, 204);
    let series = &agent.json("/saker/v1/recent?metric=cpu_user")["series"][0];
    assert_eq!(
        (&series["endpoint"], &series["type"], &series["step_s"]),
        (&json!("web-1"), &json!("GAUGE"), &json!(10))
    );
    assert_eq!(series["tags"], json!({"core": "0", "db": "telegraf"}));
    assert_eq!(series["points"], json!([[now * 1000, 1.5]]));
    let packed = gzip(&format!("load value=3 {now}000000000\nload value=4 {}000000000\n", now + 1));
    let headers = [("content-encoding", "gzip"), ("content-type", "text/plain")];
    assert_eq!(write(&agent, "/api/v2/write?org=o&bucket=b&precision=ns", &headers, packed).0, 204);
    assert_eq!(points(&agent, "load"), json!([[now * 1000, 3.0], [(now + 1) * 1000, 4.0]]));
    assert_eq!(agent.json("/saker/v1/series?metric=load")["series"][0]["endpoint"], "box");
    for path in ["/influx/write", "/influx/api/v2/write"] {
        assert_eq!(write(&agent, path, &[], format!("unsaid x=1 {now}123\n")).0, 204, "{path}");
    }
    assert_eq!(points(&agent, "unsaid_x"), json!([[now * 1000 + 123, 1.0], [now * 1000 + 123, 1.0]]));
    assert_eq!(accepted(&agent), Some(6.0));
    assert_eq!(agent.metric("saker_key_cache_keys{listener=\"influx\"}"), Some(3.0));
}

#[test]
fn a_bad_line_is_named_in_influxs_words_and_the_others_are_taken() {
    let agent = Home::new(&[]).start();
    let body = "a x=1\nb x=1,t=\"text\"\nc x=one\n\nd,t x=1\na x=2\n";
    let expected = "partial write: line 2: field 't': value is text, and only numbers can be kept; \
         line 3: unable to parse 'one': a field's value must be a number, true, false or text in double quotes; \
         line 5: unable to parse 'd,t x=1': a tag must be key=value; 3 values rejected, 3 values taken";
    assert_eq!(write(&agent, "/write", &[], body), (400, json!({"error": expected, "taken": 3, "rejected": 3})));
    let form = json!({"code": "invalid", "message": expected, "taken": 3, "rejected": 3});
    assert_eq!(write(&agent, "/api/v2/write", &[], body), (400, form));
    assert_eq!(points(&agent, "a_x").as_array().unwrap().len(), 4);
    assert_eq!(accepted(&agent), Some(6.0));
    assert_eq!(agent.metric("saker_received_points_total{source=\"influx\"}"), Some(12.0));
    assert_eq!(agent.metric("saker_rejected_points_total{source=\"influx\",reason=\"malformed\"}"), Some(4.0));
    assert_eq!(agent.metric("saker_rejected_points_total{source=\"influx\",reason=\"text_value\"}"), Some(2.0));
}

#[test]
fn what_cannot_be_read_at_all_is_rejected_with_its_cure() {
    let agent = Home::new(&[]).config("max_body_bytes = \"64KiB\"").start();
    let large = "m x=1\n".repeat(20_000);
    let headers = |encoding| [("content-encoding", encoding)];
    for (path, encoding, body, status, expected) in [
        ("/write?precision=d", "identity", "m x=1".into(), 400, "precision must be ns, us, ms, s, m or h, found \"d\""),
        ("/write", "zstd", "m x=1".into(), 415, "content-encoding must be gzip or identity"),
        ("/write", "gzip", "m x=1".into(), 400, "the body is not valid gzip"),
        (
            "/write",
            "identity",
            large.clone().into_bytes(),
            413,
            "the body has more than 65536 bytes; send less at once",
        ),
        ("/write", "gzip", gzip(&large), 413, "the body unpacks to more than 65536 bytes"),
    ] {
        let (found, answer) = write(&agent, path, &headers(encoding), body);
        assert_eq!(found, status, "{answer}");
        assert!(answer["error"].as_str().unwrap().starts_with(expected), "{answer}");
    }
    assert_eq!(accepted(&agent), None, "nothing was taken");
}

#[test]
fn a_packed_body_needs_the_memory_that_it_unpacks_to() {
    let agent = Home::new(&[]).config("[pipeline]\nmax_in_flight_bytes = \"16MiB\"").start();
    let small = gzip(&"m x=1\n".repeat(1000));
    let large = gzip(&"m x=1\n".repeat(3_000_000));
    assert!(large.len() < 1 << 20, "{} bytes are let in at the door", large.len());
    let headers = [("content-encoding", "gzip")];
    let (status, answer) = write(&agent, "/write", &headers, large);
    assert_eq!(status, 413, "it could never be taken: {answer}");
    assert_eq!(write(&agent, "/write", &headers, small).0, 204);
    assert_eq!(accepted(&agent), Some(1000.0), "nothing was taken of the large one");
}

#[test]
fn clients_that_ask_first_are_answered() {
    let agent = Home::new(&[]).start();
    assert_eq!(http::get(&agent.address, "/ping"), (204, String::new()));
    assert_eq!(agent.json("/ping?verbose=true"), json!({"version": "1.8.0"}));
    let created = json!({"results": [{"statement_id": 0}]});
    assert_eq!(write(&agent, "/query?q=CREATE+DATABASE+telegraf", &[], ""), (200, created.clone()));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(write(&agent, "/query", &form, "q=CREATE+DATABASE+%22telegraf%22"), (200, created));
    assert_eq!(agent.json("/query?q=show%20databases")["results"][0]["series"][0]["name"], "databases");
    assert_eq!(http::get(&agent.address, "/query?q=select+1").0, 400);
}

#[test]
fn with_a_token_influxs_clients_say_it_in_their_own_way() {
    let home = Home::new(&[]);
    std::fs::write(home.dir.path().join("token"), "0123456789abcdef0123\n").unwrap();
    let agent = home.config("token_file = \"token\"").start();
    assert_eq!(http::get(&agent.address, "/ping").0, 401);
    assert_eq!(write(&agent, "/api/v2/write", &[], "m x=1").0, 401);
    for scheme in ["Token", "Bearer"] {
        let header = format!("{scheme} 0123456789abcdef0123");
        assert_eq!(write(&agent, "/api/v2/write", &[("authorization", &header)], "m x=1").0, 204, "{scheme}");
    }
}

#[test]
fn names_are_made_as_configured_and_made_anew_when_that_changes() {
    let config = "[listen.influx]\nseparator = \".\"\nvalue_field = \"\"\nendpoint_tag = \"destination\"\nstep = \"1m\"\n\
         string_fields = \"skip\"\n";
    let agent = Home::new(&[]).config(config).start();
    let body = "m,host=a,destination=b value=1,t=\"text\"\n";
    assert_eq!(write(&agent, "/write", &[], body).0, 204, "texts are skipped");
    let series = &agent.json("/saker/v1/series?metric=m.value")["series"][0];
    assert_eq!(
        (&series["endpoint"], &series["step_s"], &series["tags"]),
        (&json!("b"), &json!(60), &json!({"host": "a"}))
    );
    agent.home.write_config(&agent.home.config_text().replace("separator = \".\"", "separator = \"-\""));
    agent.until("the new name is there", |agent| {
        assert_eq!(write(agent, "/write", &[], body).0, 204);
        (agent.json("/saker/v1/series?metric=m-value")["total"] == 1).then_some(())
    });
}

#[test]
fn a_known_line_follows_its_processors_when_they_change() {
    let config =
        "[pipeline]\nprocessors = [\"tag\"]\n[plugin.tag]\nsettings.rules = [{ add = { zone = \"north\" } }]\n";
    let agent = Home::new(&["tag"]).config(config).start();
    let zones = |agent: &Agent| -> Vec<String> {
        let list = agent.json("/saker/v1/recent?metric=m_x");
        let series = list["series"].as_array().unwrap().iter();
        series.map(|series| series["tags"]["zone"].as_str().unwrap().to_owned()).collect()
    };
    for _ in 0..3 {
        assert_eq!(write(&agent, "/write", &[], "m x=1\n").0, 204);
    }
    assert_eq!(zones(&agent), ["north"]);
    agent.home.write_config(&agent.home.config_text().replace("north", "south"));
    agent.until("the other processor has judged it", |agent| {
        assert_eq!(write(agent, "/write", &[], "m x=2\n").0, 204);
        zones(agent).contains(&"south".to_owned()).then_some(())
    });
    agent.home.write_config(
        &agent
            .home
            .config_text()
            .replace("{ add = { zone = \"north\" } }", "{ when = { metric = \"m_*\" }, drop = true }"),
    );
    agent.until("it is dropped", |agent| {
        assert_eq!(write(agent, "/write", &[], "m x=3\n").0, 204, "what the operator drops is no fault");
        agent.metric("saker_rejected_points_total{source=\"influx\",reason=\"processor\"}").filter(|&count| count > 2.0)
    });
    let received = agent.metric("saker_received_points_total{source=\"influx\"}").unwrap();
    let dropped = agent.metric("saker_rejected_points_total{source=\"influx\",reason=\"processor\"}").unwrap();
    assert_eq!(accepted(&agent).unwrap() + dropped, received);
}

#[test]
fn beyond_the_limit_of_series_new_lines_are_rejected_and_known_ones_taken() {
    let agent = Home::new(&[]).config("[pipeline]\nmax_series = 2").start();
    assert_eq!(write(&agent, "/write", &[], "m a=1,b=1\n").0, 204);
    let (status, answer) = write(&agent, "/write", &[], "m a=2,b=2,c=2\n");
    assert_eq!(status, 400);
    assert_eq!(
        answer["error"],
        "partial write: line 1: field 'c': the limit of series is reached; 1 values rejected, 2 values taken"
    );
}
