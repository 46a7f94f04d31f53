//! `saker run`: the boot order, the signals, the account at the end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use saker_forward::Account;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::{EnvFilter, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

use crate::agent::Agent;
use crate::cli::ConfigArgs;
use crate::config::{Config, LogConfig, LogFormat, Source};
use crate::folder::Watch;

/// How long the start-up message waits for plugins; a large one that is new takes longer.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// How often the configuration file is looked at where the system does not tell of changes.
const CONFIG_POLL: Duration = Duration::from_secs(60);

pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let (config, text) = read(args)?;
    let log = Log::start(&config.log)?;
    super::runtime()?.block_on(async {
        // Before anything starts: a signal that nobody waits for ends the process where it stands.
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let hangup = signal(SignalKind::hangup())?;
        let agent = Agent::start(config).await?;
        let told = tokio::spawn(tell(agent.clone(), args.clone()));
        let reloads = tokio::spawn(reload_config(agent.clone(), args.clone(), text, log, hangup));
        let signal = wait_for_end(terminate, interrupt).await;
        tracing::info!(signal, "stopping");
        told.abort();
        reloads.abort();
        print_account(&agent, &agent.stop().await);
        Ok(())
    })
}

/// Reads the configuration, or says all that is wrong with it. Answers the file's text as well.
pub(super) fn read(args: &ConfigArgs) -> anyhow::Result<(Config, Option<String>)> {
    let source = Source::gather(args.config.as_deref(), &args.set).with_context(|| {
        format!("cannot read {}", args.config.as_deref().unwrap_or(Path::new("the configuration")).display())
    })?;
    Ok((Config::read(&source)?, source.file.map(|(_, text)| text)))
}

async fn wait_for_end(mut terminate: Signal, mut interrupt: Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// Reads the configuration anew on SIGHUP, and when its file is no longer what it was (`before`). A wrong one changes
/// nothing.
async fn reload_config(agent: Arc<Agent>, args: ConfigArgs, mut before: Option<String>, log: Log, mut hangup: Signal) {
    // Editors put a new file in the old one's place, so the folder is what tells of changes.
    let folder = args.config.as_deref().map(|path| match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => ".".into(),
    });
    let watch = folder.as_deref().map(Watch::new);
    // What was written while the agent was starting is found by a look.
    let mut looked = false;
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
        let now = args.config.as_deref().and_then(|path| std::fs::read_to_string(path).ok());
        if !by_signal && now == before {
            continue;
        }
        before = now;
        match read(&args) {
            Ok((config, _)) => {
                log.set_level(&config.log.level);
                match agent.apply(config).await {
                    Ok(()) => tracing::info!("configuration reloaded"),
                    Err(error) => tracing::error!("configuration reloaded, but {error:#}"),
                }
            }
            Err(error) => tracing::error!("configuration not reloaded, the one before is kept: {error:#}"),
        }
    }
}

/// Says what was loaded, what each plugin was granted, and where to look.
async fn tell(agent: Arc<Agent>, args: ConfigArgs) {
    if tokio::time::timeout(SETTLE_MAX, agent.supervision.settled()).await.is_err() {
        tracing::info!("some plugins are still being compiled");
    }
    let config = agent.config.load();
    let from = args.config.as_deref().map_or("built-in defaults".into(), |path| path.display().to_string());
    println!("saker {} on {} ({from})", env!("CARGO_PKG_VERSION"), &**agent.endpoint.load_full());
    let mut rows = vec![["plugin", "kind", "version", "every", "granted"].map(String::from).to_vec()];
    for view in agent.statuses.instances().iter().map(|status| status.view()) {
        let every = view.interval_ms.map_or(String::new(), |ms| format!("{:?}", Duration::from_millis(ms)));
        let granted = if view.grants.is_empty() { "nothing".into() } else { view.grants.join(", ") };
        rows.push(vec![view.name, view.kind.into(), view.version, every, granted]);
        if let Some(refused) = view.refused_update {
            rows.push(vec![String::new(), format!("! {}", refused.message)]);
        }
    }
    print!("{}", super::table::render(&rows));
    let mut unnamed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in agent.statuses.files() {
        match (&file.error, file.used_by.is_empty(), file.kind) {
            (Some(error), ..) => println!("{}: cannot be used: {error}", file.file),
            (None, true, Some(kind)) => {
                let name = file.file.trim_end_matches(".wasm").to_owned();
                unnamed.entry(kind).or_default().push(name);
            }
            _ => {}
        }
    }
    for (kind, names) in unnamed {
        println!("{kind}s that nothing names: {}", names.join(", "));
    }
    if agent.statuses.files().is_empty() {
        println!("no plugins in {}: put .wasm files there", config.plugins.dir.display());
    }
    match agent.address() {
        Some(address) => println!(
            "look at:  curl 'http://{address}/api/v1/recent?metric=cpu.*'\n          curl http://{address}/metrics\n          saker top --address {address}"
        ),
        None => println!("the HTTP API is off"),
    }
}

fn print_account(agent: &Agent, account: &Account) {
    println!("account at the end:");
    let mut rows = vec![["source", "received", "accepted", "refused"].map(String::from).to_vec()];
    for (name, counters) in agent.pipeline.sources() {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        let (received, accepted) = (read(&counters.received), read(&counters.accepted));
        rows.push(vec![
            name.to_string(),
            received.to_string(),
            accepted.to_string(),
            (received - accepted).to_string(),
        ]);
    }
    print!("{}", super::table::render(&rows));
    if account.nodes.is_empty() {
        return;
    }
    let mut rows = vec![["node", "found", "enqueued", "delivered", "left", "dropped"].map(String::from).to_vec()];
    for node in &account.nodes {
        let stats = &node.stats;
        let reasons = stats.dropped.iter().filter(|(_, count)| *count > 0);
        let reasons: Vec<_> = reasons.map(|(reason, count)| format!("{count} {}", reason.as_str())).collect();
        let dropped = if reasons.is_empty() { "0".into() } else { reasons.join(", ") };
        rows.push(vec![
            node.node.clone(),
            stats.recovered.to_string(),
            stats.enqueued.to_string(),
            stats.delivered.to_string(),
            stats.queued.to_string(),
            dropped,
        ]);
    }
    print!("{}", super::table::render(&rows));
}

/// The log, whose level can be changed.
struct Log {
    level: reload::Handle<EnvFilter, Registry>,
}

impl Log {
    fn start(config: &LogConfig) -> anyhow::Result<Self> {
        let filter = EnvFilter::try_new(&config.level)?;
        let (filter, level) = reload::Layer::new(filter);
        let registry = tracing_subscriber::registry().with(filter);
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        match config.format {
            LogFormat::Text => {
                let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
                registry.with(lines.with_ansi(colours).with_target(false)).init();
            }
            LogFormat::Json => registry.with(lines.json()).init(),
        }
        Ok(Self { level })
    }

    fn set_level(&self, level: &str) {
        let set =
            EnvFilter::try_new(level).map_err(anyhow::Error::from).and_then(|filter| Ok(self.level.reload(filter)?));
        if let Err(error) = set {
            tracing::error!("cannot change the log level: {error:#}");
        }
    }
}
