//! The `machine` collector: what the machine is, in the figures that cAdvisor's `MachineInfo` has. README.md lists the
//! metrics.
//!
//! All of it is read at first, and again when something that tells of a change is another: processors that are online,
//! memory, the lists of disks and of network devices. Values are told in every run.

mod devices;
mod facts;
mod nodes;
mod processors;

use saker_sdk::prelude::*;

use crate::facts::{Facts, folders, line};

saker_sdk::settings! {
    /// Settings of the `machine` collector.
    pub struct MachineSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
        /// The sys file system.
        pub sys: String = "/sys".into(),
        /// Files with the id of the machine; the first that is there is read.
        pub machine_id: Vec<String> = vec!["/etc/machine-id".into(), "/var/lib/dbus/machine-id".into()],
        /// Files that name the system; the first that is there is read.
        pub os_release: Vec<String> = vec!["/usr/lib/os-release".into(), "/etc/os-release".into()],
    }
}

/// The collector.
pub struct Machine {
    settings: MachineSettings,
    seen: Vec<String>,
    told: Vec<(SeriesId, f64)>,
}

impl ColumnCollector for Machine {
    type Settings = MachineSettings;

    fn describe() -> Description {
        let summary = "What the machine is: processors, memory, NUMA nodes, disks, network devices, ids";
        Description::new("machine", env!("CARGO_PKG_VERSION"), summary)
            .every_ms(60_000)
            .requests(read("/proc"), "processors, memory and the id of this boot")
            .requests(read("/sys"), "topology, disks and network devices")
            .requests(read("/etc/machine-id"), "the id of the machine")
            .requests(read("/usr/lib/os-release"), "the name of the system")
    }

    fn open(settings: MachineSettings) -> Result<Self, OpenError> {
        Ok(Self { settings, seen: Vec::new(), told: Vec::new() })
    }

    fn collect(&mut self, _: Run, columns: &mut Columns) -> Result<(), CollectError> {
        let MachineSettings { proc, sys, .. } = &self.settings;
        let meminfo_path = format!("{proc}/meminfo");
        let meminfo = text::read(&meminfo_path)?;
        let seen = self.fingerprint(&meminfo);
        if seen != self.seen {
            let mut facts = Facts::default();
            processors::add(proc, sys, &mut facts)?;
            nodes::add(&meminfo, sys, &mut facts);
            devices::add(sys, &mut facts);
            self.add_ids(&mut facts);
            for (id, _) in self.told.drain(..) {
                columns.forget(id);
            }
            self.told = facts
                .0
                .into_iter()
                .map(|fact| (fact.value, fact))
                .map(|(value, fact)| (columns.define(fact), value))
                .collect();
            self.seen = seen;
        }
        self.told.iter().for_each(|(id, value)| columns.push(*id, *value));
        Ok(())
    }
}

saker_sdk::export_column_collector!(Machine);

impl Machine {
    /// What is another if the machine is.
    fn fingerprint(&self, meminfo: &str) -> Vec<String> {
        let MachineSettings { proc, sys, .. } = &self.settings;
        let mut seen: Vec<_> = text::pairs(meminfo)
            .filter(|(key, _)| matches!(*key, "MemTotal" | "SwapTotal" | "HugePages_Total"))
            .map(|(_, value)| value.to_owned())
            .collect();
        seen.extend(line(&format!("{sys}/devices/system/cpu/online")));
        seen.extend(line(&format!("{proc}/sys/kernel/random/boot_id")));
        seen.extend(folders(&format!("{sys}/block")));
        seen.push(String::new());
        seen.extend(folders(&format!("{sys}/class/net")));
        seen
    }

    fn add_ids(&self, facts: &mut Facts) {
        let MachineSettings { proc, sys, machine_id, os_release } = &self.settings;
        let mut info = Sample::gauge("machine_info", 1.0);
        let mut tag = |key: &str, text: Option<String>| {
            let text = text.filter(|text| !text.is_empty());
            info.tags.extend(text.map(|text| (key.to_owned(), text::tag_value(&text))));
        };
        tag("machine_id", machine_id.iter().find_map(|path| line(path)));
        tag("boot_id", line(&format!("{proc}/sys/kernel/random/boot_id")));
        tag("system_uuid", line(&format!("{sys}/class/dmi/id/product_uuid")));
        tag("vendor_id", processors::vendor(proc));
        tag(
            "kernel_version",
            line(&format!("{proc}/version")).and_then(|text| text.split(' ').nth(2).map(str::to_owned)),
        );
        let release = os_release.iter().find_map(|path| text::read_if_there(path).ok().flatten());
        let name = release.as_deref().and_then(|text| text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")));
        tag("os_version", name.map(|name| name.trim_matches('"').to_owned()));
        facts.0.push(info);
    }
}

#[cfg(test)]
mod tests;
