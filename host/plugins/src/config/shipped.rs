//! The collectors that come with the agent, and what they are granted without a word from the operator.

use saker_sandbox::{Limits, PluginHash};

/// A collector that ships: its name, the files and directories that it reads, and the directories below which it asks
/// for the fill of file systems.
pub(super) struct Shipped {
    pub(super) name: &'static str,
    pub(super) read: &'static [&'static str],
    pub(super) statfs: &'static [&'static str],
}

const fn reads(name: &'static str, read: &'static [&'static str]) -> Shipped {
    Shipped { name, read, statfs: &[] }
}

/// All of them. Each gets the files that it reads, one by one; what a kernel lacks is a file that is not there. Of
/// processes `process` sees figures: their command lines take a grant of their own.
pub(super) const SHIPPED: [Shipped; 12] = [
    reads("cpu", &["/proc/stat"]),
    reads("memory", &["/proc/meminfo"]),
    reads("load", &["/proc/loadavg"]),
    Shipped { name: "disk-usage", read: &["/proc/mounts"], statfs: &["/"] },
    reads("disk-io", &["/proc/diskstats"]),
    reads("network", &["/proc/net/dev", "/sys/class/net"]),
    reads(
        "tcp",
        &[
            "/proc/net/netstat",
            "/proc/net/snmp",
            "/proc/net/sockstat",
            "/proc/net/sockstat6",
            "/proc/net/tcp",
            "/proc/net/tcp6",
        ],
    ),
    reads(
        "kernel",
        &[
            "/proc/stat",
            "/proc/vmstat",
            "/proc/uptime",
            "/proc/sys/fs/file-nr",
            "/proc/sys/kernel/pid_max",
            "/proc/sys/kernel/random/entropy_avail",
        ],
    ),
    reads("pressure", &["/proc/pressure"]),
    reads("process", &["/proc"]),
    reads("containers", &["/sys/fs/cgroup", "/proc"]),
    reads(
        "machine",
        &[
            "/proc/cpuinfo",
            "/proc/meminfo",
            "/proc/version",
            "/proc/sys/kernel/random/boot_id",
            "/sys/block",
            "/sys/class/net",
            "/sys/devices/system/cpu",
            "/sys/devices/system/node",
            "/sys/kernel/mm/hugepages",
            "/etc/machine-id",
            "/usr/lib/os-release",
        ],
    ),
];

/// What an instance of a name may use without a word from the operator.
///
/// `containers` watches a thousand groups, of each about 60 values, and keeps eight files open: 60,000 samples in a run,
/// as many series that are new in the first, and 8,000 descriptors, with some to spare.
pub(super) fn limits(name: &str) -> Limits {
    let limits = Limits::default();
    match name {
        "containers" => Limits {
            max_result_samples: 80_000,
            max_new_series: 80_000,
            max_series: 100_000,
            max_open_files: 8_200,
            ..limits
        },
        _ => limits,
    }
}

/// The BLAKE3 hashes of the collectors that were there when this program was built, by name: the list is part of the
/// program, since a list beside the plugins could be changed by whoever can put a plugin there.
const HASHES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Whether a file is the one that shipped under this name.
pub(super) fn is_shipped(name: &str, hash: PluginHash) -> bool {
    HASHES.iter().any(|(shipped, known)| *shipped == name && *known == hash.to_string())
}
