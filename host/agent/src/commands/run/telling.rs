//! What `saker run` tells people at its start and at its end: what runs, what it was granted, where to look, and what
//! became of every point.
//!
//! It stands on standard output as long as that is read, and is for people alone. Where a plugin prints its data there,
//! or the log is JSON, it is events of the log instead: one stream, one form.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use saker_cli::args::ConfigArgs;
use saker_cli::table;
use saker_forward::{DestinationAccount, FinalAccount};
use saker_log::{LineStream, LogFormat, Purpose};

use crate::agent::Agent;
use crate::config::Config;

/// How long the start-up message waits for plugins; a large one that is new takes longer.
const SETTLE_MAX: Duration = Duration::from_secs(60);
/// How long the end waits for whoever reads the account, before it goes to the log.
const ACCOUNT_WAIT: Duration = Duration::from_millis(500);

/// Tells.
pub(super) struct StartupReport {
    output: LineStream,
    /// Whether standard output is for data, or the log's form is one for machines.
    in_log: AtomicBool,
}

impl StartupReport {
    pub(super) fn start(config: &Config) -> io::Result<Self> {
        let output = LineStream::start("output", Purpose::Messages, io::stdout())?;
        let teller = Self { output, in_log: AtomicBool::new(config.log.format == LogFormat::Json) };
        teller.heed(config);
        Ok(teller)
    }

    /// Another configuration holds. What has carried data once is no longer for people.
    pub(super) fn heed(&self, config: &Config) {
        self.in_log.fetch_or(config.plugins.prints_data(), Ordering::Relaxed);
    }

    /// Tells of the start when every plugin has been looked at.
    pub(super) async fn greet(&self, agent: &Agent, args: &ConfigArgs) {
        if tokio::time::timeout(SETTLE_MAX, agent.supervision.settled()).await.is_err() {
            tracing::info!("some plugins are still being compiled");
        }
        // Whoever reads the address may send to it.
        agent.forwarder.opened().await;
        let from = args.config.as_deref().map_or("built-in defaults".into(), |path| path.display().to_string());
        if self.in_log.load(Ordering::Relaxed) {
            greet_in_log(agent, &from);
        } else {
            self.output.push(greeting(agent, &from).as_bytes());
        }
    }

    /// Tells what became of everything.
    pub(super) fn take_leave(&self, agent: &Agent, account: &FinalAccount) {
        if !self.in_log.load(Ordering::Relaxed) {
            self.output.push(leave(agent, account).as_bytes());
            if self.output.flush(ACCOUNT_WAIT) && self.output.arrived() {
                return;
            }
            tracing::warn!("nobody reads standard output, so the account is here");
        }
        leave_in_log(agent, account);
    }
}

fn greeting(agent: &Agent, from: &str) -> String {
    let config = agent.config.load();
    let mut text = format!("saker {} on {} ({from})\n", env!("CARGO_PKG_VERSION"), &**agent.endpoint.load_full());
    let mut rows = vec![["plugin", "kind", "version", "every", "granted"].map(String::from).to_vec()];
    for view in agent.statuses.instances().iter().map(|status| status.view()) {
        rows.push(vec![view.name, view.kind.into(), view.version, every(view.interval_ms), words(&view.grants)]);
        if let Some(rejected) = view.rejected_update {
            rows.push(vec![String::new(), format!("! {}", rejected.message)]);
        }
    }
    text += &table::render(&rows);
    let mut unnamed: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for file in agent.statuses.files() {
        match (&file.error, file.used_by.is_empty(), file.kind) {
            (Some(error), ..) => text += &format!("{}: cannot be used: {error}\n", file.file),
            (None, true, _) if file.busy => text += &format!("{}: is being compiled\n", file.file),
            (None, true, Some(kind)) => {
                let name = file.file.trim_end_matches(".wasm").to_owned();
                unnamed.entry(kind).or_default().push(name);
            }
            _ => {}
        }
    }
    for (kind, names) in unnamed {
        text += &format!("{kind}s that nothing names: {}\n", names.join(", "));
    }
    if let Some(error) = agent.statuses.folder_error() {
        text += &format!("NO PLUGIN IS LOADED from {}: {error}\n", config.plugins.folder.dir.display());
    } else if agent.statuses.files().is_empty() {
        text += &format!("no plugins in {}: put .wasm files there\n", config.plugins.folder.dir.display());
    }
    if config.route.is_empty() {
        text += "no [[route]]: samples are kept on this host, and sent nowhere\n";
    }
    text += &match agent.address() {
        Some(address) => format!(
            "look at:  http://{address}/ in a browser\n          curl 'http://{address}/saker/v1/recent?metric=cpu.*'\n          curl http://{address}/metrics\n          saker top --address {address}\n"
        ),
        None => "the HTTP API is off\n".into(),
    };
    text
}

/// Files that cannot be used and what cannot be put in place are in the log already.
fn greet_in_log(agent: &Agent, from: &str) {
    tracing::info!(version = env!("CARGO_PKG_VERSION"), endpoint = &**agent.endpoint.load_full(), from, "running");
    for view in agent.statuses.instances().iter().map(|status| status.view()) {
        let (every, granted) = (every(view.interval_ms), words(&view.grants));
        tracing::info!(plugin = view.name, kind = view.kind, version = view.version, every, granted, "in place");
    }
    if agent.config.load().route.is_empty() {
        tracing::info!("no [[route]]: samples are kept on this host, and sent nowhere");
    }
}

fn every(interval_ms: Option<u64>) -> String {
    interval_ms.map_or(String::new(), |ms| format!("{:?}", Duration::from_millis(ms)))
}

fn words(grants: &[String]) -> String {
    if grants.is_empty() { "nothing".into() } else { grants.join(", ") }
}

fn leave(agent: &Agent, account: &FinalAccount) -> String {
    let mut text = "account at the end:\n".to_owned();
    let mut rows = vec![["source", "received", "accepted", "rejected"].map(String::from).to_vec()];
    for (name, [received, accepted, rejected]) in sources(agent) {
        rows.push(vec![name, received.to_string(), accepted.to_string(), rejected.to_string()]);
    }
    text += &table::render(&rows);
    if account.destinations.is_empty() {
        return text;
    }
    let mut rows =
        vec![["destination", "found", "enqueued", "delivered", "left", "dropped"].map(String::from).to_vec()];
    for destination in &account.destinations {
        let stats = &destination.stats;
        rows.push(vec![
            destination.destination.clone(),
            stats.recovered.to_string(),
            stats.enqueued.to_string(),
            stats.delivered.to_string(),
            stats.queued.to_string(),
            dropped(destination),
        ]);
    }
    text + &table::render(&rows)
}

fn leave_in_log(agent: &Agent, account: &FinalAccount) {
    for (source, [received, accepted, rejected]) in sources(agent) {
        tracing::info!(source, received, accepted, rejected, "account at the end");
    }
    for destination in &account.destinations {
        let stats = &destination.stats;
        tracing::info!(
            destination = destination.destination,
            found = stats.recovered,
            enqueued = stats.enqueued,
            delivered = stats.delivered,
            left = stats.queued,
            dropped = dropped(destination),
            "account at the end"
        );
    }
}

/// What each source has brought: received, accepted, rejected.
fn sources(agent: &Agent) -> Vec<(String, [u64; 3])> {
    let sources = agent.pipeline.sources().into_iter();
    let figures = sources.map(|(name, counters)| {
        let counts = counters.counts();
        (name.to_string(), [counts.received, counts.accepted, counts.rejected.total()])
    });
    figures.collect()
}

fn dropped(destination: &DestinationAccount) -> String {
    let reasons = destination.stats.dropped.iter().filter(|(_, count)| *count > 0);
    let reasons: Vec<_> = reasons.map(|(reason, count)| format!("{count} {}", reason.as_str())).collect();
    if reasons.is_empty() { "0".into() } else { reasons.join(", ") }
}
