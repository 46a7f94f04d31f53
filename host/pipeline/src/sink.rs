//! Where points go, as the pipeline knows it, and why they may not.

use std::ops::Range;
use std::time::Duration;

use futures_util::future::BoxFuture;
use saker_model::{Point, SeriesId};

use crate::Breach;

/// What keeps every point that was acknowledged, and rejects none.
pub trait Sink: Send + Sync + 'static {
    /// Keeps points, in one go.
    fn keep(&self, points: &[Point]);

    /// Keeps what a collector measured in one run.
    fn keep_run(&self, run: CollectorRun<'_>, points: &[Point]) {
        let _ = run;
        self.keep(points);
    }

    /// Takes handles back: they may stand for other series from now on.
    fn forget(&self, ids: &[SeriesId]);

    /// Gives back the memory that a flood of series has left behind.
    fn shrink(&self) {}
}

/// One run of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectorRun<'a> {
    /// The collector, as its values are counted.
    pub source: &'a str,
    /// Nothing of it was rejected: a series that the collector reported before and does not now has ended.
    pub whole: bool,
}

/// The sink whose word an acknowledgement is: what it takes is as safe as it says, and it rejects what it has no room
/// for.
pub trait DurableSink: Send + Sync + 'static {
    /// Takes points of series that are in the table; waits until it is open. When it returns they are kept, but for those
    /// that it answers, which are not.
    fn accept<'a>(
        &'a self,
        points: &'a [Point],
        rejecting: OverloadPolicy,
    ) -> BoxFuture<'a, Result<Vec<RejectedPoints>, Overload>>;

    /// Points that it has taken.
    fn accepted(&self) -> u64;

    /// Why it would take nothing now, if it would not.
    fn rejection(&self) -> Option<Overload>;

    /// Whether it takes anything yet.
    fn is_open(&self) -> bool;

    /// Waits until it [`is_open`](Self::is_open).
    fn opened(&self) -> BoxFuture<'_, ()>;

    /// Takes handles back: they may stand for other series from now on.
    fn forget(&self, ids: &[SeriesId]);

    /// What does not add up now.
    fn breaches(&self) -> Vec<Breach>;
}

/// What is to become of points if a destination that they go to has no room for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverloadPolicy {
    /// All are rejected: the source can only be told about all of them.
    All,
    /// Those that go to this destination are rejected, here and elsewhere: the source can come again with just them.
    Points,
    /// This destination goes without, and counts it; what no destination has room for is rejected. The source does not
    /// come again.
    Copies,
}

/// Points that were rejected, while others were taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedPoints {
    /// The destination that has no room for them, and why.
    pub overload: Overload,
    /// Which: places in what was handed in.
    pub points: Vec<Range<usize>>,
}

impl RejectedPoints {
    /// How many points they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.points.iter().map(Range::len).sum()
    }
}

/// A destination does not take points now. The source may come again with the same ones.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("destination {destination} takes no points now: {reason}")]
pub struct Overload {
    /// The destination's name.
    pub destination: String,
    /// Why.
    pub reason: String,
    /// When to come again.
    pub retry_after: Duration,
    /// What kind of reason that is.
    pub cause: OverloadCause,
}

/// Why a destination takes no points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverloadCause {
    /// Its queue is full. Nothing was kept anywhere.
    Full,
    /// Its queue can never hold so many at once. Nothing was kept anywhere.
    TooLarge,
    /// Its queue fails. Nothing was kept anywhere.
    Failing,
    /// It is not there yet, or not any more. Nothing was kept anywhere.
    Absent,
    /// Its queue has failed after it had promised room, when others had kept their part already.
    Torn,
}
