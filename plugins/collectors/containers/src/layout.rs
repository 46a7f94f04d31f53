//! Where a kernel has its control groups: one hierarchy (version 2), one for each controller (version 1), or both.

use crate::Wanted;
use crate::files::{Fault, folders, look, read};
use crate::parse::Parse;

/// A file that every group may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileOf {
    /// Which hierarchy it is in.
    pub(crate) tree: usize,
    pub(crate) name: &'static str,
    pub(crate) parse: Parse,
}

/// The hierarchies, and what is read in them.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// Roots of the hierarchies.
    pub(crate) roots: Vec<String>,
    /// What is read in every run with values. The first tells processor time; it is read in every run.
    pub(crate) files: Vec<FileOf>,
    /// What a group may use: read when it is found, and once a minute.
    pub(crate) limits: Vec<FileOf>,
    /// Controllers that are nowhere.
    pub(crate) missing: Vec<&'static str>,
}

/// A file of a controller: its name in version 1, and in version 2.
type Row = (&'static str, &'static [(&'static str, Parse)], &'static [(&'static str, Parse)]);

/// What is read of each controller in every run with values.
const FILES: [Row; 4] = [
    (
        "memory",
        &[
            ("memory.usage_in_bytes", Parse::MemoryUsage),
            ("memory.stat", Parse::MemoryStatV1),
            ("memory.max_usage_in_bytes", Parse::MemoryMax),
            ("memory.failcnt", Parse::MemoryFailcnt),
            ("memory.kmem.usage_in_bytes", Parse::MemoryKernel),
            ("memory.oom_control", Parse::OomControl),
        ],
        &[
            ("memory.current", Parse::MemoryUsage),
            ("memory.stat", Parse::MemoryStatV2),
            ("memory.swap.current", Parse::Swap),
            ("memory.events", Parse::MemoryEvents),
            ("memory.peak", Parse::MemoryMax),
        ],
    ),
    ("pids", &[("pids.current", Parse::Threads)], &[("pids.current", Parse::Threads)]),
    ("blkio", &[], &[]),
    ("io", &[], &[("io.stat", Parse::IoStat)]),
];

const LIMITS: [Row; 3] = [
    (
        "cpu",
        &[("cpu.shares", Parse::Shares), ("cpu.cfs_quota_us", Parse::Quota), ("cpu.cfs_period_us", Parse::Period)],
        &[("cpu.weight", Parse::Weight), ("cpu.max", Parse::CpuMax)],
    ),
    (
        "memory",
        &[
            ("memory.limit_in_bytes", Parse::MemoryLimit),
            ("memory.soft_limit_in_bytes", Parse::Reservation),
            ("memory.memsw.limit_in_bytes", Parse::SwapLimit),
        ],
        &[
            ("memory.max", Parse::MemoryLimit),
            ("memory.min", Parse::Reservation),
            ("memory.swap.max", Parse::SwapLimit),
        ],
    ),
    ("pids", &[("pids.max", Parse::ThreadsMax)], &[("pids.max", Parse::ThreadsMax)]),
];

/// Where the kernel counts requests to disks in version 1: of these the first that is there. Those of schedulers come
/// first, for they know what went past the throttle.
const BLKIO: [[&str; 2]; 4] = [
    ["blkio.bfq.io_service_bytes_recursive", "blkio.bfq.io_serviced_recursive"],
    ["blkio.io_service_bytes_recursive", "blkio.io_serviced_recursive"],
    ["blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"],
    ["blkio.throttle.io_service_bytes", "blkio.throttle.io_serviced"],
];

const PRESSURE: [(&str, Parse); 3] =
    [("cpu.pressure", Parse::PsiCpu), ("memory.pressure", Parse::PsiMemory), ("io.pressure", Parse::PsiIo)];

/// Controllers that values come from, and what is missing without them.
pub(crate) const NEEDED: [&str; 3] = ["memory", "pids", "io"];

impl Layout {
    /// Looks at what is there.
    pub(crate) fn find(root: &str, wanted: &Wanted) -> Result<Self, Fault> {
        let mut found = Found::default();
        if look(&format!("{root}/cgroup.controllers")).is_ok() {
            found.unified = Some((root.to_owned(), controllers(root)?));
        } else {
            for folder in folders(root)? {
                let at = format!("{root}/{folder}");
                if look(&format!("{at}/cgroup.controllers")).is_ok() {
                    found.unified = Some((at.clone(), controllers(&at)?));
                } else if look(&format!("{at}/cgroup.procs")).is_ok() {
                    found.by_controller.extend(folder.split(',').map(|name| (name.to_owned(), at.clone())));
                }
            }
        }
        if found.unified.is_none() && found.by_controller.is_empty() {
            return Err(Fault::Absent);
        }
        Ok(found.layout(wanted))
    }
}

fn controllers(root: &str) -> Result<String, Fault> {
    read(&format!("{root}/cgroup.controllers"))
}

#[derive(Default)]
struct Found {
    /// The hierarchy of version 2, and its controllers.
    unified: Option<(String, String)>,
    by_controller: Vec<(String, String)>,
}

/// A hierarchy and its version.
#[derive(Clone, Copy)]
enum At<'f> {
    One(&'f str),
    Two(&'f str),
}

impl Found {
    fn at(&self, controller: &str) -> Option<At<'_>> {
        let of_two = self.unified.as_ref().filter(|(_, names)| names.split_whitespace().any(|name| name == controller));
        let of_one = self.by_controller.iter().find(|(name, _)| name == controller);
        of_two.map(|(root, _)| At::Two(root)).or_else(|| of_one.map(|(_, root)| At::One(root)))
    }

    fn layout(&self, wanted: &Wanted) -> Layout {
        let mut layout = Layout::default();
        self.add_cpu(&mut layout, wanted);
        for (row, is_limit) in FILES.iter().map(|row| (row, false)).chain(LIMITS.iter().map(|row| (row, true))) {
            let (controller, one, two) = *row;
            let Some(at) = self.at(controller) else { continue };
            let (root, files) = match at {
                At::One(root) => (root, one),
                At::Two(root) => (root, two),
            };
            files.iter().for_each(|(name, parse)| layout.add(root, name, *parse, is_limit));
        }
        if let Some(At::One(root)) = self.at("blkio") {
            let there = BLKIO.iter().find(|[bytes, _]| look(&format!("{root}/{bytes}")).is_ok());
            if let Some([bytes, serviced]) = there {
                layout.add(root, bytes, Parse::BlkioBytes, false);
                layout.add(root, serviced, Parse::BlkioServiced, false);
            }
        }
        if let Some((root, _)) = &self.unified {
            PRESSURE.iter().for_each(|(name, parse)| layout.add(root, name, *parse, false));
        }
        self.add_wanted(&mut layout, wanted);
        self.add_processes(&mut layout);
        let io = if self.at("io").is_none() { "blkio" } else { "io" };
        let is_missing = |name: &&&str| self.at(if **name == "io" { io } else { name }).is_none();
        layout.missing = NEEDED.iter().filter(is_missing).copied().collect();
        layout
    }

    /// Processor time: version 2 counts it without any controller.
    fn add_cpu(&self, layout: &mut Layout, wanted: &Wanted) {
        if let Some(At::One(root)) = self.at("cpuacct") {
            layout.add(root, "cpuacct.usage", Parse::CpuacctUsage, false);
            layout.add(root, "cpuacct.stat", Parse::CpuacctStat, false);
            if wanted.per_cpu {
                layout.add(root, "cpuacct.usage_percpu", Parse::PerCpu, false);
            }
        } else if let Some((root, _)) = &self.unified {
            layout.add(root, "cpu.stat", Parse::CpuStatV2, false);
        }
        if let Some(At::One(root)) = self.at("cpu") {
            layout.add(root, "cpu.stat", Parse::CpuStatV1, false);
        }
    }

    fn add_wanted(&self, layout: &mut Layout, wanted: &Wanted) {
        if wanted.numa {
            match self.at("memory") {
                Some(At::One(root)) => layout.add(root, "memory.numa_stat", Parse::NumaV1, false),
                Some(At::Two(root)) => layout.add(root, "memory.numa_stat", Parse::NumaV2, false),
                None => {}
            }
        }
        let Some(at) = self.at("hugetlb").filter(|_| wanted.hugetlb) else { return };
        for size in crate::parse::PAGE_SIZES {
            let (root, files) = match at {
                At::One(root) => (root, &size.one[..]),
                At::Two(root) => (root, &size.two[..]),
            };
            // Which sizes there are is the same for all groups; at the top version 2 has none of these files.
            files.iter().for_each(|(name, parse)| layout.add(root, name, *parse, false));
        }
    }

    /// The list of processes: of the hierarchy in which every group is.
    fn add_processes(&self, layout: &mut Layout) {
        let of_one = ["memory", "pids", "cpuacct"].iter().find_map(|controller| match self.at(controller) {
            Some(At::One(root)) => Some(root),
            _ => None,
        });
        if let Some(root) = of_one.or(self.unified.as_ref().map(|(root, _)| root.as_str())) {
            layout.add(root, "cgroup.procs", Parse::Processes, false);
        }
    }
}

impl Layout {
    fn add(&mut self, root: &str, name: &'static str, parse: Parse, is_limit: bool) {
        let tree = self.roots.iter().position(|known| known == root).unwrap_or_else(|| {
            self.roots.push(root.to_owned());
            self.roots.len() - 1
        });
        let files = if is_limit { &mut self.limits } else { &mut self.files };
        files.push(FileOf { tree, name, parse });
    }
}
