//! Asks a Prometheus and this crate the same random questions about the same random series, and tells where they differ:
//!
//! ```text
//! compare PROMETHEUS PROMTOOL [QUERIES [SEED]]
//! ```
//!
//! The two programs are Prometheus' own, for example Debian's. Samples, and the times of queries, lie off every grid, so
//! that it does not matter on which side a range is open: Prometheus has changed that in version 3.

mod data;
mod queries;
mod server;

use std::collections::BTreeMap;

use saker_pipeline::reader::{Cancel, ReadBudget, ReadLimits};
use saker_query::names::NamingMode;
use saker_query::{EvalSettings, MemoryReader, Query, QueryValue};

/// Relative; what is smaller comes from sums in another order.
const TOLERANCE: f64 = 1e-9;
/// Steps of a range query.
const STEPS: i64 = 24;

/// For each series its values by time in milliseconds, or that there is no answer.
type Rows = Result<BTreeMap<String, Vec<(i64, f64)>>, String>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [prometheus, promtool, rest @ ..] = &arguments[..] else {
        panic!("compare PROMETHEUS PROMTOOL [QUERIES [SEED]]")
    };
    let number =
        |place: usize, default| rest.get(place).map_or(default, |text: &String| text.parse().expect("a number"));
    let (count, seed) = (number(0, 2000), number(1, 1));
    let mut random = data::Random::new(seed);
    let series = data::series(&mut random);
    let server = server::Server::start(prometheus, promtool, &data::open_metrics(&series));
    let reader = data::reader(&series);
    let (mut same, mut both_fail, mut different) = (0, 0, 0);
    for _ in 0..count {
        let query = queries::query(&mut random);
        let end_ms = data::START_MS
            + data::LENGTH_MS * 2 / 3
            + random.below(data::LENGTH_MS as u64 / 3) as i64 / 10_000 * 10_000
            + 1_234;
        let step_ms = [10_000, 30_000, 60_000, 240_000][random.below(4) as usize];
        let start_ms = if random.below(4) == 0 { end_ms } else { end_ms - STEPS * step_ms };
        let theirs = server.range(&query, start_ms, end_ms, step_ms);
        let ours = ours(&reader, &query, start_ms, end_ms, step_ms);
        match (&theirs, &ours) {
            (Err(_), Err(_)) => both_fail += 1,
            (Ok(theirs), Ok(ours)) if alike(theirs, ours) => same += 1,
            _ => {
                different += 1;
                println!("{query}\n  from {start_ms} to {end_ms} step {step_ms}\n  {}", difference(&theirs, &ours));
            }
        }
    }
    println!("{count} queries (seed {seed}): {same} same, {both_fail} rejected by both, {different} different");
}

fn ours(reader: &MemoryReader, text: &str, start_ms: i64, end_ms: i64, step_ms: i64) -> Rows {
    let expr = saker_query::parse(text).map_err(|error| error.to_string())?;
    let settings = EvalSettings { naming: NamingMode::Verbatim, ..EvalSettings::default() };
    let budget = ReadBudget::new(ReadLimits { memory_bytes: 1 << 30, ..ReadLimits::default() }, Cancel::default());
    let query = Query { text, expr: &expr };
    let answer = saker_query::range(reader, query, (start_ms, end_ms), step_ms, &settings, &budget)
        .map_err(|error| error.to_string())?;
    let QueryValue::Matrix(matrix) = answer.value else { return Err("no matrix".into()) };
    let row = |series: saker_query::RangeSeries| {
        let points = series.points.iter().map(|point| (point.time_ms, point.value)).collect();
        (series.labels.to_string(), points)
    };
    Ok(matrix.into_iter().map(row).collect())
}

fn alike(theirs: &BTreeMap<String, Vec<(i64, f64)>>, ours: &BTreeMap<String, Vec<(i64, f64)>>) -> bool {
    let point = |(a, b): (&(i64, f64), &(i64, f64))| a.0 == b.0 && near(a.1, b.1);
    theirs.len() == ours.len()
        && theirs.iter().zip(ours).all(|(theirs, ours)| {
            theirs.0 == ours.0 && theirs.1.len() == ours.1.len() && theirs.1.iter().zip(ours.1).all(point)
        })
}

fn near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1e-3)
}

fn difference(theirs: &Rows, ours: &Rows) -> String {
    let (Ok(theirs), Ok(ours)) = (theirs, ours) else {
        let short = |rows: &Rows| rows.as_ref().map_or_else(Clone::clone, |rows| format!("{} series", rows.len()));
        return format!("theirs: {}\n  ours: {}", short(theirs), short(ours));
    };
    for (labels, points) in theirs {
        let Some(others) = ours.get(labels) else { return format!("only theirs: {labels} {:?}", points.first()) };
        for point in points {
            match others.iter().find(|other| other.0 == point.0) {
                None => return format!("{labels}: only theirs at {point:?}"),
                Some(other) if !near(point.1, other.1) => return format!("{labels}: theirs {point:?}, ours {other:?}"),
                Some(_) => {}
            }
        }
        if others.len() > points.len() {
            return format!("{labels}: ours has {} points more", others.len() - points.len());
        }
    }
    format!("only ours: {:?}", ours.keys().find(|labels| !theirs.contains_key(*labels)))
}
