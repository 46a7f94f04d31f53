//! A Prometheus on a free port, with the series as a block.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use saker_query::Labels;

use crate::Rows;

/// How long it may take to start.
const START_TIME: Duration = Duration::from_secs(60);

pub(crate) struct Server {
    child: Child,
    address: String,
    folder: PathBuf,
}

#[expect(clippy::disallowed_methods, reason = "this is a tool, and the programs are what it compares with")]
fn command(program: &str) -> std::process::Command {
    std::process::Command::new(program)
}

impl Server {
    pub(crate) fn start(prometheus: &str, promtool: &str, open_metrics: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("saker-compare-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
        std::fs::write(file("series.txt"), open_metrics).expect("written");
        std::fs::write(file("config.yml"), "global: {}\n").expect("written");
        let imported = command(promtool)
            .args(["tsdb", "create-blocks-from", "openmetrics", &file("series.txt"), &file("data")])
            .stdout(Stdio::null())
            .status();
        assert!(imported.expect("promtool runs").success(), "promtool takes the series");
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port");
        let child = command(prometheus)
            .arg(format!("--config.file={}", file("config.yml")))
            .arg(format!("--storage.tsdb.path={}", file("data")))
            .arg(format!("--web.listen-address={address}"))
            .arg("--storage.tsdb.retention.time=100y")
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus runs");
        let server = Self { child, address: address.to_string(), folder };
        let started = Instant::now();
        while !server.request("GET", "/-/ready", "").contains(" 200 ") {
            assert!(started.elapsed() < START_TIME, "prometheus does not get ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// An answer with its head; empty if nobody answers.
    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut answer = String::new();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if let Ok(mut stream) = TcpStream::connect(&self.address) {
            let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
            if sent.is_ok() && stream.read_to_string(&mut answer).is_err() {
                answer.clear();
            }
        }
        answer
    }

    pub(crate) fn range(&self, query: &str, start_ms: i64, end_ms: i64, step_ms: i64) -> Rows {
        let seconds = |time_ms: i64| format!("{}.{:03}", time_ms / 1000, time_ms % 1000);
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let body =
            format!("query={encoded}&start={}&end={}&step={}", seconds(start_ms), seconds(end_ms), seconds(step_ms));
        let answer = self.request("POST", "/api/v1/query_range", &body);
        let (_, json) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let json: serde_json::Value = serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {answer}"));
        if json["status"] != "success" {
            return Err(json["error"].to_string());
        }
        let series = json["data"]["result"].as_array().expect("a matrix");
        Ok(series.iter().map(row).collect::<BTreeMap<_, _>>())
    }
}

fn row(series: &serde_json::Value) -> (String, Vec<(i64, f64)>) {
    let metric = series["metric"].as_object().expect("labels");
    let labels = metric.iter().map(|(name, value)| (name.as_str().into(), value.as_str().unwrap_or_default()));
    let point = |point: &serde_json::Value| {
        let time_ms = (point[0].as_f64().unwrap_or_default() * 1000.0).round() as i64;
        (time_ms, point[1].as_str().and_then(|text| text.parse().ok()).unwrap_or_default())
    };
    let points = series["values"].as_array().expect("values").iter().map(point).collect();
    (Labels::collect(labels).to_string(), points)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
