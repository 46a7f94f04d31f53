//! What of sysfs a guest may see: devices, their classes, and figures of the kernel. Not what firmware hands over, not
//! where the kernel and its modules lie in memory, not the other file systems that stand there.
//!
//! Links are everywhere in sysfs. So a path is judged as it is once no link is left in it.

/// Folders at the top that may be looked into, but for [`CLOSED`] names.
const FOLDERS: [&str; 8] = ["block", "bus", "class", "dev", "devices", "fs", "hypervisor", "power"];

/// Folders of `/sys/kernel` with figures.
const OF_KERNEL: [&str; 4] = ["mm", "irq", "cgroup", "slab"];

/// Files of a module that say what it is. Its sections say where it lies, its parameters may be secrets.
const OF_MODULES: [&str; 7] = ["version", "srcversion", "refcnt", "coresize", "initsize", "initstate", "taint"];

/// Names that lead to a device's memory, its stored data or its configuration, or to another file system.
const CLOSED: [&str; 14] = [
    "config",
    "rom",
    "vpd",
    "eeprom",
    "nvmem",
    "resource",
    "descriptors",
    "devcoredump",
    "coredump",
    "bpf",
    "pstore",
    "selinux",
    "smackfs",
    "connections",
];

/// Parts of names that say that a key lies there: `dhchap_secret`, `tls_key`, `current_password`.
const SECRETS: [&str; 5] = ["secret", "password", "passphrase", "token", "key"];

/// Whether a path below the top of a sysfs, in its parts and without links, may be opened.
pub(super) fn is_open(parts: &[&str]) -> bool {
    match parts {
        [] | ["kernel" | "module"] | ["module", _] => true,
        ["kernel", folder, ..] => OF_KERNEL.contains(folder),
        ["module", _, name] => OF_MODULES.contains(name),
        [folder, below @ ..] => FOLDERS.contains(folder) && !below.iter().any(|name| is_closed(name)),
    }
}

fn is_closed(name: &str) -> bool {
    let resource = name.strip_prefix("resource").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let last = name.rsplit(['_', '-']).next().unwrap_or(name);
    CLOSED.contains(&name) || resource || SECRETS.contains(&last)
}

/// How many parts of a path lead to a link that the kernel keeps for a device: an entry of a class, a bus or a list.
/// None if it is below none.
pub(super) fn device_link(parts: &[&str]) -> Option<usize> {
    match parts {
        ["class", _, _, ..] | ["dev", "block" | "char", _, ..] => Some(3),
        ["block", _, ..] => Some(2),
        ["bus", _, "devices", _, ..] => Some(4),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(path: &str) -> Vec<&str> {
        path.split('/').filter(|part| !part.is_empty()).collect()
    }

    #[test]
    fn devices_and_figures_are_open() {
        for path in ["", "class/net", "devices/pci0000:00/0000:00:03.0/net/eth0/speed", "block", "kernel/mm/hugepages"]
        {
            assert!(is_open(&parts(path)), "{path}");
        }
        for path in ["fs/cgroup/memory.stat", "class/hwmon", "devices/system/cpu/online", "module/ext4/refcnt"] {
            assert!(is_open(&parts(path)), "{path}");
        }
    }

    #[test]
    fn firmware_addresses_device_memory_and_keys_are_closed() {
        for path in [
            "firmware",
            "firmware/efi/efivars/x",
            "kernel/debug",
            "kernel/debug/x",
            "kernel/tracing/trace",
            "kernel/security",
            "kernel/config",
            "kernel/notes",
            "kernel/vmcoreinfo",
            "kernel/btf/vmlinux",
            "fs/bpf",
            "fs/bpf/x",
            "fs/pstore",
            "fs/selinux/enforce",
            "module/ext4/sections/.text",
            "module/ext4/sections",
            "module/ext4/parameters/key",
            "devices/pci0000:00/0000:00:03.0/config",
            "devices/pci0000:00/0000:00:03.0/resource0",
            "devices/pci0000:00/0000:00:03.0/rom",
            "devices/x/nvme0/dhchap_secret",
            "devices/x/tls_key",
            "devices/x/key",
            "class/firmware-attributes/y/authentication/Admin/current_password",
            "what-comes-later",
        ] {
            assert!(!is_open(&parts(path)), "{path}");
        }
    }

    #[test]
    fn links_of_devices_are_known_by_their_place() {
        assert_eq!(device_link(&parts("class/net/eth0/speed")), Some(3));
        assert_eq!(device_link(&parts("block/sda")), Some(2));
        assert_eq!(device_link(&parts("class/net")), None);
        assert_eq!(device_link(&parts("devices/x/driver")), None);
    }
}
