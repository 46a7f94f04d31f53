//! What became of connections, requests and bodies, counted by reason.

use std::fmt;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use axum::response::Response;
use saker_model::DurationHistogram;

/// A closed set of reasons.
pub trait ReasonLabel: Copy + 'static {
    /// All of them, each at the place of its number.
    const ALL: &'static [Self];

    /// Its name on /metrics.
    fn as_str(self) -> &'static str;

    /// Its place.
    fn index(self) -> usize;
}

/// Declares a closed set of reasons, as an enum that is a [`ReasonLabel`].
#[macro_export]
macro_rules! label {
    ($(#[$meta:meta])* $vis:vis $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[$doc])* $variant,)* }

        impl $crate::ReasonLabel for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)*];

            fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// Why a connection was not taken.
    pub Turned {
        /// There are as many as there may be.
        Full = "connections",
        /// There are as many from this address as there may be.
        Address = "address",
        /// What descriptors are left are kept for other things.
        Descriptors = "descriptors",
        /// The system gave none.
        System = "system",
    }
}

label! {
    /// Why a connection was ended by this side.
    pub Ending {
        /// Its head took too long.
        HeadTimeout = "head_timeout",
        /// Its head was too large.
        HeadTooLarge = "head_too_large",
        /// Nothing was asked for some time.
        Idle = "idle",
        /// The reader of an answer was too slow.
        ResponseStalled = "response_stalled",
        /// The server stopped.
        Stopped = "stopped",
    }
}

label! {
    /// Why a request was rejected before anything was done.
    pub Rejection {
        /// It names no host, or more than one.
        NoHost = "no_host",
        /// It is meant for another host.
        Host = "host",
        /// It comes from another site's page.
        Origin = "origin",
        /// The browser says that it comes from another site.
        FetchSite = "fetch_site",
        /// It changes something, and a foreign page could have sent it.
        OperatorHeader = "operator_header",
        /// Its token is missing or wrong.
        Token = "token",
        /// Too many at the same time, through a proxy from one address.
        Address = "address",
        /// Its body can never be taken.
        TooLarge = "too_large",
        /// There is no memory for its body now.
        NoMemory = "no_memory",
        /// Its points have no room in a queue now.
        NoRoom = "no_room",
        /// Too many bodies wait to be parsed.
        NoTurn = "no_turn",
    }
}

label! {
    /// How a body ended.
    pub BodyEnd {
        /// It came whole.
        Whole = "whole",
        /// It is larger than bodies may be.
        TooLarge = "too_large",
        /// It made no progress.
        Stalled = "stalled",
        /// It took too long in all.
        Late = "late",
        /// The connection broke off, or its chunks are wrong.
        Broken = "broken",
        /// Nobody read it to its end.
        Unread = "unread",
    }
}

/// Counts by reason.
#[derive(Debug)]
pub struct ReasonCounts<L: ReasonLabel> {
    counts: Box<[AtomicU64]>,
    label: PhantomData<L>,
}

impl<L: ReasonLabel> Default for ReasonCounts<L> {
    fn default() -> Self {
        Self { counts: L::ALL.iter().map(|_| AtomicU64::new(0)).collect(), label: PhantomData }
    }
}

impl<L: ReasonLabel> ReasonCounts<L> {
    /// Counts one; answers how many there were before.
    pub fn add(&self, label: L) -> u64 {
        self.counts[label.index()].fetch_add(1, Ordering::Relaxed)
    }

    /// Counts some.
    pub fn add_many(&self, label: L, count: u64) {
        self.counts[label.index()].fetch_add(count, Ordering::Relaxed);
    }

    /// How many there are.
    #[must_use]
    pub fn get(&self, label: L) -> u64 {
        self.counts[label.index()].load(Ordering::Relaxed)
    }

    /// All reasons with their counts.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        L::ALL.iter().map(|&label| (label.as_str(), self.get(label)))
    }
}

/// Everything that is counted. It outlives a server that is replaced by one at another address.
#[derive(Debug, Default)]
pub struct Stats {
    /// Connections that are open.
    pub(crate) open: AtomicUsize,
    /// Connections that were taken.
    pub(crate) taken: AtomicU64,
    /// Connections that were not taken.
    pub turned: ReasonCounts<Turned>,
    /// Connections that this side has ended.
    pub ended: ReasonCounts<Ending>,
    /// Requests that were rejected.
    pub rejected: ReasonCounts<Rejection>,
    /// Bodies.
    pub bodies: ReasonCounts<BodyEnd>,
    /// From the head of a request to that of its answer.
    pub(crate) requests: DurationHistogram,
    observer: OnceLock<Observer>,
}

/// Who is told of requests that were rejected before any path was asked: the path, and the answer.
struct Observer(Box<Observe>);

type Observe = dyn Fn(&str, &Response) + Send + Sync;

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Stats {
    /// Has somebody told of requests that are rejected before the router sees them. The first who asks is.
    pub fn observe(&self, observer: impl Fn(&str, &Response) + Send + Sync + 'static) {
        drop(self.observer.set(Observer(Box::new(observer))));
    }

    /// A request for a path was rejected with this answer.
    pub(crate) fn turned_away(&self, path: &str, answer: &Response) {
        if let Some(Observer(observer)) = self.observer.get() {
            observer(path, answer);
        }
    }

    /// Connections that are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections that were taken.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}
