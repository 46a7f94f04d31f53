//! Whether a destination answers: the circuit breaker that routes look at.
//!
//! *Closed*: it answers. *Open*: it has failed, and is tried again only after pauses that grow. *Half open*: it has
//! failed, has nothing left to be tried with, and so gets points again to see. A slow destination that answers is
//! closed.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// The state of a destination's breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// It answers.
    Closed,
    /// It fails.
    Open,
    /// It failed, and is being tried.
    HalfOpen,
}

impl Breaker {
    /// The name that it is shown under.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct DestinationHealth(Mutex<DestinationHealthState>);

#[derive(Debug, Default)]
struct DestinationHealthState {
    failing_since: Option<Instant>,
    trying: bool,
}

impl DestinationHealth {
    /// It has answered; answers since when it had not.
    pub(crate) fn succeeded(&self) -> Option<Instant> {
        std::mem::take(&mut *self.0.lock()).failing_since
    }

    /// It has not.
    pub(crate) fn failed(&self) {
        let mut state = self.0.lock();
        state.failing_since.get_or_insert_with(Instant::now);
        state.trying = false;
    }

    /// There is nothing left to try it with: let it have points again.
    pub(crate) fn half_open(&self) {
        let mut state = self.0.lock();
        state.trying = state.failing_since.is_some();
    }

    pub(crate) fn breaker(&self) -> Breaker {
        let state = self.0.lock();
        match (state.failing_since, state.trying) {
            (None, _) => Breaker::Closed,
            (Some(_), false) => Breaker::Open,
            (Some(_), true) => Breaker::HalfOpen,
        }
    }

    /// Whether it has been failing for so long.
    pub(crate) fn is_away(&self, grace: Duration) -> bool {
        let state = self.0.lock();
        !state.trying && state.failing_since.is_some_and(|since| Instant::now().duration_since(since) >= grace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_destination_is_away_after_the_grace_and_back_with_a_success() {
        let (health, grace) = (DestinationHealth::default(), Duration::from_secs(30));
        health.failed();
        assert_eq!((health.breaker(), health.is_away(grace)), (Breaker::Open, false));
        tokio::time::advance(grace).await;
        health.failed();
        assert!(health.is_away(grace));
        health.succeeded();
        assert_eq!((health.breaker(), health.is_away(grace)), (Breaker::Closed, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_destination_that_is_tried_counts_as_there_until_it_fails_again() {
        let (health, grace) = (DestinationHealth::default(), Duration::from_secs(30));
        health.half_open();
        assert_eq!(health.breaker(), Breaker::Closed, "one that never failed need not be tried");
        health.failed();
        tokio::time::advance(grace).await;
        health.half_open();
        assert_eq!((health.breaker(), health.is_away(grace)), (Breaker::HalfOpen, false));
        health.failed();
        assert!(health.is_away(grace), "the grace is not granted again");
    }
}
