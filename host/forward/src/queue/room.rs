//! Room that is promised before anything is kept: a body goes to several queues, and what one has no room for must not
//! have been kept by another before.
//!
//! Only queues that reject promise room; the others take what comes and let something go for it. Whoever holds a
//! [`Reservation`] is let in whatever the queue looks like by then, and a queue that is taken out waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use saker_journal::Journal;
use saker_model::{Point, SeriesTable};

use crate::queue::QueueShared;

/// Pushes to one queue at a time: half of what its thread's inbox holds, so that none that was promised a place finds
/// none.
const HOLDERS_MAX: usize = 512;
/// What a point takes in a record at most, besides its series' definition: a number of three columns each.
const POINT_BYTES: u64 = 32;
/// What a definition takes at most besides its texts.
const DEFINITION_BYTES: u64 = 64;
/// and for each text of it.
const TEXT_BYTES: u64 = 8;
/// Where so much is left for each point's series there is room in plenty, and nobody need look at their texts. Should
/// all of them be longer and new, the queue exceeds its limit once, by no more than the bodies that brought them.
const PLENTY_BYTES: u64 = 1 << 10;
/// A record holds at least so much of what there is for it.
const RECORD_BYTES: u64 = 32 << 10;

/// What a queue has promised.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    /// Bytes on disk, or points in memory.
    amount: AtomicU64,
    holders: AtomicUsize,
    /// The queue is taken out, and promises nothing more.
    closed: AtomicBool,
}

const PENDING: u8 = 0;
const KEPT: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Room for one push. Given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    shared: Arc<QueueShared>,
    amount: u64,
    fate: Arc<PushFate>,
}

/// What becomes of a push: it is kept, or whoever brought it has given up waiting. Never both.
#[derive(Debug, Default)]
pub(crate) struct PushFate(AtomicU8);

impl PushFate {
    /// The points are about to be where they are sent from. False if nobody waits for them any more.
    pub(crate) fn keep(&self) -> bool {
        self.0.compare_exchange(PENDING, KEPT, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Nobody waits any more. False if it is too late for that.
    pub(crate) fn give_up(&self) -> bool {
        self.0.compare_exchange(PENDING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_given_up(&self) -> bool {
        self.0.load(Ordering::Acquire) == GIVEN_UP
    }
}

/// Why nothing was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReservationError {
    /// The queue is taken out.
    Closed,
    /// As many wait as may.
    Busy,
}

impl Reservation {
    /// A place among those that wait, without room.
    pub(crate) fn begin(shared: &Arc<QueueShared>) -> Result<Self, ReservationError> {
        let promises = &shared.promises;
        let before = promises.holders.fetch_add(1, Ordering::SeqCst);
        // Dropping it gives the place back.
        let reservation = Self { shared: shared.clone(), amount: 0, fate: Arc::default() };
        if promises.closed.load(Ordering::SeqCst) {
            return Err(ReservationError::Closed);
        }
        if before >= HOLDERS_MAX { Err(ReservationError::Busy) } else { Ok(reservation) }
    }

    /// Takes so much, if there is that much besides what others were promised. `used` is read after that is known.
    pub(crate) fn grow(&mut self, amount: u64, limit: u64, used: impl FnOnce() -> u64) -> bool {
        self.grow_within(amount, 0, limit, used)
    }

    /// The same, if so much more is left then.
    pub(crate) fn grow_within(&mut self, amount: u64, spare: u64, limit: u64, used: impl FnOnce() -> u64) -> bool {
        let before = self.shared.promises.amount.fetch_add(amount, Ordering::SeqCst);
        let fits = used().saturating_add(before).saturating_add(amount).saturating_add(spare) <= limit;
        if fits {
            self.amount += amount;
        } else {
            self.shared.promises.amount.fetch_sub(amount, Ordering::SeqCst);
        }
        fits
    }

    /// What becomes of the push.
    pub(crate) fn fate(&self) -> &Arc<PushFate> {
        &self.fate
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shared.promises.amount.fetch_sub(self.amount, Ordering::SeqCst);
        self.shared.promises.holders.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Reservations {
    /// What was promised and is not used yet.
    pub(crate) fn amount(&self) -> u64 {
        self.amount.load(Ordering::SeqCst)
    }

    /// Promises nothing more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Whether nobody holds a promise.
    pub(crate) fn is_settled(&self) -> bool {
        self.holders.load(Ordering::SeqCst) == 0
    }
}

/// The bytes that so many points take on disk where their series are defined there, and what must be left besides for
/// that to be enough.
pub(crate) fn bytes_in_plenty(points: usize) -> (u64, u64) {
    let points = points as u64;
    (on_disk(points.saturating_mul(POINT_BYTES)), points.saturating_mul(2 * PLENTY_BYTES))
}

/// The bytes that these points take on disk if none of their series is defined there yet.
pub(crate) fn bytes_of(points: &[Point], table: &SeriesTable) -> u64 {
    let mut ids: Vec<_> = points.iter().map(|point| point.series).collect();
    ids.sort_unstable();
    ids.dedup();
    let definition = |id| {
        let Some(series) = table.get(id) else { return 0 };
        let tags: usize = series.tags.iter().map(|(name, value)| name.len() + value.len()).sum();
        let texts = series.endpoint.len() + series.metric.len() + tags;
        DEFINITION_BYTES + texts as u64 + TEXT_BYTES * 2 * (series.tags.iter().count() as u64 + 1)
    };
    on_disk(points.len() as u64 * POINT_BYTES + ids.into_iter().map(definition).sum::<u64>())
}

/// With what the journal adds.
fn on_disk(bytes: u64) -> u64 {
    let records = bytes / RECORD_BYTES + 1;
    records * Journal::growth(0) + 2 * bytes
}
