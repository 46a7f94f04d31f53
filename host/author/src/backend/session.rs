//! An instance of the backend under test, and what its answers mean.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use saker_model::{Point, Series, SeriesId};
use saker_sandbox::{Backend, CallError, InstanceSpec, WriteError};

use crate::report::{CaseFailure, failed};
use crate::samples;
use crate::subject::TestSubject;

/// Calls in which a batch that is rejected in part has to come to an end.
const OFFERS_MAX: usize = 4;

pub(crate) struct KitSession<'a> {
    pub(crate) subject: &'a TestSubject<'a>,
    pub(crate) spec: InstanceSpec,
    backend: Backend,
}

pub(crate) type Definitions = Vec<(SeriesId, Arc<Series>)>;

/// What became of a batch.
#[derive(Clone, Debug, Default)]
pub(crate) struct BatchOutcome {
    pub(crate) written: usize,
    /// Places in the batch, and why.
    pub(crate) rejected: Vec<usize>,
    pub(crate) why: String,
}

impl<'a> KitSession<'a> {
    pub(crate) async fn open(subject: &'a TestSubject<'a>, spec: InstanceSpec) -> Result<KitSession<'a>, CaseFailure> {
        let opened = Backend::open(subject.sandbox, subject.plugin, &spec).await;
        let backend = opened.map_err(|error| subject.miss(&error, &spec))?;
        Ok(Self { subject, spec, backend })
    }

    /// One call, as it ends.
    pub(crate) async fn write(
        &mut self,
        forget: Vec<SeriesId>,
        define: &[(SeriesId, Arc<Series>)],
        points: &[Point],
    ) -> Result<u32, WriteError> {
        self.backend.write(forget, define, points).await
    }

    /// One call that has to take everything.
    pub(crate) async fn write_all(
        &mut self,
        forget: Vec<SeriesId>,
        define: &[(SeriesId, Arc<Series>)],
        points: &[Point],
    ) -> Result<(), CaseFailure> {
        let written = self.write(forget, define, points).await.map_err(|error| self.miss(&error))?;
        self.counts(written, points.len())
    }

    /// Defines series from a handle on, and writes a point of each.
    pub(crate) async fn define_and_write(
        &mut self,
        first: u32,
        series: Vec<Series>,
    ) -> Result<Definitions, CaseFailure> {
        let definitions = samples::numbered(first, series);
        let points = samples::points(&definitions, clock_ms());
        self.write_all(Vec::new(), &definitions, &points).await?;
        Ok(definitions)
    }

    /// Offers a batch until all of it is written or rejected, as the agent does.
    pub(crate) async fn offer(
        &mut self,
        define: &[(SeriesId, Arc<Series>)],
        points: &[Point],
    ) -> Result<BatchOutcome, CaseFailure> {
        let mut left: Vec<usize> = (0..points.len()).collect();
        let mut taken = BatchOutcome::default();
        for _ in 0..OFFERS_MAX {
            let batch: Vec<_> = left.iter().map(|&place| points[place]).collect();
            match self.write(Vec::new(), define, &batch).await {
                Ok(written) => {
                    self.counts(written, batch.len())?;
                    taken.written = batch.len();
                    return Ok(taken);
                }
                Err(WriteError::Reject { points: rejected, message }) => {
                    let rejected = self.places(&rejected, batch.len())?;
                    taken.why = message;
                    taken.rejected.extend(rejected.iter().map(|&place| left[place]));
                    left = (0..left.len()).filter(|place| !rejected.contains(place)).map(|place| left[place]).collect();
                }
                Err(error) => return Err(self.miss(&error)),
            }
            if left.is_empty() {
                return Ok(taken);
            }
        }
        Err(failed(
            format!("it went on rejecting after {OFFERS_MAX} calls: {}", taken.why),
            "name all points that will never be taken in one answer",
        ))
    }

    /// The places that a rejection names; all of them if it names none.
    pub(crate) fn places(&self, named: &[u32], count: usize) -> Result<Vec<usize>, CaseFailure> {
        if named.is_empty() {
            return Ok((0..count).collect());
        }
        let places: Vec<usize> = named.iter().map(|&place| place as usize).collect();
        if let Some(beyond) = places.iter().find(|&&place| place >= count) {
            return Err(failed(
                format!("it rejects point {beyond}, and the call had {count}"),
                "name places in the list of points, from zero",
            ));
        }
        Ok(places)
    }

    /// Holds what a call says that it has written against what it was given.
    pub(crate) fn counts(&self, written: u32, points: usize) -> Result<(), CaseFailure> {
        if written as usize == points {
            return Ok(());
        }
        Err(failed(
            format!("it says that {written} points were written, and the call had {points}"),
            "answer how many points of this call the destination has taken: all, or it is no success",
        ))
    }

    /// What an error means for a case that needed the call to succeed.
    pub(crate) fn miss(&self, error: &WriteError) -> CaseFailure {
        match error {
            WriteError::Call(error) => self.subject.miss(error, &self.spec),
            WriteError::Retry { message, .. } => {
                failed(format!("it wants to retry: {message}"), "write points that nothing stands in the way of")
            }
            WriteError::Reject { message, .. } => {
                failed(format!("it rejects points: {message}"), "take what is legal, or name the points that are not")
            }
            WriteError::Broken(message) => {
                failed(format!("it says that it is broken: {message}"), "stay usable after what a call may bring")
            }
        }
    }

    pub(crate) async fn close(self) -> Result<(), CaseFailure> {
        let Self { subject, spec, backend } = self;
        backend.close().await.map_err(|error| subject.miss(&error, &spec))
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.backend.is_alive()
    }
}

/// How a write ended, in words.
pub(crate) fn say(result: &Result<u32, WriteError>) -> String {
    match result {
        Ok(written) => format!("{written} points are written"),
        Err(WriteError::Retry { after: Some(after), message }) => format!("retry after {after:?}: {message}"),
        Err(WriteError::Retry { after: None, message }) => format!("retry: {message}"),
        Err(WriteError::Reject { points, message }) if points.is_empty() => format!("reject all: {message}"),
        Err(WriteError::Reject { points, message }) => format!("reject {} points: {message}", points.len()),
        Err(WriteError::Broken(message)) => format!("broken: {message}"),
        Err(WriteError::Call(error)) => error.to_string(),
    }
}

/// Whether the answer is one after which the agent offers the same points again, and the plugin was not ended for it.
pub(crate) fn is_another_try(result: &Result<u32, WriteError>) -> bool {
    matches!(result, Err(WriteError::Retry { .. } | WriteError::Broken(_)))
}

pub(crate) fn is_killed(result: &Result<u32, WriteError>) -> bool {
    matches!(result, Err(WriteError::Call(CallError::Killed(_))))
}

pub(crate) fn clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// How long what was written may be on its way before it is missed.
pub(crate) const ON_ITS_WAY: Duration = Duration::from_secs(3);
