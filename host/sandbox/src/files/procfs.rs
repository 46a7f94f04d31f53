//! What of procfs a guest may see: the kernel's figures, and figures of other processes. Never the agent itself, never
//! what a process holds or has open, never the kernel's memory or keys.
//!
//! What is not listed is rejected, so that what a later kernel adds stays closed. None of what is listed is reached
//! through a link: a path is judged as it is written, and opened without following any.

/// What becomes of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PathDecision {
    /// It is opened.
    Open,
    /// It is opened below the agent's own process, where its link leads. The host serves it: it holds nothing of a
    /// process.
    OpenOwn,
    /// It is a process's, and opened if that is not the agent.
    OpenUnlessOwn,
    /// It is the command line of a process, and opened if that is granted and it is not the agent.
    Arguments,
    /// It is not opened, whatever is granted.
    Never,
}

/// Files of processes and of their threads: figures and names. Left out, though they begin as figures: `smaps_rollup`,
/// `maps`, `numa_maps`, `stack`, `wchan`, `syscall` and `timers`, which tell addresses; `environ`, `mem`, `auxv`,
/// `pagemap` and `fd`, which tell what it holds; `mountinfo`, which tells where it lives; `net`, but for [`OF_NETWORK`].
const OF_PROCESSES: [&str; 14] = [
    "stat",
    "statm",
    "status",
    "io",
    "schedstat",
    "sched",
    "limits",
    "cgroup",
    "cpuset",
    "comm",
    "oom_score",
    "oom_score_adj",
    "loginuid",
    "sessionid",
];

/// Figures of the network namespace of a process, of the sort that `/proc/net` has of the host's: interfaces, and
/// connections by state. They are files below `net`, which is no link in a process.
const OF_NETWORK: [&str; 3] = ["dev", "tcp", "tcp6"];

/// Files at the top. Left out: `kcore`, `kmsg`, `kallsyms`, `modules`, `iomem`, `ioports`, `vmallocinfo`, `timer_list`,
/// `kpage*` (memory, addresses), `keys`, `key-users`, `cmdline`, `bootconfig`, `config.gz`, `sysrq-trigger`.
const AT_TOP: [&str; 28] = [
    "buddyinfo",
    "cgroups",
    "consoles",
    "cpuinfo",
    "crypto",
    "devices",
    "diskstats",
    "dma",
    "execdomains",
    "fb",
    "filesystems",
    "interrupts",
    "loadavg",
    "locks",
    "mdstat",
    "meminfo",
    "misc",
    "pagetypeinfo",
    "partitions",
    "schedstat",
    "slabinfo",
    "softirqs",
    "stat",
    "swaps",
    "uptime",
    "version",
    "vmstat",
    "zoneinfo",
];

/// Folders at the top, with all that is below but [`SECRET`].
const FOLDERS: [&str; 7] = ["pressure", "irq", "sys", "sysvipc", "fs", "spl", "drbd"];

/// Names below those folders that hold keys, and places where other file systems stand.
const SECRET: [&str; 5] = ["stable_secret", "tcp_fastopen_key", "netdev_rss_key", "binfmt_misc", "nfsd"];

/// Judges a path below the top of a procfs, in its parts.
pub(super) fn judge(parts: &[&str]) -> PathDecision {
    match parts {
        [] => PathDecision::Open,
        ["net", ..] | ["mounts"] => PathDecision::OpenOwn,
        // Where the mounts of the host are, for an agent in a container: those of its first process.
        ["1", "mounts"] => PathDecision::OpenUnlessOwn,
        [process, rest @ ..] if is_number(process) => match rest {
            [] | ["task"] => PathDecision::OpenUnlessOwn,
            ["task", thread, rest @ ..] if is_number(thread) => of_process(rest),
            rest => of_process(rest),
        },
        [name] if AT_TOP.contains(name) => PathDecision::Open,
        [folder, below @ ..] if FOLDERS.contains(folder) && !below.iter().any(|name| SECRET.contains(name)) => {
            PathDecision::Open
        }
        _ => PathDecision::Never,
    }
}

fn of_process(rest: &[&str]) -> PathDecision {
    match rest {
        [] => PathDecision::OpenUnlessOwn,
        [name] if OF_PROCESSES.contains(name) => PathDecision::OpenUnlessOwn,
        ["net", name] if OF_NETWORK.contains(name) => PathDecision::OpenUnlessOwn,
        ["cmdline"] => PathDecision::Arguments,
        _ => PathDecision::Never,
    }
}

/// Whether a name is a process's or a thread's.
pub(super) fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: &PathDecision, paths: &[&str]) {
        for path in paths {
            let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
            assert_eq!(&judge(&parts), expected, "{path}");
        }
    }

    #[test]
    fn the_kernels_figures_are_open() {
        check(&PathDecision::Open, &["", "stat", "meminfo", "pressure/cpu", "sys/fs/file-nr", "sys/kernel/pid_max"]);
        check(&PathDecision::Open, &["irq/1", "fs/ext4/sda1/mb_groups", "spl/kstat/zfs/arcstats"]);
        check(&PathDecision::OpenOwn, &["net", "net/dev", "net/stat/nf_conntrack", "mounts"]);
    }

    #[test]
    fn arguments_of_processes_have_a_grant_of_their_own() {
        check(
            &PathDecision::OpenUnlessOwn,
            &["1", "1/stat", "7/status", "7/io", "7/task", "7/task/8", "7/task/8/stat"],
        );
        check(&PathDecision::OpenUnlessOwn, &["1/mounts", "7/net/dev", "7/net/tcp", "7/net/tcp6", "7/task/8/net/dev"]);
        check(&PathDecision::Arguments, &["7/cmdline", "7/task/8/cmdline"]);
    }

    #[test]
    fn what_a_process_holds_is_never_open() {
        for name in [
            "environ",
            "mem",
            "maps",
            "smaps",
            "smaps_rollup",
            "numa_maps",
            "map_files",
            "map_files/1-2",
            "fd",
            "fd/1",
            "fdinfo",
            "fdinfo/1",
            "root",
            "root/etc",
            "cwd",
            "cwd/x",
            "exe",
            "auxv",
            "stack",
            "syscall",
            "pagemap",
            "personality",
            "ns",
            "ns/net",
            "attr",
            "attr/current",
            "net",
            "net/unix",
            "net/raw",
            "net/netlink",
            "net/dev/x",
            "net/stat/nf_conntrack",
            "mountinfo",
            "mounts",
            "wchan",
            "task/8/environ",
            "task/8/mem",
            "task/8/fd/0",
            "task/8/root",
            "task/x",
            "task/8/task",
            "clear_refs",
        ] {
            check(
                &PathDecision::Never,
                &[&format!("7/{name}"), &format!("self/{name}"), &format!("thread-self/{name}")],
            );
        }
        check(&PathDecision::Never, &["self", "thread-self", "self/stat", "self/net/dev", "2/mounts", "1/mountinfo"]);
    }

    #[test]
    fn kernel_memory_and_keys_are_never_open() {
        check(&PathDecision::Never, &["kcore", "kmsg", "keys", "key-users", "kallsyms", "kpagecount", "kpageflags"]);
        check(&PathDecision::Never, &["kpagecgroup", "vmcore", "sysrq-trigger", "config.gz", "cmdline", "bootconfig"]);
        check(
            &PathDecision::Never,
            &["modules", "iomem", "vmallocinfo", "timer_list", "bus/pci/00/00.0", "driver/nvram"],
        );
        check(&PathDecision::Never, &["sys/net/ipv6/conf/eth0/stable_secret", "sys/net/ipv4/tcp_fastopen_key"]);
        check(&PathDecision::Never, &["sys/fs/binfmt_misc", "sys/fs/binfmt_misc/status", "fs/nfsd/exports"]);
        check(&PathDecision::Never, &["what-a-later-kernel-adds", "mounts/x"]);
    }
}
