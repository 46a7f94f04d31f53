//! What an operator does with queues: look into them, send again what was rejected, throw away, and give the queue of a
//! destination that is not there any more to another.

use std::sync::Arc;

use crate::destination::Destination;
use crate::forwarder::Forwarder;
use crate::queue::spool::{QueueCommand, QueueCommandOutcome, SpoolDir, orphan};

/// Why a queue could not be operated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperateError {
    /// No destination and no folder has this name.
    #[error("there is no destination and no queue on disk called {0:?}; `saker queue list` shows those that there are")]
    Unknown(String),
    /// The destination's queue is in memory only.
    #[error("the queue of destination {0} is in memory only: it keeps nothing on disk")]
    InMemory(String),
    /// A folder's queue must be given to a destination.
    #[error("no destination is called {0:?} any more, so say which is to get its points: --to DESTINATION")]
    NeedsTarget(String),
    /// A destination keeps its own queue.
    #[error(
        "destination {0} sends its queue itself; only the queue of a destination that is not configured can be given to another"
    )]
    HasDestination(String),
    /// The disk, or the destination that is to get the points.
    #[error("{0}")]
    Failed(String),
}

impl Forwarder {
    /// Does something with the queue of a destination, or with one that is on disk without a destination.
    ///
    /// # Errors
    /// If there is no such queue, or the disk fails.
    pub async fn operate(&self, destination: &str, order: QueueCommand) -> Result<QueueCommandOutcome, OperateError> {
        if let Some(destination) = self.topology().destination(destination) {
            let spool = destination.queue.spool().ok_or_else(|| OperateError::InMemory(destination.name().into()))?;
            return spool.operate(order).await.map_err(OperateError::Failed);
        }
        let dir = self.folder(destination)?;
        let name = destination.to_owned();
        blocking(move || orphan::operate(&dir, &name, order)).await
    }

    /// Gives all points of a queue on disk that has no destination to a destination, then removes it. Answers how many
    /// points those were.
    ///
    /// # Errors
    /// If there is no such queue or destination, or the disk fails; points that were given before then are given again.
    pub async fn hand_over(&self, folder: &str, to: Option<&str>) -> Result<u64, OperateError> {
        let topology = self.topology();
        if topology.destination(folder).is_some() {
            return Err(OperateError::HasDestination(folder.into()));
        }
        let dir = self.folder(folder)?;
        let to = to.ok_or_else(|| OperateError::NeedsTarget(folder.into()))?;
        let destination: Arc<Destination> =
            topology.destination(to).cloned().ok_or_else(|| OperateError::Unknown(to.into()))?;
        let (name, table) = (folder.to_owned(), self.table().clone());
        let runtime = tokio::runtime::Handle::current();
        blocking(move || {
            orphan::hand_over(&dir, &name, &table, |points| {
                runtime.block_on(destination.bring_back(points, &table)).map_err(|overload| overload.to_string())
            })
        })
        .await
    }

    fn folder(&self, name: &str) -> Result<SpoolDir, OperateError> {
        self.spools()
            .filter(|spools| spools.has_destination(name))
            .cloned()
            .ok_or_else(|| OperateError::Unknown(name.into()))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, OperateError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(OperateError::Failed),
        Err(error) => Err(OperateError::Failed(format!("it failed while it ran: {error}"))),
    }
}
