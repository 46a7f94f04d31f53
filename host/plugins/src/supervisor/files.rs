//! The plugin folder as the supervisor knows it: which files there are, which of them are wanted, and in which order they
//! are compiled.
//!
//! Every file is looked at: read, its signature checked, its kind seen from what it exports. Compiled and described is
//! only what runs, or is to run: collectors that are not disabled, the processors and the backends that the configuration
//! names. What is wanted first comes first, so that the first start brings values soon.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use saker_sandbox::{Plugin, PluginHash, PluginKind, Sandbox};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::SupervisorEvent;
use super::uses::Uses;
use crate::config::{FolderConfig, PluginsConfig};
use crate::folder::{self, FileSummary, Fingerprint};
use crate::status::{FileView, Statuses};

/// Files that are compiled at the same time: each takes a core for a while.
const COMPILING_MAX: usize = 2;
/// Files that are looked at, and plugins that are described, at the same time. Each may hold a whole file in memory.
const LOOKING_MAX: usize = 4;
/// How long a look at a file, or the reading of one, keeps others waiting: a disk that answers takes less for 32 MiB.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// Files whose look hangs, and which do not keep others waiting. Each has a thread and holds what was read of it.
const HUNG_MAX: usize = 32;
/// Compiling begins with what is most wanted of all that is there, so it waits until all files were looked at; for one
/// that hangs it does not wait longer.
const LOOK_PATIENCE: Duration = Duration::from_millis(500);
/// So long does a start wait for files that the configuration does not name. Those that it names it waits for.
const START_PATIENCE: Duration = Duration::from_secs(10);

/// A file of the plugin folder.
struct FolderFile {
    fingerprint: Fingerprint,
    /// Which look at it this is: what comes back from an earlier one does not count.
    visit: u64,
    stage: FileStage,
    /// What it is, as far as its exports tell.
    kind: Option<PluginKind>,
    hash: Option<PluginHash>,
    /// The last version that could be loaded.
    plugin: Option<Plugin>,
    /// Why the file as it is now could not be.
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileStage {
    /// It is being read.
    Looking,
    /// Its kind is known. It waits to be compiled, if it is wanted.
    Seen,
    /// It is being compiled or described.
    Loading,
    /// It is loaded, or cannot be.
    Done,
}

impl FolderFile {
    /// What it is, as far as is known.
    fn kind(&self) -> Option<PluginKind> {
        self.plugin.as_ref().map(Plugin::kind).or(self.kind)
    }
}

/// What bounds the work on files.
struct FileWorkBounds {
    looking: Arc<Semaphore>,
    hung: Arc<Semaphore>,
    compiling: Arc<Semaphore>,
    describing: Arc<Semaphore>,
}

impl FileWorkBounds {
    fn new() -> Self {
        Self {
            looking: Arc::new(Semaphore::new(LOOKING_MAX)),
            hung: Arc::new(Semaphore::new(HUNG_MAX)),
            compiling: Arc::new(Semaphore::new(COMPILING_MAX)),
            describing: Arc::new(Semaphore::new(LOOKING_MAX)),
        }
    }
}

/// Looks through the folder, on a thread, one at a time.
#[derive(Default)]
struct FolderScan {
    runs: bool,
    /// Something has happened since it began.
    again: bool,
    /// What the folder was scanned for: another one makes the answer worthless.
    turn: u64,
    /// Whether the folder has been looked through at all.
    done: bool,
}

/// The plugin folder: its files, and the work on them.
pub(super) struct PluginFolder {
    config: FolderConfig,
    files: BTreeMap<String, FolderFile>,
    uses: Uses,
    bounds: FileWorkBounds,
    scanning: FolderScan,
    visits: u64,
    /// When the look at files began that were not known before.
    looked: Instant,
    started: Instant,
    sandbox: Sandbox,
    statuses: Arc<Statuses>,
    events: mpsc::Sender<SupervisorEvent>,
    /// All work that goes on; what there is of it ends with this.
    work: JoinSet<()>,
}

/// Why a file's plugin cannot be used.
pub(super) enum FileAbsence {
    /// It may be there soon.
    OnItsWay,
    /// It is not, for this reason.
    Missing(String),
}

/// What comes of work on a file. If that hangs, its slot goes to others, for as many files as may hang.
async fn within<T>(
    mut work: tokio::task::JoinHandle<T>,
    slot: OwnedSemaphorePermit,
    hung: &Arc<Semaphore>,
) -> Result<T, tokio::task::JoinError> {
    if let Ok(done) = tokio::time::timeout(LOOK_MAX, &mut work).await {
        return done;
    }
    let _held = match hung.clone().try_acquire_owned() {
        Ok(place) => {
            drop(slot);
            place
        }
        Err(_) => slot,
    };
    work.await
}

impl PluginFolder {
    pub(super) fn new(
        config: &PluginsConfig,
        sandbox: Sandbox,
        statuses: Arc<Statuses>,
        events: mpsc::Sender<SupervisorEvent>,
    ) -> Self {
        Self {
            config: config.folder.clone(),
            files: BTreeMap::new(),
            uses: Uses::of(config),
            bounds: FileWorkBounds::new(),
            scanning: FolderScan::default(),
            visits: 0,
            looked: Instant::now(),
            started: Instant::now(),
            sandbox,
            statuses,
            events,
            work: JoinSet::new(),
        }
    }

    /// Takes another configuration.
    pub(super) fn set(&mut self, config: &PluginsConfig) {
        let (old, new) = (&self.config, &config.folder);
        if old.dir != new.dir || old.signatures != new.signatures {
            self.files.clear();
            // A look through the folder before may hang.
            self.scanning = FolderScan { turn: self.scanning.turn + 1, ..FolderScan::default() };
        }
        self.config = config.folder.clone();
        self.uses = Uses::of(config);
    }

    /// Waits for the end of some work. Can be dropped while it waits.
    pub(super) async fn work_done(&mut self) {
        match self.work.join_next().await {
            Some(Err(error)) if error.is_panic() => tracing::error!("work on a plugin file failed: {error}"),
            Some(_) => {}
            None => std::future::pending().await,
        }
    }

    /// Has the folder looked through. A disk that hangs holds up one thread.
    pub(super) fn look(&mut self) {
        if std::mem::replace(&mut self.scanning.runs, true) {
            self.scanning.again = true;
            return;
        }
        let (dir, turn, events) = (self.config.dir.clone(), self.scanning.turn, self.events.clone());
        let scan = tokio::task::spawn_blocking(move || folder::scan(&dir).map_err(|error| error.to_string()));
        self.work.spawn(async move {
            let found = scan.await.unwrap_or_else(|error| Err(error.to_string()));
            // A supervisor that has ended wants no files.
            let _ = events.send(SupervisorEvent::Scanned { turn, found }).await;
        });
    }

    /// The folder was looked through: what is new there is looked at.
    pub(super) fn scanned(&mut self, turn: u64, found: Result<BTreeMap<String, Fingerprint>, String>) {
        if turn != self.scanning.turn {
            return;
        }
        (self.scanning.runs, self.scanning.done) = (false, true);
        self.holds(found);
        if std::mem::take(&mut self.scanning.again) {
            self.look();
        }
    }

    fn holds(&mut self, found: Result<BTreeMap<String, Fingerprint>, String>) {
        let dir = self.config.dir.display();
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                // What was loaded before runs on; nothing else is.
                if self.statuses.set_folder_error(Some(error.clone())) {
                    tracing::error!(%dir, "no plugin is loaded from the plugin folder: {error}");
                }
                return;
            }
        };
        if self.statuses.set_folder_error(None) {
            tracing::info!(%dir, "the plugin folder can be used again");
        }
        self.files.retain(|name, _| {
            let kept = found.contains_key(name);
            if !kept {
                tracing::info!(file = name, "removed from the plugin folder");
            }
            kept
        });
        let (known, waiting) = (self.visits, self.is_looking());
        for (name, fingerprint) in found {
            if self.files.get(&name).is_none_or(|file| file.fingerprint != fingerprint) {
                self.visit(name, fingerprint);
            }
        }
        // One that hangs has used up the patience for those that come after it, too.
        if self.visits > known && !waiting {
            self.looked = Instant::now();
            self.wake_after(LOOK_PATIENCE);
        }
    }

    /// Whether it has been looked through, so that what is not known is not there.
    pub(super) fn is_known(&self) -> bool {
        self.scanning.done
    }

    /// The collectors that are loaded, by the names of their files.
    pub(super) fn collectors(&self) -> impl Iterator<Item = &String> {
        let is_one =
            |file: &FolderFile| file.plugin.as_ref().is_some_and(|plugin| plugin.kind() == PluginKind::Collector);
        self.files.iter().filter(move |(_, file)| is_one(file)).map(|(name, _)| name)
    }

    /// The plugin of a file, if it is of that kind; else why not.
    pub(super) fn plugin(&self, file: &str, kind: PluginKind) -> Result<&Plugin, FileAbsence> {
        if self.is_on_its_way(file) {
            return Err(FileAbsence::OnItsWay);
        }
        let dir = self.config.dir.display();
        let why = match self.files.get(file) {
            None => format!("there is no {file} in {dir}"),
            Some(FolderFile { plugin: Some(plugin), .. }) if plugin.kind() == kind => return Ok(plugin),
            Some(FolderFile { error: Some(error), plugin: None, .. }) => format!("{file} cannot be used: {error}"),
            Some(other) => match other.kind().filter(|&other| other != kind) {
                Some(other) => format!("{file} is a {}, and a {} is wanted here", other.as_str(), kind.as_str()),
                None => format!("{file} is not loaded yet"),
            },
        };
        Err(FileAbsence::Missing(why))
    }

    /// All files, for those who ask.
    pub(super) fn views(&self, users_of: impl Fn(&str) -> Vec<String>) -> Vec<FileView> {
        let views = self.files.iter().map(|(name, file)| FileView {
            file: name.clone(),
            bytes: file.fingerprint.bytes,
            kind: file.kind().map(PluginKind::as_str),
            hash: file.hash.map(|hash| hash.to_string()),
            used_by: users_of(name),
            error: file.error.clone(),
            busy: self.is_busy(name, file),
        });
        views.collect()
    }

    fn is_looking(&self) -> bool {
        self.files.values().any(|file| file.stage == FileStage::Looking)
    }

    fn visit(&mut self, name: String, fingerprint: Fingerprint) {
        self.visits += 1;
        let visit = self.visits;
        let file = self.files.entry(name.clone()).or_insert(FolderFile {
            fingerprint,
            visit,
            stage: FileStage::Looking,
            kind: None,
            hash: None,
            plugin: None,
            error: None,
        });
        (file.fingerprint, file.visit, file.stage) = (fingerprint, visit, FileStage::Looking);
        let (events, looking, dir) = (self.events.clone(), self.bounds.looking.clone(), self.config.dir.clone());
        let (most, signatures) = (self.config.max_file_bytes, self.config.signatures.clone());
        let hung = self.bounds.hung.clone();
        self.work.spawn(async move {
            let Ok(slot) = looking.acquire_owned().await else { return };
            let path = name.clone();
            let look = tokio::task::spawn_blocking(move || folder::look(&dir, &path, most, &signatures));
            let seen = match within(look, slot, &hung).await {
                Ok(seen) => seen,
                // The agent ends, and nobody needs to know of each file that it does not look at any more.
                Err(error) if error.is_cancelled() => return,
                Err(error) => Err(error.to_string()),
            };
            // A supervisor that has ended wants no files.
            let _ = events.send(SupervisorEvent::Seen { file: name, visit, seen }).await;
        });
    }

    /// A file was looked at.
    pub(super) fn seen(&mut self, name: &str, visit: u64, seen: Result<FileSummary, String>) {
        let Some(file) = self.files.get_mut(name).filter(|file| file.visit == visit) else { return };
        match seen {
            Ok(FileSummary { hash, kind }) => {
                let same = file.plugin.as_ref().is_some_and(|plugin| plugin.hash() == hash);
                (file.hash, file.kind, file.error) = (Some(hash), kind, None);
                file.stage = if same { FileStage::Done } else { FileStage::Seen };
            }
            Err(error) => self.failed(name, error),
        }
    }

    /// Begins to load what is wanted most, and lets go of what is not wanted any more.
    pub(super) fn load_wanted(&mut self) {
        for (name, file) in &mut self.files {
            let unwanted = self.uses.rank(name, file.kind(), 0).is_none();
            if unwanted && file.stage == FileStage::Done {
                file.plugin = None;
                file.stage = if file.error.is_some() { FileStage::Done } else { FileStage::Seen };
            }
        }
        if self.is_looking() && self.looked.elapsed() < LOOK_PATIENCE {
            return;
        }
        let mut wanted: Vec<_> = self
            .files
            .iter()
            .filter(|(_, file)| file.stage == FileStage::Seen)
            .filter_map(|(name, file)| Some((self.uses.rank(name, file.kind, file.fingerprint.bytes)?, name.clone())))
            .collect();
        wanted.sort();
        for (_, name) in wanted {
            let Ok(slot) = self.bounds.compiling.clone().try_acquire_owned() else { return };
            self.load(name, slot);
        }
    }

    fn load(&mut self, name: String, slot: OwnedSemaphorePermit) {
        let Some(file) = self.files.get_mut(&name) else { return };
        file.stage = FileStage::Loading;
        let (visit, changed) = (file.visit, file.fingerprint.changed());
        let (sandbox, events, describing) = (self.sandbox.clone(), self.events.clone(), self.bounds.describing.clone());
        let (dir, most) = (self.config.dir.clone(), self.config.max_file_bytes);
        let signatures = self.config.signatures.clone();
        self.work.spawn(async move {
            let path = name.clone();
            let mut read = tokio::task::spawn_blocking(move || folder::read_checked(&dir, &path, most, &signatures));
            let compiled = match tokio::time::timeout(LOOK_MAX, &mut read).await {
                Err(_) => {
                    // Whose place for compiling others can use.
                    drop(slot);
                    let _ = events.send(SupervisorEvent::Wake).await;
                    let plugin = match read.await {
                        Ok(Err(error)) => Err(error),
                        _ => Err(format!("its folder took longer than {LOOK_MAX:?} to give it; touch it to try again")),
                    };
                    let _ = events.send(SupervisorEvent::Loaded { file: name, visit, plugin }).await;
                    return;
                }
                Ok(read) => read,
            };
            let compiled = match compiled {
                Ok(Ok(bytes)) => sandbox.compile(bytes.into(), changed).await.map_err(|error| error.to_string()),
                Ok(Err(error)) => Err(error),
                // The agent ends, and nobody needs to know of each file that it does not load any more.
                Err(error) if error.is_cancelled() => return,
                Err(error) => Err(error.to_string()),
            };
            // Describing takes as long as the plugin likes, and no other waits for it.
            drop(slot);
            let _ = events.send(SupervisorEvent::Wake).await;
            let plugin = match compiled {
                Ok(compiled) => {
                    let _slot = describing.acquire().await;
                    sandbox.describe(compiled).await.map(Box::new).map_err(|error| error.to_string())
                }
                Err(error) => Err(error),
            };
            // A supervisor that has ended wants no plugins.
            let _ = events.send(SupervisorEvent::Loaded { file: name, visit, plugin }).await;
        });
    }

    /// A file was compiled and described, or not.
    pub(super) fn loaded(&mut self, name: &str, visit: u64, plugin: Result<Box<Plugin>, String>) {
        let Some(file) = self.files.get_mut(name).filter(|file| file.visit == visit) else { return };
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
                (file.plugin, file.error, file.stage) = (Some(*plugin), None, FileStage::Done);
            }
            Err(error) => self.failed(name, error),
        }
    }

    fn failed(&mut self, name: &str, error: String) {
        let Some(file) = self.files.get_mut(name) else { return };
        let runs_on = if file.plugin.is_some() { ", the version before runs on" } else { "" };
        tracing::warn!(file = name, "cannot be used{runs_on}: {error}");
        (file.error, file.stage) = (Some(error), FileStage::Done);
    }

    /// Has a file looked at and compiled again that cannot be used. Answers whether there is one.
    pub(super) fn retry_file(&mut self, name: &str) -> bool {
        let name = if name.ends_with(".wasm") { name.to_owned() } else { format!("{name}.wasm") };
        let Some(file) = self.files.get(&name).filter(|file| file.error.is_some()) else { return false };
        let (hash, fingerprint) = (file.hash, file.fingerprint);
        let forgotten = hash.is_some_and(|hash| self.sandbox.forget_failure(hash));
        tracing::info!(file = name, forgotten, "tried again");
        self.visit(name, fingerprint);
        true
    }

    /// Whether a file is wanted and on its way for the first time.
    pub(super) fn is_on_its_way(&self, name: &str) -> bool {
        match self.files.get(name) {
            Some(file) => file.plugin.is_none() && self.is_busy(name, file),
            None => !self.is_known(),
        }
    }

    fn is_busy(&self, name: &str, file: &FolderFile) -> bool {
        match file.stage {
            FileStage::Looking | FileStage::Loading => true,
            FileStage::Seen => self.uses.rank(name, file.kind, 0).is_some(),
            FileStage::Done => false,
        }
    }

    /// Whether the agent has what it was started for. A file that nothing names holds nobody up for long.
    pub(super) fn is_settled(&self) -> bool {
        let patient = self.started.elapsed() < START_PATIENCE;
        let holds_up =
            |(name, file): (&String, &FolderFile)| self.is_busy(name, file) && (patient || self.uses.name(name));
        self.is_known() && !self.files.iter().any(holds_up)
    }

    /// Waits for what takes longer than it should, and then goes on without it.
    pub(super) fn wake_at_end_of_patience(&mut self) {
        self.wake_after(START_PATIENCE);
    }

    fn wake_after(&mut self, time: Duration) {
        let events = self.events.clone();
        self.work.spawn(async move {
            tokio::time::sleep(time).await;
            // A supervisor that has ended sleeps for good.
            let _ = events.send(SupervisorEvent::Wake).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn files_that_hang_leave_their_slots_to_others_within_a_bound() {
        let bounds = FileWorkBounds::new();
        let mut waiting = Vec::new();
        for _ in 0..HUNG_MAX + LOOKING_MAX {
            let slot = bounds.looking.clone().acquire_owned().await.expect("nobody closes it");
            let hung = bounds.hung.clone();
            waiting.push(tokio::spawn(async move {
                let hangs = tokio::spawn(std::future::pending::<()>());
                within(hangs, slot, &hung).await
            }));
        }
        tokio::time::sleep(LOOK_MAX * 2).await;
        assert_eq!((bounds.hung.available_permits(), bounds.looking.available_permits()), (0, 0));
        waiting.drain(..).for_each(|waiting| waiting.abort());
        tokio::task::yield_now().await;
        assert_eq!((bounds.hung.available_permits(), bounds.looking.available_permits()), (HUNG_MAX, LOOKING_MAX));
    }
}
