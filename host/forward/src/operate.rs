//! What an operator does with queues: look into them, send again what was rejected, throw away, and give the queue of a
//! node that is not there any more to another.

use std::sync::Arc;

use crate::forwarder::Forwarder;
use crate::node::Node;
use crate::queue::spool::{Done, Order, SpoolDir, orphan};

/// Why a queue could not be operated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperateError {
    /// No node and no folder has this name.
    #[error("there is no node and no queue on disk called {0:?}; `saker queue list` shows those that there are")]
    Unknown(String),
    /// The node's queue is in memory only.
    #[error("the queue of node {0} is in memory only: it keeps nothing on disk")]
    InMemory(String),
    /// A folder's queue must be given to a node.
    #[error("no node is called {0:?} any more, so say which is to get its points: --to NODE")]
    NeedsTarget(String),
    /// A node keeps its own queue.
    #[error("node {0} sends its queue itself; only the queue of a node that is not configured can be given to another")]
    HasNode(String),
    /// The disk, or the node that is to get the points.
    #[error("{0}")]
    Failed(String),
}

impl Forwarder {
    /// Does something with the queue of a node, or with one that is on disk without a node.
    ///
    /// # Errors
    /// If there is no such queue, or the disk fails.
    pub async fn operate(&self, node: &str, order: Order) -> Result<Done, OperateError> {
        if let Some(node) = self.topology().node(node) {
            let spool = node.queue.spool().ok_or_else(|| OperateError::InMemory(node.name().into()))?;
            return spool.operate(order).await.map_err(OperateError::Failed);
        }
        let dir = self.folder(node)?;
        let name = node.to_owned();
        blocking(move || orphan::operate(&dir, &name, order)).await
    }

    /// Gives all points of a queue on disk that has no node to a node, then removes it. Answers how many points those
    /// were.
    ///
    /// # Errors
    /// If there is no such queue or node, or the disk fails; points that were given before then are given again.
    pub async fn hand_over(&self, folder: &str, to: Option<&str>) -> Result<u64, OperateError> {
        let topology = self.topology();
        if topology.node(folder).is_some() {
            return Err(OperateError::HasNode(folder.into()));
        }
        let dir = self.folder(folder)?;
        let to = to.ok_or_else(|| OperateError::NeedsTarget(folder.into()))?;
        let node: Arc<Node> = topology.node(to).cloned().ok_or_else(|| OperateError::Unknown(to.into()))?;
        let (name, table) = (folder.to_owned(), self.table().clone());
        let runtime = tokio::runtime::Handle::current();
        blocking(move || {
            orphan::hand_over(&dir, &name, &table, |points| {
                runtime.block_on(node.bring_back(points, &table)).map_err(|overload| overload.to_string())
            })
        })
        .await
    }

    fn folder(&self, name: &str) -> Result<SpoolDir, OperateError> {
        self.spools().filter(|spools| spools.has_node(name)).cloned().ok_or_else(|| OperateError::Unknown(name.into()))
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
