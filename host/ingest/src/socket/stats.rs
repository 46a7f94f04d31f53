//! What became of connections and datagrams, counted by reason.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use saker_http::ReasonCounts;

saker_http::label! {
    /// Why a connection was not taken.
    pub(crate) Turned {
        /// There are as many as there may be.
        Full = "connections",
        /// There are as many from this address as there may be.
        Address = "address",
        /// What descriptors are left are kept for other things.
        Descriptors = "descriptors",
        /// The system gave none.
        System = "system",
        /// Its address is not among the senders.
        Sender = "sender",
    }
}

saker_http::label! {
    /// Why a connection was ended by this side.
    pub(crate) Ended {
        /// It brought no whole line for too long.
        Idle = "idle",
        /// It speaks HTTP, so that some page may have sent it.
        Http = "http",
        /// No message of its protocol begins with what it sent, or ends as soon as it must.
        Malformed = "malformed",
        /// It said that it is done.
        Done = "done",
        /// It did not read what it was answered.
        Unread = "unread",
        /// There was no memory for the rest of a long message.
        Memory = "no_memory",
        /// The listener stopped.
        Stopped = "stopped",
    }
}

saker_http::label! {
    /// Why a datagram was not read.
    pub(crate) Dropped {
        /// Its address is not among the senders.
        Sender = "sender",
        /// The system had no room for it, because it was not read in time.
        Kernel = "kernel",
    }
}

/// Everything that is counted of sockets. It outlives those that are replaced.
#[derive(Debug, Default)]
pub(crate) struct SocketStats {
    pub(super) open: AtomicUsize,
    pub(super) taken: AtomicU64,
    pub(crate) turned: ReasonCounts<Turned>,
    pub(crate) ended: ReasonCounts<Ended>,
    pub(super) datagrams: AtomicU64,
    pub(crate) dropped: ReasonCounts<Dropped>,
}

impl SocketStats {
    /// Connections that are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections that were taken.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Datagrams that were read.
    pub(crate) fn datagrams(&self) -> u64 {
        self.datagrams.load(Ordering::Relaxed)
    }
}
