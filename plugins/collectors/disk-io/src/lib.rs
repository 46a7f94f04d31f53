//! The `disk-io` collector: what block devices have done, from `/proc/diskstats`. README.md lists the metrics.

mod choice;
mod diskstats;
mod load;

use saker_sdk::gaps::Gaps;
use saker_sdk::prelude::*;
use saker_sdk::rates::Rates;

use crate::choice::Choice;
use crate::diskstats::{ALWAYS, Device};

saker_sdk::settings! {
    /// Settings of the `disk-io` collector.
    pub struct DiskIoSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
        /// Patterns of device names that are reported.
        pub include: Vec<String> = vec!["*".into()],
        /// Patterns of device names that are left out, of those that are included.
        pub exclude: Vec<String> = EXCLUDED.map(String::from).to_vec(),
        /// Whether to report partitions next to whole devices.
        pub partitions: bool = false,
    }
}

/// Memory, files and removable media that pass for disks, firmware areas of MMC, and single paths of a multipath NVMe.
const EXCLUDED: [&str; 8] = ["fd*", "loop*", "mmcblk*boot*", "mmcblk*rpmb", "nvme*c*n*", "ram*", "sr*", "zram*"];

/// The collector, with the columns of the run before.
pub struct DiskIo {
    file: KeptFile,
    choice: Choice,
    /// The columns that every kernel has, by device.
    rates: Rates<ALWAYS>,
    gaps: Gaps,
}

impl Collector for DiskIo {
    type Settings = DiskIoSettings;

    fn describe() -> Description {
        Description::new("disk-io", env!("CARGO_PKG_VERSION"), "Requests, throughput and load of block devices")
            .requests(read("/proc"), "the figures are in /proc/diskstats")
    }

    fn open(settings: DiskIoSettings) -> Result<Self, OpenError> {
        Ok(Self {
            file: KeptFile::new(format!("{}/diskstats", settings.proc)),
            choice: Choice { include: settings.include, exclude: settings.exclude, partitions: settings.partitions },
            rates: Rates::restore(),
            gaps: Gaps::default(),
        })
    }

    fn collect(&mut self, run: Run) -> Result<Vec<Sample>, CollectError> {
        let text = self.file.read()?;
        let mut devices = diskstats::parse(&text, &self.choice, &mut self.gaps.of(self.file.path()));
        devices.retain(Device::was_used);
        self.rates.begin(&run);
        let mut values = Vec::with_capacity(devices.len() * (diskstats::COLUMNS.len() + load::GAUGES.len()));
        for device in &devices {
            for ((metric, metric_type), figure) in diskstats::COLUMNS.iter().zip(device.columns()) {
                if let Some(figure) = figure {
                    let value = Sample::new(metric, *metric_type, *figure as f64);
                    values.push(value.tag("device", &device.name));
                }
            }
            let change = device.always().and_then(|totals| self.rates.change(&device.name, totals));
            let load = change.and_then(|change| load::between(&change));
            for (metric, figure) in load::GAUGES.iter().zip(load.iter().flatten()) {
                values.push(Sample::gauge(metric, *figure).tag("device", &device.name));
            }
        }
        self.rates.keep();
        self.gaps.finish(values)
    }
}

saker_sdk::export_collector!(DiskIo);

#[cfg(test)]
mod tests;
