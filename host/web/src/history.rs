//! The columns of the recent past: what a page begins with, and what it has missed.
//!
//! Series of one step share a grid. Of a gauge a place has the mean; of a counter the rate between its last values, so
//! that a page shows one without knowing the total.

use std::collections::BTreeMap;
use std::fmt::Write;

use saker_model::MetricType;
use saker_pipeline::reader::{
    AggregateSet, Matcher, MatcherLabel, ReadBudget, ReadError, SeriesReader, SeriesRef, TextCondition, TimeRange,
};

use crate::feed::{Feed, METRIC_SERIES_MAX, describe};
use crate::json;
use crate::vitals::is_vital;

/// What the first view shows of the past.
pub(crate) const SPAN_MS: i64 = 600_000;
/// No finer than this, or the document would be several times as long; what comes live is as fine as it comes.
const STEP_MIN_S: u32 = 5;
/// Series that are looked at for it.
const SERIES_MAX: usize = 20_000;
/// Bytes that a place of a column holds while it is made.
const PLACE_BYTES: u64 = 16;

/// One series, as it is put together.
struct Column {
    last: Option<(i64, f64)>,
    sums: Vec<(f64, u32)>,
}

struct Grid {
    start_ms: i64,
    step_ms: i64,
    places: usize,
}

impl Grid {
    fn new(step_s: u32, range: TimeRange) -> Self {
        let step_ms = i64::from(step_s.max(STEP_MIN_S)) * 1000;
        let start_ms = range.start_ms.div_euclid(step_ms) * step_ms;
        let places = (range.end_ms - start_ms) / step_ms + 1;
        Self { start_ms, step_ms, places: usize::try_from(places).unwrap_or(0) }
    }

    fn place(&self, time_ms: i64) -> usize {
        usize::try_from((time_ms - self.start_ms) / self.step_ms).unwrap_or(usize::MAX)
    }
}

/// The columns of what a page shows, as JSON: `{"epoch":…,"now":…,"groups":[{"start":…,"step":…,"series":[…]}]}`.
pub(crate) fn read(
    reader: &dyn SeriesReader,
    feed: &Feed,
    range: TimeRange,
    budget: &ReadBudget,
) -> Result<String, ReadError> {
    let matchers = [
        Matcher { label: MatcherLabel::Endpoint, condition: TextCondition::Is(feed.endpoint().to_string()) },
        Matcher { label: MatcherLabel::Metric, condition: TextCondition::Meets(std::sync::Arc::new(is_vital)) },
    ];
    let found = reader.select(&matchers, range, SERIES_MAX)?;
    let places: u64 = found.iter().map(|series| Grid::new(series.attributes.step_s, range).places as u64).sum();
    budget.charge_memory(places * PLACE_BYTES)?;
    let columns = columns(reader, &found, range, budget)?;
    let shown = shown(&found, &columns);
    let mut groups: BTreeMap<i64, String> = BTreeMap::new();
    for place in shown {
        let (series, column) = (found[place].identity.to_series(found[place].attributes), &columns[place]);
        let Some(number) = feed.number(&series) else { continue };
        let grid = Grid::new(series.step_s, range);
        let out = groups.entry(grid.step_ms).or_default();
        if !out.is_empty() {
            out.push(',');
        }
        describe(out, number, &series);
        write_column(out, column, &grid, series.metric_type != MetricType::Gauge);
    }
    budget.release_memory(places * PLACE_BYTES);
    let mut out = format!("{{\"epoch\":{},\"now\":{},\"groups\":[", feed.epoch(), range.end_ms);
    for (place, (step_ms, series)) in groups.iter().enumerate() {
        let start = range.start_ms.div_euclid(*step_ms) * step_ms;
        let comma = if place > 0 { "," } else { "" };
        // Writing to a string does not fail.
        let _ = write!(out, "{comma}{{\"start\":{start},\"step\":{step_ms},\"series\":[{series}]}}");
    }
    out.push_str("]}");
    Ok(out)
}

fn columns(
    reader: &dyn SeriesReader,
    found: &[SeriesRef],
    range: TimeRange,
    budget: &ReadBudget,
) -> Result<Vec<Column>, ReadError> {
    let grids: Vec<_> = found.iter().map(|series| Grid::new(series.attributes.step_s, range)).collect();
    let mut columns: Vec<_> =
        grids.iter().map(|grid| Column { last: None, sums: vec![(0.0, 0); grid.places] }).collect();
    reader.read(found, range, AggregateSet::LAST, budget, &mut |chunk| {
        let (column, grid) = (&mut columns[chunk.series], &grids[chunk.series]);
        let is_gauge = found[chunk.series].attributes.metric_type == MetricType::Gauge;
        for (&at, &value) in chunk.timestamps.iter().zip(chunk.columns[0]).filter(|(_, value)| value.is_finite()) {
            column.last = Some((at, value));
            if let Some(place) = column.sums.get_mut(grid.place(at)) {
                *place = if is_gauge { (place.0 + value, place.1 + 1) } else { (value, 1) };
            }
        }
    })?;
    Ok(columns)
}

/// Which series are shown: of a metric with very many, those whose values are the largest now.
fn shown(found: &[SeriesRef], columns: &[Column]) -> Vec<usize> {
    let mut shown = Vec::new();
    let all: Vec<usize> = (0..found.len()).filter(|place| columns[*place].last.is_some()).collect();
    // They come in order of identity, so those of one metric lie together.
    for metric in all.chunk_by(|a, b| found[*a].identity.metric == found[*b].identity.metric) {
        let mut metric = metric.to_vec();
        if metric.len() > METRIC_SERIES_MAX {
            let value = |place: &usize| columns[*place].last.map_or(f64::NEG_INFINITY, |(_, value)| value);
            metric.sort_by(|a, b| value(b).total_cmp(&value(a)));
            metric.truncate(METRIC_SERIES_MAX);
        }
        shown.extend(metric);
    }
    shown
}

fn write_column(out: &mut String, column: &Column, grid: &Grid, is_counter: bool) {
    out.push_str(",\"v\":[");
    let end = column.sums.iter().rposition(|place| place.1 > 0).map_or(0, |last| last + 1);
    let mut before: Option<(usize, f64)> = None;
    for (place, &(sum, count)) in column.sums[..end].iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        if count == 0 {
            out.push_str("null");
        } else if is_counter {
            let rate = before.map(|(at, value)| {
                let seconds = (place - at) as f64 * grid.step_ms as f64 / 1000.0;
                // A counter that is smaller has begun anew.
                if sum < value { f64::NAN } else { (sum - value) / seconds }
            });
            json::number(out, json::rounded(rate.unwrap_or(f64::NAN)));
            before = Some((place, sum));
        } else {
            json::number(out, json::rounded(sum / f64::from(count)));
        }
    }
    out.push(']');
    if let Some((at, value)) = column.last.filter(|_| is_counter) {
        let _ = write!(out, ",\"last\":[{at},");
        json::number(out, value);
        out.push(']');
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use saker_model::SeriesTable;
    use saker_pipeline::reader::{Attributes, Cancel, Identity, ReadLimits};
    use saker_query::MemoryReader;
    use serde_json::{Value, json};

    use super::*;

    const END: i64 = 1_790_000_000_000;

    fn identity(metric: &str, device: &str) -> Identity {
        let tags = if device.is_empty() { [].into() } else { [("device".into(), device.into())].into() };
        Identity { endpoint: "h".into(), metric: metric.into(), tags }
    }

    fn ask(reader: &MemoryReader) -> Value {
        let feed = Feed::new(Arc::new(SeriesTable::new(10)), Arc::new(|| "h".into()));
        let budget = ReadBudget::new(ReadLimits::default(), Cancel::default());
        let text = read(reader, &feed, TimeRange { start_ms: END - 60_000, end_ms: END }, &budget).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn gauges_are_means_and_counters_are_rates_with_their_last_total() {
        let mut reader = MemoryReader::default();
        let counter = Attributes { metric_type: MetricType::Counter, step_s: 10 };
        for (place, total) in [100.0, 150.0, 50.0, 60.0].into_iter().enumerate() {
            let at = END - 40_000 + 10_000 * place as i64;
            reader.push(&identity("net.if.in.bytes", "eth0"), at, total);
            reader.push(&identity("cpu.busy", ""), at, 12.345_678);
        }
        reader.push(&identity("cpu.busy", ""), END - 39_000, 14.345_678);
        reader.push(&identity("own.secret", ""), END, 1.0);
        reader.set_attributes(&identity("net.if.in.bytes", "eth0"), counter);
        let answer = ask(&reader);
        let group = &answer["groups"][0];
        assert_eq!((&group["start"], &group["step"]), (&json!(END - 60_000), &json!(10_000)));
        let series = group["series"].as_array().unwrap();
        assert_eq!(series.len(), 2, "{answer}");
        assert_eq!(series[0]["v"], json!([null, null, 13.3, 12.3, 12.3, 12.3]));
        assert_eq!(series[1]["v"], json!([null, null, null, 5, null, 1]));
        assert_eq!(series[1]["last"], json!([END - 10_000, 60]));
        assert_eq!(series[1]["tags"], json!({"device": "eth0"}));
    }

    #[test]
    fn of_very_many_disks_the_busiest_are_there() {
        let mut reader = MemoryReader::default();
        for disk in 0..1000 {
            reader.push(&identity("disk.io.util", &format!("sd{disk}")), END - 5000, f64::from(disk % 100));
        }
        let answer = ask(&reader);
        let series = answer["groups"][0]["series"].as_array().unwrap();
        assert_eq!(series.len(), METRIC_SERIES_MAX);
        assert!(series.iter().all(|series| series["v"].as_array().unwrap().last().unwrap().as_f64() >= Some(97.0)));
    }
}
