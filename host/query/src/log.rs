//! Which queries run, and what became of those that ran.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use saker_pipeline::reader::{Cancel, ReadBudget, ReadLimits};
use serde::Serialize;

use crate::eval::QueryError;

/// Queries that have ended and are still listed: with the longest texts, some megabytes.
const ENDED_MAX: usize = 100;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoggedQuery {
    /// The query as it was written.
    pub query: String,
    /// The first time that was asked for, in milliseconds since 1970-01-01 UTC.
    pub start_ms: i64,
    /// The last one; the first again for an instant query.
    pub end_ms: i64,
    /// The step, in milliseconds; 0 for an instant query.
    pub step_ms: i64,
}

/// A line of the query log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QueryRecord {
    /// What was asked.
    #[serde(flatten)]
    pub question: LoggedQuery,
    /// How long it took, in milliseconds.
    pub took_ms: f64,
    /// Samples that were read.
    pub samples: u64,
    /// The most memory that was held at once, in bytes.
    pub memory_peak_bytes: u64,
    /// Why there is no answer, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl QueryRecord {
    /// The record of a query that has ended.
    #[must_use]
    pub fn new(question: LoggedQuery, budget: &ReadBudget, error: Option<&QueryError>) -> Self {
        Self {
            question,
            took_ms: budget.elapsed().as_secs_f64() * 1000.0,
            samples: budget.samples(),
            memory_peak_bytes: budget.memory_peak(),
            error: error.map(ToString::to_string),
        }
    }
}

/// A query that runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActiveQuery {
    /// To cancel it by.
    pub id: u64,
    /// What was asked.
    #[serde(flatten)]
    pub question: LoggedQuery,
    /// How long it has run, in milliseconds.
    pub running_ms: u64,
}

/// All queries that run, and the last that have ended. Bounded: each that runs holds a thread, or waits for one.
#[derive(Debug, Default)]
pub struct QueryLog(Mutex<QueryLogInner>);

#[derive(Debug, Default)]
struct QueryLogInner {
    next: u64,
    active: BTreeMap<u64, Running>,
    ended: VecDeque<QueryRecord>,
}

#[derive(Debug)]
struct Running {
    question: LoggedQuery,
    started: Instant,
    cancel: Cancel,
}

/// Too many queries run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{limit} queries run already; try again when one has ended")]
pub struct TooManyQueries {
    /// The limit.
    pub limit: usize,
}

impl QueryLog {
    /// Begins a query, if fewer than `most` run. It is listed until the slot is dropped.
    ///
    /// # Errors
    /// [`TooManyQueries`]
    pub fn begin(
        self: &Arc<Self>,
        question: LoggedQuery,
        limits: ReadLimits,
        most: usize,
    ) -> Result<Slot, TooManyQueries> {
        let mut inner = self.0.lock();
        if inner.active.len() >= most {
            return Err(TooManyQueries { limit: most });
        }
        let cancel = Cancel::default();
        let id = inner.next;
        inner.next += 1;
        let running = Running { question: question.clone(), started: Instant::now(), cancel: cancel.clone() };
        inner.active.insert(id, running);
        Ok(Slot { log: self.clone(), id, question, budget: ReadBudget::new(limits, cancel) })
    }

    /// Those that run, the oldest first.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveQuery> {
        let active = |(id, running): (&u64, &Running)| ActiveQuery {
            id: *id,
            question: running.question.clone(),
            running_ms: running.started.elapsed().as_millis() as u64,
        };
        self.0.lock().active.iter().map(active).collect()
    }

    /// The last that have ended, the newest first.
    #[must_use]
    pub fn ended(&self) -> Vec<QueryRecord> {
        self.0.lock().ended.iter().rev().cloned().collect()
    }

    /// Ends a query. Answers whether it ran.
    pub fn cancel(&self, id: u64) -> bool {
        let inner = self.0.lock();
        let running = inner.active.get(&id);
        running.inspect(|running| running.cancel.cancel()).is_some()
    }

    /// Ends all that run.
    pub fn cancel_all(&self) {
        self.0.lock().active.values().for_each(|running| running.cancel.cancel());
    }
}

/// A running query's place, and its budget.
#[derive(Debug)]
pub struct Slot {
    log: Arc<QueryLog>,
    /// To cancel it by.
    pub id: u64,
    /// What was asked.
    pub question: LoggedQuery,
    /// What it may spend.
    pub budget: ReadBudget,
}

impl Slot {
    /// Ends it, and keeps what became of it.
    pub fn end(self, error: Option<&QueryError>) -> QueryRecord {
        let record = QueryRecord::new(self.question.clone(), &self.budget, error);
        let mut inner = self.log.0.lock();
        if inner.ended.len() == ENDED_MAX {
            inner.ended.pop_front();
        }
        inner.ended.push_back(record.clone());
        drop(inner);
        record
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.log.0.lock().active.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(query: &str) -> LoggedQuery {
        LoggedQuery { query: query.into(), start_ms: 1, end_ms: 2, step_ms: 1 }
    }

    #[test]
    fn queries_are_listed_cancelled_bounded_and_kept_for_a_while() {
        let log = Arc::new(QueryLog::default());
        let begin = |query: &str| log.begin(question(query), ReadLimits::default(), 2);
        let (first, second) = (begin("a").unwrap(), begin("b").unwrap());
        assert_eq!(begin("c").unwrap_err(), TooManyQueries { limit: 2 });
        assert_eq!(log.active().iter().map(|query| &*query.question.query).collect::<Vec<_>>(), ["a", "b"]);
        assert!(log.cancel(second.id) && !log.cancel(99));
        assert!(second.budget.check().is_err() && first.budget.check().is_ok());
        log.cancel_all();
        assert!(first.budget.check().is_err());
        first.end(Some(&QueryError::Step));
        second.end(None);
        assert!(log.active().is_empty());
        for place in 0..ENDED_MAX {
            begin(&place.to_string()).unwrap().end(None);
        }
        let ended = log.ended();
        assert_eq!((ended.len(), &*ended[0].question.query), (ENDED_MAX, "99"));
    }

    #[test]
    fn a_record_is_a_line_of_json() {
        let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
        let record = QueryRecord { took_ms: 1.5, ..QueryRecord::new(question("up"), &budget, Some(&QueryError::Step)) };
        let line = serde_json::to_string(&record).unwrap();
        assert!(line.starts_with(r#"{"query":"up","start_ms":1,"end_ms":2,"step_ms":1,"took_ms":1.5,"samples":0,"#));
        assert!(line.contains("\"error\":\"zero or negative"), "{line}");
    }
}
