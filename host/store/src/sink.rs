//! The store as the pipeline knows it: a sink that never makes a source wait for a disk that hangs.
//!
//! Whoever hands in points leaves them in a queue that a thread of the store's empties, and waits until they are in the
//! journal, so that what is acknowledged survives the death of the process. Where that takes longer than
//! [`WAIT`], the disk hangs: nobody waits any more until it goes on, and what the queue has no room for is dropped and
//! counted. Points that have a queue elsewhere are none the worse for it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use saker_model::{Changed, Point, Series, SeriesId, SeriesTable};
use saker_pipeline::{CollectorRun, Sink, now_ms};

use crate::error::StoreError;
use crate::store::Store;

/// A write takes a fraction of a millisecond. Sources wait on threads that others need too.
const WAIT: Duration = Duration::from_millis(250);
/// Points that wait for the journal: some seconds of a host that is pushed to hard, 16 MiB.
const QUEUE_POINTS: usize = 1 << 20;
/// Points that are written at once: a hold of the store's lock is a few milliseconds at most.
const POINTS_AT_ONCE: usize = 1 << 16;

/// Where the pipeline leaves points for the store.
pub struct StoreSink {
    table: Arc<SeriesTable>,
    queue: Mutex<Queue>,
    /// Something came.
    filled: Condvar,
    /// Something was written.
    emptied: Condvar,
    counters: SinkCounters,
}

/// What became of points on their way to the store.
#[derive(Debug, Default)]
pub(crate) struct SinkCounters {
    /// Handed in.
    pub(crate) received: AtomicU64,
    /// Dropped: the journal did not keep up.
    pub(crate) behind: AtomicU64,
    /// Dropped: the journal or the heads rejected them.
    pub(crate) failed: AtomicU64,
    /// Dropped: their series has a name that no file can hold.
    pub(crate) unnamed: AtomicU64,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<AppendJob>,
    points: usize,
    /// Jobs that were put in, and that are done.
    put: u64,
    done: u64,
    /// Nobody waits for it.
    stuck: bool,
    /// No more come.
    closed: bool,
    /// The series that the store was told of, by handle.
    told: Vec<u64>,
    /// Changes of the table's that it was told of.
    changes: u64,
}

/// What is to be done, in its order.
enum AppendJob {
    Points(Vec<Point>),
    /// All of one time.
    Run {
        source: Arc<str>,
        whole: bool,
        points: Vec<Point>,
    },
    /// These handles stand for these series.
    Tell(Vec<(SeriesId, Arc<Series>)>),
    Forget(Vec<SeriesId>),
}

impl AppendJob {
    fn points(&self) -> usize {
        match self {
            Self::Points(points) | Self::Run { points, .. } => points.len(),
            Self::Tell(_) | Self::Forget(_) => 0,
        }
    }
}

impl Queue {
    fn put(&mut self, job: AppendJob) -> u64 {
        self.points += job.points();
        self.jobs.push_back(job);
        self.put += 1;
        self.put
    }

    fn is_told(&self, id: SeriesId) -> bool {
        self.told.get(id.index() / 64).is_some_and(|word| word & 1 << (id.index() % 64) != 0)
    }

    fn set_told(&mut self, id: SeriesId, told: bool) {
        let (place, bit) = (id.index() / 64, 1 << (id.index() % 64));
        if place >= self.told.len() && told {
            self.told.resize(place + 1, 0);
        }
        if let Some(word) = self.told.get_mut(place) {
            *word = if told { *word | bit } else { *word & !bit };
        }
    }

    /// Tells the store of series that it does not know, or that are not as it knows them. Here and not when they are
    /// written: by then the handle may stand for another.
    fn tell(&mut self, table: &SeriesTable, points: &[Point]) {
        if table.changes() != self.changes {
            let (changes, changed) = table.changed_since(self.changes);
            self.changes = changes;
            match changed {
                Changed::These(ids) => ids.into_iter().for_each(|id| self.set_told(id, false)),
                Changed::Any => self.told.clear(),
            }
        }
        let mut news = Vec::new();
        for point in points.iter().filter(|point| !self.is_told(point.series)).collect::<Vec<_>>() {
            // One that is new is mostly the first of many.
            if !self.is_told(point.series)
                && let Some(series) = table.get(point.series)
            {
                self.set_told(point.series, true);
                news.push((point.series, series));
            }
        }
        if !news.is_empty() {
            self.put(AppendJob::Tell(news));
        }
    }
}

impl StoreSink {
    /// A sink whose points' series are in this table. What it is left is written by `write`.
    #[must_use]
    pub fn new(table: Arc<SeriesTable>) -> Self {
        let queue = Queue { changes: table.changes(), ..Queue::default() };
        let (filled, emptied) = (Condvar::new(), Condvar::new());
        Self { table, queue: Mutex::new(queue), filled, emptied, counters: SinkCounters::default() }
    }

    pub(crate) fn counters(&self) -> &SinkCounters {
        &self.counters
    }

    /// Points that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().points
    }

    fn leave(&self, points: &[Point], job: impl FnOnce(Vec<Point>) -> AppendJob) {
        if points.is_empty() {
            return;
        }
        self.counters.received.fetch_add(points.len() as u64, Ordering::Relaxed);
        let mut queue = self.queue.lock();
        if queue.closed || queue.points + points.len() > QUEUE_POINTS {
            self.counters.behind.fetch_add(points.len() as u64, Ordering::Relaxed);
            return;
        }
        queue.tell(&self.table, points);
        let number = queue.put(job(points.to_vec()));
        self.filled.notify_one();
        let until = Instant::now() + WAIT;
        while queue.done < number && !queue.stuck {
            if self.emptied.wait_until(&mut queue, until).timed_out() && queue.done < number {
                queue.stuck = true;
                tracing::warn!(
                    "the store's disk takes longer than {WAIT:?}; values are acknowledged before they are stored"
                );
            }
        }
    }

    /// Lets `write` end when all is written.
    pub(crate) fn close(&self) {
        self.queue.lock().closed = true;
        self.filled.notify_all();
    }

    /// Writes what is left until it is closed: the work of a thread. `synced` makes each batch survive
    /// the death of the machine before anybody is told that it was taken.
    pub(crate) fn write(&self, store: &Store, synced: impl Fn() -> bool) {
        let mut batch = Vec::new();
        while self.take(&mut batch) {
            let jobs = batch.len() as u64;
            let (mut points, mut failed) = (0, None);
            for job in batch.drain(..) {
                points += job.points();
                failed = self.work(store, job).err().or(failed);
            }
            if points > 0 && synced() {
                failed = store.sync().err().or(failed);
            }
            let mut queue = self.queue.lock();
            queue.points -= points;
            queue.done += jobs;
            if queue.stuck && queue.done == queue.put {
                queue.stuck = false;
                tracing::info!("the store's disk goes on");
            }
            drop(queue);
            self.emptied.notify_all();
            if let Some(error) = failed {
                crate::service::log_failure("store values", &error);
            }
        }
    }

    /// Takes what there is; false when there is nothing and nothing comes.
    fn take(&self, batch: &mut Vec<AppendJob>) -> bool {
        let mut queue = self.queue.lock();
        while queue.jobs.is_empty() && !queue.closed {
            self.filled.wait(&mut queue);
        }
        let mut points = 0;
        while points < POINTS_AT_ONCE
            && let Some(job) = queue.jobs.pop_front()
        {
            points += job.points();
            batch.push(job);
        }
        !batch.is_empty()
    }

    fn work(&self, store: &Store, job: AppendJob) -> Result<(), StoreError> {
        let count = job.points() as u64;
        let now_ms = now_ms();
        let result = match job {
            AppendJob::Points(points) => store.append_points(&points, now_ms),
            AppendJob::Run { source, whole, points } => {
                let group = store.group(&source, 0);
                let row: Vec<(u32, f64)> = points.iter().map(|point| (point.series.0, point.value)).collect();
                match whole {
                    true => store.append_tick(group, points[0].timestamp_ms, &row, now_ms),
                    false => store.append_part(group, points[0].timestamp_ms, &row, now_ms),
                }
            }
            AppendJob::Tell(news) => {
                for (id, series) in news {
                    if !store.register(id.0, &series) {
                        store.release(id.0);
                    }
                }
                return Ok(());
            }
            AppendJob::Forget(ids) => {
                ids.iter().for_each(|id| store.release(id.0));
                return Ok(());
            }
        };
        match result {
            Ok(appended) => {
                self.counters.unnamed.fetch_add(appended.unknown, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => {
                self.counters.failed.fetch_add(count, Ordering::Relaxed);
                Err(error)
            }
        }
    }
}

impl Sink for StoreSink {
    fn keep(&self, points: &[Point]) {
        self.leave(points, AppendJob::Points);
    }

    fn keep_run(&self, run: CollectorRun<'_>, points: &[Point]) {
        let Some(first) = points.first() else { return };
        // A collector may report values of several times; then there is no row that they all are of.
        let one_time = points.iter().all(|point| point.timestamp_ms == first.timestamp_ms);
        let CollectorRun { source, whole } = run;
        self.leave(points, |points| match one_time {
            true => AppendJob::Run { source: source.into(), whole, points },
            false => AppendJob::Points(points),
        });
    }

    fn forget(&self, ids: &[SeriesId]) {
        let mut queue = self.queue.lock();
        ids.iter().for_each(|id| queue.set_told(*id, false));
        queue.put(AppendJob::Forget(ids.to_vec()));
        drop(queue);
        self.filled.notify_one();
    }
}

#[cfg(test)]
mod tests;
