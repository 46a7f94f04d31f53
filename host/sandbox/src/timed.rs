//! Bodies of answers that a guest waits for no longer than its call may last.
//!
//! A server may answer with a head and then fall silent, or send a byte now and then. The guest learns of that shortly
//! before its call ends, as of a server that does not answer at all, and can still say so.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Sleep;
use wasmtime_wasi_http::Error;

/// When waiting for bodies ends: in the call that runs, whichever a body was asked for in.
#[derive(Clone)]
pub(crate) struct Stop(Arc<Mutex<Instant>>);

impl Default for Stop {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }
}

impl Stop {
    pub(crate) fn set(&self, stop: Instant) {
        *self.0.lock() = stop;
    }

    fn get(&self) -> Instant {
        *self.0.lock()
    }
}

/// A body that ends with [`Error::HttpResponseTimeout`] where its next part is late.
pub(crate) struct Timed<B> {
    body: B,
    stop: Stop,
    /// Made when there is something to wait for: most bodies come with their heads.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl<B> Timed<B> {
    pub(crate) fn new(body: B, stop: Stop) -> Self {
        Self { body, stop, sleep: None }
    }
}

impl<B: Body<Error = Error> + Unpin> Body for Timed<B> {
    type Data = B::Data;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, Error>>> {
        let this = self.get_mut();
        if let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) {
            this.sleep = None;
            return Poll::Ready(frame);
        }
        let stop = this.stop.get().into();
        let sleep = this.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(stop)));
        if sleep.deadline() != stop {
            sleep.as_mut().reset(stop);
        }
        sleep.as_mut().poll(cx).map(|()| Some(Err(Error::HttpResponseTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::time::Duration;

    use bytes::Bytes;
    use http_body_util::BodyExt;

    use super::*;

    /// A body whose parts come so long after each other, and that never ends.
    struct Slow(VecDeque<Duration>, Option<Pin<Box<Sleep>>>);

    impl Body for Slow {
        type Data = Bytes;
        type Error = Error;

        fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
            let this = self.get_mut();
            let Some(pause) = this.0.front() else { return Poll::Pending };
            let sleep = this.1.get_or_insert_with(|| Box::pin(tokio::time::sleep(*pause)));
            std::task::ready!(sleep.as_mut().poll(cx));
            this.0.pop_front();
            this.1 = None;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    fn late(frame: &Option<Result<Frame<Bytes>, Error>>) -> bool {
        matches!(frame, Some(Err(Error::HttpResponseTimeout)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_drops_ends_with_the_call_and_not_with_the_drops() {
        let began = tokio::time::Instant::now();
        let stop = Stop::default();
        stop.set((began + Duration::from_secs(9)).into_std());
        let mut body = Timed::new(Slow([Duration::from_secs(2); 1000].into(), None), stop);
        let mut drops = 0;
        while !late(&body.frame().await) {
            drops += 1;
        }
        assert_eq!((drops, began.elapsed()), (4, Duration::from_secs(9)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_a_later_call_waits_for_has_that_calls_time() {
        let began = tokio::time::Instant::now();
        let stop = Stop::default();
        stop.set((began + Duration::from_secs(1)).into_std());
        let mut body = Timed::new(Slow([Duration::from_secs(3)].into(), None), stop.clone());
        assert!(late(&body.frame().await));
        stop.set((began + Duration::from_secs(5)).into_std());
        assert!(!late(&body.frame().await));
        assert!(late(&body.frame().await));
        assert_eq!(began.elapsed(), Duration::from_secs(5));
    }
}
