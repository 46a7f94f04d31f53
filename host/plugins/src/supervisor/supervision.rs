//! How to talk to the supervisor.

use tokio::sync::{mpsc, oneshot, watch};

use super::{SupervisorEvent, wanted};
use crate::backend::BackendSlots;
use crate::config::PluginsConfig;

/// How to talk to the supervisor.
#[derive(Clone)]
pub struct Supervision {
    pub(super) events: mpsc::Sender<SupervisorEvent>,
    pub(super) settled: watch::Receiver<bool>,
    pub(super) judging: watch::Receiver<bool>,
    pub(super) backends: BackendSlots,
}

impl Supervision {
    /// The plugin folder may have changed.
    pub async fn folder_changed(&self) {
        self.tell(SupervisorEvent::Folder).await;
    }

    /// The configuration is another. When it returns, there is a [`backend`](Self::backend) for each destination; what
    /// runs follows.
    pub async fn apply(&self, config: PluginsConfig) {
        let (done, applied) = oneshot::channel();
        self.tell(SupervisorEvent::Config(Box::new(config), done)).await;
        // A supervisor that is gone has places for nothing.
        let _ = applied.await;
    }

    /// What a destination sends to, if it is configured. It is there before its plugin is.
    #[must_use]
    pub fn backend(&self, destination: &str) -> Option<Box<dyn saker_forward::DestinationBackend>> {
        self.backends.lock().get(&wanted::backend_name(destination)).map(|slot| slot.backend())
    }

    /// Has an instance called again that backs off or is in quarantine, or a file compiled again that cannot be used.
    ///
    /// # Errors
    /// Why not: there is none of this name, or it has no time for it now.
    pub async fn resume(&self, name: &str) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        self.tell(SupervisorEvent::Resume(name.to_owned(), answer)).await;
        answered.await.unwrap_or_else(|_| Err("the agent is ending".into()))
    }

    /// Ends every collector and processor in order and writes their state; destinations go on.
    pub async fn stop(&self) {
        let (done, ended) = oneshot::channel();
        self.tell(SupervisorEvent::Stop(done)).await;
        // A supervisor that is gone has nothing left to end.
        let _ = ended.await;
    }

    /// Whether what the configuration names has been loaded since the start, or cannot be; and all other files that were
    /// there, unless they took too long.
    pub fn is_settled(&self) -> bool {
        *self.settled.borrow()
    }

    /// Whether the processors have been loaded since the start, or cannot be.
    pub fn is_judging(&self) -> bool {
        *self.judging.borrow()
    }

    /// Waits until it [`is_settled`](Self::is_settled).
    pub async fn settled(&self) {
        let mut settled = self.settled.clone();
        // A supervisor that is gone will not settle any more.
        let _ = settled.wait_for(|&settled| settled).await;
    }

    async fn tell(&self, event: SupervisorEvent) {
        if self.events.send(event).await.is_err() {
            tracing::error!("the supervisor has ended");
        }
    }
}
