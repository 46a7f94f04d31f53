//! The `load` collector: load averages and the number of threads, from `/proc/loadavg`. README.md lists the metrics.

mod loadavg;

use saker_sdk::gaps::Gaps;
use saker_sdk::prelude::*;

use crate::loadavg::Loadavg;

saker_sdk::settings! {
    /// Settings of the `load` collector.
    pub struct LoadSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
    }
}

/// The collector. Every value stands for itself, so no reading is kept between runs.
pub struct Load {
    file: KeptFile,
    gaps: Gaps,
}

impl Collector for Load {
    type Settings = LoadSettings;

    fn describe() -> Description {
        let summary = "Load averages of the host, and how many threads there are";
        Description::new("load", env!("CARGO_PKG_VERSION"), summary)
            .requests(read("/proc"), "the figures are in /proc/loadavg")
    }

    fn open(settings: LoadSettings) -> Result<Self, OpenError> {
        Ok(Self { file: KeptFile::new(format!("{}/loadavg", settings.proc)), gaps: Gaps::default() })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let text = self.file.read()?;
        let loadavg = Loadavg::parse(&text, &mut self.gaps.of(self.file.path()));
        self.gaps.finish(values(&loadavg))
    }
}

saker_sdk::export_collector!(Load);

fn values(loadavg: &Loadavg) -> Vec<Sample> {
    let [one, five, fifteen] = loadavg.averages;
    let figures = [
        ("load.1min", one),
        ("load.5min", five),
        ("load.15min", fifteen),
        ("load.running", loadavg.running.map(|threads| threads as f64)),
        ("load.threads", loadavg.threads.map(|threads| threads as f64)),
    ];
    // Collected, the list would begin too small and move.
    let mut values = Vec::with_capacity(figures.len());
    for (metric, figure) in figures {
        values.extend(figure.map(|figure| Sample::gauge(metric, figure)));
    }
    values
}

#[cfg(test)]
mod tests {
    use saker_sdk::testing;

    use super::*;

    fn collect(directory: &str) -> Result<Vec<Sample>, CollectError> {
        let mut load = Load::open(LoadSettings { proc: directory.into() }).unwrap();
        load.collect(Run { timestamp_ms: 0, interval_ms: 10_000 })
    }

    #[test]
    fn a_run_brings_three_averages_and_two_counts_as_gauges() {
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
    fn a_column_that_makes_no_sense_is_left_out_and_named_once() {
        let directory = std::env::temp_dir().join(format!("saker-load-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let mut load = Load::open(LoadSettings { proc: directory.to_str().unwrap().into() }).unwrap();
        let mut run = |text: &str| {
            std::fs::write(directory.join("loadavg"), text).unwrap();
            load.collect(Run { timestamp_ms: 0, interval_ms: 10_000 })
        };
        for text in ["0.5 -1 0.7 1/2 3\n", "0.5 -2 0.7 1/2 3\n"] {
            assert_eq!(run(text).unwrap().len(), 4);
        }
        assert_eq!(testing::logged().len(), 1, "{:?}", testing::logged());
        assert_eq!(testing::custom_metric("left_out"), Some(2.0));
        assert!(matches!(run("nonsense"), Err(CollectError::Malformed(_))), "nothing at all is a failure");
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = collect("/nowhere").unwrap_err();
        assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/loadavg: ")));
    }
}
