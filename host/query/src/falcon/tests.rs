use super::*;
use crate::MemoryReader;
use saker_model::STALE_MARKER;
use saker_pipeline::reader::{
    Aggregate, AggregateSet, Cancel, Chunk, Identity, Matcher, ReadBudget, ReadError, ReadLimits, SeriesReader,
    SeriesRef, TimeRange,
};

const STEP_S: i64 = 60;
const NOW_MS: i64 = 100_000 * STEP_S * 1000;
const START_S: i64 = NOW_MS / 1000 - 600;

fn reader(samples: &[(i64, f64)], metric_type: MetricType) -> MemoryReader {
    let mut reader = MemoryReader::default();
    let tags = [("iface".into(), "eth0".into())].into();
    let identity = Identity { endpoint: "h1".into(), metric: "net/in".into(), tags };
    if !samples.is_empty() {
        reader.set_attributes(&identity, Attributes { metric_type, step_s: STEP_S as u32 });
    }
    samples.iter().for_each(|(at_s, value)| reader.push(&identity, (START_S + at_s) * 1000, *value));
    let other = [("iface".into(), "eth0".into()), ("z".into(), "1".into())].into();
    reader.push(&Identity { tags: other, ..identity }, START_S * 1000, 99.0);
    reader
}

fn budget() -> ReadBudget {
    ReadBudget::new(ReadLimits::default(), Cancel::default())
}

fn values(
    samples: &[(i64, f64)],
    metric_type: MetricType,
    consolidation: Consolidation,
    end_s: i64,
) -> Vec<Option<f64>> {
    let query = HistoryQuery {
        endpoint: "h1",
        counter: "net/in/iface=eth0",
        start_s: START_S,
        end_s: START_S + end_s,
        consolidation,
    };
    let history = history(&reader(samples, metric_type), &query, NOW_MS, &budget()).unwrap();
    history.rows.into_iter().map(|row| row.value).collect()
}

#[test]
fn counters_are_read_with_slashes_wherever_they_are() {
    for (text, metric, tags) in [
        ("cpu.idle", "cpu.idle", vec![]),
        ("a/b", "a/b", vec![]),
        ("net/in/iface=eth0", "net/in", vec![("iface", "eth0")]),
        ("df/mount=/home,fs=x", "df", vec![("fs", "x"), ("mount", "/home")]),
        ("a/=b", "a/=b", vec![]),
        ("up/url=http://x/?a\\=1\\,2,z=", "up", vec![("url", "http://x/?a=1,2"), ("z", "")]),
    ] {
        let tags = tags.into_iter().map(|(key, value): (&str, &str)| (key.into(), value.into())).collect();
        assert_eq!(Counter::parse(text), Counter { metric, tags });
    }
    let range = TimeRange { start_ms: 0, end_ms: i64::MAX };
    let found = find(&reader(&[(0, 1.0)], MetricType::Gauge), "h1", "net/in/z=1,iface=eth0", range).unwrap().unwrap();
    assert_eq!(found.identity.tags.len(), 2);
    assert!(find(&reader(&[(0, 1.0)], MetricType::Gauge), "h1", "net/in", range).unwrap().is_none());
}

#[test]
fn gauges_fill_a_gap_of_one_step_and_not_more() {
    let samples = [(0, 1.0), (61, 2.0), (75, 2.5), (180, 4.0), (360, 5.0), (420, STALE_MARKER)];
    let expected = [Some(1.0), Some(2.0), Some(4.0), Some(4.0), None, None, Some(5.0), None];
    assert_eq!(values(&samples, MetricType::Gauge, Consolidation::Average, 420), expected);
}

#[test]
fn totals_are_answered_as_rates_and_a_reset_is_null() {
    let samples = [(0, 0.0), (60, 60.0), (180, 180.0), (240, 30.0), (300, 90.5), (480, 1000.0)];
    let expected = [None, Some(1.0), Some(1.0), Some(1.0), None, Some(60.5 / 60.0), None, None, None];
    for metric_type in [MetricType::Counter, MetricType::Derive] {
        assert_eq!(values(&samples, metric_type, Consolidation::Average, 480), expected);
    }
}

#[test]
fn extremes_and_old_ranges_have_rows_of_several_steps() {
    let samples: Vec<(i64, f64)> = (0..=10).map(|at| (at * 60, at as f64)).collect();
    // Rows of five steps end at whole multiples of 300 s.
    assert_eq!(values(&samples, MetricType::Gauge, Consolidation::Max, 600), [Some(0.0), Some(5.0), Some(10.0)]);
    assert_eq!(values(&samples, MetricType::Gauge, Consolidation::Min, 600), [Some(0.0), Some(1.0), Some(6.0)]);
    for (steps_ago, expected) in
        [(720, 1), (721, 5), (2880, 5), (2881, 20), (10_081, 180), (200_000, 720), (9_999_999, 720)]
    {
        assert_eq!(archive::row_steps(steps_ago, Consolidation::Average), expected);
    }
    let rows: Vec<ArchiveRow> = [(60, Some(1.0)), (120, None), (300, Some(2.0)), (360, None)]
        .map(|(at_s, value)| ArchiveRow { time_ms: at_s * 1000, value })
        .into();
    let coarse = downsample(&rows, 300_000, Consolidation::Average);
    assert_eq!(
        coarse,
        [ArchiveRow { time_ms: 300_000, value: Some(1.5) }, ArchiveRow { time_ms: 600_000, value: None }]
    );
}

#[test]
fn the_newest_value_is_raw_or_a_rate_of_two_samples_one_step_apart() {
    let point = |samples: &[(i64, f64)], metric_type| {
        let last = last(&reader(samples, metric_type), ("h1", "net/in/iface=eth0"), NOW_MS, &budget()).unwrap();
        (last.timestamp_s, last.value)
    };
    assert_eq!(point(&[(0, 60.0), (60, 180.0)], MetricType::Gauge), (START_S + 60, 180.0));
    assert_eq!(point(&[(0, 60.0), (60, 180.0)], MetricType::Counter), (START_S + 60, 2.0));
    assert_eq!(point(&[(0, 60.0), (60, 0.0)], MetricType::Counter), (START_S + 60, 0.0));
    assert_eq!(point(&[(0, 60.0), (120, 180.0)], MetricType::Counter), (0, 0.0));
    assert_eq!(point(&[(0, 60.0)], MetricType::Derive), (0, 0.0));
    let raw =
        last_raw(&reader(&[(0, 60.0)], MetricType::Gauge), ("h1", "net/in/iface=eth0"), NOW_MS, &budget()).unwrap();
    assert_eq!((raw.timestamp_s, raw.value), (START_S, 60.0));
    assert_eq!(last_raw(&reader(&[], MetricType::Gauge), ("h1", "none"), NOW_MS, &budget()).unwrap().timestamp_s, 0);
}

#[test]
fn answers_are_graphs_to_the_byte() {
    let rows = vec![ArchiveRow { time_ms: 60_000, value: Some(1.5) }, ArchiveRow { time_ms: 120_000, value: None }];
    let attributes = Some(Attributes { metric_type: MetricType::Counter, step_s: 60 });
    let known = History { endpoint: "h\"1".into(), counter: "a/b=c".into(), attributes, rows };
    let unknown = History { endpoint: "h2".into(), counter: "x".into(), attributes: None, rows: Vec::new() };
    assert_eq!(
        histories(&[known.clone(), unknown]),
        concat!(
            r#"[{"endpoint":"h\"1","counter":"a/b=c","dstype":"DERIVE","step":60,"Values":["#,
            r#"{"timestamp":60,"value":1.500000},{"timestamp":120,"value":null}]},"#,
            r#"{"endpoint":"h2","counter":"x","dstype":"","step":0,"Values":[]}]"#
        )
    );
    let point = LastPoint { endpoint: "h".into(), counter: "c".into(), timestamp_s: 60, value: -0.25 };
    assert_eq!(last_points(&[point]), r#"[{"endpoint":"h","counter":"c","value":{"timestamp":60,"value":-0.250000}}]"#);
    assert_eq!(
        infos(&[known], "10.0.0.1:6070"),
        r#"[{"endpoint":"h\"1","counter":"a/b=c","consolFun":"DERIVE","step":60,"filename":"","addr":"10.0.0.1:6070"}]"#
    );
}

#[test]
fn a_range_that_is_far_too_long_has_no_more_rows_than_may_be() {
    let query = HistoryQuery {
        endpoint: "h1",
        counter: "net/in/iface=eth0",
        start_s: 0,
        end_s: i64::MAX / 1000 - 1_000_000,
        consolidation: Consolidation::Average,
    };
    let limits = ReadLimits::default();
    let budget = ReadBudget::new(limits, Cancel::default());
    let found = history(&reader(&[(0, 1.0)], MetricType::Gauge), &query, NOW_MS, &budget).unwrap();
    assert!(found.rows.len() <= 800, "{}", found.rows.len());
}

/// A reader that has buckets of an hour instead of samples.
struct Buckets(MemoryReader);

const HOUR_MS: i64 = 3_600_000;

impl SeriesReader for Buckets {
    fn select(&self, matchers: &[Matcher], range: TimeRange, limit: usize) -> Result<Vec<SeriesRef>, ReadError> {
        self.0.select(matchers, range, limit)
    }

    fn read(
        &self,
        series: &[SeriesRef],
        range: TimeRange,
        columns: AggregateSet,
        budget: &ReadBudget,
        visit: &mut dyn FnMut(Chunk<'_>),
    ) -> Result<(), ReadError> {
        self.0.read(series, range, AggregateSet::LAST, budget, &mut |chunk| {
            // Each bucket of three samples: their mean is the last, the extremes lie one beside it.
            let value = |aggregate, last: f64| match aggregate {
                Aggregate::Sum => last * 3.0,
                Aggregate::Count => 3.0,
                Aggregate::Max => last + 1.0,
                Aggregate::Min => last - 1.0,
                _ => last,
            };
            let columns: Vec<Vec<f64>> = columns
                .iter()
                .map(|column| chunk.columns[0].iter().map(|last| value(column, *last)).collect())
                .collect();
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            visit(Chunk { granularity_ms: HOUR_MS, columns: &columns, ..chunk });
        })
    }
}

#[test]
fn where_only_buckets_are_kept_rows_are_of_these() {
    let hours: Vec<(i64, f64)> = (-100..-80).map(|hour| (hour * 3600, (hour + 100) as f64 * 3600.0)).collect();
    let rows = |metric_type, consolidation| {
        let query = HistoryQuery {
            endpoint: "h1",
            counter: "net/in/iface=eth0",
            start_s: START_S - 90 * 3600,
            end_s: START_S - 88 * 3600,
            consolidation,
        };
        let reader = Buckets(reader(&hours, metric_type));
        let history = history(&reader, &query, NOW_MS, &budget()).unwrap();
        assert!(history.rows.len() > 4, "{}", history.rows.len());
        history.rows.into_iter().map(|row| row.value).collect::<Vec<_>>()
    };
    assert!(rows(MetricType::Counter, Consolidation::Average).iter().all(|value| *value == Some(1.0)));
    for (consolidation, beside) in
        [(Consolidation::Average, 0.0), (Consolidation::Max, 1.0), (Consolidation::Min, -1.0)]
    {
        for value in rows(MetricType::Gauge, consolidation) {
            let value = value.unwrap() - beside;
            assert!(consolidation == Consolidation::Average || value % 3600.0 == 0.0, "{value}");
            assert!((36_000.0..=46_800.0).contains(&value), "{value}");
        }
    }
}
