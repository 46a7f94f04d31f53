//! What is kept in a run: samples that were recorded on a host, or a model of them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use saker_model::{MetricType, Series};
use serde_json::Value;

use crate::Result;

pub(crate) const START_MS: i64 = 1_767_225_600_000;
const ENDPOINT: &str = "host-1.example.com";

/// Series, and what their sources measured.
pub(crate) struct Samples {
    pub(crate) what: String,
    pub(crate) step_s: u32,
    pub(crate) series: Vec<Series>,
    pub(crate) sources: Vec<String>,
    /// In the order of times.
    pub(crate) runs: Vec<Run>,
}

/// What one source measured at one time.
pub(crate) struct Run {
    pub(crate) source: usize,
    pub(crate) time_ms: i64,
    pub(crate) values: Vec<(u32, f64)>,
}

/// A series of a metric and one tag.
pub(crate) fn series(metric: &str, device: &str, step_s: u32, metric_type: MetricType) -> Series {
    Series {
        endpoint: ENDPOINT.into(),
        metric: metric.into(),
        tags: [("device".into(), device.into())].into(),
        metric_type,
        step_s,
    }
}

impl Samples {
    pub(crate) fn count(&self) -> u64 {
        self.runs.iter().map(|run| run.values.len() as u64).sum()
    }

    pub(crate) fn last_ms(&self) -> i64 {
        self.runs.last().map_or(START_MS, |run| run.time_ms)
    }

    /// Times and values of each series.
    pub(crate) fn columns(&self) -> Vec<Vec<(i64, f64)>> {
        let mut columns = vec![Vec::new(); self.series.len()];
        for run in &self.runs {
            for (number, value) in &run.values {
                columns[*number as usize].push((run.time_ms, *value));
            }
        }
        columns
    }

    /// Lines of JSON, as the backend `stdout` prints them.
    pub(crate) fn recorded(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let (mut series, mut numbers) = (Vec::new(), HashMap::new());
        let (mut sources, mut runs) = (Vec::new(), BTreeMap::new());
        // The agent says a word or two as well, and the last line may be cut off.
        for sample in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let (Some(time_ms), Some(value)) = (sample["timestamp_ms"].as_i64(), sample["value"].as_f64()) else {
                continue;
            };
            let metric = sample["metric"].as_str().unwrap_or_default();
            let key = format!("{metric} {}", sample["tags"]);
            let number = *numbers.entry(key).or_insert_with(|| {
                series.push(read_series(&sample));
                series.len() as u32 - 1
            });
            let source = source_of(metric);
            let source = sources.iter().position(|known| known == source).unwrap_or_else(|| {
                sources.push(source.to_owned());
                sources.len() - 1
            });
            runs.entry((time_ms, source)).or_insert_with(Vec::new).push((number, value));
        }
        let runs: Vec<Run> =
            runs.into_iter().map(|((time_ms, source), values)| Run { source, time_ms, values }).collect();
        let step_s = series.first().map_or(1, |series: &Series| series.step_s);
        Ok(Self { what: format!("recorded, {step_s} s"), step_s, series, sources, runs })
    }

    /// The same, measured less often.
    pub(crate) fn every(&self, step_s: u32) -> Self {
        let is_due = |run: &&Run| run.time_ms / 1000 % i64::from(step_s) == 0;
        let runs = self.runs.iter().filter(is_due);
        Self {
            what: format!("recorded, {step_s} s"),
            step_s,
            series: self.series.iter().map(|series| Series { step_s, ..series.clone() }).collect(),
            sources: self.sources.clone(),
            runs: runs
                .map(|run| Run { source: run.source, time_ms: run.time_ms, values: run.values.clone() })
                .collect(),
        }
    }

    /// Values as a host has them: a metric for each forty devices.
    pub(crate) fn model(count: u32, step_s: u32, runs: i64) -> Self {
        let mut host = Host::new(count);
        let name = |number: u32| {
            let (metric, device) = (format!("subsystem.metric{}", number / 40), format!("sd{}", number % 40));
            series(&metric, &device, step_s, MetricType::Gauge)
        };
        let runs = (0..runs).map(|run| {
            let mut values: Vec<(u32, f64)> = (0..count).map(|number| (number, 0.0)).collect();
            host.next(&mut values);
            Run { source: 0, time_ms: START_MS + run * i64::from(step_s) * 1000, values }
        });
        Self {
            what: format!("model, {step_s} s"),
            step_s,
            series: (0..count).map(name).collect(),
            sources: vec!["host".into()],
            runs: runs.collect(),
        }
    }
}

fn read_series(sample: &Value) -> Series {
    let text = |key: &str| sample[key].as_str().unwrap_or_default();
    let tags = sample["tags"].as_object().into_iter().flatten();
    Series {
        endpoint: text("endpoint").into(),
        metric: text("metric").into(),
        tags: tags.map(|(name, value)| (name.as_str().into(), value.as_str().unwrap_or_default().into())).collect(),
        metric_type: match text("type") {
            "counter" => MetricType::Counter,
            "derive" => MetricType::Derive,
            _ => MetricType::Gauge,
        },
        step_s: sample["step"].as_u64().unwrap_or(1) as u32,
    }
}

/// The collector of a metric, near enough.
fn source_of(metric: &str) -> &str {
    match metric.split('.').next().unwrap_or_default() {
        "TcpExt" | "snmp" | "ss" => "tcp",
        other => other,
    }
}

/// Values as a host has them.
pub(crate) struct Host {
    random: u64,
    values: Vec<f64>,
}

impl Host {
    pub(crate) fn new(count: u32) -> Self {
        Self { random: 0x9e37_79b9_7f4a_7c15, values: vec![0.0; count as usize] }
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 11
    }

    /// Two thirds are idle; of the rest half are counters, of steady and of wild rates, and half gauges of two decimals.
    pub(crate) fn next(&mut self, row: &mut [(u32, f64)]) {
        for (place, cell) in row.iter_mut().enumerate() {
            let random = self.random();
            let value = self.values[place];
            self.values[place] = match place % 12 {
                0..=7 => value,
                8 => value + 100.0 + (random % 5) as f64,
                9 => value + if random.is_multiple_of(4) { (random % 3000) as f64 } else { 0.0 },
                10 => ((value * 100.0 + (random % 41) as f64 - 20.0).round() / 100.0).clamp(0.0, 100.0),
                _ if random.is_multiple_of(10) => (random % 1000) as f64,
                _ => value,
            };
            cell.1 = self.values[place];
        }
    }
}
