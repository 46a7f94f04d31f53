//! Clients of other programs' protocols, from Python's package index: what they send is there.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::agent::{Agent, Home, repository};
use crate::servers::command;

/// The versions that this was tried with.
const PACKAGES: [&str; 3] = ["graphyte==1.7.1", "influxdb==5.3.2", "prometheus_client==0.26.0"];

/// A Python that has them, made once.
fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let dir = repository().join("target/clients");
        let python = dir.join("bin/python");
        run(command("python3").args(["-m", "venv"]).arg(&dir));
        run(command(&python.to_string_lossy())
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(PACKAGES));
        python
    })
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}{said}", String::from_utf8_lossy(&output.stdout));
}

/// Runs a script that finds host and port in its arguments.
fn script(text: &str, address: &str) {
    let (host, port) = address.rsplit_once(':').unwrap();
    run(command(&python().to_string_lossy()).args(["-c", text, host, port]));
}

/// Endpoint, tags and values of a metric's only series, once there are so many.
fn values(agent: &Agent, metric: &str, count: usize) -> Value {
    agent.until(metric, |agent| {
        let series = agent.json(&format!("/saker/v1/recent?metric={metric}"))["series"].get(0)?.clone();
        let points = series["points"].as_array()?;
        let values: Vec<_> = points.iter().map(|point| point[1].clone()).collect();
        (values.len() == count).then(|| json!([series["endpoint"], series["tags"], values]))
    })
}

fn agent(config: &str) -> Agent {
    Home::new(&[]).keys("endpoint = \"box\"").config(config).start()
}

fn listening(agent: &Agent, over: &str) -> String {
    let said = format!("listening over {over}");
    agent.until(&said, |agent| {
        let log = agent.log();
        let line = log.lines().rfind(|line| line.contains(&said))?;
        line.split_once("address=")?.1.split_whitespace().next().map(str::to_owned)
    })
}

#[test]
fn prometheus_client_pushes_adds_and_deletes_as_at_a_pushgateway() {
    let agent = agent("");
    let text = r#"
import sys
from prometheus_client import CollectorRegistry, Gauge, Summary, push_to_gateway, pushadd_to_gateway, delete_from_gateway
registry = CollectorRegistry()
Gauge("jobs_done", "", ["queue"], registry=registry).labels("a b\\c\"d").set(42)
Summary("took", "", registry=registry)
gateway = sys.argv[1] + ":" + sys.argv[2]
push_to_gateway(gateway, job="backup", registry=registry, grouping_key={"instance": "web-1", "path": "/var/tmp"})
pushadd_to_gateway(gateway, job="back/up", registry=registry)
delete_from_gateway(gateway, job="backup")
"#;
    script(text, &agent.address);
    let recent = agent.json("/saker/v1/recent?metric=jobs_done")["series"].clone();
    let found: Vec<_> =
        recent.as_array().unwrap().iter().map(|series| (&series["endpoint"], &series["tags"])).collect();
    assert_eq!(
        found,
        [
            (&json!("web-1"), &json!({"job": "backup", "path": "/var/tmp", "queue": "a b\\c\"d"})),
            (&json!("box"), &json!({"job": "back/up", "queue": "a b\\c\"d"})),
        ]
    );
}

#[test]
fn influxdb_writes_over_http_and_udp() {
    let agent = agent("[listen.influx]\nudp = \"127.0.0.1:0\"");
    let text = r#"
import sys
from influxdb import InfluxDBClient
client = InfluxDBClient(sys.argv[1], int(sys.argv[2]), database="db1")
client.ping()
client.create_database("db1")
assert client.write_points([{"measurement": "http", "tags": {"host": "web-1", "a": "b c"}, "fields": {"value": 1.5, "n": 2}}])
"#;
    script(text, &agent.address);
    assert_eq!(values(&agent, "http", 1), json!(["web-1", {"a": "b c", "db": "db1"}, [1.5]]));
    assert_eq!(values(&agent, "http_n", 1), json!(["web-1", {"a": "b c", "db": "db1"}, [2.0]]));
    let text = r#"
import sys
from influxdb import InfluxDBClient
client = InfluxDBClient(host=sys.argv[1], use_udp=True, udp_port=int(sys.argv[2]), database="db1")
client.write_points([{"measurement": "udp", "tags": {"host": "web-1"}, "fields": {"value": 3.0}}])
"#;
    script(text, &listening(&agent, "UDP"));
    assert_eq!(values(&agent, "udp", 1), json!(["web-1", {}, [3.0]]));
}

#[test]
fn graphyte_sends_lines_with_tags_over_tcp_and_udp() {
    let agent = agent("[listen.graphite]\ntcp = \"127.0.0.1:0\"\nudp = \"127.0.0.1:0\"");
    for over in ["TCP", "UDP"] {
        let protocol = over.to_lowercase();
        let text = format!(
            "import sys, graphyte\n\
             sender = graphyte.Sender(sys.argv[1], int(sys.argv[2]), prefix='by', protocol='{protocol}', raise_send_errors=True)\n\
             sender.send('{protocol}', 42, tags={{'dc': 'eu1', 'host': 'web-1'}})\n\
             sender.stop()\n"
        );
        script(&text, &listening(&agent, over));
        assert_eq!(values(&agent, &format!("by.{protocol}"), 1), json!(["web-1", {"dc": "eu1"}, [42.0]]));
    }
}

#[test]
fn python_pickles_what_carbon_relays_send() {
    let agent = agent("[listen.pickle]\ntcp = \"127.0.0.1:0\"");
    for protocol in 0..=5 {
        let text = format!(
            "import pickle, socket, struct, sys, time\n\
             points = [('by.pickle;a=b', (int(time.time()), {protocol})), ('by.other', (time.time(), '1.5'))]\n\
             data = pickle.dumps(points, protocol={protocol})\n\
             with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as carbon:\n\
             \x20   carbon.sendall(struct.pack('!L', len(data)) + data)\n"
        );
        script(&text, &listening(&agent, "TCP"));
    }
    let series = values(&agent, "by.pickle", 6);
    assert_eq!((&series[0], &series[1]), (&json!("box"), &json!({"a": "b"})));
    let mut seen: Vec<_> = series[2].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    seen.sort_by(f64::total_cmp);
    assert_eq!(seen, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
}
