//! The `kernel` collector: limits, uptime and event counts of the host's kernel, from `/proc`. README.md lists the
//! metrics.
//!
//! `/proc/stat` must be there. The other files are left out where a kernel or a container does not have them.

mod figures;
mod single;

use saker_sdk::prelude::*;

use crate::figures::{STAT, VMSTAT};
use crate::single::FileTable;

saker_sdk::settings! {
    /// Settings of the `kernel` collector.
    pub struct KernelSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
    }
}

/// The collector, with the paths of the files that it reads. Nothing else is kept between ticks.
pub struct Kernel {
    stat: String,
    vmstat: String,
    file_table: String,
    pid_max: String,
    entropy: String,
    uptime: String,
}

impl Collector for Kernel {
    type Settings = KernelSettings;

    fn describe() -> Description {
        let reason = "the figures are in /proc/stat, vmstat and uptime, and in /proc/sys/fs and sys/kernel";
        Description::new("kernel", env!("CARGO_PKG_VERSION"), "Limits, uptime and event counts of the host's kernel")
            .wants(read("/proc"), reason)
    }

    fn open(KernelSettings { proc }: KernelSettings) -> Result<Self, OpenError> {
        Ok(Self {
            stat: format!("{proc}/stat"),
            vmstat: format!("{proc}/vmstat"),
            file_table: format!("{proc}/sys/fs/file-nr"),
            pid_max: format!("{proc}/sys/kernel/pid_max"),
            entropy: format!("{proc}/sys/kernel/random/entropy_avail"),
            uptime: format!("{proc}/uptime"),
        })
    }

    fn collect(&mut self, _tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let mut values = Vec::with_capacity(18);
        figures::push(&mut values, &text::read(&self.stat)?, &STAT).map_err(malformed(&self.stat))?;
        if let Some(text) = read_if_there(&self.vmstat)? {
            figures::push(&mut values, &text, &VMSTAT).map_err(malformed(&self.vmstat))?;
        }
        if let Some(text) = read_if_there(&self.file_table)? {
            push_files(&mut values, FileTable::parse(&text).map_err(malformed(&self.file_table))?);
        }
        for (path, metric) in [(&self.pid_max, "kernel.maxproc"), (&self.entropy, "kernel.entropy")] {
            if let Some(text) = read_if_there(path)? {
                values.push(MetricValue::gauge(metric, single::count(&text).map_err(malformed(path))? as f64));
            }
        }
        if let Some(text) = read_if_there(&self.uptime)? {
            values.push(MetricValue::gauge("kernel.uptime", single::uptime(&text).map_err(malformed(&self.uptime))?));
        }
        Ok(values)
    }
}

saker_sdk::export_collector!(Kernel);

/// The text of a file that not every kernel has.
fn read_if_there(path: &str) -> Result<Option<String>, CollectError> {
    match text::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(CollectError::Unavailable(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn malformed(path: &str) -> impl Fn(String) -> CollectError {
    move |expected| CollectError::malformed(path, &expected)
}

fn push_files(values: &mut Vec<MetricValue>, FileTable { allocated, most }: FileTable) {
    values.push(MetricValue::gauge("kernel.maxfiles", most as f64));
    values.push(MetricValue::gauge("kernel.files.allocated", allocated as f64));
    // The superuser may go beyond the limit.
    values.push(MetricValue::gauge("kernel.files.left", most.saturating_sub(allocated) as f64));
    if most > 0 {
        values.push(MetricValue::gauge("kernel.files.percent", 100.0 * allocated as f64 / most as f64));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const FIXTURE: &str = "../../../tests/fixtures/proc";

    fn collect(directory: &str) -> Result<Vec<MetricValue>, CollectError> {
        let mut kernel = Kernel::open(KernelSettings { proc: directory.into() }).unwrap();
        kernel.collect(Tick { timestamp_ms: 0, interval_ms: 10_000 })
    }

    /// A proc file system with one file beside an empty `stat`.
    fn with_file(test: &str, path: &str, text: &str) -> String {
        let directory = std::env::temp_dir().join(format!("saker-kernel-{}-{test}", std::process::id()));
        let file = directory.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(directory.join("stat"), "").unwrap();
        fs::write(file, text).unwrap();
        directory.to_str().unwrap().into()
    }

    #[test]
    fn a_tick_brings_every_metric_once() {
        let values = collect(FIXTURE).unwrap();
        let of_type = |wanted: MetricType| -> Vec<_> {
            let chosen = values.iter().filter(|value| value.metric_type == wanted);
            chosen.map(|value| (value.metric.as_str(), value.value)).collect()
        };
        let counters = [
            ("kernel.interrupts", 1_462_898.0),
            ("kernel.forks", 2_915_012.0),
            ("kernel.vm.pswpin", 18_211.0),
            ("kernel.vm.pswpout", 262_144.0),
            ("kernel.vm.pgfault", 1_921_280_512.0),
            ("kernel.vm.pgmajfault", 177_534.0),
            ("kernel.vm.oom_kill", 2.0),
        ];
        let gauges = [
            ("kernel.boottime", 1_062_191_376.0),
            ("kernel.procs.running", 3.0),
            ("kernel.procs.blocked", 1.0),
            ("kernel.maxfiles", 1_611_264.0),
            ("kernel.files.allocated", 9_216.0),
            ("kernel.files.left", 1_602_048.0),
            ("kernel.files.percent", 100.0 * 9_216.0 / 1_611_264.0),
            ("kernel.maxproc", 4_194_304.0),
            ("kernel.entropy", 256.0),
            ("kernel.uptime", 1_462_898.17),
        ];
        assert_eq!(of_type(MetricType::Counter), counters);
        assert_eq!(of_type(MetricType::Gauge), gauges);
        assert_eq!(values.len(), 17);
        assert!(values.iter().all(|value| value.tags.is_empty()));
    }

    #[test]
    fn files_that_a_kernel_lacks_are_left_out() {
        let directory = with_file("lacks", "uptime", "12.5 20.0\n");
        let values = collect(&directory).unwrap();
        fs::remove_dir_all(directory).unwrap();
        assert_eq!(values.iter().map(|value| value.metric.as_str()).collect::<Vec<_>>(), ["kernel.uptime"]);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_named() {
        for path in ["stat", "vmstat", "uptime", "sys/fs/file-nr", "sys/kernel/pid_max"] {
            let directory = with_file("nonsense", path, "intr x\npgfault x\n");
            let error = collect(&directory).unwrap_err();
            fs::remove_dir_all(&directory).unwrap();
            let place = format!("{directory}/{path}: expected ");
            assert!(matches!(&error, CollectError::Malformed(text) if text.starts_with(&place)), "{error:?}");
        }
    }

    #[test]
    fn more_open_files_than_allowed_leave_none() {
        let mut values = Vec::new();
        push_files(&mut values, FileTable { allocated: 30, most: 20 });
        assert_eq!((values[2].value, values[3].value), (0.0, 150.0));
        push_files(&mut values, FileTable { allocated: 30, most: 0 });
        assert!(values.iter().all(|value| value.value.is_finite()));
    }

    #[test]
    fn a_missing_proc_file_system_is_an_error() {
        let error = collect("/nowhere").unwrap_err();
        assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/stat: ")));
    }
}
