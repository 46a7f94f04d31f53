//! The body of an answer, which tells when it is over.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::ConnectionState;
use crate::table::ConnectionSeat;

/// A body whose end is the end of its request.
pub(crate) struct TrackedBody {
    body: Body,
    state: Arc<ConnectionState>,
    _seat: Option<ConnectionSeat>,
}

impl TrackedBody {
    pub(crate) fn new(body: Body, state: Arc<ConnectionState>, seat: Option<ConnectionSeat>) -> Self {
        Self { body, state, _seat: seat }
    }
}

impl http_body::Body for TrackedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for TrackedBody {
    fn drop(&mut self) {
        self.state.end_request();
    }
}
