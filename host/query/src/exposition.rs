//! The newest values as text that a Prometheus scrapes, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write;

use saker_model::MetricType;
use saker_model::is_stale;
use saker_model::prometheus::metric_name;
use saker_pipeline::reader::{AggregateSet, Chunk, ReadBudget, SeriesReader, SeriesRef, TimeRange};

use crate::describe::{Descriptions, MetricDescription, describe};
use crate::eval::QueryError;
use crate::float::push_json;
use crate::labels::{Labels, METRIC_NAME};
use crate::names::NamingMode;

/// The type of the text. It does not hang on what is accepted: names would, in newer formats.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Which series are wanted: by the collectors that bring them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectorFilter {
    /// Only of these; none for all.
    pub collect: Vec<String>,
    /// Not of these.
    pub exclude: Vec<String>,
}

/// A text, and what was left out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposition {
    /// The text.
    pub text: String,
    /// Series that have the name and labels of another.
    pub left_out: u64,
    /// Collectors that were asked for and have no values.
    pub missing: Vec<String>,
}

struct Family<'a> {
    description: MetricDescription,
    metric_type: MetricType,
    series: Vec<&'a SeriesRef>,
}

/// The newest value of each series that has one in the range and has not ended.
///
/// # Errors
/// The reader's and the budget's.
pub fn exposition(
    reader: &dyn SeriesReader,
    descriptions: &dyn Descriptions,
    filter: &CollectorFilter,
    range: TimeRange,
    series_max: usize,
    budget: &ReadBudget,
) -> Result<Exposition, QueryError> {
    let mut selected = reader.select(&[], range, series_max + 1)?;
    if selected.len() > series_max {
        return Err(QueryError::SeriesLimit { selector: "/metrics/host".into(), limit: series_max });
    }
    let mut missing: BTreeSet<&String> = filter.collect.iter().collect();
    let mut families: BTreeMap<String, Family<'_>> = BTreeMap::new();
    let mut known: Option<(std::sync::Arc<str>, MetricDescription)> = None;
    selected.retain(|series| {
        let metric = &series.identity.metric;
        if known.as_ref().is_none_or(|(name, _)| name != metric) {
            known = Some((metric.clone(), describe(descriptions, metric)));
        }
        let collector = known.as_ref().map_or("", |(_, description)| &description.collector);
        missing.retain(|wanted| *wanted != collector);
        let is = |name: &String| name == collector;
        (filter.collect.is_empty() || filter.collect.iter().any(is)) && !filter.exclude.iter().any(is)
    });
    let missing = missing.into_iter().cloned().collect();
    let newest = newest(reader, &selected, range, budget)?;
    for (series, _) in selected.iter().zip(&newest).filter(|(_, value)| value.is_some()) {
        let name = metric_name(&series.identity.metric).into_owned();
        let family = families.entry(name).or_insert_with(|| Family {
            description: describe(descriptions, &series.identity.metric),
            metric_type: series.attributes.metric_type,
            series: Vec::new(),
        });
        family.series.push(series);
    }
    let values = selected.iter().zip(newest).filter_map(|(series, value)| Some((series.id, value?))).collect();
    let (text, left_out) = written(&families, &values, budget)?;
    Ok(Exposition { text, left_out, missing })
}

fn newest(
    reader: &dyn SeriesReader,
    series: &[SeriesRef],
    range: TimeRange,
    budget: &ReadBudget,
) -> Result<Vec<Option<f64>>, QueryError> {
    let mut newest = vec![None; series.len()];
    reader.read(series, range, AggregateSet::LAST, budget, &mut |chunk: Chunk<'_>| {
        if let Some(value) = chunk.columns[0].last() {
            newest[chunk.series] = Some(*value).filter(|value| !is_stale(*value));
        }
    })?;
    Ok(newest)
}

fn written(
    families: &BTreeMap<String, Family<'_>>,
    values: &BTreeMap<u64, f64>,
    budget: &ReadBudget,
) -> Result<(String, u64), QueryError> {
    let (mut out, mut left_out) = (String::new(), 0);
    for (name, family) in families {
        budget.check()?;
        let word = if family.metric_type == MetricType::Gauge { "gauge" } else { "counter" };
        out.push_str("# HELP ");
        out.push_str(name);
        out.push(' ');
        push_escaped(&mut out, &family.description.help, false);
        // Writing into a text does not fail.
        let _ = write!(out, "\n# TYPE {name} {word}\n");
        let mut seen: HashSet<Labels> = HashSet::with_capacity(family.series.len());
        for series in &family.series {
            let labels = NamingMode::Prometheus.labels(&series.identity);
            if !seen.insert(labels.clone()) {
                left_out += 1;
                continue;
            }
            push_sample(&mut out, name, &labels, values.get(&series.id).copied().unwrap_or(f64::NAN));
        }
        let limit = budget.limits().memory_bytes;
        if out.len() as u64 > limit {
            return Err(saker_pipeline::reader::ReadError::Memory { wanted: out.len() as u64, limit }.into());
        }
    }
    Ok((out, left_out))
}

fn push_sample(out: &mut String, name: &str, labels: &Labels, value: f64) {
    out.push_str(name);
    for (place, (label, value)) in labels.iter().filter(|(label, _)| *label != METRIC_NAME).enumerate() {
        out.push(if place == 0 { '{' } else { ',' });
        out.push_str(label);
        out.push_str("=\"");
        push_escaped(out, value, true);
        out.push('"');
    }
    if labels.iter().any(|(label, _)| label != METRIC_NAME) {
        out.push('}');
    }
    out.push(' ');
    push_json(out, value);
    out.push('\n');
}

/// A backslash, a line's end, and in a label's value a quote, with a backslash in front.
pub(crate) fn push_escaped(out: &mut String, text: &str, in_quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if in_quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryReader, NoDescriptions};
    use saker_model::STALE_MARKER;
    use saker_pipeline::reader::{Attributes, Cancel, Identity, ReadLimits};

    const RANGE: TimeRange = TimeRange { start_ms: 0, end_ms: 300_000 };

    fn identity(metric: &str, tags: &[(&str, &str)]) -> Identity {
        let tags = tags.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        Identity { endpoint: "web-1".into(), metric: metric.into(), tags }
    }

    fn expose(reader: &MemoryReader, filter: &CollectorFilter) -> Exposition {
        let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
        exposition(reader, &NoDescriptions, filter, RANGE, 100, &budget).unwrap()
    }

    #[test]
    fn the_newest_values_stand_in_families_with_help_and_type() {
        let mut reader = MemoryReader::default();
        for (metric, tags, value) in [
            ("net.in", &[("if.name", "eth\"0\\\n")][..], 7.0),
            ("cpu.busy", &[("core", "1")], 0.5),
            ("cpu.busy", &[("core", "0")], 1e30),
            ("load", &[], f64::INFINITY),
        ] {
            reader.push(&identity(metric, tags), 1000, 1.0);
            reader.push(&identity(metric, tags), 2000, value);
        }
        let counter = Attributes { metric_type: MetricType::Counter, step_s: 10 };
        reader.set_attributes(&identity("net.in", &[("if.name", "eth\"0\\\n")]), counter);
        assert_eq!(
            expose(&reader, &CollectorFilter::default()).text,
            concat!(
                "# HELP cpu_busy cpu.busy\n# TYPE cpu_busy gauge\n",
                "cpu_busy{core=\"0\",instance=\"web-1\"} 1e+30\ncpu_busy{core=\"1\",instance=\"web-1\"} 0.5\n",
                "# HELP load load\n# TYPE load gauge\nload{instance=\"web-1\"} +Inf\n",
                "# HELP net_in net.in\n# TYPE net_in counter\n",
                "net_in{if_name=\"eth\\\"0\\\\\\n\",instance=\"web-1\"} 7\n",
            )
        );
    }

    #[test]
    fn of_two_that_become_one_the_second_is_left_out_and_counted() {
        let mut reader = MemoryReader::default();
        for metric in ["cpu.busy", "cpu_busy", "cpu/busy"] {
            reader.push(&identity(metric, &[]), 1000, metric.len() as f64);
        }
        let found = expose(&reader, &CollectorFilter::default());
        assert_eq!(found.text.lines().filter(|line| !line.starts_with('#')).count(), 1);
        assert_eq!(found.text.matches("# TYPE").count(), 1);
        assert_eq!(found.left_out, 2);
    }

    #[test]
    fn what_has_ended_or_is_too_old_is_not_there() {
        let mut reader = MemoryReader::default();
        reader.push(&identity("ended", &[]), 1000, 1.0);
        reader.push(&identity("ended", &[]), 2000, STALE_MARKER);
        reader.push(&identity("old", &[]), -1, 1.0);
        assert_eq!(expose(&reader, &CollectorFilter::default()).text, "");
    }

    #[test]
    fn collectors_are_chosen_and_left_out_by_name() {
        let mut reader = MemoryReader::default();
        for metric in ["cpu.busy", "cpu.idle", "mem.free"] {
            reader.push(&identity(metric, &[]), 1000, 1.0);
        }
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let collect = expose(&reader, &CollectorFilter { collect: texts(&["mem", "disk"]), exclude: Vec::new() });
        assert_eq!((collect.text.matches("# TYPE").count(), collect.missing), (1, texts(&["disk"])));
        let exclude = expose(&reader, &CollectorFilter { collect: Vec::new(), exclude: texts(&["cpu"]) });
        assert!(exclude.text.contains("mem_free") && !exclude.text.contains("cpu"));
    }
}
