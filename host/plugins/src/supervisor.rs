//! The task that decides what runs: it compares the plugin folder and the configuration with what there is, and changes
//! only what differs.
//!
//! Whatever takes time happens elsewhere and comes back as an [`Event`]: looking at a file, compiling it, trying a new
//! version. So a large plugin delays no small one.

mod files;
mod reconcile;
mod seat;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use saker_forward::{Node, NodeConfig, Route};
use saker_sandbox::{Kind, Plugin, Sandbox};
use tokio::sync::{mpsc, oneshot, watch};

use crate::collecting::{self, Shared, Version};
use crate::config::PluginsConfig;
use crate::destination::Slot;
use crate::folder::Seen;
use crate::processors::Link;
use crate::state_dir::StateDir;
use crate::status::{FileView, Statuses};
use files::{File, Files, Slots, Uses};
use seat::{Key, Seat};

/// Events that can wait.
const EVENTS_MAX: usize = 256;
/// How often changed state is written to disk.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);
/// How long the end of all collectors and processors is waited for: half of the agent's own default, so that the queues
/// have the other.
const STOP_TIME: Duration = Duration::from_secs(5);
/// How long the end waits for what they have saved to be on the disk.
const SAVE_TIME: Duration = Duration::from_secs(1);

/// What the supervisor is told.
enum Event {
    /// Something in the plugin folder may have changed.
    Folder,
    /// The configuration is another.
    Config(Box<Plan>),
    /// A file was looked at.
    Seen { file: String, visit: u64, seen: Result<Seen, String> },
    /// A file was compiled and described, or not.
    Loaded { file: String, visit: u64, plugin: Result<Box<Plugin>, String> },
    /// Something has ended that others were waiting for, or took too long.
    Wake,
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
pub struct Supervision {
    events: mpsc::Sender<Event>,
    settled: watch::Receiver<bool>,
    judging: watch::Receiver<bool>,
}

impl Supervision {
    /// The plugin folder may have changed.
    pub async fn folder_changed(&self) {
        self.tell(Event::Folder).await;
    }

    /// The configuration is another.
    pub async fn config_changed(&self, plan: Plan) {
        self.tell(Event::Config(Box::new(plan))).await;
    }

    /// Has an instance called again that backs off or is in quarantine, or a file compiled again that cannot be used.
    ///
    /// # Errors
    /// Why not: there is none of this name, or it has no time for it now.
    pub async fn revive(&self, name: &str) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        self.tell(Event::Revive(name.to_owned(), answer)).await;
        answered.await.unwrap_or_else(|_| Err("the agent is ending".into()))
    }

    /// Ends every collector and processor in order and writes their state; nodes go on.
    pub async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        self.tell(Event::Stop(done)).await;
        // A supervisor that is gone has nothing left to end.
        let _ = ended.await;
    }

    /// Whether what the configuration names has been loaded since the start, or cannot be; and all other files that were
    /// there, unless they took too long.
    pub fn is_settled(&self) -> bool {
        *self.settled.borrow()
    }

    /// Whether the processors have been loaded since the start, or cannot be.
    pub fn is_judging(&self) -> bool {
        *self.judging.borrow()
    }

    /// Waits until it [`is_settled`](Self::is_settled).
    pub async fn settled(&self) {
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

/// What is to run, and where values go.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The plugins.
    pub plugins: PluginsConfig,
    /// How each node queues and retries.
    pub sending: BTreeMap<String, NodeConfig>,
    /// Which values go to which nodes.
    pub routes: Vec<Route>,
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

/// Decides what runs: its task.
pub struct Supervisor {
    config: PluginsConfig,
    sending: BTreeMap<String, NodeConfig>,
    routes: Vec<Route>,
    sandbox: Sandbox,
    shared: Shared,
    statuses: Arc<Statuses>,
    states: StateDir,
    files: Files,
    uses: Uses,
    collectors: BTreeMap<String, Running>,
    processors: BTreeMap<String, Linked>,
    nodes: BTreeMap<String, Destined>,
    events: mpsc::Sender<Event>,
    slots: Slots,
    settled: watch::Sender<bool>,
    judging: watch::Sender<bool>,
}

impl Supervisor {
    /// Makes the supervisor, which waits to be run: what it loads is of no use to an agent that cannot listen.
    pub fn prepare(
        plan: Plan,
        sandbox: Sandbox,
        shared: Shared,
        statuses: Arc<Statuses>,
        states: StateDir,
    ) -> (Supervision, impl Future<Output = ()> + Send + 'static) {
        let (events, inbox) = mpsc::channel(EVENTS_MAX);
        let (settled, has_settled) = watch::channel(false);
        let (judging, has_judged) = watch::channel(false);
        let supervisor = Self {
            uses: Uses::of(&plan.plugins),
            config: plan.plugins,
            sending: plan.sending,
            routes: plan.routes,
            sandbox,
            shared,
            statuses,
            states,
            files: Files::new(),
            collectors: BTreeMap::new(),
            processors: BTreeMap::new(),
            nodes: BTreeMap::new(),
            events: events.clone(),
            slots: Slots::new(),
            settled,
            judging,
        };
        let supervision = Supervision { events, settled: has_settled, judging: has_judged };
        (supervision, supervisor.run(inbox))
    }

    /// It looks at the folder and the configuration at once.
    async fn run(mut self, mut inbox: mpsc::Receiver<Event>) {
        self.look();
        self.wake_at_end_of_patience();
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
            Event::Config(plan) => {
                let (old, new) = (&self.config.folder, &plan.plugins.folder);
                let other_files = old.dir != new.dir || old.signatures != new.signatures;
                (self.config, self.sending, self.routes) = (plan.plugins, plan.sending, plan.routes);
                self.uses = Uses::of(&self.config);
                if other_files {
                    self.files.clear();
                }
                self.look();
            }
            Event::Seen { file, visit, seen } => self.seen(&file, visit, seen),
            Event::Loaded { file, visit, plugin } => self.loaded(&file, visit, plugin),
            Event::Wake => {}
            Event::Tried { target, key, result } => self.tried(&target, *key, result),
            Event::Revive(name, answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(self.revive(&name));
            }
            Event::Stop(_) => {}
        }
        self.load_wanted();
        self.reconcile();
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

    fn revive(&mut self, name: &str) -> Result<(), String> {
        let retried = self.retry_file(name);
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
        if let Some(destined) = name.strip_prefix("node ").and_then(|node| self.nodes.get(node)) {
            destined.slot.revive();
            destined.node.backend_changed();
            return Ok(());
        }
        if retried { Ok(()) } else { Err(format!("there is no instance {name:?}")) }
    }

    /// Writes down what there is, for those who ask.
    fn publish(&self) {
        let views = self.files.iter().map(|(name, file)| FileView {
            file: name.clone(),
            bytes: file.fingerprint.bytes,
            kind: file.kind().map(Kind::as_str),
            hash: file.hash.map(|hash| hash.to_string()),
            used_by: self.users_of(name),
            error: file.error.clone(),
            busy: self.is_busy(name, file),
        });
        self.statuses.set_files(views.collect());
        if self.is_settled() {
            self.settled.send_replace(true);
        }
        if !self.awaits_processors() {
            self.judging.send_replace(true);
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

    /// The plugin of a file, if it is of that kind; else why not.
    fn plugin(&self, file: &str, kind: Kind) -> Result<&Plugin, String> {
        let dir = self.config.folder.dir.display();
        match self.files.get(file) {
            None => Err(format!("there is no {file} in {dir}")),
            Some(File { plugin: Some(plugin), .. }) if plugin.kind() == kind => Ok(plugin),
            Some(File { error: Some(error), plugin: None, .. }) => Err(format!("{file} cannot be used: {error}")),
            Some(other) => match other.kind().filter(|&other| other != kind) {
                Some(other) => Err(format!("{file} is a {}, and a {} is wanted here", other.as_str(), kind.as_str())),
                None => Err(format!("{file} is not loaded yet")),
            },
        }
    }

    /// Ends all of them side by side. Those whose calls take longer than there is time for are left behind: what the
    /// others have saved is to be written whatever they do.
    async fn stop(&mut self) {
        let collectors = std::mem::take(&mut self.collectors).into_values().filter_map(|running| running.handle);
        let processors = std::mem::take(&mut self.processors).into_values().filter_map(|linked| linked.link);
        let collectors: Vec<_> = collectors.map(collecting::Handle::stop).collect();
        let processors: Vec<_> = processors.map(|link| async move { link.close().await }).collect();
        let all = async {
            futures_util::future::join(
                futures_util::future::join_all(collectors),
                futures_util::future::join_all(processors),
            )
            .await
        };
        if tokio::time::timeout(STOP_TIME, all).await.is_err() {
            tracing::warn!(
                "some collectors or processors were in a call for more than {STOP_TIME:?}, and are left behind"
            );
        }
        if tokio::time::timeout(SAVE_TIME, self.states.saved()).await.is_err() {
            tracing::warn!("the disk of what plugins have saved does not answer; their last state may be lost");
        }
    }
}
