//! An agent under test: its folder, its process, its API.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{http, machine_code};

/// Nothing that a test waits for takes longer, even where everything is compiled anew on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with plugins and a configuration.
pub(crate) struct Home {
    pub(crate) dir: TempDir,
    config: String,
    /// Whether plugins come with the machine code that other agents have made of them.
    is_cached: bool,
}

/// An agent that runs.
pub(crate) struct Agent {
    pub(crate) home: Home,
    pub(crate) address: String,
    /// What it printed at its start, up to its address.
    pub(crate) banner: Vec<String>,
    child: Child,
    output: Option<BufReader<ChildStdout>>,
    log: Arc<Mutex<String>>,
}

/// The folder of this repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The bytes of a shipped plugin.
pub(crate) fn shipped(name: &str) -> Vec<u8> {
    let path = repository().join(format!("target/plugins/{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run: make plugins", path.display()))
}

/// The bytes of a plugin that only tests run.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = repository().join(format!("target/guests/{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run: make guests", path.display()))
}

/// The same plugin with other bytes: a custom section that says nothing.
pub(crate) fn variant(plugin: &[u8], number: u32) -> Vec<u8> {
    let mut bytes = plugin.to_vec();
    bytes.extend([0, 6, 1, b'v']);
    bytes.extend(number.to_le_bytes());
    bytes
}

/// Runs the program to its end.
pub(crate) fn saker(arguments: &[&str], dir: &Path) -> Output {
    command().args(arguments).current_dir(dir).output().unwrap()
}

/// Sends a signal to a process that has not been waited for.
pub(crate) fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "a test starts the program that it tests")]
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saker"));
    command.env_clear();
    command
}

impl Home {
    /// A folder with these shipped plugins, and the fixtures' `/proc` and `/sys` in place of the real ones.
    pub(crate) fn new(plugins: &[&str]) -> Self {
        let dir = TempDir::new().unwrap();
        std::fs::create_dir(dir.path().join("plugins")).unwrap();
        machine_code::make(&dir.path().join("data/compiled"));
        let home = Self { dir, config: String::new(), is_cached: true };
        plugins.iter().for_each(|name| home.put(name, &shipped(name)));
        home.config("[listen]\nhttp = \"127.0.0.1:0\"\n")
    }

    /// The part of a configuration that reads the fixtures instead of the machine.
    pub(crate) fn on_fixtures(self, collectors: &[&str]) -> Self {
        let fixtures = repository().join("tests/fixtures");
        let mut config = String::new();
        for name in collectors {
            let sys =
                if *name == "network" { format!(", sys = \"{}/sys\"", fixtures.display()) } else { String::new() };
            writeln!(
                config,
                "[plugin.{name}]\nsettings = {{ proc = \"{0}/proc\"{sys} }}\ngrant.read = [\"{0}\"]",
                fixtures.display()
            )
            .unwrap();
        }
        self.config(&config)
    }

    /// As at a first start: nothing was compiled before.
    pub(crate) fn without_cache(mut self) -> Self {
        self.is_cached = false;
        for entry in std::fs::read_dir(self.dir.path().join("data/compiled")).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        self
    }

    /// Adds tables to the configuration, which ends with those of `[listen]`.
    pub(crate) fn config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self.config.push('\n');
        self.write_config(&self.config);
        self
    }

    /// Adds keys that stand outside all tables.
    pub(crate) fn keys(mut self, text: &str) -> Self {
        self.config.insert_str(0, &format!("{text}\n"));
        self.write_config(&self.config);
        self
    }

    /// Puts another text in the place of the whole configuration.
    pub(crate) fn replace_config(mut self, text: &str) -> Self {
        self.config = text.to_owned();
        self
    }

    pub(crate) fn config_text(&self) -> &str {
        &self.config
    }

    /// Puts a configuration in place at once: an agent that looks while it is written must not find half of it.
    pub(crate) fn write_config(&self, text: &str) {
        std::fs::write(self.dir.path().join(".agent.toml.new"), text).unwrap();
        std::fs::rename(self.dir.path().join(".agent.toml.new"), self.dir.path().join("agent.toml")).unwrap();
    }

    /// Puts a plugin file in place, as a deploy tool does.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        if self.is_cached {
            self.put_machine_code(bytes);
        }
        let folder = self.dir.path().join("plugins");
        std::fs::write(folder.join(format!(".{name}.new")), bytes).unwrap();
        std::fs::rename(folder.join(format!(".{name}.new")), folder.join(format!("{name}.wasm"))).unwrap();
    }

    /// What other agents have compiled of a file.
    fn put_machine_code(&self, bytes: &[u8]) {
        let hash = blake3::hash(bytes).to_hex();
        for entry in std::fs::read_dir(machine_code::shared()).unwrap().flatten() {
            let name = entry.file_name().into_string().unwrap();
            // Another test may be putting its own in place.
            if name.starts_with(hash.as_str()) && name.contains(".cwasm") && !name.ends_with(".new") {
                let own = self.dir.path().join("data/compiled").join(&name);
                let unfinished = own.with_extension("copy.new");
                std::fs::copy(entry.path(), &unfinished).and_then(|_| std::fs::rename(&unfinished, &own)).unwrap();
            }
        }
    }

    pub(crate) fn plugin_path(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("plugins/{name}.wasm"))
    }

    /// Starts the agent and waits until it has looked at every plugin.
    pub(crate) fn start(self) -> Agent {
        let log = Arc::default();
        let (child, output, banner) = launch(self.dir.path(), &log);
        let address = address_in(&banner);
        Agent { home: self, address, banner, child, output: Some(output), log }
    }
}

/// Starts the agent in a folder, and waits until it tells its address.
fn launch(dir: &Path, log: &Arc<Mutex<String>>) -> (Child, BufReader<ChildStdout>, Vec<String>) {
    let mut child = command()
        .args(["run", "--config", "agent.toml"])
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let kept = log.clone();
    thread::spawn(move || {
        let mut line = String::new();
        while stderr.read_line(&mut line).unwrap_or(0) > 0 {
            kept.lock().unwrap().push_str(&line);
            line.clear();
        }
    });
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut banner = Vec::new();
    let mut line = String::new();
    while !line.contains("http://") {
        line.clear();
        if output.read_line(&mut line).unwrap() == 0 {
            panic!("the agent did not start:\n{}", log.lock().unwrap());
        }
        banner.push(line.clone());
    }
    (child, output, banner)
}

fn address_in(banner: &[String]) -> String {
    let (_, rest) = banner.last().and_then(|line| line.split_once("http://")).unwrap();
    rest.split('/').next().unwrap().to_owned()
}

impl Agent {
    pub(crate) fn json(&self, path: &str) -> Value {
        http::json(&self.address, path)
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let (status, body) = http::request(&self.address, "POST", path, &[], body).unwrap();
        (status, serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    /// Asks for what only the operator may, as the command line does.
    pub(crate) fn operate(&self, path: &str) -> u16 {
        http::request(&self.address, "POST", path, &[("x-saker", "1")], "").unwrap().0
    }

    /// What the API says of an instance, if there is one.
    pub(crate) fn instance(&self, name: &str) -> Option<Value> {
        let plugins = self.json("/saker/v1/plugins");
        plugins["instances"].as_array().unwrap().iter().find(|instance| instance["name"] == name).cloned()
    }

    pub(crate) fn destination(&self, name: &str) -> Value {
        let routes = self.json("/saker/v1/routes");
        routes["destinations"]
            .as_array()
            .unwrap()
            .iter()
            .find(|destination| destination["name"] == name)
            .cloned()
            .unwrap()
    }

    /// The value of one of the agent's own metrics, by its name and labels as they stand in `/metrics`.
    pub(crate) fn metric(&self, line: &str) -> Option<f64> {
        let (_, text) = http::get(&self.address, "/metrics");
        text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
    }

    /// Waits until something is so.
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        self.until_within(PATIENCE, what, look)
    }

    /// Waits until something is so that takes its time.
    pub(crate) fn until_within<T>(&self, patience: Duration, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let end = Instant::now() + patience;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < end, "never: {what}\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the log says so: its lines are written by a thread of their own, after what they tell of.
    pub(crate) fn until_logged(&self, words: &str) {
        self.until(&format!("the log says {words:?}"), |agent| agent.log().contains(words).then_some(()));
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The newest value of the only series of this metric with these tags.
    pub(crate) fn newest(&self, metric: &str, tags: &str) -> f64 {
        let recent = self.json(&format!("/saker/v1/recent?metric={metric}&tags={tags}&points=1"));
        assert_eq!(recent["total"], 1, "{metric} {tags}: {recent}");
        recent["series"][0]["points"][0][1].as_f64().unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(&self.child, signal);
    }

    /// Kills it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again in its folder, as it has left it.
    pub(crate) fn start_again(&mut self) {
        let (child, output, banner) = launch(self.home.dir.path(), &self.log);
        self.address = address_in(&banner);
        (self.child, self.output, self.banner) = (child, Some(output), banner);
    }

    /// Ends it in order; answers what it printed at its end.
    pub(crate) fn stop(mut self) -> String {
        self.signal(Signal::TERM);
        let mut printed = String::new();
        self.output.take().unwrap().read_to_string(&mut printed).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
        printed
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It has ended already if the test has stopped it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the agent's log:\n{}", self.log());
        }
        let compiled = self.home.dir.path().join("data/compiled");
        for entry in std::fs::read_dir(compiled).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.contains(".cwasm") || name.ends_with(".new") {
                continue;
            }
            let shared = machine_code::shared().join(entry.file_name());
            if !shared.exists() {
                let unfinished = shared.with_extension(format!("{}.new", std::process::id()));
                // Only a cache: whoever fails to fill it compiles again.
                let _ = std::fs::copy(entry.path(), &unfinished).and_then(|_| std::fs::rename(&unfinished, &shared));
            }
        }
    }
}
