//! The task that decides what runs: it compares the plugin folder and the configuration with what there is, and changes
//! only what differs.
//!
//! Whatever takes time happens elsewhere and comes back as an [`Event`]: reading and compiling a file, trying a new
//! version. So a large plugin delays no small one.

mod reconcile;
mod seat;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use saker_forward::Node;
use saker_sandbox::{Kind, Plugin, Sandbox};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::collecting::{self, Shared, Version};
use crate::config::Config;
use crate::destination::Slot;
use crate::folder::{self, Fingerprint};
use crate::processors::Link;
use crate::state_dir::StateDir;
use crate::status::{FileView, Statuses};
use seat::{Key, Seat};

/// Events that can wait.
const EVENTS_MAX: usize = 256;
/// Files that are compiled at the same time: each takes a core for a while.
const COMPILING_MAX: usize = 2;
/// How often changed state is written to disk.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

/// What the supervisor is told.
enum Event {
    /// Something in the plugin folder may have changed.
    Folder,
    /// The configuration is another.
    Config(Box<Config>),
    /// A file was read and compiled, or not.
    Loaded { file: String, fingerprint: Fingerprint, plugin: Result<Box<Plugin>, String> },
    /// A new version was tried.
    Tried { target: Target, key: Box<Key>, result: Result<(), (String, &'static str, saker_sandbox::Blame)> },
    /// Somebody wants an instance to be called again. Answers why not.
    Revive(String, oneshot::Sender<Result<(), String>>),
    /// Everything ends.
    Stop(oneshot::Sender<()>),
}

/// What a version is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    Collector(String),
    Processor(String),
    Node(String),
}

/// How to talk to the supervisor.
#[derive(Clone)]
pub(crate) struct Supervision {
    events: mpsc::Sender<Event>,
    settled: watch::Receiver<bool>,
}

impl Supervision {
    /// The plugin folder may have changed.
    pub(crate) async fn folder_changed(&self) {
        self.tell(Event::Folder).await;
    }

    /// The configuration is another.
    pub(crate) async fn config_changed(&self, config: Config) {
        self.tell(Event::Config(Box::new(config))).await;
    }

    /// Has an instance called again that backs off or is in quarantine.
    ///
    /// # Errors
    /// Why not: there is none of this name, or it is a node, which tries by itself.
    pub(crate) async fn revive(&self, name: &str) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        self.tell(Event::Revive(name.to_owned(), answer)).await;
        answered.await.unwrap_or_else(|_| Err("the agent is ending".into()))
    }

    /// Ends every collector and processor in order and writes their state; nodes go on.
    pub(crate) async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        self.tell(Event::Stop(done)).await;
        // A supervisor that is gone has nothing left to end.
        let _ = ended.await;
    }

    /// Whether every file that was there at the start has been looked at.
    pub(crate) fn is_settled(&self) -> bool {
        *self.settled.borrow()
    }

    /// Waits until every file that was there at the start has been looked at.
    pub(crate) async fn settled(&self) {
        let mut settled = self.settled.clone();
        // A supervisor that is gone will not settle any more.
        let _ = settled.wait_for(|&settled| settled).await;
    }

    async fn tell(&self, event: Event) {
        if self.events.send(event).await.is_err() {
            tracing::error!("the supervisor has ended");
        }
    }
}

/// A file of the plugin folder.
struct File {
    fingerprint: Fingerprint,
    busy: bool,
    /// The last version that could be loaded.
    plugin: Option<Plugin>,
    /// Why the file as it is now could not be.
    error: Option<String>,
}

/// A collector that runs.
struct Running {
    seat: Seat,
    handle: Option<collecting::Handle>,
}

/// A node, and what its backend sits on.
struct Destined {
    seat: Seat,
    slot: Arc<Slot>,
    node: Arc<Node>,
}

/// A processor's place in the chain.
struct Linked {
    seat: Seat,
    link: Option<Arc<Link>>,
}

pub(crate) struct Supervisor {
    config: Config,
    sandbox: Sandbox,
    shared: Shared,
    statuses: Arc<Statuses>,
    states: StateDir,
    files: BTreeMap<String, File>,
    collectors: BTreeMap<String, Running>,
    processors: BTreeMap<String, Linked>,
    nodes: BTreeMap<String, Destined>,
    events: mpsc::Sender<Event>,
    compiling: Arc<Semaphore>,
    settled: watch::Sender<bool>,
}

impl Supervisor {
    /// Makes the supervisor, which waits to be run: what it loads is of no use to an agent that cannot listen.
    pub(crate) fn new(
        config: Config,
        sandbox: Sandbox,
        shared: Shared,
        statuses: Arc<Statuses>,
        states: StateDir,
    ) -> (Supervision, impl Future<Output = ()> + Send + 'static) {
        let (events, inbox) = mpsc::channel(EVENTS_MAX);
        let (settled, seen) = watch::channel(false);
        let supervisor = Self {
            config,
            sandbox,
            shared,
            statuses,
            states,
            files: BTreeMap::new(),
            collectors: BTreeMap::new(),
            processors: BTreeMap::new(),
            nodes: BTreeMap::new(),
            events: events.clone(),
            compiling: Arc::new(Semaphore::new(COMPILING_MAX)),
            settled,
        };
        (Supervision { events, settled: seen }, supervisor.run(inbox))
    }

    /// It looks at the folder and the configuration at once.
    async fn run(mut self, mut inbox: mpsc::Receiver<Event>) {
        self.look();
        self.reconcile();
        let mut save = tokio::time::interval(SAVE_INTERVAL);
        loop {
            tokio::select! {
                event = inbox.recv() => match event {
                    Some(Event::Stop(done)) => {
                        self.stop().await;
                        // Whoever asked may have given up waiting.
                        let _ = done.send(());
                        return;
                    }
                    Some(event) => self.handle(event),
                    None => return,
                },
                _ = save.tick() => self.states.save(),
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Folder => self.look(),
            Event::Config(config) => {
                let (old, new) = (&self.config.plugins, &config.plugins);
                let other_files = old.dir != new.dir || old.signatures != new.signatures;
                self.config = *config;
                if other_files {
                    self.files.clear();
                }
                self.look();
            }
            Event::Loaded { file, fingerprint, plugin } => self.loaded(&file, fingerprint, plugin),
            Event::Tried { target, key, result } => self.tried(&target, *key, result),
            Event::Revive(name, answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(self.revive(&name));
            }
            Event::Stop(_) => {}
        }
        self.reconcile();
    }

    /// Looks through the folder, and has what is new there read and compiled.
    fn look(&mut self) {
        let dir = self.config.plugins.dir.clone();
        let found = match folder::scan(&dir) {
            Ok(found) => found,
            Err(error) => {
                // What was loaded before runs on; nothing else is.
                if self.statuses.set_folder_error(Some(error.to_string())) {
                    tracing::error!(dir = %dir.display(), "no plugin is loaded from the plugin folder: {error}");
                }
                return;
            }
        };
        if self.statuses.set_folder_error(None) {
            tracing::info!(dir = %dir.display(), "the plugin folder can be used again");
        }
        self.files.retain(|name, _| {
            let kept = found.contains_key(name);
            if !kept {
                tracing::info!(file = name, "removed from the plugin folder");
            }
            kept
        });
        for (name, fingerprint) in found {
            match self.files.get_mut(&name) {
                Some(file) if file.fingerprint == fingerprint => continue,
                Some(file) => (file.fingerprint, file.busy) = (fingerprint, true),
                None => {
                    self.files.insert(name.clone(), File { fingerprint, busy: true, plugin: None, error: None });
                }
            }
            self.load(dir.clone(), name, fingerprint);
        }
    }

    fn load(&self, dir: PathBuf, file: String, fingerprint: Fingerprint) {
        let (sandbox, events, compiling) = (self.sandbox.clone(), self.events.clone(), self.compiling.clone());
        let (most, signatures) = (self.config.plugins.file_bytes, self.config.plugins.signatures.clone());
        tokio::spawn(async move {
            let _slot = compiling.acquire().await;
            let name = file.clone();
            let read = tokio::task::spawn_blocking(move || folder::read_checked(&dir, &name, most, &signatures)).await;
            let plugin = match read {
                Ok(Ok(bytes)) => sandbox.load(&bytes).await.map(Box::new).map_err(|error| error.to_string()),
                Ok(Err(error)) => Err(error),
                // The agent ends, and nobody needs to know of each file that it does not load any more.
                Err(error) if error.is_cancelled() => return,
                Err(error) => Err(error.to_string()),
            };
            // A supervisor that has ended wants no plugins.
            let _ = events.send(Event::Loaded { file, fingerprint, plugin }).await;
        });
    }

    fn loaded(&mut self, name: &str, fingerprint: Fingerprint, plugin: Result<Box<Plugin>, String>) {
        let Some(file) = self.files.get_mut(name).filter(|file| file.fingerprint == fingerprint) else {
            return;
        };
        file.busy = false;
        match plugin {
            Ok(plugin) => {
                let description = plugin.description();
                tracing::info!(
                    file = name,
                    kind = plugin.kind().as_str(),
                    version = description.version,
                    hash = plugin.hash().short(),
                    from = ?plugin.origin(),
                    "loaded"
                );
                (file.plugin, file.error) = (Some(*plugin), None);
            }
            Err(error) => {
                let runs_on = if file.plugin.is_some() { ", the version before runs on" } else { "" };
                tracing::warn!(file = name, "cannot be used{runs_on}: {error}");
                file.error = Some(error);
            }
        }
    }

    /// Tries a version aside from what runs.
    fn try_out(&self, target: Target, version: Version, key: Key) {
        let (shared, events) = (self.shared.clone(), self.events.clone());
        tokio::spawn(async move {
            let tried = match &target {
                Target::Collector(_) => collecting::canary(&shared, &version).await,
                Target::Node(_) => crate::destination::canary(&shared.sandbox, &version.plugin, &version.spec).await,
                Target::Processor(_) => {
                    crate::processors::canary(&shared.sandbox, &version.plugin, &version.spec).await
                }
            };
            let result = tried.map_err(|error| (error.to_string(), error.kind(), error.blame()));
            // A supervisor that has ended wants no versions.
            let _ = events.send(Event::Tried { target, key: Box::new(key), result }).await;
        });
    }

    fn revive(&self, name: &str) -> Result<(), String> {
        if let Some(Running { handle: Some(handle), .. }) = self.collectors.get(name) {
            return if handle.revive() {
                Ok(())
            } else {
                Err(format!("{name} is in the middle of something; ask again"))
            };
        }
        if let Some(link) = self.processors.get(name).and_then(|linked| linked.link.clone()) {
            tokio::spawn(async move { link.revive().await });
            return Ok(());
        }
        if name.strip_prefix("node ").is_some_and(|node| self.nodes.contains_key(node)) {
            return Err("a node tries again by itself".into());
        }
        Err(format!("there is no instance {name:?}"))
    }

    /// Writes down what there is, for those who ask.
    fn publish(&self) {
        let views = self.files.iter().map(|(name, file)| FileView {
            file: name.clone(),
            bytes: file.fingerprint.bytes,
            kind: file.plugin.as_ref().map(|plugin| plugin.kind().as_str()),
            hash: file.plugin.as_ref().map(|plugin| plugin.hash().to_string()),
            used_by: self.users_of(name),
            error: file.error.clone(),
            busy: file.busy,
        });
        self.statuses.set_files(views.collect());
        if !self.files.values().any(|file| file.busy) {
            self.settled.send_replace(true);
        }
    }

    fn users_of(&self, file: &str) -> Vec<String> {
        let collectors = self.collectors.iter().filter(|(_, running)| running.seat.runs_file(file));
        let processors = self.processors.iter().filter(|(_, linked)| linked.seat.runs_file(file));
        let nodes = self.nodes.iter().filter(|(_, destined)| destined.seat.runs_file(file));
        let mut users: Vec<_> = collectors.map(|(name, _)| name.clone()).collect();
        users.extend(processors.map(|(name, _)| name.clone()));
        users.extend(nodes.map(|(name, _)| format!("node {name}")));
        users
    }

    /// Whether a file is being loaded for the first time.
    fn is_on_its_way(&self, file: &str) -> bool {
        self.files.get(file).is_some_and(|file| file.busy && file.plugin.is_none())
    }

    /// The plugin of a file, if it is of that kind; else why not.
    fn plugin(&self, file: &str, kind: Kind) -> Result<&Plugin, String> {
        let dir = self.config.plugins.dir.display();
        match self.files.get(file) {
            None => Err(format!("there is no {file} in {dir}")),
            Some(File { plugin: Some(plugin), .. }) if plugin.kind() == kind => Ok(plugin),
            Some(File { plugin: Some(plugin), .. }) => {
                Err(format!("{file} is a {}, and a {} is wanted here", plugin.kind().as_str(), kind.as_str()))
            }
            Some(File { error: Some(error), .. }) => Err(format!("{file} cannot be used: {error}")),
            Some(_) => Err(format!("{file} is not loaded yet")),
        }
    }

    async fn stop(&mut self) {
        let handles: Vec<_> =
            std::mem::take(&mut self.collectors).into_values().filter_map(|running| running.handle).collect();
        futures_util::future::join_all(handles.into_iter().map(collecting::Handle::stop)).await;
        for linked in std::mem::take(&mut self.processors).into_values() {
            if let Some(link) = linked.link {
                link.close().await;
            }
        }
        self.states.save();
    }
}
