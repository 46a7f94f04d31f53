//! How a source hands in what it has.

use std::sync::{Arc, OnceLock};

use saker_model::{Point, RejectCounts, Resolution, Sample, SeriesId};

use crate::pipeline::run_of;
use crate::{
    Overload, OverloadPolicy, Parked, Pipeline, Receipt, RejectedPoints, SeriesBudget, SourceCounters, SourceName,
};

/// How often a body is read again because the series' names have changed meanwhile. They do so about once a minute.
const ATTEMPTS: usize = 8;

/// What one source brings: counted under its name, held to its budget.
pub struct IngestSession {
    pipeline: Arc<Pipeline>,
    source: SourceName,
    /// None as long as it has brought nothing, so that a source is counted from its first value on.
    counters: OnceLock<Arc<SourceCounters>>,
    budget: SeriesBudget,
}

/// The names that series have at a time. Of two that differ, those of the later are valid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SeriesGeneration(u64);

impl SeriesGeneration {
    /// Names that are told from others by a number, for whoever has no pipeline to ask.
    #[must_use]
    pub const fn numbered(number: u64) -> Self {
        Self(number)
    }
}

impl IngestSession {
    pub(crate) fn new(pipeline: Arc<Pipeline>, source: SourceName, budget: SeriesBudget) -> Self {
        Self { pipeline, source, counters: OnceLock::new(), budget }
    }

    fn counters(&self) -> &Arc<SourceCounters> {
        self.counters.get_or_init(|| self.pipeline.counters(&self.source))
    }

    /// Holds it to another budget.
    pub fn set_budget(&mut self, budget: SeriesBudget) {
        self.budget = budget;
    }

    /// Takes values. When it returns, they are in all sinks, as safe as the durable one is, or rejected with a reason.
    ///
    /// # Errors
    /// If there is no room; then all are rejected, and the source may come again with them.
    pub async fn accept(&self, values: Vec<Sample>) -> Result<Receipt, Overload> {
        let run = run_of(&self.source, self.budget, true);
        self.pipeline.accept(run, self.counters(), values, self.budget).await
    }

    /// Takes values as [`accept`](Self::accept) does, but waits for no word on series that are new: their values are parked,
    /// for the caller to settle, and places are counted without them.
    pub async fn accept_known(&self, values: Vec<Sample>) -> (Result<Receipt, Overload>, Option<Parked>) {
        self.pipeline.accept_known(&self.source, self.counters(), values, self.budget).await
    }

    /// Counts values of which none were taken.
    pub fn reject(&self, received: usize, rejected: &RejectCounts) {
        self.counters().count(received, 0, rejected);
    }

    /// The attempts at a body whose points are taken at once: as many as are worth it. Names are asked for as it is read,
    /// and hold until series are forgotten; when they do not hold any more, the next attempt reads it again.
    pub fn attempts(&self) -> impl Iterator<Item = Attempt<'_>> {
        (0..ATTEMPTS).map(|_| Attempt { session: self, names: SeriesGeneration(self.pipeline.table().epoch()) })
    }
}

/// One reading of a body.
pub struct Attempt<'a> {
    session: &'a IngestSession,
    names: SeriesGeneration,
}

impl Attempt<'_> {
    /// The names that it goes by, for those who remember some.
    #[must_use]
    pub fn names(&self) -> SeriesGeneration {
        self.names
    }

    /// The clock that series' idleness is measured by, in seconds.
    #[must_use]
    pub fn now_s(&self) -> u32 {
        self.session.pipeline.now_s()
    }

    /// Names values without taking them: where each one's point belongs, or why it is rejected.
    pub async fn name(&self, values: Vec<Sample>) -> Vec<Resolution> {
        self.session.pipeline.name(self.session.counters(), values, self.session.budget).await
    }

    /// Tells series alive whose names were remembered. False if the names do not hold any more.
    pub fn touch(&self, ids: impl IntoIterator<Item = SeriesId>, now_s: u32) -> bool {
        self.session.pipeline.table().touch(ids, now_s, self.names.0)
    }

    /// Whether the names still hold.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.session.pipeline.table().epoch() == self.names.0
    }

    /// Takes points whose series have these names, and counts what was rejected on the way; `received` is how many
    /// values were read. Answers which points were rejected for want of room.
    ///
    /// # Errors
    /// As [`IngestSession::accept`].
    pub async fn take(
        &self,
        received: usize,
        points: &[Point],
        rejected: &RejectCounts,
        rejecting: OverloadPolicy,
    ) -> Result<Vec<RejectedPoints>, Overload> {
        self.session.pipeline.accept_points(self.session.counters(), received, points, rejected, rejecting).await
    }

    /// The same for a source that keeps what is rejected until there is room for all of it, and comes again by itself:
    /// nothing is counted before.
    ///
    /// # Errors
    /// As [`IngestSession::accept`].
    pub async fn offer(&self, received: usize, points: &[Point], rejected: &RejectCounts) -> Result<(), Overload> {
        self.session.pipeline.offer_points(self.session.counters(), received, points, rejected).await
    }
}
