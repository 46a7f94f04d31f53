//! The cache as a reader of queries: what is not older than the window, of every series that still has a name.

use std::collections::BTreeSet;
use std::sync::Arc;

use saker_model::{Series, SeriesId, SeriesTable, Tags};
use saker_pipeline::reader::{
    Aggregate, AggregateSet, Attributes, Chunk, Identity, Matcher, ReadBudget, ReadError, SeriesEraser, SeriesReader,
    SeriesRef, TimeRange,
};

use crate::Cache;

/// A cache, and the table that names its series.
pub struct CacheReader {
    cache: Arc<Cache>,
    table: Arc<SeriesTable>,
}

impl CacheReader {
    /// A reader of this cache.
    #[must_use]
    pub fn new(cache: Arc<Cache>, table: Arc<SeriesTable>) -> Self {
        Self { cache, table }
    }

    /// The points of a series in a range, if its id is still its own; of the same time, the last that came.
    fn points(&self, series: &SeriesRef, range: TimeRange) -> (Vec<i64>, Vec<f64>) {
        let id = SeriesId(u32::try_from(series.id).unwrap_or(u32::MAX));
        let points = self.cache.range(id, range.start_ms, range.end_ms, usize::MAX);
        // Looked at after the points were taken: an id is given to another series only when its points have gone.
        if points.is_empty() || !self.table.get(id).is_some_and(|known| is_of(&known, &series.identity)) {
            return Default::default();
        }
        let (mut timestamps, mut values) = (Vec::with_capacity(points.len()), Vec::with_capacity(points.len()));
        for (time_ms, value) in points {
            if timestamps.last() == Some(&time_ms) {
                values.pop();
                timestamps.pop();
            }
            timestamps.push(time_ms);
            values.push(value);
        }
        (timestamps, values)
    }
}

impl CacheReader {
    /// Forgets what series have before a time, or all of it. Series are told by their names, whatever ids they have.
    pub fn forget(&self, series: &[Series], before_ms: Option<i64>) {
        let names: BTreeSet<Name<'_>> = series.iter().map(name).collect();
        self.forget_named(&names, before_ms);
    }

    fn forget_named(&self, names: &BTreeSet<Name<'_>>, before_ms: Option<i64>) {
        let (mut gone, mut page, mut from) = (Vec::new(), Vec::new(), Some(SeriesId(0)));
        while let Some(at) = from {
            from = self.table.page(at, &mut page);
            gone.extend(page.drain(..).filter(|(_, series)| names.contains(&name(series))).map(|(id, _)| id));
        }
        match before_ms {
            None => self.cache.remove(&gone),
            Some(before_ms) => gone.iter().for_each(|id| self.cache.remove_before(*id, before_ms)),
        }
    }
}

/// What a series is known by: type and step may change.
type Name<'a> = (&'a str, &'a str, &'a Tags);

fn name(series: &Series) -> Name<'_> {
    (&series.endpoint, &series.metric, &series.tags)
}

impl SeriesEraser for CacheReader {
    fn erase(&self, series: &[SeriesRef]) -> Result<(), ReadError> {
        let identities = series.iter().map(|series| &series.identity);
        let names = identities.map(|identity| (&*identity.endpoint, &*identity.metric, &identity.tags)).collect();
        self.forget_named(&names, None);
        Ok(())
    }
}

fn is_of(series: &Series, identity: &Identity) -> bool {
    *series.metric == *identity.metric && series.endpoint == identity.endpoint && series.tags == identity.tags
}

impl SeriesReader for CacheReader {
    fn select(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<SeriesRef>, ReadError> {
        let (mut found, mut page, mut from) = (Vec::new(), Vec::new(), Some(SeriesId(0)));
        while let Some(at) = from.filter(|_| found.len() < limit) {
            from = self.table.page(at, &mut page);
            let matches = |series: &Series| {
                matchers.iter().all(|matcher| matcher.matches_parts(&series.endpoint, &series.metric, &series.tags))
            };
            for (id, series) in page.drain(..).filter(|(_, series)| matches(series)) {
                if self.cache.range(id, range.start_ms, range.end_ms, 1).is_empty() {
                    continue;
                }
                let Series { endpoint, metric, tags, metric_type, step_s } = &*series;
                let identity = Identity { endpoint: endpoint.clone(), metric: (&**metric).into(), tags: tags.clone() };
                let attributes = Attributes { metric_type: *metric_type, step_s: *step_s };
                found.push(SeriesRef { id: id.0.into(), identity: Arc::new(identity), attributes });
            }
        }
        found.truncate(limit);
        found.sort_unstable_by(|a, b| a.identity.cmp(&b.identity));
        Ok(found)
    }

    fn read(
        &self,
        series: &[SeriesRef],
        range: TimeRange,
        columns: AggregateSet,
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        let mut ones = Vec::new();
        for (place, wanted) in series.iter().enumerate() {
            let (timestamps, values) = self.points(wanted, range);
            if timestamps.is_empty() {
                budget.check()?;
                continue;
            }
            budget.charge_samples(timestamps.len() as u64)?;
            ones.resize(timestamps.len().max(ones.len()), 1.0);
            let column =
                |aggregate| if aggregate == Aggregate::Count { &ones[..values.len()] } else { values.as_slice() };
            let columns: Vec<&[f64]> = columns.iter().map(column).collect();
            visit(Chunk { series: place, granularity_ms: 0, timestamps: &timestamps, columns: &columns });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CacheLimits;
    use saker_model::{MetricType, Point};
    use saker_pipeline::reader::{Cancel, MatcherLabel, ReadLimits, TextCondition};

    const ALL: TimeRange = TimeRange { start_ms: i64::MIN, end_ms: i64::MAX };

    fn series(endpoint: &str, metric: &str) -> Series {
        Series {
            endpoint: endpoint.into(),
            metric: metric.into(),
            tags: [("core".into(), "0".into())].into(),
            metric_type: MetricType::Counter,
            step_s: 10,
        }
    }

    fn filled(series: &[Series]) -> (Arc<Cache>, Arc<SeriesTable>, CacheReader) {
        let table = Arc::new(SeriesTable::new(10_000));
        let cache = Arc::new(Cache::new(CacheLimits::default()));
        for series in series {
            let id = table.intern_series(series.clone(), 0).unwrap();
            let point = |at: i64| Point { series: id, timestamp_ms: at * 1000, value: at as f64 };
            cache.add(&[point(1), point(2), point(3)]);
        }
        let reader = CacheReader::new(cache.clone(), table.clone());
        (cache, table, reader)
    }

    fn read(reader: &CacheReader, series: &[SeriesRef], range: TimeRange) -> Vec<(usize, Vec<i64>, Vec<f64>)> {
        let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
        let mut seen = Vec::new();
        let columns = AggregateSet::LAST.with(Aggregate::Count);
        reader
            .read(series, range, columns, &budget, &mut |chunk| {
                assert!(chunk.columns[1].iter().all(|count| *count == 1.0));
                seen.push((chunk.series, chunk.timestamps.to_vec(), chunk.columns[0].to_vec()));
            })
            .unwrap();
        seen
    }

    #[test]
    fn series_are_selected_in_order_of_identity() {
        let (_, _, reader) = filled(&[series("b", "x"), series("a", "y"), series("a", "x")]);
        let found = reader.select(&[], ALL, 10).unwrap();
        let names: Vec<_> = found.iter().map(|found| (&*found.identity.endpoint, &*found.identity.metric)).collect();
        assert_eq!(names, [("a", "x"), ("a", "y"), ("b", "x")]);
        assert_eq!(found[0].attributes, Attributes { metric_type: MetricType::Counter, step_s: 10 });
        let range = TimeRange { start_ms: 2000, end_ms: 2999 };
        assert_eq!(read(&reader, &found[1..], range), [(0, vec![2000], vec![2.0]), (1, vec![2000], vec![2.0])]);
        assert_eq!(reader.select(&[], ALL, 2).unwrap().len(), 2);
        assert_eq!(reader.select(&[], TimeRange { start_ms: 4000, end_ms: 9000 }, 10).unwrap().len(), 0);
        let is = |label, value: &str| Matcher { label, condition: TextCondition::Is(value.into()) };
        let matchers =
            [is(MatcherLabel::Endpoint, "a"), is(MatcherLabel::Metric, "x"), is(MatcherLabel::Tag("core".into()), "0")];
        assert_eq!(reader.select(&matchers, ALL, 10).unwrap().len(), 1);
    }

    #[test]
    fn what_is_erased_is_gone_and_what_comes_later_is_there() {
        let (cache, table, reader) = filled(&[series("a", "x"), series("a", "y"), series("b", "x")]);
        let left = |reader: &CacheReader| -> Vec<Vec<i64>> {
            let found = reader.select(&[], ALL, 10).unwrap();
            read(reader, &found, ALL).into_iter().map(|(_, times, _)| times).collect()
        };
        reader.forget(&[series("a", "y")], Some(3000));
        assert_eq!(left(&reader), [vec![1000, 2000, 3000], vec![3000], vec![1000, 2000, 3000]]);
        // The ids are those of another reader.
        let mut found = reader.select(&[], ALL, 10).unwrap();
        found.iter_mut().for_each(|series| series.id += 100);
        reader.erase(&found[..2]).unwrap();
        assert_eq!(left(&reader), [vec![1000, 2000, 3000]]);
        let stats = cache.stats();
        assert_eq!((stats.series, stats.points), (1, 3));
        let id = table.intern_series(series("a", "x"), 0).unwrap();
        cache.add(&[Point { series: id, timestamp_ms: 9000, value: 1.0 }]);
        assert_eq!(left(&reader)[0], [9000]);
    }

    #[test]
    fn more_series_than_a_page_are_found_and_the_limit_ends_the_search() {
        let all: Vec<Series> = (0..3000).map(|place| series("h", &format!("m{place:04}"))).collect();
        let (_, _, reader) = filled(&all);
        let found = reader.select(&[], ALL, usize::MAX).unwrap();
        assert_eq!(found.len(), 3000);
        assert!(found.is_sorted_by(|a, b| a.identity <= b.identity));
        assert_eq!(reader.select(&[], ALL, 7).unwrap().len(), 7);
    }

    #[test]
    fn of_the_same_time_the_last_value_counts() {
        let (cache, table, reader) = filled(&[series("a", "x")]);
        let id = table.intern_series(series("a", "x"), 0).unwrap();
        cache.add(&[Point { series: id, timestamp_ms: 3000, value: 7.0 }]);
        let found = reader.select(&[], ALL, 10).unwrap();
        assert_eq!(read(&reader, &found, ALL), [(0, vec![1000, 2000, 3000], vec![1.0, 2.0, 7.0])]);
    }

    #[test]
    fn an_id_that_belongs_to_another_series_by_now_reads_nothing() {
        let (cache, table, reader) = filled(&[series("a", "x")]);
        let found = reader.select(&[], ALL, 10).unwrap();
        let gone = table.sweep(1);
        cache.remove(&gone);
        table.release(&gone);
        let id = table.intern_series(series("a", "other"), 2).unwrap();
        assert_eq!(id, gone[0], "the id is used again");
        cache.add(&[Point { series: id, timestamp_ms: 5000, value: 5.0 }]);
        assert_eq!(read(&reader, &found, ALL), []);
    }

    #[test]
    fn samples_are_charged_and_a_cancelled_read_ends() {
        let (_, _, reader) = filled(&[series("a", "x"), series("a", "y")]);
        let found = reader.select(&[], ALL, 10).unwrap();
        let cancel = Cancel::default();
        let budget = ReadBudget::new(ReadLimits { samples: 4, ..ReadLimits::default() }, cancel.clone());
        let rejected = reader.read(&found, ALL, AggregateSet::LAST, &budget, &mut |_| ());
        assert!(matches!(rejected, Err(ReadError::Samples { wanted: 6, limit: 4, .. })));
        cancel.cancel();
        let budget = ReadBudget::new(ReadLimits::default(), cancel);
        assert_eq!(reader.read(&found, ALL, AggregateSet::LAST, &budget, &mut |_| ()), Err(ReadError::Cancelled));
    }
}
