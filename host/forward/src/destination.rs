//! A destination: its backend, its queue and its figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use saker_model::{BackoffConfig, DurationHistogram, Point, Rate, SeriesTable};
use saker_pipeline::{MemoryBudget, Overload};

use crate::backend::DestinationBackend;
use crate::health::{Breaker, DestinationHealth};
use crate::queue::room::Reservation;
use crate::queue::spool::{SpoolDir, SpoolStats};
use crate::queue::{DestinationQueue, QueueConfig};
use crate::topology::DestinationShare;

/// Why points did not get to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full, and they were the oldest.
    QueueFull,
    /// They had waited too long.
    Expired,
    /// Their place on disk could not be read any more.
    Damaged,
    /// Their series was forgotten before they were written to disk.
    Forgotten,
    /// An operator threw them away.
    Discarded,
    /// The destination rejected them for good.
    Rejected,
    /// A batch of nothing but this point broke the backend again and again.
    Poison,
    /// The backend said that it took fewer points than it was given.
    Unacknowledged,
    /// They say that their series is stale, which the backend cannot say.
    StaleMarker,
    /// The destination was taken out of the configuration.
    DestinationRemoved,
    /// The agent stopped before they could be sent.
    Shutdown,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::QueueFull,
        Self::Expired,
        Self::Damaged,
        Self::Forgotten,
        Self::Discarded,
        Self::Rejected,
        Self::Poison,
        Self::Unacknowledged,
        Self::StaleMarker,
        Self::DestinationRemoved,
        Self::Shutdown,
    ];

    /// The name that it is counted under.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Expired => "expired",
            Self::Damaged => "damaged",
            Self::Forgotten => "forgotten",
            Self::Discarded => "discarded",
            Self::Rejected => "rejected",
            Self::Poison => "poison",
            Self::Unacknowledged => "unacknowledged",
            Self::StaleMarker => "stale_marker",
            Self::DestinationRemoved => "destination_removed",
            Self::Shutdown => "shutdown",
        }
    }
}

/// How a destination queues and retries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeliveryConfig {
    /// Its queue and its batches.
    pub queue: QueueConfig,
    /// Its pauses.
    pub backoff: BackoffConfig,
    /// Whether its backend can say that a series is stale. If not, it is not given points with the
    /// [marker](saker_model::STALE_MARKER): they are dropped, and counted.
    pub stale_markers: bool,
}

/// A destination's figures. Enqueued + recovered = delivered + queued + dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DestinationStats {
    /// Points that were routed to it.
    pub enqueued: u64,
    /// Points that an earlier process has left in its queue.
    pub recovered: u64,
    /// Of the enqueued, those that stand in for another destination's, which was away.
    pub rerouted: u64,
    /// Of the enqueued, those that others have got in its place as well.
    pub hinted: u64,
    /// Points that its backend has taken.
    pub delivered: u64,
    /// Points on their way: in the queue, or in the batch that is being sent.
    pub queued: u64,
    /// Of the queued, those that are in memory.
    pub in_memory: u64,
    /// Its queue on disk, if it has one.
    pub spool: Option<SpoolStats>,
    /// Whether it answers.
    pub breaker: Breaker,
    /// Points that did not get there, by reason.
    pub dropped: Vec<(DropReason, u64)>,
    /// Batches that were taken.
    pub batches: u64,
    /// Attempts that failed, by kind.
    pub failures: Vec<(FailureKind, u64)>,
    /// Sessions that were opened.
    pub sessions: u64,
    /// What went wrong last, if nothing went right since.
    pub error: Option<String>,
}

impl DestinationStats {
    /// Points that did not get there.
    #[must_use]
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().map(|(_, count)| count).sum()
    }

    /// Attempts that failed.
    #[must_use]
    pub fn failures_in_all(&self) -> u64 {
        self.failures.iter().map(|(_, count)| count).sum()
    }
}

/// How an attempt to send failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The destination is away or busy; the same session tries again.
    Unavailable,
    /// The destination will never take these points.
    Rejected,
    /// The session is lost: the backend trapped, went over a limit or met its deadline.
    Broken,
    /// The queue on disk could not be read.
    Unreadable,
}

impl FailureKind {
    /// All of them, in order.
    pub const ALL: [Self; 4] = [Self::Unavailable, Self::Rejected, Self::Broken, Self::Unreadable];

    /// Its name on /metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Rejected => "rejected",
            Self::Broken => "broken",
            Self::Unreadable => "unreadable",
        }
    }
}

/// The counters behind [`DestinationStats`].
#[derive(Debug, Default)]
pub(crate) struct DestinationCounters {
    enqueued: AtomicU64,
    /// What the forwarder has answered for: of the enqueued, those whose source was told that they are taken,
    owed: AtomicU64,
    /// those that are on their way into the queue, or in it before their source is told,
    in_flight: AtomicU64,
    /// those whose source was told to come again, since another destination has failed,
    torn: AtomicU64,
    /// and those that an operator has put there.
    brought_back: AtomicU64,
    recovered: AtomicU64,
    rerouted: AtomicU64,
    hinted: AtomicU64,
    delivered: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    batches: AtomicU64,
    failures: [AtomicU64; FailureKind::ALL.len()],
    sessions: AtomicU64,
    writes: DurationHistogram,
    error: Mutex<Option<String>>,
}

impl DestinationCounters {
    pub(crate) fn enqueue(&self, points: usize) {
        self.enqueued.fetch_add(points as u64, Ordering::SeqCst);
    }

    /// Points are about to enter the queue. What becomes of them is counted before they have [`landed`](Self::landed).
    pub(crate) fn in_flight(&self, points: u64) {
        self.in_flight.fetch_add(points, Ordering::SeqCst);
    }

    pub(crate) fn landed(&self, points: u64) {
        self.in_flight.fetch_sub(points, Ordering::SeqCst);
    }

    /// The source of points was told that they are taken.
    pub(crate) fn owe(&self, points: u64) {
        self.owed.fetch_add(points, Ordering::SeqCst);
    }

    /// The source of points that are in the queue was told to come again with them.
    pub(crate) fn tear(&self, points: u64) {
        self.torn.fetch_add(points, Ordering::SeqCst);
    }

    pub(crate) fn bring_back(&self, points: usize) {
        self.brought_back.fetch_add(points as u64, Ordering::SeqCst);
    }

    pub(crate) fn recover(&self, points: u64) {
        self.recovered.fetch_add(points, Ordering::Relaxed);
    }

    pub(crate) fn deliver(&self, points: usize) {
        self.delivered.fetch_add(points as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        *self.error.lock() = None;
    }

    pub(crate) fn lose(&self, reason: DropReason, points: u64) {
        self.dropped[reason as usize].fetch_add(points, Ordering::Relaxed);
    }

    /// Notes a failure; answers whether it is another than the last, and so worth a line in the log.
    pub(crate) fn fail(&self, kind: FailureKind, error: &str) -> bool {
        self.failures[kind as usize].fetch_add(1, Ordering::Relaxed);
        let mut last = self.error.lock();
        let news = last.as_deref() != Some(error);
        *last = Some(error.to_owned());
        news
    }

    /// The backend was asked to write, which took so long.
    pub(crate) fn wrote(&self, took: Duration) {
        self.writes.observe(took);
    }

    pub(crate) fn open(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    /// What they are. What has gone is read first: a point that goes meanwhile must not count as more than there were.
    pub(crate) fn flow(&self) -> Flow {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let dropped = self.dropped.iter().map(read).sum::<u64>();
        let delivered = read(&self.delivered);
        Flow { delivered, dropped, enqueued: read(&self.enqueued), recovered: read(&self.recovered) }
    }

    /// What is answered for at least, what is in the queue by then, and what is answered for at most.
    pub(crate) fn accounts(&self) -> QueueAccount {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        let answered = || read(&self.owed) + read(&self.torn) + read(&self.brought_back);
        let at_least = answered();
        let enqueued = read(&self.enqueued);
        let in_flight = read(&self.in_flight);
        QueueAccount { at_least, enqueued, at_most: in_flight + answered() }
    }

    #[cfg(test)]
    pub(crate) fn enqueued(&self) -> u64 {
        self.enqueued.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn lost(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Ordering::Relaxed)
    }
}

/// Points that came into a queue and left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flow {
    pub(crate) enqueued: u64,
    pub(crate) recovered: u64,
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
}

/// What came into a queue, and what the forwarder knows of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct QueueAccount {
    pub(crate) at_least: u64,
    pub(crate) enqueued: u64,
    pub(crate) at_most: u64,
}

/// A destination. Its queue outlives changes of its backend and its settings.
pub struct Destination {
    name: String,
    pub(crate) backend: Box<dyn DestinationBackend>,
    pub(crate) config: Mutex<DeliveryConfig>,
    pub(crate) queue: DestinationQueue,
    pub(crate) counters: Arc<DestinationCounters>,
    pub(crate) health: DestinationHealth,
    /// What may be said of it in the log.
    lines: Mutex<Rate>,
}

/// Lines about the failures of one destination: so many at once, then one in each of this time. A backend that fails in
/// another way each time, or rejects points one by one, is not heard more often than that; every point is counted.
const LINES: (u32, Duration) = (5, Duration::from_secs(10));

impl Destination {
    pub(crate) fn new(
        name: &str,
        backend: Box<dyn DestinationBackend>,
        mut config: DeliveryConfig,
        table: &Arc<SeriesTable>,
        budget: &Arc<MemoryBudget>,
        spools: Option<&SpoolDir>,
    ) -> Self {
        let counters = Arc::new(DestinationCounters::default());
        let queue = DestinationQueue::new(name, config.queue, counters.clone(), table.clone(), budget.clone(), spools);
        config.queue.durability = queue.durability(config.queue.durability);
        Self {
            name: name.into(),
            backend,
            config: Mutex::new(config),
            queue,
            counters,
            health: DestinationHealth::default(),
            lines: Mutex::new(Rate::new(LINES.0, LINES.1)),
        }
    }

    /// Whether another line about its failures may be written now. What was not told before is.
    pub(crate) fn may_tell(&self) -> bool {
        let unsaid = self.lines.lock().take(Instant::now());
        if let Some(unsaid) = unsaid.filter(|&unsaid| unsaid > 0) {
            tracing::warn!(destination = self.name, unsaid, "other failures came too fast to be told");
        }
        unsaid.is_some()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Changes how it queues and retries. Whether its queue is on disk stays as it was.
    pub fn set_config(&self, mut config: DeliveryConfig) {
        config.queue.durability = self.queue.durability(config.queue.durability);
        *self.config.lock() = config;
        self.queue.set_config(config.queue);
    }

    /// Puts its share of points into its queue, which has promised room for them.
    pub(crate) async fn take(&self, share: DestinationShare, reservation: Reservation) -> Result<(), Overload> {
        self.queue.commit(share.points, reservation).await?;
        self.counters.rerouted.fetch_add(share.rerouted, Ordering::Relaxed);
        self.counters.hinted.fetch_add(share.hinted, Ordering::Relaxed);
        Ok(())
    }

    /// Puts points into its queue that no source has brought just now.
    pub(crate) async fn bring_back(&self, points: Vec<Point>, table: &SeriesTable) -> Result<(), Overload> {
        self.queue.opened().await;
        let count = points.len();
        self.counters.in_flight(count as u64);
        let pushed = self.queue.push(points, table).await;
        if pushed.is_ok() {
            self.counters.bring_back(count);
        }
        self.counters.landed(count as u64);
        pushed
    }

    /// Whether nothing would be lost if it stopped now, or nothing be won by waiting.
    pub(crate) fn is_drained(&self) -> bool {
        if !self.queue.is_durable() {
            return self.stats().queued == 0;
        }
        self.health.breaker() != Breaker::Closed || self.queue.is_sent()
    }

    /// How long its backend's writes take.
    pub(crate) fn writes(&self) -> &DurationHistogram {
        &self.counters.writes
    }

    /// Its figures.
    #[must_use]
    pub fn stats(&self) -> DestinationStats {
        let counters = &self.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // What has gone is read first: a point that goes meanwhile must not count as more than there were. What is
        // queued is derived, so that the law holds in every answer; the tests hold it against what arrives.
        let delivered = read(&counters.delivered);
        let dropped: Vec<_> =
            DropReason::ALL.into_iter().map(|reason| (reason, read(&counters.dropped[reason as usize]))).collect();
        let gone = delivered + dropped.iter().map(|(_, count)| count).sum::<u64>();
        let (enqueued, recovered) = (read(&counters.enqueued), read(&counters.recovered));
        DestinationStats {
            enqueued,
            recovered,
            rerouted: read(&counters.rerouted),
            hinted: read(&counters.hinted),
            delivered,
            queued: (enqueued + recovered).saturating_sub(gone),
            in_memory: self.queue.in_memory(),
            spool: self.queue.spool().map(crate::queue::spool::Spool::stats),
            breaker: self.health.breaker(),
            dropped,
            batches: read(&counters.batches),
            failures: FailureKind::ALL.map(|kind| (kind, read(&counters.failures[kind as usize]))).into(),
            sessions: read(&counters.sessions),
            error: counters.error.lock().clone(),
        }
    }
}
