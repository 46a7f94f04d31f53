//! The old query service: `/graph/…`.

use axum::extract::{Request, State};
use axum::response::Response;
use saker_pipeline::reader::{ReadBudget, ReadError, SeriesReader};
use serde::Deserialize;

use super::body::{ErrorDialect, FalconRejection, Pair, respond};
use crate::eval::QueryError;
use crate::falcon::{self, Consolidation, HistoryQuery};
use crate::http::{Shared, now_ms};
use crate::log::LoggedQuery;

const DIALECT: ErrorDialect = ErrorDialect::Service;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GraphHistory {
    start: i64,
    end: i64,
    cf: String,
    endpoint_counters: Vec<Pair>,
}

pub(super) async fn history(State(shared): State<Shared>, request: Request) -> Response {
    let answer = async {
        let body: GraphHistory = DIALECT.json(request).await?;
        if body.endpoint_counters.is_empty() {
            return Err(DIALECT.bad("empty_payload"));
        }
        let consolidation =
            Consolidation::parse(&body.cf).ok_or_else(|| DIALECT.bad("cf must be AVERAGE, MAX or MIN"))?;
        let rows = RowRange { start_s: body.start, end_s: body.end, consolidation, keeps_unknown: true };
        rows.of(&shared, body.endpoint_counters, DIALECT).await
    };
    respond(&shared, DIALECT, answer.await)
}

pub(super) async fn info(State(shared): State<Shared>, request: Request) -> Response {
    let answer = async {
        let pairs = pairs(request).await?;
        let count = pairs.len();
        let (address, now_ms) = (shared.address.clone(), now_ms());
        let each = move |reader: &dyn SeriesReader, pair: &Pair, budget: &ReadBudget, out: &mut String| {
            // The series alone: of an empty range there are no rows.
            let known = falcon::known(reader, (&pair.endpoint, &pair.counter), now_ms)?;
            budget.check()?;
            falcon::push_info(out, &known, &address);
            Ok(true)
        };
        let answer = of_each(&shared, "graph/info", pairs, DIALECT, each).await?;
        shared.engine.counts().falcon.info(count);
        Ok(answer.0)
    };
    respond(&shared, DIALECT, answer.await)
}

pub(super) async fn last(State(shared): State<Shared>, request: Request) -> Response {
    let answer = async {
        let pairs = pairs(request).await?;
        newest(&shared, pairs, DIALECT, false).await
    };
    respond(&shared, DIALECT, answer.await)
}

pub(super) async fn last_raw(State(shared): State<Shared>, request: Request) -> Response {
    let answer = async {
        let pairs = pairs(request).await?;
        newest(&shared, pairs, DIALECT, true).await
    };
    respond(&shared, DIALECT, answer.await)
}

async fn pairs(request: Request) -> Result<Vec<Pair>, FalconRejection> {
    let pairs: Vec<Option<Pair>> = DIALECT.json(request).await?;
    if pairs.is_empty() {
        return Err(DIALECT.bad("empty"));
    }
    // An element that is null is none.
    Ok(pairs.into_iter().flatten().collect())
}

/// The newest value of each counter.
pub(super) async fn newest(
    shared: &Shared,
    pairs: Vec<Pair>,
    dialect: ErrorDialect,
    is_raw: bool,
) -> Result<String, FalconRejection> {
    let (count, now_ms) = (pairs.len(), now_ms());
    let each = move |reader: &dyn SeriesReader, pair: &Pair, budget: &ReadBudget, out: &mut String| {
        let asked = (pair.endpoint.as_str(), pair.counter.as_str());
        let point = if is_raw {
            falcon::last_raw(reader, asked, now_ms, budget)?
        } else {
            falcon::last(reader, asked, now_ms, budget)?
        };
        falcon::push_last(out, &point);
        Ok(true)
    };
    let answer = of_each(shared, if is_raw { "graph/last/raw" } else { "graph/last" }, pairs, dialect, each).await?;
    shared.engine.counts().falcon.last(count, is_raw);
    Ok(answer.0)
}

/// Which rows are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowRange {
    pub(super) start_s: i64,
    pub(super) end_s: i64,
    pub(super) consolidation: Consolidation,
    /// Whether counters that are not known are answered, without rows.
    pub(super) keeps_unknown: bool,
}

impl RowRange {
    /// The rows of each counter.
    pub(super) async fn of(
        self,
        shared: &Shared,
        pairs: Vec<Pair>,
        dialect: ErrorDialect,
    ) -> Result<String, FalconRejection> {
        let Self { start_s, end_s, consolidation, keeps_unknown } = self;
        let now_ms = now_ms();
        let counted = shared.clone();
        let each = move |reader: &dyn SeriesReader, pair: &Pair, budget: &ReadBudget, out: &mut String| {
            let query =
                HistoryQuery { endpoint: &pair.endpoint, counter: &pair.counter, start_s, end_s, consolidation };
            let history = falcon::history(reader, &query, now_ms, budget)?;
            if history.attributes.is_none() && !keeps_unknown {
                return Ok(false);
            }
            counted.engine.counts().falcon.rows(history.rows.len());
            falcon::push_history(out, &history);
            Ok(true)
        };
        let (answer, counters) = of_each(shared, "graph/history", pairs, dialect, each).await?;
        shared.engine.counts().falcon.history(counters);
        Ok(answer)
    }
}

/// Answers about each counter, in an array; and how many were answered.
async fn of_each(
    shared: &Shared,
    what: &str,
    pairs: Vec<Pair>,
    dialect: ErrorDialect,
    each: impl Fn(&dyn SeriesReader, &Pair, &ReadBudget, &mut String) -> Result<bool, QueryError> + Send + 'static,
) -> Result<(String, usize), FalconRejection> {
    let query = format!("{what} of {} counters", pairs.len());
    let question = LoggedQuery { query, start_ms: 0, end_ms: 0, step_ms: 0 };
    let engine = shared.engine.clone();
    let work = move |budget: &ReadBudget| {
        let (mut out, mut answered) = (String::from("["), 0);
        let limit = budget.limits().memory_bytes;
        for pair in &pairs {
            budget.check()?;
            let before = out.len();
            if before > 1 {
                out.push(',');
            }
            if each(&**engine.reader(), pair, budget, &mut out)? {
                answered += 1;
            } else {
                out.truncate(before);
            }
            if out.len() as u64 > limit {
                return Err(ReadError::Memory { wanted: out.len() as u64, limit }.into());
            }
        }
        out.push(']');
        Ok((out, answered))
    };
    shared.engine.run(question, None, work).await.map_err(|error| dialect.failed(&error))
}
