//! `saker plugin run`: a collector that runs in front of its author, and is replaced whenever its file is.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use saker_model::{Sample, flat};
use saker_plugins::folder::Watch;
use saker_sandbox::{Collector, InstanceSpec, PluginHash, StateCell};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use crate::args::RunArgs;
use crate::collect::{collects, explain, grants, load, run_now, section};
use crate::printing::reader_is_gone;
use crate::say;

/// How often the file is looked at where the system tells of no changes.
const POLL: Duration = Duration::from_secs(2);
/// Sources are built when the system tells of a change, and never without one.
const NEVER: Duration = Duration::MAX;

/// What happens beside the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WatchEvent {
    File,
    Source,
}

/// The version that runs.
struct WatchedVersion {
    collector: Collector,
    spec: InstanceSpec,
    version: String,
    hash: PluginHash,
}

pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    crate::runtime()?.block_on(watch(args))
}

async fn watch(args: &RunArgs) -> anyhow::Result<()> {
    let state = StateCell::default();
    let mut running = open(args, &state).await?;
    announce(&running)?;
    // The file's changes are one, the sources' another: no more than both can wait.
    let (changes, mut changed) = mpsc::channel(2);
    if args.watch {
        let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        tokio::spawn(tell(Watch::new(folder), POLL, WatchEvent::File, changes.clone()));
    }
    if args.build.is_some() {
        if !args.source.is_dir() {
            bail!("--source: {} is no folder", args.source.display());
        }
        tokio::spawn(tell(Watch::tree(&args.source), NEVER, WatchEvent::Source, changes.clone()));
    }
    let mut clock = tokio::time::interval(args.interval);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut shown, mut runs) = (BTreeMap::new(), 0);
    loop {
        tokio::select! {
            _ = clock.tick() => {
                run_once(&mut running, args, &mut shown).await?;
                if reader_is_gone() {
                    return Ok(());
                }
                if !running.collector.is_alive() {
                    running = open(args, &state).await?;
                }
                runs += 1;
                if args.runs == runs {
                    return Ok(());
                }
            }
            Some(change) = changed.recv() => match (change, &args.build) {
                (WatchEvent::Source, Some(command)) => build(command).await?,
                _ => running = replace(running, args, &state).await?,
            },
        }
    }
}

/// Tells of every change, until nobody listens.
async fn tell(watch: Watch, poll: Duration, change: WatchEvent, changes: mpsc::Sender<WatchEvent>) {
    loop {
        watch.change(poll).await;
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

async fn open(args: &RunArgs, state: &StateCell) -> anyhow::Result<WatchedVersion> {
    let (sandbox, plugin) = load(&args.file).await?;
    collects(&args.file, &plugin)?;
    let spec = InstanceSpec {
        name: plugin.description().name.clone(),
        section: section(&args.file),
        settings: args.settings.clone(),
        grants: grants(&args.grant, &plugin)?,
        state: state.clone(),
        ..InstanceSpec::default()
    };
    let collector = Collector::open(&sandbox, &plugin, &spec).await.with_context(|| spec.name.clone())?;
    let version = plugin.description().version.clone();
    Ok(WatchedVersion { collector, spec, version, hash: plugin.hash() })
}

/// Puts the file's version in the place of the one that runs, if it is another and can be used.
async fn replace(old: WatchedVersion, args: &RunArgs, state: &StateCell) -> anyhow::Result<WatchedVersion> {
    match std::fs::read(&args.file) {
        Ok(bytes) if PluginHash::of(&bytes) != old.hash => {}
        // It is the same, or on its way.
        _ => return Ok(old),
    }
    // Tried on a copy of the state, which the old one may still add to when it closes.
    if let Err(error) = open(args, &state.fork()).await {
        say!("not taken, the version before goes on: {error:#}")?;
        return Ok(old);
    }
    let name = old.spec.name.clone();
    if let Err(error) = old.collector.close().await {
        say!("{name}: failed to close: {error}")?;
    }
    let new = open(args, state).await?;
    announce(&new)?;
    Ok(new)
}

fn announce(running: &WatchedVersion) -> anyhow::Result<()> {
    Ok(say!("{} {} ({})", running.spec.name, running.version, running.hash.short())?)
}

/// Runs once, and prints what is new or has changed.
async fn run_once(
    running: &mut WatchedVersion,
    args: &RunArgs,
    shown: &mut BTreeMap<String, f64>,
) -> anyhow::Result<()> {
    let endpoint: Arc<str> = saker_config::host_name().into();
    let values = match running.collector.collect(&endpoint, run_now(args.interval)).await {
        Ok(values) => values,
        Err(error) => return Ok(say!("{}", explain(&error, &running.spec))?),
    };
    let now: BTreeMap<_, _> = values.iter().map(|value| (series(value), value.value)).collect();
    for (series, value) in &now {
        match shown.get(series) {
            None => say!("+ {series} = {value}")?,
            Some(before) if before.to_bits() != value.to_bits() => say!("  {series} = {value}  (was {before})")?,
            Some(_) => {}
        }
    }
    for series in shown.keys().filter(|series| !now.contains_key(*series)) {
        say!("- {series}")?;
    }
    *shown = now;
    Ok(())
}

fn series(value: &Sample) -> String {
    let mut tags: Vec<_> = value.tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    tags.sort_unstable();
    let name = if tags.is_empty() { value.metric.clone() } else { format!("{}{{{}}}", value.metric, flat::tags(tags)) };
    // The agent would reject one that a terminal acts on; here it is only shown.
    clean(&name, MESSAGE_BYTES_MAX)
}

#[expect(clippy::disallowed_methods, reason = "the author's own build command, which the author has given")]
async fn build(command: &str) -> anyhow::Result<()> {
    say!("$ {command}")?;
    let ended = tokio::process::Command::from(std::process::Command::new("sh")).args(["-c", command]).status().await;
    match ended {
        Ok(status) if status.success() => {}
        Ok(status) => say!("the build has failed: {status}")?,
        Err(error) => say!("cannot run the build: {error}")?,
    }
    Ok(())
}
