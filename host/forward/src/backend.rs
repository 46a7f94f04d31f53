//! What a sender talks to.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use saker_model::{Point, Series, SeriesId};
use tokio::sync::Notify;

/// A destination. Opens sessions; a series that is defined in one stays defined until it ends, and is defined again when its
/// type or step has changed.
pub trait DestinationBackend: Send + Sync + 'static {
    /// Opens a session.
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn BackendSession>, SendError>>;

    /// A number that changes when the sessions so far should end and a new one be opened: another version of the
    /// plugin, other settings.
    fn generation(&self) -> u64;

    /// Told whenever the generation has changed: no need to wait out a pause.
    fn changed(&self) -> &Notify;
}

/// A session with a destination.
pub trait BackendSession: Send {
    /// Takes back handles, gives series theirs, then writes points; answers how many were taken. A handle that is given
    /// again stands for the same series, whose type or step has changed.
    fn write<'a>(
        &'a mut self,
        forget: Vec<SeriesId>,
        define: &'a [(SeriesId, Arc<Series>)],
        points: &'a [Point],
    ) -> BoxFuture<'a, Result<u32, SendError>>;

    /// Ends it in order.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Why points were not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The destination is away or busy: the same points again, in the same session.
    Retry {
        /// At the earliest after this time.
        after: Option<Duration>,
        /// What happened.
        message: String,
    },
    /// The destination will never take these: places in the list of points, or all if there are none. If there are,
    /// nothing was written.
    Reject {
        /// Which.
        points: Vec<u32>,
        /// Why.
        message: String,
    },
    /// The session is of no more use: the same points again, in a new one.
    Broken(String),
}
