//! Real servers, each on a free port of loopback, ended with the test.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::http;

/// A server's process.
pub(crate) struct Server {
    pub(crate) address: String,
    child: Child,
    _dir: TempDir,
}

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(30);
/// How late a server may show what it has taken.
const SHOWN_MAX: Duration = Duration::from_secs(60);

impl Server {
    /// VictoriaMetrics, a single node with an empty storage that shows what it has at once.
    pub(crate) fn victoria_metrics() -> Self {
        Self::start("victoria-metrics", "/health", |address, dir| {
            vec![
                format!("-storageDataPath={dir}"),
                format!("-httpListenAddr={address}"),
                "-search.latencyOffset=0s".into(),
                "-search.disableCache".into(),
                "-retentionPeriod=1".into(),
            ]
        })
    }

    /// Prometheus' node_exporter.
    pub(crate) fn node_exporter() -> Self {
        Self::start("prometheus-node-exporter", "/metrics", |address, _| {
            vec![format!("--web.listen-address={address}")]
        })
    }

    /// A registry of the OCI distribution protocol, without TLS.
    pub(crate) fn registry() -> Self {
        Self::start("docker-registry", "/v2/", |address, dir| {
            let config = format!(
                "version: 0.1\nlog: {{level: error}}\nhttp: {{addr: \"{address}\"}}\n\
                 storage: {{filesystem: {{rootdirectory: \"{dir}/data\"}}}}\n"
            );
            let file = format!("{dir}/config.yml");
            std::fs::write(&file, config).unwrap();
            vec!["serve".into(), file]
        })
    }

    #[expect(clippy::disallowed_methods, reason = "a test starts the servers that it talks to")]
    fn start(program: &str, health: &str, arguments: impl Fn(&str, &str) -> Vec<String>) -> Self {
        let dir = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let child = Command::new(program)
            .args(arguments(&address, dir.path().to_str().unwrap()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{program}: {error}; on Debian: apt-get install {program}"));
        let server = Self { address, child, _dir: dir };
        let end = Instant::now() + START_MAX;
        while http::request(&server.address, "GET", health, &[], "").map_or(0, |answer| answer.0) != 200 {
            assert!(Instant::now() < end, "{program} did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// The single number that a PromQL query answers at this moment.
    fn number(&self, query: &str) -> Option<f64> {
        let answer = http::json(&self.address, &format!("/api/v1/query?query={}", encoded(query)));
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }

    /// The labels of all series that a selector finds.
    pub(crate) fn series(&self, selector: &str) -> Vec<Value> {
        let answer = http::json(&self.address, &format!("/api/v1/series?match[]={}", encoded(selector)));
        answer["data"].as_array().cloned().unwrap_or_default()
    }

    /// The number that a query answers once the server shows all that it has taken, which it does some seconds late: the
    /// one that is expected, or the last one seen.
    pub(crate) fn settled(&self, query: &str, expected: f64) -> f64 {
        let end = Instant::now() + SHOWN_MAX;
        loop {
            let number = self.number(query).unwrap_or(0.0);
            if number == expected || Instant::now() > end {
                return number;
            }
            std::thread::sleep(Duration::from_millis(250));
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
