//! Budgets, cancellation, and names, through the door that callers use.

use std::time::Duration;

use saker_pipeline::reader::{
    AggregateSet, Cancel, Chunk, Identity, Matcher, ReadBudget, ReadError, ReadLimits, SeriesReader, SeriesRef,
    TimeRange,
};
use saker_query::{EvalSettings, MemoryReader, Query, QueryAnswer, QueryError, QueryValue, json};

fn identity(endpoint: &str, metric: &str, tags: &[(&str, &str)]) -> Identity {
    let tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    Identity { endpoint: endpoint.into(), metric: metric.into(), tags }
}

fn reader(series: usize, samples: i64) -> MemoryReader {
    let mut reader = MemoryReader::default();
    for core in 0..series {
        let identity = identity("web-1", "cpu.busy", &[("cpu.core", &core.to_string())]);
        (0..samples).for_each(|at| reader.push(&identity, at * 10_000, at as f64));
    }
    reader
}

fn budget(limits: ReadLimits) -> ReadBudget {
    ReadBudget::new(limits, Cancel::default())
}

fn range(reader: &dyn SeriesReader, text: &str, steps: i64, budget: &ReadBudget) -> Result<QueryAnswer, QueryError> {
    let expr = saker_query::parse(text)?;
    let query = Query { text, expr: &expr };
    saker_query::range(reader, query, (0, (steps - 1) * 10_000), 10_000, &EvalSettings::default(), budget)
}

fn instant(reader: &dyn SeriesReader, text: &str) -> String {
    let expr = saker_query::parse(text).expect("a query");
    let query = Query { text, expr: &expr };
    let budget = budget(ReadLimits::default());
    let answer = saker_query::instant(reader, query, 10_000, &EvalSettings::default(), &budget).expect("an answer");
    json::data(&answer.value)
}

#[test]
fn too_many_samples_are_rejected_before_they_are_read() {
    let reader = reader(100, 1000);
    let budget = budget(ReadLimits { samples: 50_000, ..ReadLimits::default() });
    let error = range(&reader, "sum(rate(cpu_busy[1m]))", 1000, &budget).unwrap_err();
    assert!(matches!(error, QueryError::Read(ReadError::Samples { wanted: 100_000, limit: 50_000, .. })), "{error}");
    assert!(error.to_string().contains("allow 100000 samples"), "{error}");
    assert_eq!(budget.samples(), 0);
}

#[test]
fn too_much_memory_is_rejected_before_it_is_taken() {
    let reader = reader(100, 10);
    for query in ["cpu_busy", "rate(cpu_busy[1m])", "sum_over_time(vector(1)[100y:1s])", "cpu_busy[1y:1ms] * 1"] {
        let limited = budget(ReadLimits { memory_bytes: 1 << 20, ..ReadLimits::default() });
        let error = range(&reader, query, 10_000, &limited).unwrap_err();
        let rejected =
            matches!(error, QueryError::Read(ReadError::Memory { limit: 1_048_576, .. }) | QueryError::Syntax(_));
        assert!(rejected, "{query}: {error}");
    }
    let enough = budget(ReadLimits { memory_bytes: 64 << 20, ..ReadLimits::default() });
    range(&reader, "sum(cpu_busy) + sum(cpu_busy * 2)", 10_000, &enough).unwrap();
    assert!(enough.memory_peak() > 8_000_000);
}

#[test]
fn what_is_not_needed_any_more_is_given_back() {
    let reader = reader(100, 10);
    // One such vector takes 8 MB, and there are twenty of them.
    let text = vec!["sum(cpu_busy)"; 20].join(" + ");
    let budget = budget(ReadLimits { memory_bytes: 12 << 20, ..ReadLimits::default() });
    range(&reader, &text, 10_000, &budget).unwrap();
}

#[test]
fn steps_and_series_have_limits_that_say_what_would_do() {
    let reader = reader(10, 10);
    let whole = budget(ReadLimits::default());
    let error = range(&reader, "1", 11_002, &whole).unwrap_err().to_string();
    assert!(
        error.contains("11002 steps, and 11001 is the most") && error.contains("a step of 11s would do"),
        "{error}"
    );
    let settings = EvalSettings { series_max: 5, ..EvalSettings::default() };
    let expr = saker_query::parse("cpu_busy").unwrap();
    let query = Query { text: "cpu_busy", expr: &expr };
    let error = saker_query::instant(&reader, query, 0, &settings, &whole).unwrap_err().to_string();
    assert_eq!(error, "cpu_busy finds more than 5 series; name the metric, or more labels");
}

#[test]
fn time_ends_a_query_and_so_does_who_cancels_it() {
    let reader = reader(10, 1000);
    let late = budget(ReadLimits { time: Duration::ZERO, ..ReadLimits::default() });
    let error = range(&reader, "cpu_busy", 1000, &late).unwrap_err();
    assert_eq!(error, QueryError::Read(ReadError::Timeout { limit_ms: 0 }));
    let cancelled = budget(ReadLimits::default());
    cancelled.cancel().cancel();
    assert_eq!(range(&reader, "cpu_busy", 10, &cancelled).unwrap_err(), QueryError::Read(ReadError::Cancelled));
}

#[test]
fn results_have_prometheus_names_and_queries_may_have_either() {
    let mut reader = reader(1, 2);
    reader.push(&identity("web-1", "up", &[("instance", "a"), ("job", "b")]), 10_000, 1.0);
    let row = r#"{"resultType":"vector","result":[{"metric":{"__name__":"cpu_busy","cpu_core":"0","instance":"web-1"},"value":[10,"1"]}]}"#;
    for query in [
        "cpu_busy",
        "{\"cpu.busy\"}",
        "{\"cpu.busy\",\"cpu.core\"=\"0\"}",
        "cpu_busy{cpu_core=\"0\",instance=\"web-1\"}",
    ] {
        assert_eq!(instant(&reader, query), row, "{query}");
    }
    let grouped = r#"{"resultType":"vector","result":[{"metric":{"cpu_core":"0"},"value":[10,"1"]}]}"#;
    assert_eq!(instant(&reader, "sum by (\"cpu.core\") (cpu_busy)"), grouped);
    assert_eq!(instant(&reader, "sum by (cpu_core) (cpu_busy)"), grouped);
    assert!(instant(&reader, "up").contains(r#""exported_instance":"a","exported_job":"b","instance":"web-1""#));
    assert!(instant(&reader, "rate(up[1m])").contains("\"result\":[]"));
}

#[test]
fn series_whose_names_meet_are_one_by_time() {
    let mut reader = MemoryReader::default();
    for (metric, times) in [("disk.used", [0, 20_000]), ("disk_used", [10_000, 20_000])] {
        times
            .iter()
            .for_each(|time| reader.push(&identity("h", metric, &[]), *time, metric.len() as f64 + *time as f64));
    }
    reader.push(&identity("h", "disk.used", &[]), 20_000, 1.0);
    let budget = budget(ReadLimits::default());
    let answer = range(&reader, "disk_used", 3, &budget).unwrap();
    let QueryValue::Matrix(matrix) = answer.value else { panic!() };
    let values: Vec<f64> = matrix[0].points.iter().map(|point| point.value).collect();
    assert_eq!((matrix.len(), values), (1, vec![9.0, 10_009.0, 1.0]));
    let count = range(&reader, "count_over_time(disk_used[25s])", 3, &budget).unwrap();
    assert!(json::data(&count.value).contains("[20,\"3\"]"));
    assert!(json::data(&range(&reader, "{\"disk.used\"}", 3, &budget).unwrap().value).contains("[10,\"9\"]"));
}

/// A reader that gives samples of all series in turns, as a store does whose blocks hold many.
struct Turns(MemoryReader);

impl SeriesReader for Turns {
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
        const TURN_MS: i64 = 70_000;
        let mut start_ms = range.start_ms;
        while start_ms <= range.end_ms {
            let turn = TimeRange { start_ms, end_ms: range.end_ms.min(start_ms + TURN_MS - 1) };
            self.0.read(series, turn, columns, budget, visit)?;
            start_ms += TURN_MS;
        }
        Ok(())
    }
}

#[test]
fn answers_do_not_depend_on_how_samples_arrive() {
    let (whole, turns) = (reader(100, 500), Turns(reader(100, 500)));
    for query in [
        "cpu_busy",
        "cpu_busy offset 35s",
        "rate(cpu_busy[1m])",
        "max_over_time(cpu_busy[10m]) - min_over_time(cpu_busy[3m] @ end())",
        "quantile(0.9, deriv(cpu_busy[2m]))",
        "timestamp(cpu_busy)",
    ] {
        let budget = budget(ReadLimits::default());
        let [whole, turns] =
            [&whole as &dyn SeriesReader, &turns].map(|reader| range(reader, query, 500, &budget).unwrap());
        assert_eq!(json::data(&whole.value), json::data(&turns.value), "{query}");
    }
}

#[test]
fn a_query_that_reads_little_and_computes_for_ever_ends_in_time() {
    let reader = reader(1, 100_000);
    let limits = ReadLimits { time: Duration::from_millis(100), ..ReadLimits::default() };
    for query in [
        "quantile_over_time(0.5, cpu_busy[30d])",
        "mad_over_time(cpu_busy[11d:10s])",
        "max_over_time(quantile_over_time(0.5, cpu_busy[30d])[11d:10s])",
    ] {
        let budget = budget(limits);
        let expr = saker_query::parse(query).unwrap();
        let query = Query { text: query, expr: &expr };
        let range = (900_000_000, 1_000_000_000);
        let error = saker_query::range(&reader, query, range, 10_000, &EvalSettings::default(), &budget).unwrap_err();
        assert_eq!(error, QueryError::Read(ReadError::Timeout { limit_ms: 100 }));
        assert!(budget.elapsed() < Duration::from_secs(5), "{:?}", budget.elapsed());
    }
}

#[test]
fn the_deepest_trees_fit_on_a_threads_stack() {
    let reader = reader(2, 10);
    let deep = format!("{}cpu_busy{}", "abs(".repeat(98), ")".repeat(98));
    let powers = vec!["2"; 99].join(" ^ ");
    let signs = format!("{}cpu_busy", "-".repeat(90));
    for text in [vec!["cpu_busy"; 500].join(" or "), vec!["cpu_busy"; 500].join(" + "), deep, powers, signs] {
        let budget = budget(ReadLimits::default());
        range(&reader, &text, 10, &budget).unwrap();
        let expr = saker_query::parse(&text).unwrap();
        assert!(saker_query::parse(&expr.to_string()).is_ok());
        // Its lines are indented by their depth, so it is longer than a query may be, and yet bounded.
        assert!(saker_query::pretty(&expr).len() < 1 << 20);
    }
}
