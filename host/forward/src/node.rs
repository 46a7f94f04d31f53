//! A destination: its backend, its queue and its figures.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::backend::Backend;
use crate::backoff::BackoffConfig;
use crate::queue::{NodeQueue, QueueLimits};

/// Why points did not get to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// The queue was full, and they were the oldest.
    QueueFull,
    /// They had waited too long.
    Expired,
    /// The destination refused them for good.
    Rejected,
    /// A batch of nothing but this point broke the backend again and again.
    Poison,
    /// The backend said that it took fewer points than it was given.
    Unacknowledged,
    /// The node was taken out of the configuration.
    NodeRemoved,
    /// The agent stopped before they could be sent.
    Shutdown,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::QueueFull,
        Self::Expired,
        Self::Rejected,
        Self::Poison,
        Self::Unacknowledged,
        Self::NodeRemoved,
        Self::Shutdown,
    ];

    /// The name that it is counted under.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Expired => "expired",
            Self::Rejected => "rejected",
            Self::Poison => "poison",
            Self::Unacknowledged => "unacknowledged",
            Self::NodeRemoved => "node_removed",
            Self::Shutdown => "shutdown",
        }
    }
}

/// How a node queues and retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its queue and its batches.
    pub queue: QueueLimits,
    /// Its pauses.
    pub backoff: BackoffConfig,
}

/// A node's figures. Enqueued = delivered + queued + dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeStats {
    /// Points that were routed to it.
    pub enqueued: u64,
    /// Points that its backend has taken.
    pub delivered: u64,
    /// Points on their way: in the queue, or in the batch that is being sent.
    pub queued: u64,
    /// Points that did not get there, by reason.
    pub dropped: Vec<(DropReason, u64)>,
    /// Batches that were taken.
    pub batches: u64,
    /// Attempts that failed.
    pub failures: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// What went wrong last, if nothing went right since.
    pub error: Option<String>,
}

impl NodeStats {
    /// Points that did not get there.
    #[must_use]
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().map(|(_, count)| count).sum()
    }
}

/// The counters behind [`NodeStats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    enqueued: AtomicU64,
    delivered: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
    batches: AtomicU64,
    failures: AtomicU64,
    sessions: AtomicU64,
    error: Mutex<Option<String>>,
}

impl Counters {
    pub(crate) fn enqueue(&self, points: usize) {
        self.enqueued.fetch_add(points as u64, Ordering::Relaxed);
    }

    pub(crate) fn deliver(&self, points: usize) {
        self.delivered.fetch_add(points as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        *self.error.lock() = None;
    }

    pub(crate) fn drop(&self, reason: DropReason, points: usize) {
        self.dropped[reason as usize].fetch_add(points as u64, Ordering::Relaxed);
    }

    /// Notes a failure; answers whether it is another than the last, and so worth a line in the log.
    pub(crate) fn fail(&self, error: &str) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut last = self.error.lock();
        let news = last.as_deref() != Some(error);
        *last = Some(error.to_owned());
        news
    }

    pub(crate) fn open(&self) {
        self.sessions.fetch_add(1, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn enqueued(&self) -> u64 {
        self.enqueued.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Ordering::Relaxed)
    }

    fn stats(&self) -> NodeStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let dropped: Vec<_> =
            DropReason::ALL.into_iter().map(|reason| (reason, read(&self.dropped[reason as usize]))).collect();
        let gone = read(&self.delivered) + dropped.iter().map(|(_, count)| count).sum::<u64>();
        NodeStats {
            enqueued: read(&self.enqueued),
            delivered: read(&self.delivered),
            // Derived, so that the law holds in every answer; the tests hold it against the queue's own length.
            queued: read(&self.enqueued).saturating_sub(gone),
            dropped,
            batches: read(&self.batches),
            failures: read(&self.failures),
            sessions: read(&self.sessions),
            error: self.error.lock().clone(),
        }
    }
}

/// A destination. Its queue outlives changes of its backend and its settings.
pub struct Node {
    name: String,
    pub(crate) backend: Box<dyn Backend>,
    pub(crate) config: Mutex<NodeConfig>,
    pub(crate) queue: NodeQueue,
    pub(crate) counters: Counters,
    /// Tells the sender that the backend has changed, so that it need not wait out a pause.
    pub(crate) changed: Notify,
}

impl Node {
    /// A node with an empty queue, to be given to a [`Forwarder`](crate::Forwarder) in a topology.
    #[must_use]
    pub fn new(name: &str, backend: Box<dyn Backend>, config: NodeConfig) -> Self {
        Self {
            name: name.into(),
            backend,
            config: Mutex::new(config),
            queue: NodeQueue::new(config.queue),
            counters: Counters::default(),
            changed: Notify::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells that the backend's generation has changed: no need to wait out a pause.
    pub fn backend_changed(&self) {
        self.changed.notify_one();
    }

    /// Changes how it queues and retries.
    pub fn set_config(&self, config: NodeConfig) {
        *self.config.lock() = config;
        self.queue.set_limits(config.queue);
    }

    /// Its figures.
    #[must_use]
    pub fn stats(&self) -> NodeStats {
        self.counters.stats()
    }
}
