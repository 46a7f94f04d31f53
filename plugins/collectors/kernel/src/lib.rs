//! The `kernel` collector: limits, uptime and event counts of the host's kernel, from `/proc`. README.md lists the
//! metrics.
//!
//! `/proc/stat` should be there. The other files are left out where a kernel or a container does not have them.

mod figures;
mod single;

use saker_sdk::gaps::Gaps;
use saker_sdk::prelude::*;
use saker_sdk::round;

use crate::figures::{STAT, VMSTAT};
use crate::single::FileTable;

saker_sdk::settings! {
    /// Settings of the `kernel` collector.
    pub struct KernelSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
    }
}

/// The collector, with the paths of the files that it reads. No reading is kept between runs.
pub struct Kernel {
    stat: String,
    vmstat: String,
    file_table: String,
    pid_max: String,
    entropy: String,
    uptime: String,
    gaps: Gaps,
}

impl Collector for Kernel {
    type Settings = KernelSettings;

    fn describe() -> Description {
        let reason = "the figures are in /proc/stat, vmstat and uptime, and in /proc/sys/fs and sys/kernel";
        Description::new("kernel", env!("CARGO_PKG_VERSION"), "Limits, uptime and event counts of the host's kernel")
            .requests(read("/proc"), reason)
    }

    fn open(KernelSettings { proc }: KernelSettings) -> Result<Self, OpenError> {
        Ok(Self {
            stat: format!("{proc}/stat"),
            vmstat: format!("{proc}/vmstat"),
            file_table: format!("{proc}/sys/fs/file-nr"),
            pid_max: format!("{proc}/sys/kernel/pid_max"),
            entropy: format!("{proc}/sys/kernel/random/entropy_avail"),
            uptime: format!("{proc}/uptime"),
            gaps: Gaps::default(),
        })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let mut values = Vec::with_capacity(18);
        let gaps = &mut self.gaps;
        if let Some(text) = gaps.read(&self.stat) {
            figures::push(&mut values, &text, &STAT, &mut gaps.of(&self.stat));
        }
        if let Some(text) = gaps.read_if_there(&self.vmstat) {
            figures::push(&mut values, &text, &VMSTAT, &mut gaps.of(&self.vmstat));
        }
        if let Some(text) = gaps.read_if_there(&self.file_table) {
            let files = FileTable::parse(&text);
            push_files(&mut values, files);
            if files.allocated.is_none() || files.most.is_none() {
                gaps.of(&self.file_table).odd("the table of files", "three numbers", text.trim());
            }
        }
        for (path, metric) in [(&self.pid_max, "kernel.maxproc"), (&self.entropy, "kernel.entropy")] {
            let Some(text) = gaps.read_if_there(path) else { continue };
            match single::count(&text) {
                Some(count) => values.push(Sample::gauge(metric, count as f64)),
                None => gaps.of(path).odd(metric, "a whole number", text.trim()),
            }
        }
        if let Some(text) = gaps.read_if_there(&self.uptime) {
            match single::uptime(&text) {
                Some(seconds) => values.push(Sample::gauge("kernel.uptime", seconds)),
                None => gaps.of(&self.uptime).odd("kernel.uptime", "seconds", text.trim()),
            }
        }
        self.gaps.finish(values)
    }
}

saker_sdk::export_collector!(Kernel);

fn push_files(values: &mut Vec<Sample>, FileTable { allocated, most }: FileTable) {
    values.extend(most.map(|most| Sample::gauge("kernel.maxfiles", most as f64)));
    values.extend(allocated.map(|allocated| Sample::gauge("kernel.files.allocated", allocated as f64)));
    let Some((allocated, most)) = allocated.zip(most) else { return };
    // The superuser may go beyond the limit.
    values.push(Sample::gauge("kernel.files.left", most.saturating_sub(allocated) as f64));
    if most > 0 {
        values.push(Sample::gauge("kernel.files.percent", round::percent(100.0 * allocated as f64 / most as f64)));
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use saker_sdk::testing;

    use super::*;

    const FIXTURE: &str = "../../../tests/fixtures/proc";

    fn collect(directory: &str) -> Result<Vec<Sample>, CollectError> {
        let mut kernel = Kernel::open(KernelSettings { proc: directory.into() }).unwrap();
        kernel.collect(Run { timestamp_ms: 0, interval_ms: 10_000 })
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
    fn a_run_brings_every_metric_once() {
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
            ("kernel.files.percent", 0.57),
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
    fn a_file_that_is_missing_or_changed_costs_at_most_its_own_values() {
        let files: [(&str, &[&str]); 6] = [
            ("stat", &["kernel.interrupts", "kernel.boottime", "kernel.forks", "kernel.procs."]),
            ("vmstat", &["kernel.vm."]),
            ("sys/fs/file-nr", &["kernel.maxfiles", "kernel.files."]),
            ("sys/kernel/pid_max", &["kernel.maxproc"]),
            ("sys/kernel/random/entropy_avail", &["kernel.entropy"]),
            ("uptime", &["kernel.uptime"]),
        ];
        let directory = with_file("changed", "stat", "");
        for (path, _) in files {
            let copy = std::path::Path::new(&directory).join(path);
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::copy(format!("{FIXTURE}/{path}"), copy).unwrap();
        }
        let sound = collect(&directory).unwrap();
        assert_eq!(sound.len(), 17);
        for (path, metrics) in files {
            let own = |value: &Sample| metrics.iter().any(|metric| value.metric.starts_with(metric));
            let copy = std::path::Path::new(&directory).join(path);
            let text = fs::read_to_string(&copy).unwrap();
            fs::remove_file(&copy).unwrap();
            testing::same_but(&sound, &collect(&directory).unwrap(), own);
            testing::each_line_changed(&text, |changed, line| {
                fs::write(&copy, changed).unwrap();
                let key = line.split(' ').next().unwrap();
                let of_line = STAT.iter().chain(&VMSTAT).find(|figure| figure.key == key).map(|figure| figure.metric);
                testing::same_but(&sound, &collect(&directory).unwrap(), |value| match path {
                    "stat" | "vmstat" => of_line == Some(value.metric.as_str()),
                    _ => own(value),
                });
            });
            fs::write(&copy, text).unwrap();
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn more_open_files_than_allowed_leave_none() {
        let mut values = Vec::new();
        push_files(&mut values, FileTable { allocated: Some(30), most: Some(20) });
        assert_eq!((values[2].value, values[3].value), (0.0, 150.0));
        push_files(&mut values, FileTable { allocated: Some(30), most: Some(0) });
        assert!(values.iter().all(|value| value.value.is_finite()));
    }

    #[test]
    fn a_missing_proc_file_system_is_an_error() {
        let error = collect("/nowhere").unwrap_err();
        assert!(matches!(error, CollectError::Unavailable(text) if text.starts_with("/nowhere/stat: ")));
    }
}
