//! A VictoriaMetrics or a Prometheus with the same samples, on a free port.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::data::{Folder, METRICS};

/// How long it may take to start.
const START_TIME: Duration = Duration::from_secs(120);
/// Lines that are imported at once.
const LINES: usize = 50_000;

pub(crate) struct Server {
    pub(crate) name: &'static str,
    child: Child,
    address: String,
}

#[expect(clippy::disallowed_methods, reason = "this is a tool, and the programs are what it compares with")]
fn command(program: &str) -> std::process::Command {
    std::process::Command::new(program)
}

/// What the kernel counts for all threads of a process.
fn cpu(pid: &str) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("threads");
    let of = |thread: std::fs::DirEntry| {
        let text = std::fs::read_to_string(thread.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|nanoseconds| nanoseconds.parse().ok()).unwrap_or(0)
    };
    Duration::from_nanos(threads.flatten().map(of).sum())
}

/// Of this process.
pub(crate) fn own_cpu() -> Duration {
    cpu("self")
}

impl Server {
    pub(crate) fn victoria(program: &str, folder: &Folder, series: &Path) -> Self {
        let address = free_address();
        let arguments = [
            format!("-storageDataPath={}", folder.path("victoria").display()),
            format!("-httpListenAddr={address}"),
            "-search.latencyOffset=0s".into(),
            "-search.disableCache".into(),
            "-retentionPeriod=100y".into(),
        ];
        let server = Self::start("VictoriaMetrics", program, &arguments, address, "/health");
        let mut lines = BufReader::new(std::fs::File::open(series).expect("the series")).lines();
        loop {
            let mut part = String::new();
            for line in lines.by_ref().take(LINES) {
                let line = line.expect("a line");
                // Here times are milliseconds.
                if let Some((before, time)) = line.rsplit_once(' ').filter(|_| !line.starts_with('#')) {
                    part.push_str(&format!("{before} {}\n", time.replace('.', "")));
                }
            }
            if part.is_empty() {
                break;
            }
            assert!(server.request("POST", "/api/v1/import/prometheus", &part).contains(" 204 "), "it imports");
        }
        server.request("GET", "/internal/force_flush", "");
        server.request("GET", "/internal/force_merge", "");
        server
    }

    pub(crate) fn prometheus(program: &str, promtool: &str, folder: &Folder, series: &Path) -> Self {
        let (config, data) = (folder.path("config.yml"), folder.path("prometheus"));
        std::fs::write(&config, "global: {}\n").expect("written");
        let imported = command(promtool)
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([series, data.as_path()])
            .stdout(Stdio::null())
            .status();
        assert!(imported.expect("promtool runs").success(), "promtool takes the series");
        let address = free_address();
        let arguments = [
            format!("--config.file={}", config.display()),
            format!("--storage.tsdb.path={}", data.display()),
            format!("--web.listen-address={address}"),
            "--storage.tsdb.retention.time=100y".into(),
        ];
        Self::start("Prometheus", program, &arguments, address, "/-/ready")
    }

    fn start(name: &'static str, program: &str, arguments: &[String], address: String, ready: &str) -> Self {
        let child = command(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Self { name, child: child.expect("it runs"), address };
        let started = Instant::now();
        while !server.request("GET", ready, "").contains(" 200 ") {
            assert!(started.elapsed() < START_TIME, "{name} does not get ready");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// What it has cost so far.
    pub(crate) fn cpu(&self) -> Duration {
        cpu(&self.child.id().to_string())
    }

    /// Asks it, and reads its answer.
    pub(crate) fn ask(&self, query: &str, (start_ms, end_ms): (i64, i64), step_ms: i64) {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let (start_s, end_s, step_s) = (start_ms / 1000, end_ms / 1000, step_ms / 1000);
        let form = format!("query={encoded}&start={start_s}&end={end_s}&step={step_s}");
        let answer = self.request("POST", "/api/v1/query_range", &form);
        assert!(answer.contains("\"success\"") && answer.len() > METRICS, "{}: {query}: {answer:.300}", self.name);
    }

    /// An answer with its head; empty if nobody answers.
    fn request(&self, method: &str, path: &str, body: &str) -> String {
        let mut answer = Vec::new();
        let head = format!(
            "{method} {path} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if let Ok(mut stream) = TcpStream::connect(&self.address) {
            let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
            if sent.is_ok() && stream.read_to_end(&mut answer).is_err() {
                answer.clear();
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.expect("a port").to_string()
}
