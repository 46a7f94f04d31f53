//! The store at work: its threads, from a folder that is opened to the last sync.
//!
//! Three of them: one writes what the pipeline hands in, one syncs, one seals, rolls up, merges and removes. A disk that
//! hangs holds these up and nobody else. Whoever composes the agent starts and stops it; reading needs no thread of its own
//! here, and blocks whoever reads.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use parking_lot::{Condvar, Mutex};
use saker_journal::{Disk, real};
use saker_model::SeriesTable;
use saker_pipeline::now_ms;

use crate::error::StoreError;
use crate::files::Opened;
use crate::maintain::Surroundings;
use crate::sink::StoreSink;
use crate::store::{Store, StoreConfig, StoreDurability, Totals};

/// Between two rounds of maintenance: heads are sealed at an hour, and files go one a minute.
const MAINTAIN_EVERY: Duration = Duration::from_secs(10);
/// A failure that lasts is logged so often.
const LOG_EVERY_MS: i64 = 60_000;

/// A store and its threads.
pub struct StoreService {
    store: Arc<Store>,
    sink: Arc<StoreSink>,
    shared: Arc<ServiceShared>,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads and whoever asks about them share.
pub(crate) struct ServiceShared {
    folder: Option<PathBuf>,
    orders: Mutex<Orders>,
    changed: Condvar,
    pub(crate) work: Work,
}

/// What rounds of maintenance and syncs have done.
#[derive(Default)]
pub(crate) struct Work {
    pub(crate) failures: AtomicU64,
    pub(crate) merged_files: AtomicU64,
    pub(crate) removed_files: AtomicU64,
    pub(crate) buckets: AtomicU64,
    pub(crate) rolled_again: AtomicU64,
    pub(crate) under_pressure: AtomicU64,
    pub(crate) set_aside_bytes: AtomicU64,
}

struct Orders {
    config: StoreConfig,
    /// The configuration that maintenance has still to take over.
    news: Option<StoreConfig>,
    ends: bool,
}

/// What a store was when it ended.
#[derive(Debug)]
pub enum Ended {
    /// In order: all that was taken is in files and on disk.
    Flushed(Totals),
    /// Not all could be written. What was acknowledged is in the journal, as safe as the journal is.
    Failed(StoreError),
    /// The disk did not answer in time. What was acknowledged before it hung is in the journal.
    Hangs,
}

impl StoreService {
    /// Opens the store in a folder, which is made if it is not there, and starts its threads. The points that it is left
    /// are of series in this table.
    ///
    /// # Errors
    /// The folder or the journal cannot be opened, or another process has it.
    pub fn start(folder: &Path, config: StoreConfig, table: Arc<SeriesTable>) -> Result<(Self, Opened), StoreError> {
        let disk = open_folder(folder).map_err(StoreError::of("open", folder.display().to_string()))?;
        Self::start_on(&*disk, Some(folder.to_owned()), config, table)
    }

    pub(crate) fn start_on(
        disk: &dyn Disk,
        folder: Option<PathBuf>,
        config: StoreConfig,
        table: Arc<SeriesTable>,
    ) -> Result<(Self, Opened), StoreError> {
        let (store, opened) = Store::open(disk, config.clone(), now_ms())?;
        let (store, sink) = (Arc::new(store), Arc::new(StoreSink::new(table)));
        let orders = Mutex::new(Orders { config, news: None, ends: false });
        let shared = Arc::new(ServiceShared { folder, orders, changed: Condvar::new(), work: Work::default() });
        shared.count_set_aside(&store);
        let mut service = Self { store, sink, shared, threads: Vec::new() };
        let spawned = service.spawn();
        if let Err(source) = spawned {
            service.end();
            return Err(StoreError::Io { doing: "start a thread for", name: "the store".into(), source });
        }
        Ok((service, opened))
    }

    fn spawn(&mut self) -> std::io::Result<()> {
        let (store, sink, shared) = (self.store.clone(), self.sink.clone(), self.shared.clone());
        let synced = move || shared.orders.lock().config.durability == StoreDurability::Disk;
        self.thread("store-write", move || sink.write(&store, synced))?;
        let (store, shared) = (self.store.clone(), self.shared.clone());
        self.thread("store-sync", move || {
            while shared.rests(|orders| orders.config.sync_interval) {
                shared.note("sync", store.sync());
            }
        })?;
        let (store, shared) = (self.store.clone(), self.shared.clone());
        self.thread("store-maintain", move || {
            let began = Instant::now();
            while shared.rests(|orders| if orders.news.is_some() { Duration::ZERO } else { MAINTAIN_EVERY }) {
                shared.maintain(&store, began);
            }
        })
    }

    fn thread(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        self.threads.push(std::thread::Builder::new().name(name.into()).spawn(work)?);
        Ok(())
    }

    /// The store: to read, to delete, to ask what there is. Its calls block.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Where the pipeline leaves points.
    #[must_use]
    pub fn sink(&self) -> &Arc<StoreSink> {
        &self.sink
    }

    /// What it counts, to be registered once.
    #[must_use]
    pub fn metrics(&self) -> crate::metrics::StoreMetrics {
        crate::metrics::StoreMetrics::new(self.store.clone(), self.sink.clone(), self.shared.clone())
    }

    /// Goes by another configuration from the next round of maintenance on, which begins at once. Whether there is a
    /// store at all is decided by who starts it.
    pub fn apply(&self, config: StoreConfig) {
        let mut orders = self.shared.orders.lock();
        if orders.config != config {
            orders.config = config.clone();
            orders.news = Some(config);
            self.shared.changed.notify_all();
        }
    }

    /// Ends it in order: what was handed in is written, all heads are sealed, and everything is synced. Blocks for so long
    /// at the most. Nothing may be left to the sink any more.
    pub fn stop(mut self, within: Duration) -> Ended {
        let (said, answer) = mpsc::channel();
        let (threads, store) = (std::mem::take(&mut self.threads), self.store.clone());
        self.end();
        let end = std::thread::Builder::new().name("store-end".into()).spawn(move || {
            for thread in threads {
                if thread.join().is_err() {
                    tracing::error!("a thread of the store has died");
                }
            }
            let flushed = store.flush();
            // Its lock is free when the end is told. Nobody waits for that any more if it took too long.
            drop(store);
            let _ = said.send(flushed);
        });
        match end.map_err(|_| ()).and_then(|_| answer.recv_timeout(within).map_err(|_| ())) {
            Ok(Ok(())) => Ended::Flushed(self.store.totals()),
            Ok(Err(error)) => Ended::Failed(error),
            Err(()) => Ended::Hangs,
        }
    }

    fn end(&self) {
        self.sink.close();
        self.shared.orders.lock().ends = true;
        self.shared.changed.notify_all();
    }
}

impl Drop for StoreService {
    /// The threads end by themselves; what they have not written is in the journal.
    fn drop(&mut self) {
        self.end();
    }
}

impl ServiceShared {
    /// Waits; false if the store ends.
    fn rests(&self, pause: impl Fn(&Orders) -> Duration) -> bool {
        let mut orders = self.orders.lock();
        let began = Instant::now();
        while !orders.ends {
            let until = began + pause(&orders);
            if until <= Instant::now() || self.changed.wait_until(&mut orders, until).timed_out() {
                return !orders.ends;
            }
        }
        false
    }

    fn maintain(&self, store: &Store, began: Instant) {
        if let Some(config) = self.orders.lock().news.take() {
            store.apply(config);
        }
        let (disk_bytes, free_bytes) = self.folder.as_deref().and_then(space).unwrap_or_default();
        let uptime_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        let result = store.maintain(Surroundings { now_ms: now_ms(), uptime_ms, disk_bytes, free_bytes });
        if let Ok(done) = &result {
            let add = |counter: &AtomicU64, more: u64| counter.fetch_add(more, Ordering::Relaxed);
            add(&self.work.merged_files, done.merged_files);
            add(&self.work.removed_files, done.removed_files);
            add(&self.work.buckets, done.buckets);
            add(&self.work.rolled_again, done.rolled_again);
            let pressed = u64::from(done.under_pressure);
            if self.work.under_pressure.swap(pressed, Ordering::Relaxed) != pressed {
                match done.under_pressure {
                    true => tracing::warn!(
                        "the store has no room for all it is to keep: the oldest points go before their time"
                    ),
                    false => tracing::info!("the store has room again"),
                }
            }
        }
        self.note("maintain", result);
        self.count_set_aside(store);
    }

    fn count_set_aside(&self, store: &Store) {
        let found = store.set_aside().map(|files| {
            let bytes = files.iter().map(|(_, bytes)| *bytes).sum();
            self.work.set_aside_bytes.store(bytes, Ordering::Relaxed);
        });
        self.note("list what was set aside", found);
    }

    fn note<T>(&self, doing: &str, result: Result<T, StoreError>) {
        if let Err(error) = result {
            self.work.failures.fetch_add(1, Ordering::Relaxed);
            log_failure(doing, &error);
        }
    }
}

/// Logs a failure of the store, not more often than is of use.
pub(crate) fn log_failure(doing: &str, error: &StoreError) {
    static LOGGED_MS: AtomicI64 = AtomicI64::new(0);
    let (now_ms, logged_ms) = (now_ms(), LOGGED_MS.load(Ordering::Relaxed));
    if (now_ms - logged_ms).abs() >= LOG_EVERY_MS {
        LOGGED_MS.store(now_ms, Ordering::Relaxed);
        let why = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
        tracing::error!("the store failed to {doing}: {error}{why}");
    }
}

/// For the agent's user only.
const FOLDER_MODE: u32 = 0o700;

/// A folder of the real disk, for a store; it is made if it is not there.
///
/// # Errors
/// The system's.
pub fn open_folder(folder: &Path) -> std::io::Result<Arc<dyn Disk>> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(folder)?;
    Ok(real(Dir::open_ambient_dir(folder, ambient_authority())?))
}

/// The size of a folder's file system, and what is free of it for who is not root.
fn space(folder: &Path) -> Option<(u64, u64)> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some((disk.f_blocks.saturating_mul(disk.f_frsize), disk.f_bavail.saturating_mul(disk.f_frsize)))
}

#[cfg(test)]
mod tests;
