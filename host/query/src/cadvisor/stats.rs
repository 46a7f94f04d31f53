//! A container as JSON: what it is, what it may use, and what it has used.

use std::collections::BTreeMap;

use saker_pipeline::reader::{AggregateSet, Chunk, ReadBudget, ReadError, SeriesReader, SeriesRef, TimeRange};
use serde_json::{Map, Value, json};

use super::find::{Container, Found};
use super::{CadvisorError, json, place};

/// How many stats of each container are wanted, the newest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub Option<usize>);

/// Which version's stats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/api/v1.3`
    One,
    /// `/api/v2.1`, with the use of processors a second.
    Two,
}

/// How far back what changes rarely may lie: it is told every two minutes.
const SPEC_MS: i64 = 300_000;

/// Containers as version 1 answers, each pushed to `out` as one object.
///
/// # Errors
/// The reader's and the budget's.
pub fn info(
    reader: &dyn SeriesReader,
    found: &Found,
    container: &Container,
    (range, count): (TimeRange, Count),
    budget: &ReadBudget,
) -> Result<Value, CadvisorError> {
    let mut info = reference(container);
    let below: Vec<Value> = below(found, &container.path).map(|path| json!({"name": path})).collect();
    if !below.is_empty() {
        info.insert("subcontainers".into(), Value::Array(below));
    }
    info.insert("spec".into(), spec(reader, container, range, budget)?);
    info.insert("stats".into(), Value::Array(stats(reader, container, Form::One, (range, count), budget)?));
    Ok(Value::Object(info))
}

/// Id, name, aliases and namespace.
fn reference(container: &Container) -> Map<String, Value> {
    let mut reference = Map::new();
    let id = container.text("id");
    if !id.is_empty() {
        reference.insert("id".into(), id.into());
    }
    reference.insert("name".into(), container.path.as_str().into());
    let aliases = container.aliases();
    if !aliases.is_empty() {
        reference.insert("aliases".into(), aliases.into());
        reference.insert("namespace".into(), container.text("namespace").into());
    }
    reference
}

/// The paths right below one.
fn below<'f>(found: &'f Found, path: &'f str) -> impl Iterator<Item = &'f str> {
    let start = if path == "/" { "/".to_owned() } else { format!("{path}/") };
    let all = found.paths.range(start.clone()..).take_while({
        let start = start.clone();
        move |known| known.starts_with(&start)
    });
    all.filter(move |known| known.len() > start.len() && !known[start.len()..].contains('/')).map(String::as_str)
}

/// What a container is and may use.
///
/// # Errors
/// The reader's and the budget's.
pub fn spec(
    reader: &dyn SeriesReader,
    container: &Container,
    range: TimeRange,
    budget: &ReadBudget,
) -> Result<Value, CadvisorError> {
    let is_spec = |metric: &str| metric.starts_with("spec_") || metric.ends_with("_time_seconds");
    let series: Vec<_> = container.series.iter().filter(|series| is_spec(&series.identity.metric)).cloned().collect();
    let wide = TimeRange { start_ms: range.start_ms.min(range.end_ms.saturating_sub(SPEC_MS)), ..range };
    let newest = newest(reader, &series, wide, budget)?;
    let value = |metric: &str| {
        series.iter().zip(&newest).find(|(series, _)| &*series.identity.metric == metric).and_then(|(_, value)| *value)
    };
    let has = |start: &str| container.series.iter().any(|series| series.identity.metric.starts_with(start));
    let mut spec = Map::new();
    for (metric, key) in [("creation_time_seconds", "creation_time"), ("start_time_seconds", "start_time")] {
        if let Some(seconds) = value(metric).filter(|seconds| seconds.abs() < 1e11) {
            spec.insert(key.into(), json::time((seconds * 1000.0) as i64).into());
        }
    }
    let labels: Map<String, Value> = container.labels().map(|(key, value)| (key.to_owned(), value.into())).collect();
    if !labels.is_empty() {
        spec.insert("labels".into(), labels.into());
    }
    if !container.text("image").is_empty() {
        spec.insert("image".into(), container.text("image").into());
    }
    let mut group = |has_key: &str, has: bool, key: &str, fields: &[(&str, &str)]| {
        spec.insert(has_key.into(), has.into());
        let fields =
            fields.iter().filter_map(|(field, metric)| Some(((*field).to_owned(), json::number(value(metric)?)?)));
        let fields: Map<String, Value> = fields.collect();
        if has && !key.is_empty() && !fields.is_empty() {
            spec.insert(key.into(), fields.into());
        }
    };
    let cpu = [("limit", "spec_cpu_shares"), ("quota", "spec_cpu_quota"), ("period", "spec_cpu_period")];
    group("has_cpu", has("cpu_usage"), "cpu", &cpu);
    let memory = [
        ("limit", "spec_memory_limit"),
        ("reservation", "spec_memory_reservation_limit"),
        ("swap_limit", "spec_memory_swap_limit"),
    ];
    group("has_memory", has("memory_usage"), "memory", &memory);
    group("has_hugetlb", has("hugetlb_"), "", &[]);
    group("has_network", has("rx_bytes"), "", &[]);
    group("has_processes", has("processes"), "processes", &[("limit", "spec_threads_max")]);
    group("has_filesystem", false, "", &[]);
    group("has_diskio", has("io_"), "", &[]);
    group("has_custom_metrics", false, "", &[]);
    Ok(Value::Object(spec))
}

/// The newest value of each series.
pub(super) fn newest(
    reader: &dyn SeriesReader,
    series: &[SeriesRef],
    range: TimeRange,
    budget: &ReadBudget,
) -> Result<Vec<Option<f64>>, ReadError> {
    let mut newest = vec![None; series.len()];
    reader.read(series, range, AggregateSet::LAST, budget, &mut |chunk: Chunk<'_>| {
        if let Some(value) = chunk.columns[0].last() {
            newest[chunk.series] = Some(*value).filter(|value| value.is_finite());
        }
    })?;
    Ok(newest)
}

/// What a container has used, oldest first.
///
/// # Errors
/// The reader's and the budget's.
pub fn stats(
    reader: &dyn SeriesReader,
    container: &Container,
    form: Form,
    (range, count): (TimeRange, Count),
    budget: &ReadBudget,
) -> Result<Vec<Value>, CadvisorError> {
    let placed = container.series.iter().filter_map(|series| Some((place::of(&series.identity)?, series.clone())));
    let (places, series): (Vec<_>, Vec<_>) = placed.unzip();
    let total = series.iter().position(|series| &*series.identity.metric == "cpu_usage_total");
    let mut times: BTreeMap<i64, Vec<(usize, f64)>> = BTreeMap::new();
    reader.read(&series, range, AggregateSet::LAST, budget, &mut |chunk: Chunk<'_>| {
        for (time_ms, value) in chunk.timestamps.iter().zip(chunk.columns[0]).filter(|(_, value)| value.is_finite()) {
            times.entry(*time_ms).or_default().push((chunk.series, *value));
        }
    })?;
    let skipped = count.0.map_or(0, |count| times.len().saturating_sub(count));
    let mut before: Option<(i64, f64)> = None;
    let mut all = Vec::new();
    for (number, (time_ms, values)) in times.iter().enumerate() {
        let used = values.iter().find(|(place, _)| Some(*place) == total).map(|(_, value)| (*time_ms, *value));
        if number >= skipped {
            let mut stats = Map::new();
            stats.insert("timestamp".into(), json::time(*time_ms).into());
            for (place, value) in values {
                if let Some(value) = json::number(*value) {
                    json::put(&mut stats, &places[*place], value);
                }
            }
            if let (Form::Two, Some(rate)) = (form, before.zip(used).and_then(|(before, now)| rate(before, now))) {
                stats.insert("cpu_inst".into(), json!({"usage": {"total": rate}}));
            }
            all.push(Value::Object(stats));
        }
        before = used.or(before);
    }
    Ok(all)
}

/// Nanoseconds of processor time in a second. None after a fall: the container is another.
fn rate(before: (i64, f64), now: (i64, f64)) -> Option<u64> {
    let elapsed_ms = now.0 - before.0;
    (elapsed_ms > 0 && now.1 >= before.1).then(|| ((now.1 - before.1) * 1000.0 / elapsed_ms as f64).round() as u64)
}
