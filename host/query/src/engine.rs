//! Runs questions on threads of their own: within budgets, listed, cancelled when nobody waits for them any more.

mod counts;
mod threads;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use saker_pipeline::reader::{Cancel, ReadBudget, ReadError, ReadLimits, SeriesReader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::config::QueryConfig;
use crate::eval::QueryError;
use crate::log::{LoggedQuery, QueryLog, Slot, TooManyQueries};

pub use counts::{Counts, QueryMetrics};
use threads::QueryThreads;

/// Answers that are made and not yet read by those who asked, all together: some dashboards.
const ANSWERS_BYTES_MAX: usize = 256 << 20;
/// A query looks at the time by itself; one that has not by then reads from a disk that hangs.
const HANGS_AFTER: Duration = Duration::from_secs(2);
/// What a permit stands for.
const PERMIT_BYTES: usize = 1 << 10;

/// Answers questions from a reader.
pub struct Engine {
    reader: Arc<dyn SeriesReader>,
    config: RwLock<QueryConfig>,
    log: Arc<QueryLog>,
    threads: QueryThreads,
    counts: Arc<Counts>,
    answers: Arc<Semaphore>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Too many others are asked.
    #[error(transparent)]
    Busy(#[from] TooManyQueries),
    /// Answers that nobody reads take the memory.
    #[error("the memory for answers is in use; try again when others have read theirs")]
    Unread,
    /// The agent stops.
    #[error("the agent is stopping")]
    Stopped,
    /// The question itself.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The thread that worked on it failed, which is a fault of the agent's.
    #[error("the query ended without an answer, which is a fault of the agent's")]
    Died,
}

/// Cancels a query when who asked goes away, whether it runs or waits.
struct CancelGuard<'a> {
    engine: &'a Engine,
    cancel: Cancel,
    number: u64,
}

impl Drop for CancelGuard<'_> {
    fn drop(&mut self) {
        self.cancel.cancel();
        if self.engine.threads.take_back(self.number) {
            let cancelled = QueryError::Read(ReadError::Cancelled);
            self.engine.counts.ended(Some(&cancelled), 0, Duration::ZERO);
        }
    }
}

/// Bytes of an answer, and the memory that they are charged to.
struct ChargedAnswer {
    text: Vec<u8>,
    _memory: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for ChargedAnswer {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Engine {
    /// Starts the threads.
    #[must_use]
    pub fn new(config: QueryConfig, reader: Arc<dyn SeriesReader>) -> Arc<Self> {
        Arc::new(Self {
            reader,
            threads: QueryThreads::new(config.threads),
            config: RwLock::new(config),
            log: Arc::default(),
            counts: Arc::default(),
            answers: Arc::new(Semaphore::new(ANSWERS_BYTES_MAX / PERMIT_BYTES)),
        })
    }

    /// Takes another configuration. Queries that run keep what they began with.
    pub fn apply(&self, config: QueryConfig) {
        self.threads.set(config.threads);
        *self.config.write() = config;
    }

    /// Ends all queries, and the threads; what is asked afterwards is rejected. Waits for them, so not on an async
    /// thread.
    pub fn stop(&self) {
        self.threads.close();
        self.log.cancel_all();
        self.threads.join();
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> QueryConfig {
        self.config.read().clone()
    }

    /// What is read.
    #[must_use]
    pub fn reader(&self) -> &Arc<dyn SeriesReader> {
        &self.reader
    }

    /// Which queries run, and which have ended.
    #[must_use]
    pub fn log(&self) -> &Arc<QueryLog> {
        &self.log
    }

    /// What has been asked, for `/metrics`.
    #[must_use]
    pub fn metrics(&self) -> QueryMetrics {
        QueryMetrics::new(self.counts.clone(), self.log.clone())
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Runs work for a question on a query thread. If the future is dropped, the work is cancelled. A shorter time than
    /// the configured one may be asked for.
    ///
    /// # Errors
    /// [`RunError`]
    pub async fn run<T: Send + 'static>(
        &self,
        question: LoggedQuery,
        timeout: Option<Duration>,
        work: impl FnOnce(&ReadBudget) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, RunError> {
        let config = self.config();
        let time = timeout.map_or(config.limits.time, |timeout| timeout.min(config.limits.time));
        let most = config.threads.saturating_add(config.waiting);
        let begun = self.log.begin(question, ReadLimits { time, ..config.limits }, most);
        let slot = begun.inspect_err(|_| self.counts.rejected())?;
        let number = slot.id;
        let _asked = CancelGuard { engine: self, cancel: slot.budget.cancel().clone(), number };
        let (answer, answered) = oneshot::channel();
        let counts = self.counts.clone();
        let taken = self.threads.submit(
            number,
            Box::new(move || {
                let result = slot.budget.check().map_err(QueryError::from).and_then(|()| work(&slot.budget));
                end(slot, &result, &counts, config.slow);
                // If nobody waits any more, that is all right.
                let _ = answer.send(result);
            }),
        );
        if !taken {
            return Err(RunError::Stopped);
        }
        let hangs = |_| QueryError::from(ReadError::Timeout { limit_ms: time.as_millis() as u64 });
        let answered = tokio::time::timeout(time + HANGS_AFTER, answered).await.map_err(hangs)?;
        Ok(answered.map_err(|_| RunError::Died)??)
    }

    /// Charges an answer to the memory that all of them have, until it is sent.
    ///
    /// # Errors
    /// [`RunError::Unread`]
    pub(crate) fn charged(&self, text: Vec<u8>) -> Result<Bytes, RunError> {
        let permits = u32::try_from(text.capacity().div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX);
        let memory = self.answers.clone().try_acquire_many_owned(permits).map_err(|_| {
            self.counts.rejected();
            RunError::Unread
        })?;
        Ok(Bytes::from_owner(ChargedAnswer { text, _memory: memory }))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.threads.close();
        self.log.cancel_all();
    }
}

fn end<T>(slot: Slot, result: &Result<T, QueryError>, counts: &Counts, slow: Duration) {
    let took = slot.budget.elapsed();
    let error = result.as_ref().err();
    counts.ended(error, slot.budget.samples(), took);
    let record = slot.end(error);
    let gone = matches!(error, Some(QueryError::Read(ReadError::Cancelled)));
    if took >= slow && !gone {
        let line = serde_json::to_string(&record).unwrap_or_default();
        tracing::warn!(target: "saker::query", "a slow query: {}", saker_model::text::clean(&line, LOG_LINE_BYTES));
    }
}

/// Bytes of a log line.
const LOG_LINE_BYTES: usize = 4 << 10;

#[cfg(test)]
mod tests;
