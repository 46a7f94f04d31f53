//! A reader over samples in memory, for tests and for tools.

use std::collections::BTreeMap;
use std::sync::Arc;

use saker_model::MetricType;
use saker_pipeline::reader::{
    Aggregate, AggregateSet, Attributes, Chunk, Identity, Matcher, ReadBudget, ReadError, SeriesReader, SeriesRef,
    TimeRange,
};

/// What a series is unless it is said otherwise.
const ATTRIBUTES: Attributes = Attributes { metric_type: MetricType::Gauge, step_s: 10 };
/// Samples of a chunk: what a store's block of one series holds.
const CHUNK_SAMPLES: usize = 1024;

/// Series and their samples, in memory.
#[derive(Debug, Default)]
pub struct MemoryReader {
    series: Vec<Stored>,
    by_identity: BTreeMap<Arc<Identity>, usize>,
}

#[derive(Debug)]
struct Stored {
    attributes: Attributes,
    timestamps: Vec<i64>,
    values: Vec<f64>,
}

impl MemoryReader {
    /// Adds a sample. The same timestamp again replaces the value; an older one finds its place.
    pub fn push(&mut self, identity: &Identity, timestamp_ms: i64, value: f64) {
        let stored = self.stored(identity);
        if stored.timestamps.last().is_none_or(|last| *last < timestamp_ms) {
            stored.timestamps.push(timestamp_ms);
            stored.values.push(value);
            return;
        }
        match stored.timestamps.binary_search(&timestamp_ms) {
            Ok(found) => stored.values[found] = value,
            Err(place) => {
                stored.timestamps.insert(place, timestamp_ms);
                stored.values.insert(place, value);
            }
        }
    }

    /// Says what a series is; without a word it is a gauge, measured every 10 s.
    pub fn set_attributes(&mut self, identity: &Identity, attributes: Attributes) {
        self.stored(identity).attributes = attributes;
    }

    fn stored(&mut self, identity: &Identity) -> &mut Stored {
        let at = match self.by_identity.get(identity) {
            Some(at) => *at,
            None => {
                let at = self.series.len();
                self.series.push(Stored { attributes: ATTRIBUTES, timestamps: Vec::new(), values: Vec::new() });
                self.by_identity.insert(Arc::new(identity.clone()), at);
                at
            }
        };
        &mut self.series[at]
    }

    fn within(&self, series: &SeriesRef, range: TimeRange) -> (&[i64], &[f64]) {
        let Some(stored) = self.series.get(series.id as usize) else { return (&[], &[]) };
        let from = stored.timestamps.partition_point(|time| *time < range.start_ms);
        let to = stored.timestamps.partition_point(|time| *time <= range.end_ms).max(from);
        (&stored.timestamps[from..to], &stored.values[from..to])
    }
}

impl SeriesReader for MemoryReader {
    fn select(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<SeriesRef>, ReadError> {
        let matches = |identity: &Identity| matchers.iter().all(|matcher| matcher.matches(identity));
        let found = self.by_identity.iter().filter(|(identity, _)| matches(identity));
        let refs = found.map(|(identity, at)| SeriesRef {
            id: *at as u64,
            identity: identity.clone(),
            attributes: self.series[*at].attributes,
        });
        Ok(refs.filter(|series| !self.within(series, range).0.is_empty()).take(limit).collect())
    }

    fn read(
        &self,
        series: &[SeriesRef],
        range: TimeRange,
        columns: AggregateSet,
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        let ones = [1.0; CHUNK_SAMPLES];
        for (place, wanted) in series.iter().enumerate() {
            let (timestamps, values) = self.within(wanted, range);
            for (timestamps, values) in timestamps.chunks(CHUNK_SAMPLES).zip(values.chunks(CHUNK_SAMPLES)) {
                budget.charge_samples(timestamps.len() as u64)?;
                let column = |aggregate| if aggregate == Aggregate::Count { &ones[..values.len()] } else { values };
                let columns: Vec<&[f64]> = columns.iter().map(column).collect();
                visit(Chunk { series: place, granularity_ms: 0, timestamps, columns: &columns });
            }
        }
        Ok(())
    }

    fn estimate(&self, series: &[SeriesRef], range: TimeRange, _: u64) -> u64 {
        series.iter().map(|series| self.within(series, range).0.len() as u64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saker_pipeline::reader::{Cancel, MatcherLabel, ReadLimits, TextCondition};

    fn identity(endpoint: &str, metric: &str, tags: &[(&str, &str)]) -> Identity {
        let tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Identity { endpoint: endpoint.into(), metric: metric.into(), tags }
    }

    fn filled() -> MemoryReader {
        let mut reader = MemoryReader::default();
        for (endpoint, core) in [("web-1", "0"), ("web-1", "1"), ("db-1", "0")] {
            for at in 0..3000 {
                reader.push(&identity(endpoint, "cpu.busy", &[("core", core)]), at * 1000, at as f64);
            }
        }
        reader
    }

    fn is(label: MatcherLabel, value: &str) -> Matcher {
        Matcher { label, condition: TextCondition::Is(value.into()) }
    }

    const ALL: TimeRange = TimeRange { start_ms: 0, end_ms: i64::MAX };

    #[test]
    fn series_are_selected_by_all_matchers_within_range_and_limit() {
        let reader = filled();
        let count = |matchers: &[Matcher], range, limit| reader.select(matchers, range, limit).unwrap().len();
        assert_eq!(count(&[], ALL, 10), 3);
        assert_eq!(count(&[], ALL, 2), 2);
        assert_eq!(count(&[], TimeRange { start_ms: 3_000_000, end_ms: i64::MAX }, 10), 0);
        let (endpoint, core) = (is(MatcherLabel::Endpoint, "web-1"), is(MatcherLabel::Tag("core".into()), "1"));
        assert_eq!(count(std::slice::from_ref(&endpoint), ALL, 10), 2);
        assert_eq!(count(&[endpoint, core], ALL, 10), 1);
        assert_eq!(count(&[is(MatcherLabel::Tag("none".into()), "")], ALL, 10), 3);
    }

    #[test]
    fn samples_come_in_order_within_the_range_and_are_charged() {
        let reader = filled();
        let series = reader.select(&[], ALL, 10).unwrap();
        let range = TimeRange { start_ms: 500_000, end_ms: 2_000_000 };
        let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
        let mut seen = vec![Vec::new(); 3];
        let columns = AggregateSet::LAST.with(Aggregate::Count);
        reader
            .read(&series, range, columns, &budget, &mut |chunk| {
                assert_eq!((chunk.granularity_ms, chunk.columns[1][0]), (0, 1.0));
                seen[chunk.series].extend_from_slice(chunk.timestamps);
            })
            .unwrap();
        let expected: Vec<i64> = (500..=2000).map(|at| at * 1000).collect();
        assert_eq!(seen, vec![expected; 3]);
        assert_eq!(budget.samples(), 3 * 1501);
        assert_eq!(reader.estimate(&series, range, u64::MAX), 3 * 1501);
    }

    #[test]
    fn a_cancelled_read_ends_and_so_does_one_beyond_its_budget() {
        let reader = filled();
        let series = reader.select(&[], ALL, 10).unwrap();
        let cancel = Cancel::default();
        let budget = ReadBudget::new(ReadLimits::default(), cancel.clone());
        let mut chunks = 0;
        let ended = reader.read(&series, ALL, AggregateSet::LAST, &budget, &mut |_| {
            chunks += 1;
            cancel.cancel();
        });
        assert_eq!((ended, chunks), (Err(ReadError::Cancelled), 1));
        let budget = ReadBudget::new(ReadLimits { samples: 2000, ..ReadLimits::default() }, Cancel::default());
        assert!(matches!(
            reader.read(&series, ALL, AggregateSet::LAST, &budget, &mut |_| ()),
            Err(ReadError::Samples { limit: 2000, .. })
        ));
    }

    #[test]
    fn a_late_sample_finds_its_place_and_the_same_time_again_replaces() {
        let mut reader = MemoryReader::default();
        let series = identity("h", "m", &[]);
        for (at, value) in [(10, 1.0), (30, 3.0), (20, 2.0), (30, 4.0)] {
            reader.push(&series, at, value);
        }
        assert_eq!(
            (&*reader.series[0].timestamps, &*reader.series[0].values),
            (&[10, 20, 30][..], &[1.0, 2.0, 4.0][..])
        );
    }
}
