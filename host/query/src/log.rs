//! Which queries run, and what became of those that ran.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use saker_pipeline::reader::{Budget, BudgetLimits, Cancel};
use serde::Serialize;

use crate::eval::QueryError;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Question {
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
    pub question: Question,
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
    pub fn new(question: Question, budget: &Budget, error: Option<&QueryError>) -> Self {
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
    pub question: Question,
    /// How long it has run, in milliseconds.
    pub running_ms: u64,
}

/// All queries that run. Bounded: each holds a thread and memory.
#[derive(Debug)]
pub struct ActiveQueries {
    limit: usize,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    queries: BTreeMap<u64, Running>,
}

#[derive(Debug)]
struct Running {
    question: Question,
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

impl ActiveQueries {
    /// At most so many at once.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::default() }
    }

    /// Begins a query. It is listed until the slot is dropped.
    ///
    /// # Errors
    /// [`TooManyQueries`]
    pub fn begin(&self, question: Question, limits: BudgetLimits) -> Result<Slot<'_>, TooManyQueries> {
        let mut inner = self.inner.lock();
        if inner.queries.len() >= self.limit {
            return Err(TooManyQueries { limit: self.limit });
        }
        let cancel = Cancel::default();
        let id = inner.next;
        inner.next += 1;
        inner.queries.insert(id, Running { question, started: Instant::now(), cancel: cancel.clone() });
        Ok(Slot { queries: self, id, budget: Budget::new(limits, cancel) })
    }

    /// Those that run, the oldest first.
    #[must_use]
    pub fn list(&self) -> Vec<ActiveQuery> {
        let millis = |time: Duration| time.as_millis() as u64;
        let active = |(id, running): (&u64, &Running)| ActiveQuery {
            id: *id,
            question: running.question.clone(),
            running_ms: millis(running.started.elapsed()),
        };
        self.inner.lock().queries.iter().map(active).collect()
    }

    /// Ends a query. Answers whether it ran.
    pub fn cancel(&self, id: u64) -> bool {
        let inner = self.inner.lock();
        let running = inner.queries.get(&id);
        running.inspect(|running| running.cancel.cancel()).is_some()
    }
}

/// A running query's place, and its budget.
#[derive(Debug)]
pub struct Slot<'a> {
    queries: &'a ActiveQueries,
    /// To cancel it by.
    pub id: u64,
    /// What it may spend.
    pub budget: Budget,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.queries.inner.lock().queries.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(query: &str) -> Question {
        Question { query: query.into(), start_ms: 1, end_ms: 2, step_ms: 1 }
    }

    #[test]
    fn active_queries_are_listed_cancelled_and_bounded() {
        let queries = ActiveQueries::new(2);
        let limits = BudgetLimits::default();
        let first = queries.begin(question("a"), limits).unwrap();
        let second = queries.begin(question("b"), limits).unwrap();
        assert_eq!(queries.begin(question("c"), limits).unwrap_err(), TooManyQueries { limit: 2 });
        assert_eq!(queries.list().iter().map(|query| &*query.question.query).collect::<Vec<_>>(), ["a", "b"]);
        assert!(queries.cancel(second.id) && !queries.cancel(99));
        assert!(second.budget.check().is_err() && first.budget.check().is_ok());
        drop((first, second));
        assert!(queries.list().is_empty());
    }

    #[test]
    fn a_record_is_a_line_of_json() {
        let budget = Budget::new(BudgetLimits::default(), Cancel::default());
        let record = QueryRecord { took_ms: 1.5, ..QueryRecord::new(question("up"), &budget, Some(&QueryError::Step)) };
        let line = serde_json::to_string(&record).unwrap();
        assert!(line.starts_with(r#"{"query":"up","start_ms":1,"end_ms":2,"step_ms":1,"took_ms":1.5,"samples":0,"#));
        assert!(line.contains("\"error\":\"zero or negative"), "{line}");
    }
}
