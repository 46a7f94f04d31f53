//! Those who forward: how each is started, and where it keeps what it cannot send.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::Result;
use crate::process::Process;
use crate::receiver::{answers, nobody};

/// The backend that saker sends with, and the settings of a destination at this address.
const BACKEND: &str = "victoria";
const SETTINGS: &str = "{ url = \"http://ADDRESS\" }";

pub(crate) enum Contender {
    Saker { program: PathBuf, plugins: PathBuf },
    Vmagent { program: PathBuf, name: String },
}

/// A contender that takes samples.
pub(crate) struct Running {
    pub(crate) process: Process,
    /// Where it takes them.
    pub(crate) address: String,
    /// Where it keeps what it cannot send.
    queue: PathBuf,
    _dir: TempDir,
}

/// Both of them.
pub(crate) fn all() -> Result<Vec<Contender>> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins");
    let backend = plugins.join(format!("{BACKEND}.wasm"));
    if !backend.exists() {
        return Err(format!("there is no {}; run: make plugins", backend.display()).into());
    }
    let saker = Contender::Saker { program: env!("CARGO_BIN_EXE_saker").into(), plugins };
    let name = format!("vmagent {}", debian_version()?);
    Ok(vec![saker, Contender::Vmagent { program: "vmagent".into(), name }])
}

#[expect(clippy::disallowed_methods, reason = "a benchmark says what it compares with")]
fn debian_version() -> Result<String> {
    let query = ["--show", "--showformat=${Version}", "victoria-metrics"];
    let output = Command::new("dpkg-query").args(query).stderr(Stdio::null()).output();
    let version = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    Ok(version.split('+').next().filter(|version| !version.is_empty()).unwrap_or("of unknown version").to_owned())
}

impl Contender {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Saker { .. } => "saker",
            Self::Vmagent { name, .. } => name,
        }
    }

    /// Starts it in a new folder, with these receivers, each of which gets everything.
    pub(crate) fn start(&self, receivers: &[String]) -> Result<Running> {
        let (dir, address) = (TempDir::new()?, nobody()?);
        let (mut process, ready, queue) = match self {
            Self::Saker { program, plugins } => {
                std::fs::create_dir(dir.path().join("plugins"))?;
                let file = format!("{BACKEND}.wasm");
                std::fs::copy(plugins.join(&file), dir.path().join("plugins").join(&file))?;
                std::fs::write(dir.path().join("agent.toml"), configuration(&address, receivers)?)?;
                let arguments = ["run", "--config", "agent.toml"].map(str::to_owned);
                (Process::start(program, &arguments, dir.path())?, "/ready", "data/queues")
            }
            Self::Vmagent { program, .. } => {
                let mut arguments = vec![
                    format!("-httpListenAddr={address}"),
                    "-remoteWrite.tmpDataPath=queues".to_owned(),
                    "-loggerLevel=ERROR".to_owned(),
                ];
                arguments.extend(receivers.iter().map(|to| format!("-remoteWrite.url=http://{to}/api/v1/write")));
                (Process::start(program, &arguments, dir.path())?, "/health", "queues")
            }
        };
        answers(&address, ready, &mut process, dir.path())?;
        Ok(Running { process, address, queue: dir.path().join(queue), _dir: dir })
    }
}

impl Running {
    /// Ends it in order, so that everything which it keeps is on disk; answers how many bytes that is.
    pub(crate) fn stop_and_weigh(mut self) -> Result<u64> {
        self.process.end()?;
        weigh(&self.queue)
    }
}

fn configuration(address: &str, receivers: &[String]) -> Result<String> {
    let mut text = format!("[listen]\nhttp = \"{address}\"\n[log]\nlevel = \"warn\"\n");
    let names: Vec<_> = (0..receivers.len()).map(|number| format!("\"n{number}\"")).collect();
    for (number, receiver) in receivers.iter().enumerate() {
        let settings = SETTINGS.replace("ADDRESS", receiver);
        writeln!(
            text,
            "[destination.n{number}]\nbackend = \"{BACKEND}\"\nsettings = {settings}\ngrant.connect = [\"{receiver}\"]\n\
             queue.when_full = \"block\""
        )?;
    }
    writeln!(text, "[[route]]\ndestinations = [{}]\nreplicas = {}", names.join(", "), names.len())?;
    Ok(text)
}

/// The bytes of all files at or below a path.
fn weigh(path: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() { weigh(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(bytes)
}
