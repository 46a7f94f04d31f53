//! The `disk-usage` collector: size and fill of mounted file systems. README.md lists the metrics.
//!
//! The table of mounts says what there is, and the agent answers for each. A table that has not changed since the run
//! before, byte by byte, is not parsed again.

mod mounts;
mod values;

use std::collections::BTreeSet;
use std::fs;

use saker_sdk::gaps::Gaps;
use saker_sdk::host::{Usage, UsageError};
use saker_sdk::prelude::*;

use crate::mounts::{Filter, Mount};
use crate::values::UsageReport;

saker_sdk::settings! {
    /// Settings of the `disk-usage` collector.
    pub struct DiskUsageSettings {
        /// The proc file system.
        pub proc: String = "/proc".into(),
        /// Where the host's root directory is mounted, for an agent in a container. The mounts are then those of
        /// process 1.
        pub root: String = String::new(),
        /// Patterns of mount paths. If there are any, exactly these are reported, whatever is ignored.
        pub mounts: Vec<String> = Vec::new(),
        /// Patterns of file system types that are left out.
        pub ignore_fstypes: Vec<String> = list(IGNORED_FSTYPES),
        /// Directories that are left out, with all that is mounted below; with a / at the end, only what is below.
        pub ignore_mounts: Vec<String> = list(IGNORED_MOUNTS),
        /// Patterns of sources that are left out.
        pub ignore_sources: Vec<String> = list(IGNORED_SOURCES),
    }
}

/// File systems without storage, read-only images, layers of containers, and what users mount by FUSE.
const IGNORED_FSTYPES: &str = "aufs autofs binfmt_misc bpf cgroup* configfs debugfs devpts devtmpfs efivarfs erofs \
    fuse fuse.* fusectl hugetlbfs iso9660 mqueue nfsd nsfs overlay proc pstore ramfs resctrl rootfs rpc_pipefs \
    securityfs selinuxfs smackfs squashfs sysfs tmpfs tracefs udf";

/// The kernel's directories, automounter roots, and what container engines mount.
const IGNORED_MOUNTS: &str = "/dev /etc/hostname /etc/hosts /etc/resolv.conf /lib /misc /net /proc /sys \
    /run/containerd/ /run/k3s/containerd/ /var/lib/containers/storage/ /var/lib/docker/ /var/lib/kubelet/";

/// What stands for no device.
const IGNORED_SOURCES: &str = "none nodev proc hugetlbfs mqueue";

fn list(words: &str) -> Vec<String> {
    words.split_ascii_whitespace().map(str::to_owned).collect()
}

/// A file system to ask for, and its tags.
#[derive(Debug)]
pub(crate) struct MountTarget {
    path: String,
    mount: String,
    fstype: String,
}

/// The collector, with what it knows of the run before.
pub struct DiskUsage {
    table_path: String,
    root: String,
    filter: Filter,
    table: Vec<u8>,
    places: Vec<MountTarget>,
    failing: BTreeSet<String>,
    gaps: Gaps,
}

impl Collector for DiskUsage {
    type Settings = DiskUsageSettings;

    fn describe() -> Description {
        Description::new("disk-usage", env!("CARGO_PKG_VERSION"), "Size and fill of mounted file systems")
            .requests(read("/proc"), "the mounts are listed in /proc/mounts")
            .requests(statfs("/"), "the size and fill of each mount is what is measured")
    }

    fn open(settings: DiskUsageSettings) -> Result<Self, OpenError> {
        let root = settings.root.trim_end_matches('/');
        if !root.is_empty() && !root.starts_with('/') {
            return Err(OpenError::Settings(format!("root: expected an absolute path, found {root:?}")));
        }
        // In a container the agent's own mounts are not the host's.
        let table = if root.is_empty() { "mounts" } else { "1/mounts" };
        Ok(Self {
            table_path: format!("{}/{table}", settings.proc),
            root: root.to_owned(),
            filter: Filter {
                only: settings.mounts,
                fstypes: settings.ignore_fstypes,
                directories: settings.ignore_mounts,
                sources: settings.ignore_sources,
            },
            table: Vec::new(),
            places: Vec::new(),
            failing: BTreeSet::new(),
            gaps: Gaps::default(),
        })
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let table = fs::read(&self.table_path).map_err(|error| CollectError::from_io(&self.table_path, &error))?;
        if table != self.table {
            self.look(table);
        }
        self.measure(host::filesystem_usage)
    }
}

saker_sdk::export_collector!(DiskUsage);

impl DiskUsage {
    /// Learns what is mounted from a new table.
    fn look(&mut self, table: Vec<u8>) {
        // A path need not be UTF-8: one that is not spoils its own mount only.
        let text = String::from_utf8_lossy(&table);
        let mounts = mounts::parse(&text, &mut self.gaps.of(&self.table_path));
        let mounts_found = !mounts.is_empty();
        self.places = self.filter.choose(mounts).iter().map(|mount| MountTarget::new(&self.root, mount)).collect();
        self.failing.retain(|path| self.places.iter().any(|place| place.path == *path));
        // A table that makes no sense at all fails at every run.
        self.table = if mounts_found { table } else { Vec::new() };
    }

    fn measure(&mut self, stat: impl Fn(&str) -> Result<Usage, UsageError>) -> Result<Vec<Sample>, CollectError> {
        let mut report = UsageReport::with_capacity(self.places.len());
        let mut answered = false;
        let mut failure = None;
        for place in &self.places {
            match stat(&place.path) {
                Ok(usage) => {
                    answered = true;
                    if self.failing.remove(&place.path) {
                        host::log(host::Level::Info, &format!("{} is back", place.path));
                    }
                    report.add(place, &usage, &mut self.gaps.of(&place.path));
                }
                Err(error) => {
                    let first = self.failing.insert(place.path.clone());
                    let error = note(place, error, first);
                    // Of several reasons, a missing permission is the one that the operator can do something about.
                    if !matches!(failure, Some(CollectError::Denied(_))) {
                        failure = Some(error);
                    }
                }
            }
        }
        match failure {
            Some(error) if !answered => Err(error),
            _ => self.gaps.finish(report.finish()),
        }
    }
}

/// Counts a mount that is left out, and the first time logs why.
fn note(place: &MountTarget, error: UsageError, first: bool) -> CollectError {
    let (counter, reason, error) = match error {
        UsageError::Denied(permission) => {
            ("mounts_denied", "no permission to ask for its usage".to_owned(), CollectError::Denied(permission))
        }
        UsageError::Unavailable(reason) => {
            let message = format!("{}: {reason}", place.path);
            ("mounts_unavailable", reason, CollectError::Unavailable(message))
        }
    };
    host::counter_add(counter, 1.0);
    if first {
        host::log(host::Level::Warn, &format!("{} is left out: {reason}", place.path));
    }
    error
}

impl MountTarget {
    fn new(root: &str, mount: &Mount) -> Self {
        let path = match mount.path.as_str() {
            "/" if !root.is_empty() => root.to_owned(),
            path => format!("{root}{path}"),
        };
        Self { path, mount: text::tag_value(&mount.path), fstype: text::tag_value(&mount.fstype) }
    }
}

#[cfg(test)]
mod tests;
