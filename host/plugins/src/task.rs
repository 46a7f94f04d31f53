//! The task that owns an instance, and what it is told from outside.

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::deployment::Deployment;

/// What a task is told. Of each kind the newest word counts, so whoever tells it waits for nothing.
#[derive(Default)]
pub(crate) struct TaskCommand {
    /// Run this from now on.
    pub(crate) deployment: Option<Arc<Deployment>>,
    /// Call it again, whatever has been.
    pub(crate) resume: bool,
    /// End.
    pub(crate) end: bool,
}

/// Where a task is told.
#[derive(Default)]
pub(crate) struct TaskInbox {
    waiting: Mutex<Option<TaskCommand>>,
    news: Notify,
}

impl TaskInbox {
    fn tell(&self, change: impl FnOnce(&mut TaskCommand)) {
        change(self.waiting.lock().get_or_insert_default());
        self.news.notify_one();
    }

    /// What is told next. Can be dropped while it waits.
    pub(crate) async fn next(&self) -> TaskCommand {
        loop {
            if let Some(command) = self.waiting.lock().take() {
                return command;
            }
            self.news.notified().await;
        }
    }
}

/// A task that runs. Dropping it tells it to end; [`stop`](Self::stop) waits for that as well.
pub(crate) struct Task {
    commands: Arc<TaskInbox>,
    handle: Option<JoinHandle<()>>,
}

impl Task {
    /// Begins with what the closure makes of the commands.
    pub(crate) fn start<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(Arc<TaskInbox>) -> F) -> Self {
        let commands = Arc::<TaskInbox>::default();
        let handle = Some(tokio::spawn(run(commands.clone())));
        Self { commands, handle }
    }

    /// Has it run another deployment, as soon as it is between two calls.
    pub(crate) fn deploy(&self, deployment: Arc<Deployment>) {
        self.commands.tell(|command| command.deployment = Some(deployment));
    }

    /// Has its instance called again.
    pub(crate) fn resume(&self) {
        self.commands.tell(|command| command.resume = true);
    }

    /// Ends it in order.
    pub(crate) async fn stop(mut self) {
        self.commands.tell(|command| command.end = true);
        if let Some(handle) = self.handle.take()
            && let Err(error) = handle.await
        {
            tracing::error!("the task of an instance failed: {error}");
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.commands.tell(|command| command.end = true);
    }
}
