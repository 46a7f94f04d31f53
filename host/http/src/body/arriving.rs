//! A request's body on its way in. Whoever reads it, it is held to its limit and its clock.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::HttpLimits;
use crate::connection::{ConnectionState, Phase};
use crate::stats::{BodyEnd, Stats};

/// So much of a body, or its end, is progress. One byte now and then is none.
const PROGRESS_BYTES: usize = 1 << 10;

/// Why a body has ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is larger than bodies may be.
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// Next to nothing came.
    #[error("the body made no progress for {stall:?}")]
    Stalled {
        /// How long.
        stall: Duration,
    },
    /// It came too slowly.
    #[error("the body took longer than {limit:?}")]
    Late {
        /// The limit.
        limit: Duration,
    },
    /// The connection broke off, or the body's chunks are wrong.
    #[error(transparent)]
    Broken(#[from] hyper::Error),
}

/// A body that is watched while it is read.
pub(crate) struct IncomingBody<B> {
    inner: B,
    state: Arc<ConnectionState>,
    stats: Arc<Stats>,
    limits: HttpLimits,
    received: usize,
    /// Bytes since the last progress.
    recent: usize,
    clock: Option<BodyTimer>,
    is_over: bool,
}

/// Runs from the moment that the body is first waited for.
struct BodyTimer {
    end: Instant,
    progress_by: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<B: http_body::Body> IncomingBody<B> {
    pub(crate) fn new(inner: B, state: Arc<ConnectionState>, stats: Arc<Stats>, limits: HttpLimits) -> Self {
        let is_over = inner.is_end_stream();
        Self { inner, state, stats, limits, received: 0, recent: 0, clock: None, is_over }
    }

    fn over(&mut self, end: BodyEnd) {
        self.is_over = true;
        self.stats.bodies.add(end);
        self.state.set(Phase::Working);
    }

    /// What has come, or why it is too much or too late.
    fn arrived(&mut self, bytes: usize) -> Result<(), BodyError> {
        self.received = self.received.saturating_add(bytes);
        if self.received > self.limits.max_body_bytes {
            self.over(BodyEnd::TooLarge);
            return Err(BodyError::TooLarge { limit: self.limits.max_body_bytes });
        }
        let Some(clock) = &mut self.clock else { return Ok(()) };
        self.recent += bytes;
        if self.recent >= PROGRESS_BYTES {
            self.recent = 0;
            clock.progress_by = Instant::now() + self.limits.body_stall_timeout;
        }
        if Instant::now() < clock.end { Ok(()) } else { Err(self.late()) }
    }

    fn late(&mut self) -> BodyError {
        if self.clock.as_ref().is_some_and(|clock| clock.progress_by < clock.end) {
            self.over(BodyEnd::Stalled);
            return BodyError::Stalled { stall: self.limits.body_stall_timeout };
        }
        self.over(BodyEnd::Late);
        BodyError::Late { limit: self.limits.body_timeout }
    }

    /// Ready when the body has had its time.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let limits = &self.limits;
        let clock = self.clock.get_or_insert_with(|| {
            let now = Instant::now();
            let (end, progress_by) = (now + limits.body_timeout, now + limits.body_stall_timeout);
            BodyTimer { end, progress_by, timer: Box::pin(sleep_until(end.min(progress_by))) }
        });
        let next = clock.end.min(clock.progress_by);
        if clock.timer.deadline() != next {
            clock.timer.as_mut().reset(next);
        }
        ready!(clock.timer.as_mut().poll(cx));
        Poll::Ready(self.late())
    }
}

impl<B: http_body::Body<Data = Bytes, Error = hyper::Error> + Unpin> http_body::Body for IncomingBody<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let arrived = this.arrived(frame.data_ref().map_or(0, Bytes::len));
                Poll::Ready(Some(arrived.map(|()| frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.over(BodyEnd::Broken);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                this.over(BodyEnd::Whole);
                Poll::Ready(None)
            }
            Poll::Pending => {
                this.state.set(Phase::Receiving);
                this.poll_late(cx).map(|error| Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> Drop for IncomingBody<B> {
    fn drop(&mut self) {
        if !self.is_over {
            self.stats.bodies.add(BodyEnd::Unread);
        }
    }
}
