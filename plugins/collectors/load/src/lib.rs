//! The `load` collector: load averages and the number of threads, from `/proc/loadavg`. README.md lists the metrics.

mod loadavg;

use saker_sdk::prelude::*;

use crate::loadavg::Loadavg;

saker_sdk::settings! {
    /// Settings of the `load` collector.
    pub struct LoadSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
    }
}

/// The collector. Every value stands for itself, so nothing is kept between ticks.
pub struct Load {
    path: String,
}

impl Collector for Load {
    type Settings = LoadSettings;

    fn describe() -> Description {
        let summary = "Load averages of the host, and how many threads there are";
        Description::new("load", env!("CARGO_PKG_VERSION"), summary)
            .wants(read("/proc"), "the figures are in /proc/loadavg")
    }

    fn open(settings: LoadSettings) -> Result<Self, OpenError> {
        Ok(Self { path: format!("{}/loadavg", settings.proc) })
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let text = text::read(&self.path)?;
        let loadavg = Loadavg::parse(&text).map_err(|expected| CollectError::malformed(&self.path, &expected))?;
        Ok(values(&loadavg))
    }
}

saker_sdk::export_collector!(Load);

fn values(loadavg: &Loadavg) -> Vec<MetricValue> {
    let [one, five, fifteen] = loadavg.averages;
    vec![
        MetricValue::gauge("load.1min", one),
        MetricValue::gauge("load.5min", five),
        MetricValue::gauge("load.15min", fifteen),
        MetricValue::gauge("load.running", loadavg.running as f64),
        MetricValue::gauge("load.threads", loadavg.threads as f64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(directory: &str) -> Result<Vec<MetricValue>, CollectError> {
        let mut load = Load::open(LoadSettings { proc: directory.into() }).unwrap();
        load.collect(Tick { timestamp_ms: 0, interval_ms: 10_000 })
    }

    #[test]
    fn a_tick_brings_three_averages_and_two_counts_as_gauges() {
        let values = collect("../../../tests/fixtures/proc").unwrap();
        let found: Vec<_> = values.iter().map(|value| (value.metric.as_str(), value.value)).collect();
        let expected = [
            ("load.1min", 0.52),
            ("load.5min", 1.08),
            ("load.15min", 0.97),
            ("load.running", 3.0),
            ("load.threads", 1482.0),
        ];
        assert_eq!(found, expected);
        assert!(values.iter().all(|value| value.metric_type == MetricType::Gauge && value.tags.is_empty()));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = collect("/nowhere").unwrap_err();
        assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/loadavg: ")));
    }
}
