//! What has happened to containers, as far as their values tell: when they came and went, and what was killed for want of
//! memory.

use saker_pipeline::reader::{AggregateSet, Chunk, ReadBudget, SeriesReader, TimeRange};
use serde_json::{Value, json};

use super::find::Found;
use super::{CadvisorError, json};

/// A container of which nothing was heard for so long has gone: three intervals of those that are told every ten seconds.
const GONE_MS: i64 = 30_000;

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// It came.
    Creation,
    /// It went.
    Deletion,
    /// Something in it was killed for want of memory.
    OomKill,
}

/// Something that has happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
    /// Whose.
    pub container: String,
    /// What.
    pub kind: EventKind,
}

impl Event {
    /// As cAdvisor writes it.
    #[must_use]
    pub fn json(&self) -> Value {
        let kind = match self.kind {
            EventKind::Creation => "containerCreation",
            EventKind::Deletion => "containerDeletion",
            EventKind::OomKill => "oomKill",
        };
        json!({"container_name": self.container, "timestamp": json::time(self.time_ms), "event_type": kind, "event_data": {}})
    }
}

/// Events of containers within a range, oldest first. `now_ms` tells what has gone.
///
/// # Errors
/// The reader's and the budget's.
pub fn events(
    reader: &dyn SeriesReader,
    found: &Found,
    (range, now_ms): (TimeRange, i64),
    budget: &ReadBudget,
) -> Result<Vec<Event>, CadvisorError> {
    let mut all = Vec::new();
    for container in &found.containers {
        let of = |name: &str| {
            let series = container.series.iter().filter(|series| &*series.identity.metric == name);
            series.cloned().collect::<Vec<_>>()
        };
        let mut event = |time_ms: i64, kind| all.push(Event { time_ms, container: container.path.clone(), kind });
        let mut last_ms = None;
        let mut created_ms = None;
        let mut killed: Option<f64> = None;
        for (series, name) in
            [(of("creation_time_seconds"), "created"), (of("cpu_usage_total"), "seen"), (of("oom_events"), "oom")]
        {
            reader.read(&series, range, AggregateSet::LAST, budget, &mut |chunk: Chunk<'_>| {
                for (time_ms, value) in chunk.timestamps.iter().zip(chunk.columns[0]) {
                    match name {
                        "created" => created_ms = Some((value * 1000.0) as i64),
                        "seen" => last_ms = last_ms.max(Some(*time_ms)),
                        _ => {
                            if killed.is_some_and(|before| *value > before) {
                                event(*time_ms, EventKind::OomKill);
                            }
                            killed = Some(*value);
                        }
                    }
                }
            })?;
        }
        if let Some(created_ms) = created_ms.filter(|time_ms| range.contains(*time_ms)) {
            event(created_ms, EventKind::Creation);
        }
        if let Some(last_ms) = last_ms.filter(|last_ms| now_ms - last_ms > GONE_MS) {
            event(last_ms, EventKind::Deletion);
        }
    }
    all.sort();
    Ok(all)
}
