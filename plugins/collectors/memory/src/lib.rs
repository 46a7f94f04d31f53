//! The `memory` collector: what the host's memory and swap are used for, from `/proc/meminfo`. README.md lists the
//! metrics.

mod meminfo;

use saker_sdk::gaps::Gaps;
use saker_sdk::prelude::*;
use saker_sdk::round;

use crate::meminfo::{FIGURES, Meminfo};

saker_sdk::settings! {
    /// Settings of the `memory` collector.
    pub struct MemorySettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
    }
}

/// The collector. Every value stands for itself, so no reading is kept between runs.
pub struct Memory {
    file: KeptFile,
    gaps: Gaps,
}

impl Collector for Memory {
    type Settings = MemorySettings;

    fn describe() -> Description {
        Description::new("memory", env!("CARGO_PKG_VERSION"), "Memory and swap of the host")
            .requests(read("/proc"), "the figures are in /proc/meminfo")
    }

    fn open(settings: MemorySettings) -> Result<Self, OpenError> {
        Ok(Self { file: KeptFile::new(format!("{}/meminfo", settings.proc)), gaps: Gaps::default() })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let text = self.file.read()?;
        let meminfo = Meminfo::parse(&text, &mut self.gaps.of(self.file.path()));
        self.gaps.finish(values(&meminfo))
    }
}

saker_sdk::export_collector!(Memory);

/// The names of what is derived from a total and its free part.
struct MetricNames {
    used: &'static str,
    used_percent: &'static str,
    free_percent: &'static str,
}

const MEMORY: MetricNames =
    MetricNames { used: "mem.memused", used_percent: "mem.memused.percent", free_percent: "mem.memfree.percent" };
const SWAP: MetricNames =
    MetricNames { used: "mem.swapused", used_percent: "mem.swapused.percent", free_percent: "mem.swapfree.percent" };

fn values(meminfo: &Meminfo) -> Vec<Sample> {
    let mut values = Vec::with_capacity(FIGURES.len() + 7);
    for ((_, metric), figure) in FIGURES.iter().zip(meminfo.figures) {
        values.extend(figure.map(|figure| Sample::gauge(metric, figure as f64)));
    }
    values.extend(meminfo.free().map(|free| Sample::gauge("mem.memfree", free as f64)));
    if let Some((total, free)) = meminfo.memory() {
        push_shares(&mut values, &MEMORY, total, free);
    }
    if let Some((total, free)) = meminfo.swap() {
        push_shares(&mut values, &SWAP, total, free);
    }
    values
}

fn push_shares(values: &mut Vec<Sample>, names: &MetricNames, total: u64, free: u64) {
    // The kernel adds its figures up without a lock: for a moment, more can be free than there is.
    let free = free.min(total);
    let used = total - free;
    values.push(Sample::gauge(names.used, used as f64));
    // A share of nothing is no number: a host without swap has none that is free and none that is used.
    if total > 0 {
        values.push(Sample::gauge(names.used_percent, round::percent(100.0 * used as f64 / total as f64)));
        values.push(Sample::gauge(names.free_percent, round::percent(100.0 * free as f64 / total as f64)));
    }
}

#[cfg(test)]
mod tests {
    use saker_sdk::testing;

    use super::*;

    const KIB: f64 = 1024.0;

    fn collect(directory: &str) -> Result<Vec<Sample>, CollectError> {
        let mut memory = Memory::open(MemorySettings { proc: directory.into() }).unwrap();
        memory.collect(Run { timestamp_ms: 0, interval_ms: 10_000 })
    }

    fn find(values: &[Sample], metric: &str) -> Option<f64> {
        let found: Vec<_> = values.iter().filter(|value| value.metric == metric).collect();
        assert!(found.len() <= 1, "{metric} stands twice");
        found.first().map(|value| value.value)
    }

    fn derived(text: &str) -> Vec<Sample> {
        values(&Meminfo::parse(text, &mut Gaps::default().of("meminfo")))
    }

    #[test]
    fn every_metric_of_a_real_file_is_reported_once_as_a_gauge() {
        let values = collect("../../../tests/fixtures/proc").unwrap();
        assert_eq!(values.len(), FIGURES.len() + 7);
        for value in &values {
            assert!(find(&values, &value.metric).is_some());
            assert_eq!((value.metric_type, value.tags.as_slice()), (MetricType::Gauge, [].as_slice()));
        }
        assert_eq!(find(&values, "mem.slab.reclaimable"), Some(821_248.0 * KIB));
        assert_eq!(find(&values, "mem.hugepages.total"), Some(64.0));
        assert_eq!(find(&values, "mem.hugepages.size"), Some(2048.0 * KIB));
    }

    #[test]
    fn free_memory_is_what_is_available_and_the_rest_is_used() {
        let values = collect("../../../tests/fixtures/proc").unwrap();
        assert_eq!(find(&values, "mem.memtotal"), Some(16_314_120.0 * KIB));
        assert_eq!(find(&values, "mem.memfree"), Some(9_871_232.0 * KIB));
        assert_eq!(find(&values, "mem.memavailable"), Some(9_871_232.0 * KIB));
        assert_eq!(find(&values, "mem.unused"), Some(1_204_536.0 * KIB));
        assert_eq!(find(&values, "mem.memused"), Some(6_442_888.0 * KIB));
        assert_eq!(find(&values, "mem.swapused"), Some(1_048_576.0 * KIB));
        let shares = ["mem.memused.percent", "mem.memfree.percent", "mem.swapused.percent", "mem.swapfree.percent"]
            .map(|metric| find(&values, metric).unwrap());
        assert!((shares[0] - 39.4927).abs() < 5e-3 && (shares[0] + shares[1] - 100.0).abs() < 1e-9, "{shares:?}");
        assert!((shares[2] - 25.0000).abs() < 1e-4 && (shares[2] + shares[3] - 100.0).abs() < 1e-9, "{shares:?}");
    }

    #[test]
    fn a_host_without_swap_reports_zero_bytes_and_no_shares() {
        let values = derived("MemTotal: 8 kB\nMemAvailable: 2 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n");
        assert_eq!((find(&values, "mem.swaptotal"), find(&values, "mem.swapused")), (Some(0.0), Some(0.0)));
        assert_eq!((find(&values, "mem.swapused.percent"), find(&values, "mem.swapfree.percent")), (None, None));
        assert_eq!(find(&values, "mem.memused.percent"), Some(75.0));
    }

    #[test]
    fn what_a_kernel_does_not_tell_is_left_out() {
        let values = derived("MemTotal: 8 kB\nMemFree: 2 kB\n");
        let names: Vec<_> = values.iter().map(|value| value.metric.as_str()).collect();
        let expected =
            ["mem.memtotal", "mem.unused", "mem.memfree", "mem.memused", "mem.memused.percent", "mem.memfree.percent"];
        assert_eq!(names, expected);
    }

    #[test]
    fn no_figures_make_a_value_that_is_not_finite_or_negative() {
        for text in ["MemTotal: 0 kB\nMemFree: 0 kB\n", "MemTotal: 4 kB\nMemAvailable: 9 kB\n"] {
            assert!(derived(text).iter().all(|value| value.value.is_finite() && value.value >= 0.0), "{text}");
        }
        assert_eq!(find(&derived("MemTotal: 4 kB\nMemAvailable: 9 kB\n"), "mem.memfree.percent"), Some(100.0));
    }

    #[test]
    fn swap_that_no_machine_has_costs_its_own_figures() {
        let names = |text: &str| derived(text).into_iter().map(|value| value.metric).collect::<Vec<_>>();
        let sound = names("MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 500 kB\n");
        assert_eq!(sound.len(), 7);
        // As containers are told it.
        let swap = "SwapTotal:      9007199246672720 kB\nSwapFree:       9007199246535028 kB";
        assert_eq!(names(&format!("MemTotal:  1000 kB\nMemFree: 100 kB\nMemAvailable: 500 kB\n{swap}")), sound);
        let swap = "SwapTotal: 8 kB\nSwapFree: 18014398509481980 kB";
        let found = names(&format!("MemTotal:  1000 kB\nMemFree: 100 kB\nMemAvailable: 500 kB\n{swap}"));
        assert_eq!(found.len(), 8, "{found:?}");
        assert!(found.contains(&"mem.swaptotal".to_owned()), "{found:?}");
    }

    #[test]
    fn a_line_that_is_changed_costs_at_most_what_is_made_of_it() {
        let text = std::fs::read_to_string("../../../tests/fixtures/proc/meminfo").unwrap();
        testing::each_line_changed(&text, |changed, line| {
            let key = line.split(':').next().unwrap_or_default();
            testing::same_but(&derived(&text), &derived(changed), |value| {
                let metric = value.metric.as_str();
                FIGURES.iter().any(|(name, own)| *name == key && *own == metric)
                    || (key.starts_with("Mem")
                        && ["mem.memfree", "mem.memused"].iter().any(|own| metric.starts_with(own)))
                    || (key.starts_with("Swap") && (metric.starts_with(SWAP.used) || metric == SWAP.free_percent))
            });
        });
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = collect("/nowhere").unwrap_err();
        assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/meminfo: ")));
    }
}
