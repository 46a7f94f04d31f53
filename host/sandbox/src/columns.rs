//! What a collector brings in columns: the series that it has defined, kept by their handles for as long as the instance
//! lives, and the values that point at them. Called by `instance/collector.rs`; validates nothing that validation of
//! samples does.

use std::sync::Arc;

use saker_model::{MetricType, Sample};

use crate::bindings::collector::exports::saker::plugin::collector::{Batch, Definition};
use crate::convert;
use crate::failure::Kill;
use crate::instance::Run;
use crate::limits::Limits;

/// Bytes that the agent keeps for the series that one instance has defined: some 600 for each of 50,000, the most that one
/// may have by default; a name and five tags take 500.
const DEFINED_BYTES_MAX: usize = 32 << 20;
/// Bytes of the values of a run, each written out with the name of its series: 1.6 KB for each of 20,000. Columns are
/// small where names are long and every value is of the same series.
const WRITTEN_OUT_BYTES_MAX: usize = 32 << 20;

/// A series as a collector has defined it.
#[derive(Clone, Debug, PartialEq)]
pub struct DefinedSeries {
    endpoint: Option<Arc<str>>,
    metric: String,
    tags: Vec<(String, String)>,
    metric_type: MetricType,
    step_s: Option<u32>,
    /// About what it takes in memory.
    bytes: usize,
}

/// Values in columns, of equal lengths. Each handle is one that the collector has defined.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ColumnBatch {
    /// Handles that stand for another series than before, or for none.
    pub changed: Vec<u32>,
    /// Which series.
    pub series: Vec<u32>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub timestamps_ms: Vec<i64>,
    /// The values: whatever the guest has handed over.
    pub values: Vec<f64>,
}

/// What a run has brought.
#[derive(Clone, Debug, PartialEq)]
pub enum Measurement {
    /// Values, each with the name of its series.
    Records(Vec<Sample>),
    /// Values of series that the collector has defined.
    Columns(ColumnBatch),
}

/// The series of one instance, by their handles.
#[derive(Debug, Default)]
pub(crate) struct CollectorDefinitions {
    series: Vec<Option<Box<DefinedSeries>>>,
    bytes: usize,
}

impl DefinedSeries {
    /// The value that would bring the series by itself.
    #[must_use]
    pub fn value(&self, endpoint: &Arc<str>, step_s: u32, timestamp_ms: i64, value: f64) -> Sample {
        Sample {
            endpoint: self.endpoint.as_ref().unwrap_or(endpoint).clone(),
            metric: self.metric.clone(),
            tags: self.tags.clone(),
            metric_type: self.metric_type,
            value,
            timestamp_ms,
            step_s: self.step_s.unwrap_or(step_s),
        }
    }
}

impl From<Definition> for DefinedSeries {
    fn from(definition: Definition) -> Self {
        let Definition { endpoint, metric, tags, metric_type, step_s, .. } = definition;
        let tag_bytes = |(key, value): &(String, String)| size_of::<(String, String)>() + key.len() + value.len();
        let texts = endpoint.as_ref().map_or(0, String::len) + metric.len() + tags.iter().map(tag_bytes).sum::<usize>();
        Self {
            endpoint: endpoint.map(Arc::from),
            metric,
            tags,
            metric_type: convert::metric_type(metric_type),
            step_s,
            bytes: size_of::<Self>() + texts,
        }
    }
}

impl CollectorDefinitions {
    /// The series behind a handle.
    pub(crate) fn get(&self, handle: u32) -> Option<&DefinedSeries> {
        self.series.get(handle as usize)?.as_deref()
    }

    /// Takes in what a guest has handed over.
    ///
    /// # Errors
    /// [`Kill`], if it is more than may be, or makes no sense. The instance is of no more use then: what it has defined
    /// and what is known here may differ.
    pub(crate) fn take(&mut self, batch: Batch, run: Run, limits: &Limits) -> Result<ColumnBatch, Kill> {
        let Batch { forget, define, points } = batch;
        let records = points.series.len();
        if records > limits.max_result_samples {
            return Err(Kill::AnswerRecords { records, limit: limits.max_result_samples });
        }
        let most = limits.max_series;
        if forget.len() > most || define.len() > most {
            let (forget, define) = (forget.len(), define.len());
            return Err(wrong(format!("define {define} series and forget {forget}, and limits.max_series is {most}")));
        }
        let mut changed = Vec::with_capacity(forget.len() + define.len());
        for handle in forget {
            self.put(handle, None);
            changed.push(handle);
        }
        for definition in define {
            let handle = definition.id;
            if handle as usize >= most {
                return Err(wrong(format!(
                    "define a series as {handle}, and handles are 0 to limits.max_series, {most}"
                )));
            }
            self.put(handle, Some(Box::new(definition.into())));
            if self.bytes > DEFINED_BYTES_MAX {
                return Err(wrong(format!("define series of more than {DEFINED_BYTES_MAX} bytes in all")));
            }
            changed.push(handle);
        }
        let (values, mut timestamps_ms) = (points.values, points.timestamps_ms);
        if timestamps_ms.is_empty() {
            timestamps_ms = vec![run.timestamp_ms; records];
        }
        if (values.len(), timestamps_ms.len()) != (records, records) {
            let (times, values) = (timestamps_ms.len(), values.len());
            return Err(wrong(format!("have {records} handles, {times} timestamps and {values} values")));
        }
        let mut written_out = 0;
        for &handle in &points.series {
            let Some(series) = self.get(handle) else {
                return Err(wrong(format!("have a value of {handle}, which is no series that it has defined")));
            };
            written_out += series.bytes;
        }
        if written_out > WRITTEN_OUT_BYTES_MAX {
            return Err(wrong(format!("stand for more than {WRITTEN_OUT_BYTES_MAX} bytes of names and values")));
        }
        Ok(ColumnBatch { changed, series: points.series, timestamps_ms, values })
    }

    fn put(&mut self, handle: u32, series: Option<Box<DefinedSeries>>) {
        let place = handle as usize;
        if place >= self.series.len() {
            if series.is_none() {
                return;
            }
            self.series.resize_with(place + 1, || None);
        }
        self.bytes += series.as_ref().map_or(0, |series| series.bytes);
        let before = std::mem::replace(&mut self.series[place], series);
        self.bytes -= before.map_or(0, |series| series.bytes);
    }
}

fn wrong(what: String) -> Kill {
    Kill::Columns { what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::types;

    const TICK: Run = Run { timestamp_ms: 5000, interval_ms: 10_000, step_s: 10 };

    fn definition(id: u32, metric: &str) -> Definition {
        let tags = vec![("k".to_owned(), "v".to_owned())];
        let metric_type = types::MetricType::Gauge;
        Definition { id, endpoint: None, metric: metric.into(), tags, metric_type, step_s: None }
    }

    fn batch(define: Vec<Definition>, series: &[u32]) -> Batch {
        let values = vec![0.5; series.len()];
        let points = types::Columns { series: series.into(), timestamps_ms: Vec::new(), values };
        Batch { forget: Vec::new(), define, points }
    }

    fn rejected(known: &mut CollectorDefinitions, batch: Batch) -> String {
        known.take(batch, TICK, &Limits { max_series: 10, ..Limits::default() }).unwrap_err().to_string()
    }

    #[test]
    fn a_series_is_defined_once_and_pointed_at_ever_after() {
        let mut known = CollectorDefinitions::default();
        let first = known.take(batch(vec![definition(3, "a")], &[3, 3]), TICK, &Limits::default()).unwrap();
        assert_eq!((first.changed, first.timestamps_ms, first.values), (vec![3], vec![5000; 2], vec![0.5; 2]));
        let later = known.take(batch(Vec::new(), &[3]), TICK, &Limits::default()).unwrap();
        assert_eq!((later.changed, later.series), (Vec::new(), vec![3]));
        let value = known.get(3).unwrap().value(&"h".into(), 10, 7, 1.5);
        assert_eq!((&*value.endpoint, value.metric.as_str(), value.step_s, value.timestamp_ms), ("h", "a", 10, 7));
    }

    #[test]
    fn a_handle_that_is_given_back_stands_for_nothing() {
        let mut known = CollectorDefinitions::default();
        known.take(batch(vec![definition(0, "a")], &[]), TICK, &Limits::default()).unwrap();
        let again = Batch { forget: vec![0, 4_000_000_000], ..batch(vec![definition(0, "b")], &[0]) };
        known.take(again, TICK, &Limits::default()).unwrap();
        assert_eq!(known.get(0).unwrap().metric, "b");
        let gone = Batch { forget: vec![0], ..batch(Vec::new(), &[0]) };
        assert!(rejected(&mut known, gone).contains("a value of 0, which is no series"));
        assert_eq!(known.bytes, 0);
    }

    #[test]
    fn what_is_beyond_a_bound_or_makes_no_sense_is_said_so() {
        let mut known = CollectorDefinitions::default();
        assert!(
            rejected(&mut known, batch(vec![definition(10, "a")], &[])).contains("handles are 0 to limits.max_series")
        );
        assert!(rejected(&mut known, batch(vec![definition(0, "a"); 11], &[])).contains("define 11 series"));
        let forgetting = Batch { forget: vec![0; 11], ..batch(Vec::new(), &[]) };
        assert!(rejected(&mut known, forgetting).contains("forget 11"));
        assert!(
            rejected(&mut known, batch(Vec::new(), &[1; 20_001])).contains("20001 records, and its limit is 20000")
        );
        let mut uneven = batch(vec![definition(0, "a")], &[0, 0]);
        uneven.points.values.pop();
        assert!(rejected(&mut known, uneven).contains("2 handles, 2 timestamps and 1 values"));
        let mut late = batch(Vec::new(), &[0, 0]);
        late.points.timestamps_ms = vec![1];
        assert!(rejected(&mut known, late).contains("2 handles, 1 timestamps and 2 values"));
        let large = "x".repeat(DEFINED_BYTES_MAX);
        assert!(rejected(&mut known, batch(vec![definition(1, &large)], &[])).contains("bytes in all"));
    }
}
