//! One connection: what it is doing, and a socket that does not wait for its peer without end.

mod answer;
mod socket;

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::Waker;

pub(crate) use answer::TrackedBody;
use parking_lot::Mutex;
pub(crate) use socket::TimedSocket;

/// What a connection is doing. The socket sees heads coming, the service sees requests and bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// A head is coming, or the first one is waited for.
    Head,
    /// A body is waited for.
    Receiving,
    /// The request is worked on.
    Working,
    /// The answer is being written.
    Answering,
    /// Nothing is asked.
    Idle,
    /// It is over, but for the peer's goodbye.
    Closing,
}

/// The phase, shared between socket, service and bodies of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    phase: AtomicU8,
    requests: AtomicU64,
    /// Of a socket that waits without a deadline, and has to set one when the request is over.
    waiting: Mutex<Option<Waker>>,
}

impl Default for ConnectionState {
    fn default() -> Self {
        Self { phase: AtomicU8::new(Phase::Head as u8), requests: AtomicU64::new(0), waiting: Mutex::default() }
    }
}

impl ConnectionState {
    pub(crate) fn set(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    /// Another request is worked on from now on.
    pub(crate) fn begin_request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.set(Phase::Working);
    }

    /// The request is over. The server has asked its socket for more while it was worked on, and does not ask again by
    /// itself, so that nobody would begin to count the time.
    pub(crate) fn end_request(&self) {
        self.set(Phase::Idle);
        if let Some(socket) = self.waiting.lock().take() {
            socket.wake();
        }
    }

    /// Has a socket asked again when the request is over.
    pub(crate) fn wait(&self, socket: &Waker) {
        let mut waiting = self.waiting.lock();
        if waiting.as_ref().is_none_or(|waiting| !waiting.will_wake(socket)) {
            *waiting = Some(socket.clone());
        }
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    pub(crate) fn get(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Head,
            1 => Phase::Receiving,
            2 => Phase::Working,
            3 => Phase::Answering,
            4 => Phase::Idle,
            _ => Phase::Closing,
        }
    }
}

impl Phase {
    /// Whether the connection can be closed at any moment without a loss to anybody.
    pub(crate) fn is_between_requests(self) -> bool {
        matches!(self, Self::Head | Self::Idle | Self::Closing)
    }
}
