//! Real servers, each on a free port of loopback, ended with the test.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Signal, geteuid};
use serde_json::Value;
use tempfile::TempDir;

use crate::agent::send;
use crate::http;

/// A server's process.
pub(crate) struct Server {
    pub(crate) address: String,
    command: Command,
    child: Child,
    is_ready: Box<dyn Fn(&str) -> bool>,
    _dir: TempDir,
}

/// How long a server may take to start.
const START_MAX: Duration = Duration::from_secs(30);
/// How late a server may show what it has taken.
const SHOWN_MAX: Duration = Duration::from_secs(60);

impl Server {
    /// VictoriaMetrics, a single destination with an empty storage that shows what it has at once.
    pub(crate) fn victoria_metrics() -> Self {
        Self::victoria_metrics_with(&[])
    }

    /// VictoriaMetrics that listens for another protocol too, such as `-graphiteListenAddr`; and the address for that.
    pub(crate) fn victoria_metrics_listening(flag: &str) -> (Self, String) {
        let address = free_address();
        (Self::victoria_metrics_with(&[format!("{flag}={address}")]), address)
    }

    fn victoria_metrics_with(more: &[String]) -> Self {
        Self::start("victoria-metrics", healthy("/health"), |address, dir| {
            let mut arguments = vec![
                format!("-storageDataPath={dir}"),
                format!("-httpListenAddr={address}"),
                "-search.latencyOffset=0s".into(),
                "-search.disableCache".into(),
                "-retentionPeriod=1".into(),
            ];
            arguments.extend_from_slice(more);
            arguments
        })
    }

    /// Prometheus' node_exporter.
    pub(crate) fn node_exporter() -> Self {
        Self::start("prometheus-node-exporter", healthy("/metrics"), |address, _| {
            vec![format!("--web.listen-address={address}")]
        })
    }

    /// Redis, which keeps what it has acknowledged, with some more arguments.
    pub(crate) fn redis(more: &[&str]) -> Self {
        let is_ready = |address: &str| {
            let answer = said(address, b"PING\r\n");
            answer.starts_with(b"+PONG") || answer.starts_with(b"-NOAUTH")
        };
        Self::start("redis-server", is_ready, |address, dir| {
            let (host, port) = address.split_once(':').unwrap();
            let fixed =
                ["--bind", host, "--port", port, "--dir", dir, "--appendonly", "yes", "--appendfsync", "always"];
            fixed.iter().chain(more).map(|&text| text.to_owned()).collect()
        })
    }

    /// NATS with JetStream, with some more arguments.
    pub(crate) fn nats(more: &[&str]) -> Self {
        Self::start(
            "nats-server",
            |address| said(address, b"").starts_with(b"INFO"),
            |address, dir| {
                let (host, port) = address.split_once(':').unwrap();
                ["-a", host, "-p", port, "-js", "-sd", dir].iter().chain(more).map(|&text| text.to_owned()).collect()
            },
        )
    }

    /// A registry of the OCI distribution protocol, without TLS.
    pub(crate) fn registry() -> Self {
        Self::start("docker-registry", healthy("/v2/"), |address, dir| {
            let config = format!(
                "version: 0.1\nlog: {{level: error}}\nhttp: {{addr: \"{address}\"}}\n\
                 storage: {{filesystem: {{rootdirectory: \"{dir}/data\"}}}}\n"
            );
            let file = format!("{dir}/config.yml");
            std::fs::write(&file, config).unwrap();
            vec!["serve".into(), file]
        })
    }

    /// PostgreSQL with these users, who log in as `pg_hba.conf` calls it, with the password `open sesame`; the one who may
    /// do everything, `postgres`, needs none.
    pub(crate) fn postgres(users: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let address = free_address();
        let (host, port) = address.split_once(':').unwrap();
        // It rejects to run as root.
        let is_root = geteuid().is_root();
        if is_root {
            printed("chown", &["postgres", dir.path().to_str().unwrap()]);
        }
        let data = dir.path().join("data");
        let data = data.to_str().unwrap();
        let bin = printed("pg_config", &["--bindir"]);
        let as_postgres = |program: &str| {
            let program = format!("{}/{program}", bin.trim());
            let mut command = command(if is_root { "setpriv" } else { &program });
            if is_root {
                command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--", &program]);
            }
            command
        };
        let made = as_postgres("initdb")
            .args(["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"])
            .output();
        let made = made.unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let rules: String = users.iter().map(|(user, way)| format!("host all {user} 127.0.0.1/32 {way}\n")).collect();
        std::fs::write(format!("{data}/pg_hba.conf"), format!("{rules}host all postgres 127.0.0.1/32 trust\n"))
            .unwrap();
        let mut postgres = as_postgres("postgres");
        postgres.args(["-D", data, "-p", port, "-c", &format!("listen_addresses={host}"), "-k", data]);
        let server = Self::run(postgres, address.clone(), dir, |address| {
            let (host, port) = address.split_once(':').unwrap();
            command("pg_isready").args(["-q", "-h", host, "-p", port]).status().is_ok_and(|status| status.success())
        });
        for (user, way) in users {
            let hash = if *way == "md5" { "md5" } else { "scram-sha-256" };
            server.psql(&format!(
                "SET password_encryption = '{hash}'; CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'open sesame'"
            ));
        }
        server
    }

    /// What PostgreSQL's own client prints for a statement: lines with `|` between columns.
    pub(crate) fn psql(&self, sql: &str) -> String {
        let (host, port) = self.address.split_once(':').unwrap();
        printed(
            "psql",
            &["-h", host, "-p", port, "-U", "postgres", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql],
        )
    }

    /// Starts a program on a free port, with the arguments that its address and its folder make, and waits until it is
    /// ready.
    pub(crate) fn start(
        program: &str,
        is_ready: impl Fn(&str) -> bool + 'static,
        arguments: impl Fn(&str, &str) -> Vec<String>,
    ) -> Self {
        let dir = TempDir::new().unwrap();
        let address = free_address();
        let mut command = command(program);
        command.args(arguments(&address, dir.path().to_str().unwrap()));
        Self::run(command, address, dir, is_ready)
    }

    /// Starts a command that is to listen at an address, and waits until it is ready.
    pub(crate) fn run(
        mut command: Command,
        address: String,
        dir: TempDir,
        is_ready: impl Fn(&str) -> bool + 'static,
    ) -> Self {
        let child = spawn(&mut command);
        let server = Self { address, command, child, is_ready: Box::new(is_ready), _dir: dir };
        server.wait();
        server
    }

    fn wait(&self) {
        let end = Instant::now() + START_MAX;
        while !(self.is_ready)(&self.address) {
            assert!(Instant::now() < end, "{:?} did not start", self.command);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends the process as a power failure does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// The same for PostgreSQL, which has many processes: all end at once, and put nothing in order.
    pub(crate) fn quit(&mut self) {
        send(&self.child, Signal::QUIT);
        self.child.wait().unwrap();
    }

    /// Starts it again where it was, on what it has kept.
    pub(crate) fn start_again(&mut self) {
        self.child = spawn(&mut self.command);
        self.wait();
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

    /// All points of the series that a selector finds, as `/api/v1/export` writes them: one object for each series.
    pub(crate) fn exported(&self, selector: &str) -> Vec<Value> {
        let (status, body) = http::get(&self.address, &format!("/api/v1/export?match[]={}", encoded(selector)));
        assert_eq!(status, 200, "{body}");
        body.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
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

/// An address that nobody listens at.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[expect(clippy::disallowed_methods, reason = "a test starts the servers that it talks to, and their own clients")]
pub(crate) fn command(program: &str) -> Command {
    Command::new(program)
}

/// What a program that comes with a server prints; it must end well.
pub(crate) fn printed(program: &str, arguments: &[&str]) -> String {
    let output = command(program).args(arguments).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program}: {error}; tests/install.sh installs its Debian package"));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; tests/install.sh installs its Debian package"))
}

/// Whether a server answers 200 at a path.
fn healthy(path: &'static str) -> impl Fn(&str) -> bool {
    move |address| http::request(address, "GET", path, &[], "").is_ok_and(|answer| answer.0 == 200)
}

/// What a server says first, after it was told something; nothing if it is not there.
pub(crate) fn said(address: &str, words: &[u8]) -> Vec<u8> {
    let mut answer = vec![0; 512];
    let read = TcpStream::connect(address).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(words)?;
        stream.read(&mut answer)
    });
    answer.truncate(read.unwrap_or(0));
    answer
}

/// Graphite's Carbon, which keeps its points in files of one second a point.
pub(crate) struct Carbon {
    pub(crate) address: String,
    child: Child,
    dir: TempDir,
}

impl Carbon {
    pub(crate) fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let address = free_address();
        let (host, port) = address.split_once(':').unwrap();
        // Ports of 0 are not opened; whatever waits for a second or a minute there would make the test wait.
        let config = format!(
            "[cache]\nSTORAGE_DIR = {0}\nLOCAL_DATA_DIR = {0}/whisper\nCONF_DIR = {0}\nLOG_DIR = {0}\nPID_DIR = {0}\n\
             LINE_RECEIVER_INTERFACE = {host}\nLINE_RECEIVER_PORT = {port}\nPICKLE_RECEIVER_PORT = 0\n\
             CACHE_QUERY_INTERFACE = {host}\nCACHE_QUERY_PORT = 0\nENABLE_UDP_LISTENER = True\n\
             UDP_RECEIVER_INTERFACE = {host}\nUDP_RECEIVER_PORT = {port}\nENABLE_TAGS = False\nTAG_HASH_FILENAMES = False\n\
             MAX_CREATES_PER_MINUTE = inf\nMAX_UPDATES_PER_SECOND = inf\nCARBON_METRIC_INTERVAL = 0\n",
            dir.path().display()
        );
        std::fs::write(dir.path().join("carbon.conf"), config).unwrap();
        let schemas = "[all]\npattern = .*\nretentions = 1s:1h\n";
        std::fs::write(dir.path().join("storage-schemas.conf"), schemas).unwrap();
        let child = Self::spawn(&dir, &address);
        Self { address, child, dir }
    }

    /// Ends it, as a crash does, and starts it again on what it had written.
    pub(crate) fn restart(&mut self) {
        self.end();
        self.child = Self::spawn(&self.dir, &self.address);
    }

    fn spawn(dir: &TempDir, address: &str) -> Child {
        let mut carbon = command("carbon-cache");
        carbon
            .arg(format!("--config={}", dir.path().join("carbon.conf").display()))
            .arg(format!("--pidfile={}", dir.path().join("pid").display()))
            .args(["--nodaemon", "start"]);
        let child = spawn(&mut carbon);
        let end = Instant::now() + START_MAX;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "carbon-cache did not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        child
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// All points that stand in its files: by the file's name, with their times in seconds.
    pub(crate) fn points(&self) -> BTreeMap<String, Vec<(u32, f64)>> {
        let mut found = BTreeMap::new();
        let root = self.dir.path().join("whisper");
        read_folder(&root, &root, &mut found);
        found
    }

    /// Waits until its files have as many points; answers all.
    pub(crate) fn settled(&self, points: usize) -> BTreeMap<String, Vec<(u32, f64)>> {
        let end = Instant::now() + SHOWN_MAX;
        loop {
            let found = self.points();
            if found.values().map(Vec::len).sum::<usize>() >= points || Instant::now() > end {
                return found;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Carbon {
    fn drop(&mut self) {
        self.end();
    }
}

fn read_folder(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<(u32, f64)>>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read_folder(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "wsp") {
            let name = path.strip_prefix(root).unwrap().with_extension("");
            found.insert(name.to_str().unwrap().into(), read_whisper(&std::fs::read(&path).unwrap()));
        }
    }
}

/// The points of a Whisper file with one archive: a header of 28 bytes, then 12 bytes for each, of which the first four
/// are its time, or zero.
fn read_whisper(bytes: &[u8]) -> Vec<(u32, f64)> {
    let mut points: Vec<_> = bytes
        .get(28..)
        .unwrap_or_default()
        .chunks_exact(12)
        .map(|point| {
            let (time, value) = point.split_at(4);
            (u32::from_be_bytes(time.try_into().unwrap()), f64::from_be_bytes(value.try_into().unwrap()))
        })
        .filter(|(time, _)| *time > 0)
        .collect();
    points.sort_by_key(|point| point.0);
    points
}

/// As it stands in a URL.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
