//! The `disk-io` collector: what block devices have done, from `/proc/diskstats`. README.md lists the metrics.

mod choice;
mod diskstats;
mod load;
mod reading;

use saker_sdk::prelude::*;

use crate::choice::Choice;
use crate::diskstats::Device;
use crate::reading::Reading;

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

/// The collector, with the reading of the tick before.
pub struct DiskIo {
    path: String,
    choice: Choice,
    before: Option<Reading>,
}

impl Collector for DiskIo {
    type Settings = DiskIoSettings;

    fn describe() -> Description {
        Description::new("disk-io", env!("CARGO_PKG_VERSION"), "Requests, throughput and load of block devices")
            .wants(read("/proc"), "the figures are in /proc/diskstats")
    }

    fn open(settings: DiskIoSettings) -> Result<Self, OpenError> {
        Ok(Self {
            path: format!("{}/diskstats", settings.proc),
            choice: Choice { include: settings.include, exclude: settings.exclude, partitions: settings.partitions },
            before: host::load_state().and_then(|bytes| Reading::restore(&bytes)),
        })
    }

    fn collect(&mut self, tick: Tick) -> Result<Vec<MetricValue>, CollectError> {
        let text = text::read(&self.path)?;
        let mut devices =
            diskstats::parse(&text, &self.choice).map_err(|expected| CollectError::malformed(&self.path, &expected))?;
        devices.retain(Device::was_used);
        let now = Reading { at_ms: tick.timestamp_ms, devices };
        let values = values(&now, self.before.as_ref());
        if host::save_state(&now.save()).is_err() {
            host::log(host::Level::Debug, "the reading is too long to be kept for a successor");
        }
        self.before = Some(now);
        Ok(values)
    }
}

saker_sdk::export_collector!(DiskIo);

/// The values of a reading and of its difference to the one before.
fn values(now: &Reading, before: Option<&Reading>) -> Vec<MetricValue> {
    let mut values = Vec::with_capacity(now.devices.len() * (diskstats::COLUMNS.len() + load::GAUGES.len()));
    for (index, device) in now.devices.iter().enumerate() {
        for ((metric, metric_type), figure) in diskstats::COLUMNS.into_iter().zip(device.columns()) {
            values.push(MetricValue::new(metric, metric_type, *figure as f64).tag("device", &device.name));
        }
        let load = before
            .and_then(|before| load::between(device, before.device(index, &device.name)?, now.passed_ms(before)?));
        for (metric, figure) in load::GAUGES.iter().zip(load.iter().flatten()) {
            values.push(MetricValue::gauge(metric, *figure).tag("device", &device.name));
        }
    }
    values
}

#[cfg(test)]
mod tests;
