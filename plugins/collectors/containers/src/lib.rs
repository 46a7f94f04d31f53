//! The `containers` collector: what each control group of the host uses, waits for and may use. README.md lists the
//! metrics.
//!
//! It is called more often than it tells values: a call in between only looks at which groups there are, and at the
//! processor time of each, so that one that comes or goes has a first and a last value.

mod choice;
mod devices;
mod files;
mod group;
mod identity;
mod layout;
mod metrics;
mod names;
mod network;
mod notes;
mod parse;
mod series;
mod tasks;
mod tree;
mod watch;

use saker_sdk::prelude::*;

use crate::choice::Choice;
use crate::files::{Budget, Fault};
use crate::identity::Sources;
use crate::layout::Layout;
use crate::notes::Notes;
use crate::watch::Watch;

saker_sdk::settings! {
    /// Settings of the `containers` collector.
    pub struct ContainersSettings {
        /// How often values are told, in seconds. Groups that come and go are looked for in every run.
        pub every_s: u32 = 10,
        /// Where the control groups are.
        pub cgroup: String = "/sys/fs/cgroup".into(),
        /// The proc file system.
        pub proc: String = "/proc".into(),
        /// Which groups are watched: one of these conditions must be met, if there are any. "path=…", "name=…", "image=…" or "label.KEY=…", with * for any run of characters.
        pub include: Vec<String> = Vec::new(),
        /// Which groups are not watched: conditions as above.
        pub exclude: Vec<String> = vec!["path=*.mount".into()],
        /// Whether only containers are watched, and no other groups such as systemd's.
        pub only_containers: bool = false,
        /// Labels of containers that are told: patterns of their keys.
        pub labels: Vec<String> = LABELS.map(String::from).to_vec(),
        /// Docker's socket, to ask once for the name of each container.
        pub docker: Option<String> = None,
        /// Podman's socket, likewise.
        pub podman: Option<String> = None,
        /// Where containerd keeps the state of containers.
        pub containerd: String = "/run/containerd".into(),
        /// Where CRI-O keeps the state of containers.
        pub crio: Vec<String> = vec!["/run/containers/storage".into(), "/var/lib/containers/storage".into()],
        /// Interfaces that are not told.
        pub exclude_interfaces: Vec<String> = INTERFACES.map(String::from).to_vec(),
        /// Whether processor time is told by processor (version 1 only).
        pub per_cpu: bool = false,
        /// Whether huge pages are told.
        pub hugetlb: bool = false,
        /// Whether memory is told by NUMA node.
        pub numa: bool = false,
        /// Whether TCP sockets are told by state.
        pub sockets: bool = false,
        /// Whether threads are told by state: a file for each thread.
        pub tasks: bool = false,
        /// How many groups are watched.
        pub max_groups: u32 = 1000,
        /// How many groups are watched within one container.
        pub max_nested: u32 = 20,
        /// How many files stay open: less than limits.open_files. The others are opened each time they are read.
        pub open_files: u32 = 8000,
    }
}

/// What Kubernetes calls a container.
const LABELS: [&str; 3] = ["io.kubernetes.container.name", "io.kubernetes.pod.name", "io.kubernetes.pod.namespace"];
/// Interfaces of the machine that lead to its containers, and the one that leads nowhere.
const INTERFACES: [&str; 4] = ["lo", "veth*", "docker*", "nerdctl*"];

/// What is told only if it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) per_cpu: bool,
    pub(crate) hugetlb: bool,
    pub(crate) numa: bool,
}

/// The collector.
pub struct Containers {
    settings: ContainersSettings,
    choice: Choice,
    notes: Notes,
    watch: Option<Watch>,
}

impl ColumnCollector for Containers {
    type Settings = ContainersSettings;

    fn describe() -> Description {
        let summary = "Containers and other control groups: what they use, wait for and may use";
        Description::new("containers", env!("CARGO_PKG_VERSION"), summary)
            .every_ms(1000)
            .requests(read("/sys/fs/cgroup"), "the figures are there")
            .requests(read("/proc"), "network figures of a process of each network namespace, and names of disks")
            .requests(read("/run/containerd"), "what containerd's containers are called")
            .requests(read("/run/containers"), "what CRI-O's containers are called")
            .requests(unix("GET", "/run/docker.sock", "/containers/"), "what Docker's containers are called")
            .requests(unix("GET", "/run/podman/podman.sock", "/containers/"), "what Podman's containers are called")
    }

    fn open(settings: ContainersSettings) -> Result<Self, OpenError> {
        if settings.every_s == 0 || settings.max_groups == 0 {
            return Err(OpenError::Settings("every_s, max_groups: expected 1 or more".into()));
        }
        let choice = Choice::new(&settings.include, &settings.exclude, settings.only_containers);
        let choice = choice.map_err(OpenError::Settings)?;
        Ok(Self { settings, choice, notes: Notes::default(), watch: None })
    }

    fn collect(&mut self, run: Run, columns: &mut Columns) -> Result<(), CollectError> {
        let settings = &self.settings;
        let mut watch = match self.watch.take() {
            Some(watch) => watch,
            None => {
                let wanted = Wanted { per_cpu: settings.per_cpu, hugetlb: settings.hugetlb, numa: settings.numa };
                let layout = Layout::find(&settings.cgroup, &wanted).map_err(|fault| self.failed(&fault))?;
                for name in &layout.missing {
                    let key = format!("no {name}");
                    self.notes.say(&key, &format!("the kernel has no {name} controller: that of groups is not known"));
                }
                Watch::new(settings, layout)
            }
        };
        if let Err(fault) = watch.run(run, &self.choice, settings, &mut self.notes, columns) {
            // What was mounted there is no more; the next run looks for what is.
            watch.abandon(columns);
            return Err(self.failed(&fault));
        }
        self.watch = Some(watch);
        Ok(())
    }
}

impl Containers {
    fn failed(&self, fault: &Fault) -> CollectError {
        let root = &self.settings.cgroup;
        match fault {
            Fault::Denied => CollectError::Denied(Permission::Read(root.clone())),
            Fault::Absent | Fault::Gone => CollectError::Unavailable(format!("{root}: there are no control groups")),
            Fault::Unreadable(why) => CollectError::Unavailable(format!("{root}: {why}")),
        }
    }
}

saker_sdk::export_column_collector!(Containers);

fn sources(settings: &ContainersSettings) -> Sources {
    let ContainersSettings { docker, podman, containerd, crio, .. } = settings;
    Sources::new(docker.clone(), podman.clone(), containerd.clone(), crio.clone())
}

fn budget(settings: &ContainersSettings) -> Budget {
    Budget::new(settings.open_files)
}

#[cfg(test)]
mod tests;
