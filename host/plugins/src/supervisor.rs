//! The task that decides what runs: it compares the plugin folder and the configuration with what there is, and changes
//! only what differs.
//!
//! Whatever takes time happens elsewhere and comes back as a [`SupervisorEvent`]: looking through the folder and at a
//! file, compiling it, trying a new version. So a large plugin delays no small one, and a disk that hangs delays
//! nobody.

mod files;
mod fleet;
mod slot;
mod supervision;
mod uses;
mod wanted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use parking_lot::Mutex;
use saker_pipeline::Pipeline;
use saker_sandbox::{Plugin, PluginKind, Sandbox};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use self::files::PluginFolder;
use self::fleet::{Fleet, Managed, ReconcileContext};
use self::slot::SlotRejection;
pub use self::supervision::Supervision;
use crate::backend::{BackendRole, BackendSlots};
use crate::collector::CollectorRole;
use crate::config::PluginsConfig;
use crate::deployment::Deployment;
use crate::folder::{FileSummary, Fingerprint};
use crate::processor::{Chain, ProcessorRole};
use crate::role::{Role, RoleContext};
use crate::state_dir::StateDir;
use crate::status::Statuses;

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
enum SupervisorEvent {
    /// Something in the plugin folder may have changed.
    Folder,
    /// The folder was looked through.
    Scanned { turn: u64, found: Result<BTreeMap<String, Fingerprint>, String> },
    /// The configuration is another. Says when there is a place for everything in it.
    Config(Box<PluginsConfig>, oneshot::Sender<()>),
    /// A file was looked at.
    Seen { file: String, visit: u64, seen: Result<FileSummary, String> },
    /// A file was compiled and described, or not.
    Loaded { file: String, visit: u64, plugin: Result<Box<Plugin>, String> },
    /// Something has ended that others were waiting for, or took too long.
    Wake,
    /// A deployment was tried.
    Tried { kind: PluginKind, name: String, deployment: Arc<Deployment>, result: Result<(), SlotRejection> },
    /// Somebody wants an instance to be called again. Answers why not.
    Resume(String, oneshot::Sender<Result<(), String>>),
    /// Everything ends.
    Stop(oneshot::Sender<()>),
}

/// What plugins stand on.
pub struct Dependencies {
    /// Where they run.
    pub sandbox: Sandbox,
    /// Where values go.
    pub pipeline: Arc<Pipeline>,
    /// Where the pipeline asks the processors.
    pub chain: Arc<Chain>,
    /// Whose values these are.
    pub endpoint: Arc<ArcSwap<Arc<str>>>,
    /// What is known of every instance, for those who ask.
    pub statuses: Arc<Statuses>,
    /// What instances have saved.
    pub states: StateDir,
}

/// Decides what runs: its task.
pub struct Supervisor {
    config: PluginsConfig,
    chain: Arc<Chain>,
    folder: PluginFolder,
    collectors: Fleet<CollectorRole>,
    processors: Fleet<ProcessorRole>,
    backends: Fleet<BackendRole>,
    backend_slots: BackendSlots,
    yard: ReconcileContext,
    /// What was put out of place, and is being ended.
    ending: JoinSet<()>,
    settled: watch::Sender<bool>,
    judging: watch::Sender<bool>,
}

impl Supervisor {
    /// Makes the supervisor, which waits to be run: what it loads is of no use to an agent that cannot listen. There is a
    /// [`backend`](Supervision::backend) for each destination already.
    pub fn prepare(
        config: PluginsConfig,
        dependencies: Dependencies,
    ) -> (Supervision, impl Future<Output = ()> + Send + 'static) {
        let Dependencies { sandbox, pipeline, chain, endpoint, statuses, states } = dependencies;
        let (events, inbox) = mpsc::channel(EVENTS_MAX);
        let (settled, has_settled) = watch::channel(false);
        let (judging, has_judged) = watch::channel(false);
        let mut supervisor = Self {
            chain,
            folder: PluginFolder::new(&config, sandbox.clone(), statuses.clone(), events.clone()),
            collectors: Fleet::default(),
            processors: Fleet::default(),
            backends: Fleet::default(),
            backend_slots: Arc::new(Mutex::default()),
            yard: ReconcileContext {
                shared: RoleContext { sandbox, pipeline, endpoint },
                statuses,
                states,
                events: events.clone(),
                canaries: JoinSet::new(),
                endings: Vec::new(),
            },
            ending: JoinSet::new(),
            settled,
            judging,
            config,
        };
        supervisor.set_backend_places();
        let backends = supervisor.backend_slots.clone();
        (Supervision { events, settled: has_settled, judging: has_judged, backends }, supervisor.run(inbox))
    }

    /// It looks at the folder and the configuration at once.
    async fn run(mut self, mut inbox: mpsc::Receiver<SupervisorEvent>) {
        self.folder.look();
        self.folder.wake_at_end_of_patience();
        self.reconcile();
        let mut save = tokio::time::interval(SAVE_INTERVAL);
        loop {
            tokio::select! {
                event = inbox.recv() => match event {
                    Some(SupervisorEvent::Stop(done)) => {
                        self.stop().await;
                        // Whoever asked may have given up waiting.
                        let _ = done.send(());
                        return;
                    }
                    Some(event) => self.handle(event),
                    None => return,
                },
                _ = save.tick() => self.yard.states.save(),
                () = self.folder.work_done() => {}
                Some(tried) = self.yard.canaries.join_next() => note_panic("a canary", tried),
                Some(ended) = self.ending.join_next() => note_panic("the end of an instance", ended),
            }
        }
    }

    fn handle(&mut self, event: SupervisorEvent) {
        match event {
            SupervisorEvent::Folder => self.folder.look(),
            SupervisorEvent::Scanned { turn, found } => self.folder.scanned(turn, found),
            SupervisorEvent::Config(config, done) => {
                self.config = *config;
                self.folder.set(&self.config);
                self.folder.look();
                self.set_backend_places();
                // Whoever asked may have given up waiting.
                let _ = done.send(());
            }
            SupervisorEvent::Seen { file, visit, seen } => self.folder.seen(&file, visit, seen),
            SupervisorEvent::Loaded { file, visit, plugin } => self.folder.loaded(&file, visit, plugin),
            SupervisorEvent::Wake => {}
            SupervisorEvent::Tried { kind, name, deployment, result } => match kind {
                PluginKind::Collector => self.collectors.tried(&name, &deployment, result),
                PluginKind::Processor => self.processors.tried(&name, &deployment, result),
                PluginKind::Backend => self.backends.tried(&name, &deployment, result),
            },
            SupervisorEvent::Resume(name, answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(self.resume(&name));
            }
            SupervisorEvent::Stop(_) => {}
        }
        self.folder.load_wanted();
        self.reconcile();
    }

    /// Makes what runs agree with the folder and the configuration.
    fn reconcile(&mut self) {
        let interval = self.config.interval;
        self.backends.reconcile(&wanted::backends(&self.config), &self.folder, interval, &mut self.yard);
        self.reconcile_processors();
        // What comes in before the processors are there would pass them by.
        if !self.awaits_processors() && self.folder.is_known() {
            let wanted = wanted::collectors(&self.config, self.folder.collectors());
            self.collectors.reconcile(&wanted, &self.folder, interval, &mut self.yard);
        }
        // Not before what is new is in place.
        for ending in self.yard.endings.drain(..) {
            self.ending.spawn(ending);
        }
        self.publish();
    }

    /// Whether a processor's file is on its way for the first time.
    fn awaits_processors(&self) -> bool {
        let mut names = self.config.processors.iter();
        names.any(|name| self.folder.is_on_its_way(&self.config.instance(name).file_of(name)))
    }

    fn reconcile_processors(&mut self) {
        let (pipeline, interval) = (&self.yard.shared.pipeline, self.config.interval);
        pipeline.set_pass_on_failure(self.config.pass_on_failure);
        self.processors.reconcile(&wanted::processors(&self.config), &self.folder, interval, &mut self.yard);
        let names = self.config.processors.iter();
        let order: Vec<_> = names.filter_map(|name| Some(self.processors.get(name)?.role.link())).collect();
        if self.chain.differs(&order) {
            self.chain.set(order);
            self.yard.shared.pipeline.judge_again();
        }
    }

    fn set_backend_places(&mut self) {
        let wanted = wanted::backends(&self.config);
        self.backends.set_places(&wanted, &mut self.yard);
        let slot = |name: &String| Some((name.clone(), self.backends.get(name)?.role.slot().clone()));
        *self.backend_slots.lock() = wanted.keys().filter_map(slot).collect();
    }

    fn resume(&mut self, name: &str) -> Result<(), String> {
        fn resume<R: Role>(managed: Option<&Managed<R>>) -> bool {
            managed.inspect(|managed| managed.role.resume()).is_some()
        }
        let retried = self.folder.retry_file(name);
        let resumed =
            resume(self.collectors.get(name)) || resume(self.processors.get(name)) || resume(self.backends.get(name));
        if resumed || retried { Ok(()) } else { Err(format!("there is no instance {name:?}")) }
    }

    /// Writes down what there is, for those who ask.
    fn publish(&self) {
        let users_of = |file: &str| {
            let (collectors, processors) = (self.collectors.users_of(file), self.processors.users_of(file));
            collectors.chain(processors).chain(self.backends.users_of(file)).collect()
        };
        self.yard.statuses.set_files(self.folder.views(users_of));
        if self.folder.is_settled() {
            self.settled.send_replace(true);
        }
        if !self.awaits_processors() {
            self.judging.send_replace(true);
        }
    }

    /// Ends all of them side by side. Those whose calls take longer than there is time for are left behind: what the
    /// others have saved is to be written whatever they do.
    async fn stop(&mut self) {
        let endings = [self.collectors.stop(), self.processors.stop(), self.backends.stop()];
        let all = async {
            join_all(endings.into_iter().flatten()).await;
            while let Some(ended) = self.ending.join_next().await {
                note_panic("the end of an instance", ended);
            }
        };
        if tokio::time::timeout(STOP_TIME, all).await.is_err() {
            tracing::warn!(
                "some collectors or processors were in a call for more than {STOP_TIME:?}, and are left behind"
            );
        }
        if tokio::time::timeout(SAVE_TIME, self.yard.states.saved()).await.is_err() {
            tracing::warn!("the disk of what plugins have saved does not answer; their last state may be lost");
        }
    }
}

fn note_panic(what: &str, ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!("{what} failed: {error}");
    }
}
