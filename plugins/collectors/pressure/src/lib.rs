//! The `pressure` collector: how much of the time work waits for processors, memory, disks and interrupts, from
//! `/proc/pressure`. README.md lists the metrics.
//!
//! A kernel may keep these figures for some resources and not for others; what it does not keep is left out.

mod stall;

use saker_sdk::gaps::{GapSource, Gaps};
use saker_sdk::prelude::*;

use crate::stall::{AVERAGES, LINES, Stall};

/// The files of `/proc/pressure`.
const RESOURCES: [&str; 4] = ["cpu", "memory", "io", "irq"];

const MICROSECONDS_PER_SECOND: f64 = 1e6;

saker_sdk::settings! {
    /// Settings of the `pressure` collector.
    pub struct PressureSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
    }
}

/// The collector. The kernel averages by itself, so no reading is kept between runs.
pub struct Pressure {
    resources: Vec<Resource>,
    gaps: Gaps,
}

/// A file, and the names of the metrics in it: they are always the same, so they are built once.
struct Resource {
    path: String,
    lines: [MetricNames; LINES.len()],
}

struct MetricNames {
    averages: [String; AVERAGES.len()],
    total: String,
}

impl Collector for Pressure {
    type Settings = PressureSettings;

    fn describe() -> Description {
        let summary = "How much of the time work waits for processors, memory, disks and interrupts";
        Description::new("pressure", env!("CARGO_PKG_VERSION"), summary)
            .requests(read("/proc"), "the figures are in /proc/pressure")
    }

    fn open(settings: PressureSettings) -> Result<Self, OpenError> {
        let resources = RESOURCES.iter().map(|name| Resource::new(&settings.proc, name)).collect();
        Ok(Self { resources, gaps: Gaps::default() })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let mut values = Vec::with_capacity(RESOURCES.len() * LINES.len() * (AVERAGES.len() + 1));
        let mut missing = 0;
        for resource in &self.resources {
            // A kernel without figures has no file, or one that cannot be read.
            match self.gaps.read_if_there(&resource.path) {
                Some(text) => resource.push(&mut values, &text, &mut self.gaps.of(&resource.path)),
                None => missing += 1,
            }
        }
        match self.gaps.finish(values) {
            Err(CollectError::Unavailable(reason)) if missing == RESOURCES.len() => {
                Err(CollectError::Unavailable(no_figures(&reason)))
            }
            other => other,
        }
    }
}

saker_sdk::export_collector!(Pressure);

impl Resource {
    fn new(proc: &str, name: &str) -> Self {
        let lines = LINES.map(|line| MetricNames {
            averages: AVERAGES.map(|average| format!("pressure.{name}.{line}.{average}")),
            total: format!("pressure.{name}.{line}.total"),
        });
        Self { path: format!("{proc}/pressure/{name}"), lines }
    }

    fn push(&self, values: &mut Vec<Sample>, text: &str, place: &mut GapSource<'_>) {
        for (names, stall) in self.lines.iter().zip(stall::parse(text, place)) {
            let Some(Stall { averages, total_us }) = stall else { continue };
            for (name, average) in names.averages.iter().zip(averages) {
                values.extend(average.map(|average| Sample::gauge(name, average)));
            }
            let seconds = total_us.map(|total_us| total_us as f64 / MICROSECONDS_PER_SECOND);
            values.extend(seconds.map(|seconds| Sample::counter(&names.total, seconds)));
        }
    }
}

fn no_figures(reason: &str) -> String {
    format!(
        "the kernel gives no pressure figures ({reason}): they need Linux 4.20 built with CONFIG_PSI, and on some \
         distributions psi=1 on the kernel's command line; without them, leave this collector out"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use saker_sdk::testing;

    use super::*;

    fn collect(directory: &str) -> Result<Vec<Sample>, CollectError> {
        let mut pressure = Pressure::open(PressureSettings { proc: directory.into() }).unwrap();
        pressure.collect(Run { timestamp_ms: 0, interval_ms: 10_000 })
    }

    fn find(values: &[Sample], metric: &str) -> Option<(MetricType, f64)> {
        let found: Vec<_> = values.iter().filter(|value| value.metric == metric).collect();
        assert!(found.len() <= 1, "{metric} stands twice");
        found.first().map(|value| (value.metric_type, value.value))
    }

    /// A proc file system with one file in `pressure`.
    fn with_file(test: &str, name: &str, text: &str) -> String {
        let directory = std::env::temp_dir().join(format!("saker-pressure-{}-{test}", std::process::id()));
        fs::create_dir_all(directory.join("pressure")).unwrap();
        fs::write(directory.join("pressure").join(name), text).unwrap();
        directory.to_str().unwrap().into()
    }

    #[test]
    fn averages_are_gauges_in_percent_and_totals_counters_in_seconds() {
        let values = collect("../../../tests/fixtures/proc").unwrap();
        assert_eq!(find(&values, "pressure.cpu.some.avg10"), Some((MetricType::Gauge, 1.25)));
        assert_eq!(find(&values, "pressure.memory.some.avg60"), Some((MetricType::Gauge, 0.07)));
        assert_eq!(find(&values, "pressure.io.full.avg300"), Some((MetricType::Gauge, 1.88)));
        assert_eq!(find(&values, "pressure.io.some.total"), Some((MetricType::Counter, 3173.755)));
        assert_eq!(find(&values, "pressure.cpu.full.total"), Some((MetricType::Counter, 0.0)));
    }

    #[test]
    fn interrupts_have_only_full_stalls() {
        let values = collect("../../../tests/fixtures/proc").unwrap();
        assert_eq!(find(&values, "pressure.irq.full.total"), Some((MetricType::Counter, 0.0915)));
        assert_eq!(find(&values, "pressure.irq.some.total"), None);
        assert_eq!(values.len(), 28);
        assert!(values.iter().all(|value| value.tags.is_empty()));
    }

    #[test]
    fn a_resource_that_the_kernel_does_not_watch_is_left_out() {
        let directory = with_file("some", "io", "some avg10=1.00 avg60=2.00 avg300=3.00 total=4000000\n");
        let values = collect(&directory).unwrap();
        fs::remove_dir_all(directory).unwrap();
        let found: Vec<_> = values.iter().map(|value| (value.metric.as_str(), value.value)).collect();
        let expected = [
            ("pressure.io.some.avg10", 1.0),
            ("pressure.io.some.avg60", 2.0),
            ("pressure.io.some.avg300", 3.0),
            ("pressure.io.some.total", 4.0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_kernel_without_figures_is_told_from_an_idle_one() {
        let error = collect("/nowhere").unwrap_err();
        let CollectError::Unavailable(text) = error else { panic!("{error:?}") };
        assert!(text.starts_with("the kernel gives no pressure figures (/nowhere/pressure/cpu: "), "{text}");
        assert!(text.contains("psi=1"), "{text}");
    }

    #[test]
    fn a_file_that_is_missing_or_changed_costs_at_most_its_own_values() {
        let sound = collect("../../../tests/fixtures/proc").unwrap();
        let directory = with_file("changed", "cpu", "");
        let path = |name: &str| std::path::Path::new(&directory).join("pressure").join(name);
        for name in RESOURCES {
            fs::copy(format!("../../../tests/fixtures/proc/pressure/{name}"), path(name)).unwrap();
        }
        for name in RESOURCES {
            let text = fs::read_to_string(path(name)).unwrap();
            fs::remove_file(path(name)).unwrap();
            let own = |value: &Sample| value.metric.starts_with(&format!("pressure.{name}."));
            testing::same_but(&sound, &collect(&directory).unwrap(), own);
            testing::each_line_changed(&text, |changed, line| {
                fs::write(path(name), changed).unwrap();
                let of_line = format!("pressure.{name}.{}.", line.split(' ').next().unwrap());
                testing::same_but(&sound, &collect(&directory).unwrap(), |value| value.metric.starts_with(&of_line));
            });
            fs::write(path(name), text).unwrap();
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn a_file_that_makes_no_sense_is_named() {
        let directory = with_file("nonsense", "memory", "some avg10=x\n");
        let error = collect(&directory).unwrap_err();
        fs::remove_dir_all(&directory).unwrap();
        let place = format!("{directory}/pressure/memory: expected ");
        assert!(matches!(&error, CollectError::Malformed(text) if text.starts_with(&place)), "{error:?}");
    }
}
