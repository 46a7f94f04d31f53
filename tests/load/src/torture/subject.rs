//! The agent under torture: a process that is started, told to end, and killed; saker's configuration, which changes.

use std::fs::File;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Who is tortured.
#[derive(Clone, Debug)]
pub enum Agent {
    /// saker, with the configuration that the harness writes.
    Saker {
        /// Its binary.
        program: PathBuf,
        /// The folder with `influx.wasm`.
        plugins: PathBuf,
        /// So many files that are no plugins stand in its plugin folder.
        foreign_files: usize,
    },
    /// Another one, by its command line; `{listen}`, `{receiver}` and `{dir}` are filled in.
    Peer {
        /// Program and arguments.
        command: Vec<String>,
        /// What tells it to end.
        stop: Signal,
    },
}

/// saker's own limit for an orderly end, as it is configured here.
pub(crate) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// An end that takes longer is one by force.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Points of a batch, as they are configured here; a kill repeats no more to each destination.
pub(crate) const BATCH_POINTS: u64 = 1000;

/// A destination as it is configured now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) name: String,
    pub(crate) receiver: String,
    pub(crate) durability: &'static str,
    /// What goes there, as conditions of a route of its own; all destinations without some share a route.
    pub(crate) only: Option<String>,
}

/// The process and its folder.
pub(crate) struct Subject {
    agent: Agent,
    pub(crate) dir: PathBuf,
    pub(crate) listen: String,
    receivers: Vec<String>,
    child: Option<Child>,
    started: Instant,
}

impl Subject {
    pub(crate) fn new(agent: &Agent, dir: &Path, listen: String, receivers: Vec<String>) -> Result<Self> {
        if let Agent::Saker { plugins, foreign_files, .. } = agent {
            let folder = dir.join("plugins");
            std::fs::create_dir_all(&folder)?;
            std::fs::copy(plugins.join("influx.wasm"), folder.join("influx.wasm"))?;
            for number in 0..*foreign_files {
                std::fs::write(folder.join(format!("foreign-{number}.txt")), "no plugin")?;
            }
        }
        let (agent, dir) = (agent.clone(), dir.to_owned());
        Ok(Self { agent, dir, listen, receivers, child: None, started: Instant::now() })
    }

    pub(crate) fn is_saker(&self) -> bool {
        matches!(self.agent, Agent::Saker { .. })
    }

    /// Puts saker's configuration in place. Another agent has what its command line says.
    pub(crate) fn configure(&self, destinations: &[Destination]) -> Result<()> {
        self.put("agent.toml", &configuration(&self.listen, destinations))
    }

    /// Puts a file in place at once.
    pub(crate) fn put(&self, name: &str, text: &str) -> Result<()> {
        std::fs::write(self.dir.join(".new"), text)?;
        // A token is nobody's business.
        std::fs::set_permissions(self.dir.join(".new"), std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        std::fs::rename(self.dir.join(".new"), self.dir.join(name))
    }

    pub(crate) fn start(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.dir.join("log"))?;
        let (program, arguments) = match &self.agent {
            Agent::Saker { program, .. } => {
                (program.clone(), vec!["run".into(), "--config".into(), "agent.toml".into()])
            }
            Agent::Peer { command, .. } => {
                let mut words = command.iter().map(|word| self.filled_in(word));
                (words.next().unwrap_or_default().into(), words.collect())
            }
        };
        self.child = Some(spawn(&program, &arguments, &self.dir, log)?);
        self.started = Instant::now();
        Ok(())
    }

    fn filled_in(&self, word: &str) -> String {
        let (host, port) = self.listen.split_once(':').unwrap_or_default();
        word.replace("{listen}", &self.listen)
            .replace("{host}", host)
            .replace("{port}", port)
            .replace("{receiver}", &self.receivers[0])
            .replace("{dir}", &self.dir.to_string_lossy())
    }

    /// Since it was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// How it has ended by itself, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut()?.try_wait().ok()?
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        child.kill()?;
        child.wait().map(drop)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.child.as_ref().map(Pid::from_child).ok_or_else(|| Error::other("it does not run"))?;
        kill_process(pid, signal).map_err(Error::from)
    }

    /// What tells it to end in good order.
    pub(crate) fn stop_signal(&self) -> Signal {
        match self.agent {
            Agent::Saker { .. } => Signal::TERM,
            Agent::Peer { stop, .. } => stop,
        }
    }

    /// Ends it in good order; answers how long that took, or nothing if it had to be killed.
    pub(crate) fn stop(&mut self) -> Result<Option<Duration>> {
        let start = Instant::now();
        self.signal(self.stop_signal())?;
        while start.elapsed() < STOP_MAX {
            if self.ended().is_some() {
                self.child = None;
                return Ok(Some(start.elapsed()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.kill()?;
        Ok(None)
    }

    /// What it has printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read(self.dir.join("log")).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It has ended already if all went well.
        let _ = self.kill();
    }
}

#[expect(clippy::disallowed_methods, reason = "a harness starts the agents that it tortures")]
fn spawn(program: &Path, arguments: &[String], dir: &Path, log: File) -> Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    command.spawn().map_err(|error| Error::new(error.kind(), format!("{}: {error}", program.display())))
}

fn configuration(listen: &str, destinations: &[Destination]) -> String {
    let mut text = format!(
        "data_dir = \"data\"\nshutdown_timeout = \"{}s\"\n[listen]\nhttp = \"{listen}\"\ntoken_file = \"token\"\n",
        SHUTDOWN_TIMEOUT.as_secs()
    );
    for Destination { name, receiver, durability, .. } in destinations {
        // What is in memory only cannot be rejected: nobody would come again for it after a death.
        let when_full = if *durability == "memory" { "drop-oldest" } else { "block" };
        text.push_str(&format!(
            "[destination.{name}]\nbackend = \"influx\"\nsettings.url = \"http://{receiver}/write\"\n\
             grant.connect = [\"{receiver}\"]\nbatch = {{ max_points = {BATCH_POINTS}, max_age = \"50ms\" }}\n\
             retry = {{ min = \"20ms\", max = \"500ms\" }}\n\
             queue = {{ durability = \"{durability}\", when_full = \"{when_full}\" }}\n"
        ));
    }
    for Destination { name, only, .. } in destinations {
        if let Some(only) = only {
            text.push_str(&format!("[[route]]\ndestinations = [\"{name}\"]\n{only}\n"));
        }
    }
    let shared: Vec<_> = destinations
        .iter()
        .filter(|destination| destination.only.is_none())
        .map(|destination| &destination.name)
        .collect();
    if !shared.is_empty() {
        text.push_str(&format!("[[route]]\ndestinations = {shared:?}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_with_conditions_have_routes_before_all_others() {
        let destination = |name: &str, only: Option<&str>| Destination {
            name: name.into(),
            receiver: "127.0.0.1:1".into(),
            durability: "process",
            only: only.map(str::to_owned),
        };
        let text = configuration(
            "127.0.0.1:2",
            &[destination("a", None), destination("b", Some("tags = { client = \"0\" }")), destination("c", None)],
        );
        let routes =
            "[[route]]\ndestinations = [\"b\"]\ntags = { client = \"0\" }\n[[route]]\ndestinations = [\"a\", \"c\"]\n";
        assert!(text.ends_with(routes), "{text}");
    }
}
