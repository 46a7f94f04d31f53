//! The listener of everything that takes points: while no queue has room, a request is told to come again before its
//! body is read; memory is charged as the body comes; and long bodies are parsed a few at a time, aside of what answers
//! others.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use saker_http::body::{BodyMeter, MemoryShortage};
use saker_http::{ApiError, ReasonLabel, Rejection, RequestInfo, Stats};
use saker_pipeline::{MemoryBudget, MemoryPermit, Overload, OverloadCause, Pipeline};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::stats::{NOT_READY, TORN};
use crate::take::Untaken;

/// Bodies up to here find the last part of the memory free, whatever larger ones hold: one from each connection that
/// this machine may have fits into it.
const SMALL_BYTES: usize = 64 << 10;
/// That part.
const SPARE_PART: usize = 8;
/// A body up to here is parsed where it was read: in less time than it takes to ask another thread.
const SHORT_BYTES: usize = 32 << 10;
/// How long a body waits until others have been parsed.
const TURN_WAIT: Duration = Duration::from_secs(10);

/// What may be prepaid at most: a part of all memory for points.
const PREPAID_PART: usize = 4;
/// How soon it is looked again whether there is room for those who wait, and how late.
const READY_LOOK: Duration = Duration::from_millis(100);
const READY_LOOK_MAX: Duration = Duration::from_secs(1);
/// How long a request waits for queues that are being opened, which takes some milliseconds; then it is told to come
/// again.
const OPEN_WAIT: Duration = Duration::from_secs(1);

/// What may come in, and when.
pub struct IngestAdmission {
    pipeline: Arc<Pipeline>,
    stats: Arc<Stats>,
    /// The turns of long bodies.
    turns: ArcSwap<Semaphore>,
    is_judging: Box<dyn Fn() -> bool + Send + Sync>,
}

/// Lets a request in once every queue is open, and while one of them takes points.
pub(crate) async fn admit(State(admission): State<Arc<IngestAdmission>>, request: Request, next: Next) -> Response {
    let sink = admission.pipeline.durable();
    if !sink.is_open() && timeout(OPEN_WAIT, sink.opened()).await.is_err() {
        return try_again("the queues are being opened; try again").because(NOT_READY).into_response();
    }
    match sink.rejection() {
        Some(overload) => admission.rejected(&overload).into_response(),
        None => next.run(request).await,
    }
}

impl IngestAdmission {
    /// Bodies are parsed by so many at the same time. `is_judging` says whether there is somebody who can judge series,
    /// or nobody who has to; before that it is too early for any.
    pub fn new(
        pipeline: Arc<Pipeline>,
        stats: Arc<Stats>,
        parsers: usize,
        is_judging: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        let turns = ArcSwap::from_pointee(Semaphore::new(parsers));
        Self { pipeline, stats, turns, is_judging: Box::new(is_judging) }
    }

    /// Where requests and connections are counted.
    pub(crate) fn stats(&self) -> Arc<Stats> {
        self.stats.clone()
    }

    /// Changes how many bodies are parsed at the same time.
    pub fn set_parsers(&self, parsers: usize) {
        self.turns.store(Arc::new(Semaphore::new(parsers)));
    }

    /// The answer to values that come before their processors: it is too early to judge them.
    pub(crate) fn too_early(&self) -> Option<ApiError> {
        let early = !(self.is_judging)();
        early.then(|| try_again("the processors are being loaded; try again").because(NOT_READY))
    }

    /// What a body holds of the memory for points on their way: nothing yet.
    pub(crate) fn memory(&self, visit: &RequestInfo) -> Result<BodyMemory, ApiError> {
        let budget = self.pipeline.memory().clone();
        let permit = budget.take(0).ok_or_else(|| visit.no_memory(MemoryShortage::Now))?;
        Ok(BodyMemory { permit, budget })
    }

    /// Memory for points whose sender waits, if there is some.
    pub(crate) fn prepay(&self, bytes: usize) -> Option<Prepaid> {
        let budget = self.pipeline.memory().clone();
        let mut memory = BodyMemory { permit: budget.take(0)?, budget };
        // Even of a small memory there is so much for one at a time.
        let most = memory.budget.limit() / PREPAID_PART;
        memory.grow(bytes.min(most)).ok().map(|()| Prepaid { _memory: memory })
    }

    /// Waits until points may come in: for those whose sender can be kept waiting. For `room` in all queues only where
    /// those that have some would not be enough.
    pub(crate) async fn ready(&self, room: bool) {
        let sink = self.pipeline.durable();
        sink.opened().await;
        loop {
            let pause = match sink.rejection().filter(|_| room) {
                _ if !(self.is_judging)() => READY_LOOK,
                Some(overload) => overload.retry_after.clamp(READY_LOOK, READY_LOOK_MAX),
                None => return,
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// The answer to a body of which nothing was taken.
    pub(crate) fn untaken(&self, visit: &RequestInfo, untaken: &Untaken) -> ApiError {
        match untaken {
            Untaken::NoMemory(short) => visit.no_memory(*short),
            Untaken::Overload(overload) => self.rejected(overload),
            Untaken::Names => try_again("the names of series change too fast; try again"),
        }
    }

    /// Has a body of so many bytes parsed and taken: to its end, even if its sender goes away meanwhile.
    pub(crate) async fn parse<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let failed =
            |error: tokio::task::JoinError| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
        if bytes <= SHORT_BYTES {
            return tokio::spawn(work).await.map_err(failed);
        }
        let Ok(Ok(turn)) = timeout(TURN_WAIT, self.turns.load_full().acquire_owned()).await else {
            self.stats.rejected.add(Rejection::NoTurn);
            let busy = try_again("too many requests at the same time; try again");
            return Err(busy.because(Rejection::NoTurn.as_str()));
        };
        let here = tokio::runtime::Handle::current();
        let parsing = tokio::task::spawn_blocking(move || {
            let done = here.block_on(work);
            drop(turn);
            done
        });
        parsing.await.map_err(failed)
    }

    /// The answer to points that are not taken.
    pub(crate) fn rejected(&self, overload: &Overload) -> ApiError {
        let seconds = overload.retry_after.as_secs().max(1);
        let (status, why, message) = match overload.cause {
            OverloadCause::Full | OverloadCause::Failing => {
                self.stats.rejected.add(Rejection::NoRoom);
                let message = format!("{overload}; nothing of it was kept, try again in {seconds} s");
                (StatusCode::TOO_MANY_REQUESTS, Rejection::NoRoom.as_str(), message)
            }
            OverloadCause::TooLarge => {
                self.stats.rejected.add(Rejection::TooLarge);
                let message = format!("{overload}; send less at once, or raise the limits of this destination's queue");
                let error = ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message);
                return error.because(Rejection::TooLarge.as_str());
            }
            OverloadCause::Absent => {
                (StatusCode::SERVICE_UNAVAILABLE, NOT_READY, format!("{overload}; try again in {seconds} s"))
            }
            OverloadCause::Torn => {
                let message =
                    format!("{overload}; other destinations have kept their part, and get it twice if it comes again");
                (StatusCode::SERVICE_UNAVAILABLE, TORN, message)
            }
        };
        ApiError::new(status, message).after(overload.retry_after).because(why)
    }
}

/// It is not to be had now, but soon.
pub(crate) fn try_again(message: &str) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message).after(Duration::from_secs(1))
}

/// How large a body can be that finds memory at all.
#[must_use]
pub fn body_bytes_most(max_in_flight_bytes: usize) -> usize {
    max_in_flight_bytes - max_in_flight_bytes / SPARE_PART
}

/// What a body holds of the memory for points on their way.
pub(crate) struct BodyMemory {
    permit: MemoryPermit,
    budget: Arc<MemoryBudget>,
}

impl BodyMeter for BodyMemory {
    fn grow(&mut self, bytes: usize) -> Result<(), MemoryShortage> {
        let (limit, held) = (self.budget.limit(), self.permit.bytes().saturating_add(bytes));
        let spare = if held > SMALL_BYTES { limit / SPARE_PART } else { 0 };
        if held > limit - spare {
            return Err(MemoryShortage::Ever);
        }
        if self.permit.grow(bytes, spare) { Ok(()) } else { Err(MemoryShortage::Now) }
    }
}

/// Memory that was charged beforehand, for as much as can come of it.
pub(crate) struct Prepaid {
    _memory: BodyMemory,
}

impl BodyMeter for Prepaid {
    fn grow(&mut self, _: usize) -> Result<(), MemoryShortage> {
        Ok(())
    }
}
