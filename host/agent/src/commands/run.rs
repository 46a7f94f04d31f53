//! `saker run`: the boot order, the signals, the end.

mod telling;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use saker_cli::args::ConfigArgs;
use saker_config::{ConfigSource, Problems};
use saker_journal::DataLock;
use saker_log::{Level, Log, LogFormat};
use saker_plugins::folder::Watch;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::telling::StartupReport;
use crate::agent::{Agent, off_the_workers};
use crate::config::Config;
use crate::{LoggedFailure, STATUS_CONFIG, STATUS_FAILURE};

/// How often the configuration file is looked at where the system does not tell of changes.
const CONFIG_POLL: Duration = Duration::from_secs(60);
/// How long the end waits for threads that are in the middle of something, when all that counts is done.
const THREADS_WAIT: Duration = Duration::from_millis(500);

pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let runtime = saker_cli::runtime()?;
    // First of all: whoever asks for a reload too early would end the process.
    let hangup = {
        let _inside = runtime.enter();
        signal(SignalKind::hangup())?
    };
    let source = gather(args).map_err(|error| reject(None, args, error, STATUS_FAILURE))?;
    let (config, problems) = Config::look(&source);
    if !problems.is_empty() {
        return Err(reject(config, args, Problems(problems).into(), STATUS_CONFIG));
    }
    let config = config.unwrap_or_default();
    let log = Log::start(&config.log)?;
    if let Err(error) = saker_http::raise_limit() {
        tracing::warn!("the limit of open files stays as it is: {error}");
    }
    // Before anything is opened there, and until the end.
    let _lock = match DataLock::take(&config.data_dir) {
        Ok(lock) => lock,
        Err(error) => {
            tracing::error!("{:#}", anyhow::Error::from(error));
            return Err(LoggedFailure { status: STATUS_CONFIG }.into());
        }
    };
    warn(&config);
    let text = source.file.map(|(_, text)| text);
    let result = runtime.block_on(serve(config, args, text, log.level(), hangup));
    // A read that hangs in the system must not keep the process.
    runtime.shutdown_timeout(THREADS_WAIT);
    result.map_err(|error| {
        if !error.is::<LoggedFailure>() {
            tracing::error!("{error:#}");
        }
        LoggedFailure { status: STATUS_FAILURE }.into()
    })
}

async fn serve(
    config: Config,
    args: &ConfigArgs,
    text: Option<String>,
    level: Level,
    hangup: Signal,
) -> anyhow::Result<()> {
    // Before anything starts: a signal that nobody waits for ends the process where it stands.
    let mut signals = Signals::new()?;
    let teller = Arc::new(StartupReport::start(&config)?);
    // On a thread of its own, so that an end is obeyed also while a disk holds it up.
    let mut starting = tokio::spawn(Agent::start(config));
    let agent = tokio::select! {
        biased;
        started = &mut starting => started??,
        signal = signals.next() => {
            tracing::info!(signal, "stopping before all has started");
            starting.abort();
            return Ok(());
        }
    };
    let told = tokio::spawn({
        let (teller, agent, args) = (teller.clone(), agent.clone(), args.clone());
        async move { teller.greet(&agent, &args).await }
    });
    let reloading =
        ReloadWatcher { agent: agent.clone(), args: args.clone(), before: text, teller: teller.clone(), level };
    let reloads = tokio::spawn(reloading.run(hangup));
    let ended = signals.next().await;
    told.abort();
    reloads.abort();
    tracing::info!(signal = ended, "stopping");
    tokio::select! {
        account = agent.stop() => teller.take_leave(&agent, &account),
        signal = signals.next() => {
            tracing::warn!(signal, "told again: ends at once; what is in queues on disk stays there");
            return Err(LoggedFailure { status: STATUS_FAILURE }.into());
        }
    }
    Ok(())
}

/// The agent cannot run with this configuration. Where as much of it as can be read wants the log to be JSON, that is
/// where it is said.
fn reject(config: Option<Config>, args: &ConfigArgs, error: anyhow::Error, status: u8) -> anyhow::Error {
    // Without a file that can be read there are still the environment and the command line.
    let outside = || Config::look(&ConfigSource::gather(None, &args.set).ok()?).0;
    let json = config.or_else(outside).filter(|config| config.log.format == LogFormat::Json);
    let Some(Ok(_log)) = json.map(|config| Log::start(&config.log)) else { return error };
    match error.downcast_ref::<Problems>() {
        Some(Problems(problems)) => {
            for problem in problems {
                tracing::error!("mistake in the configuration: {problem}");
            }
        }
        None => tracing::error!("{error:#}"),
    }
    LoggedFailure { status }.into()
}

fn warn(config: &Config) {
    for warning in &config.warnings.0 {
        tracing::warn!("{warning}");
    }
}

/// The configuration's sources.
pub(super) fn gather(args: &ConfigArgs) -> anyhow::Result<ConfigSource> {
    ConfigSource::gather(args.config.as_deref(), &args.set).with_context(|| {
        format!("cannot read {}", args.config.as_deref().unwrap_or(Path::new("the configuration")).display())
    })
}

/// The plugin folder of a configuration, or all that is wrong with that.
#[cfg(feature = "author")]
pub(crate) fn plugin_folder(args: &ConfigArgs) -> anyhow::Result<saker_plugins::FolderConfig> {
    Ok(Config::read(&gather(args)?)?.plugins.folder)
}

/// The same for an agent that runs. A file that was emptied is a mistake then, mostly half of a write: taken by its word
/// it would take every destination away.
fn read_anew(args: &ConfigArgs) -> anyhow::Result<Config> {
    let source = gather(args)?;
    if let Some((path, _)) = source.file.as_ref().filter(|(_, text)| text.trim().is_empty()) {
        anyhow::bail!(
            "{} is empty; to go back to the defaults, write a comment into it, such as # defaults",
            path.display()
        );
    }
    Ok(Config::read(&source)?)
}

/// The signals that end the agent.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The configuration, read anew on SIGHUP, and when its file is no longer what it was.
struct ReloadWatcher {
    agent: Arc<Agent>,
    args: ConfigArgs,
    before: Option<String>,
    teller: Arc<StartupReport>,
    level: Level,
}

impl ReloadWatcher {
    async fn run(mut self, mut hangup: Signal) {
        let path = self.args.config.clone();
        // Editors put a new file in the old one's place, so the folder is what tells of changes.
        let folder = path.as_deref().map(|path| match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => ".".into(),
        });
        let watch = folder.as_deref().map(Watch::new);
        // What was written while the agent was starting is found by a look.
        let mut looked = false;
        // What could not be had at the last reload, such as a token, may be there now.
        let mut is_whole = true;
        loop {
            let by_signal = tokio::select! {
                biased;
                _ = hangup.recv() => true,
                () = async {
                    match &watch {
                        Some(_) if !looked => {}
                        Some(watch) => watch.change(CONFIG_POLL).await,
                        None => std::future::pending().await,
                    }
                } => false,
            };
            looked = true;
            let now = match path.clone() {
                Some(path) => off_the_workers(move || std::fs::read_to_string(path).ok()).await.unwrap_or(None),
                None => None,
            };
            if !by_signal && now == self.before && is_whole {
                continue;
            }
            self.before = now;
            is_whole = self.reload().await;
        }
    }

    /// A wrong configuration changes nothing. Answers whether all of a right one holds.
    async fn reload(&self) -> bool {
        let args = self.args.clone();
        match off_the_workers(move || read_anew(&args)).await.and_then(|read| read) {
            Ok(config) => {
                self.level.set(&config.log.level);
                warn(&config);
                self.teller.heed(&config);
                let applied = self.agent.apply(config).await;
                match &applied {
                    Ok(()) => tracing::info!("configuration reloaded"),
                    Err(error) => tracing::error!(
                        "configuration reloaded, but the API keeps its address, its token and its limits, or a listener its address: {error:#}"
                    ),
                }
                applied.is_ok()
            }
            Err(error) => {
                tracing::error!("configuration not reloaded, the one before is kept: {error:#}");
                true
            }
        }
    }
}
