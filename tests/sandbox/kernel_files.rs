//! Procfs and sysfs are no ordinary folders: a grant of them opens figures, whatever way a guest goes.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use saker_model::Sample;
use saker_sandbox::InstanceSpec;
use serde_json::json;

use crate::support::{once, spec, value};

const WAYS: [&str; 6] = ["read", "list", "see", "link", "step", "through"];

fn trying(paths: &[String], read: &[&str], links: Option<&Path>) -> InstanceSpec {
    let links = links.map_or("", |links| links.to_str().unwrap());
    let mut spec = spec(json!({ "paths": paths, "links": links }));
    spec.grants.read = read.iter().map(Into::into).collect();
    spec.grants.write = if links.is_empty() { Vec::new() } else { vec![links.into()] };
    let patience = Duration::from_secs(20);
    (spec.limits.deadlines.open, spec.limits.deadlines.collect) = (patience, patience);
    spec
}

/// The ways that led somewhere.
fn led(values: &[Sample]) -> Vec<String> {
    let found = values.iter().filter(|value| value.value > 0.0 && value.metric != "path-explorer.name");
    found.map(|value| format!("{} {}", value.metric, value.tags[0].1)).collect()
}

/// None of these ways leads anywhere.
async fn check_closed(paths: &[String], read: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let values = once("path-explorer", &trying(paths, read, Some(folder.path()))).await.unwrap();
    assert_eq!(values.len(), paths.len() * WAYS.len());
    assert_eq!(led(&values), Vec::<String>::new());
}

/// Each of these is read, by its path and step by step.
async fn check_open(paths: &[String], read: &[&str]) {
    check_open_by(&["read", "see", "step"], paths, read).await;
}

async fn check_open_by(ways: &[&str], paths: &[String], read: &[&str]) {
    let values = once("path-explorer", &trying(paths, read, None)).await.unwrap();
    for path in paths {
        for way in ways {
            assert!(led(&values).contains(&format!("path-explorer.{way} {path}")), "{way} {path}: {:?}", led(&values));
        }
    }
}

/// Another process, which lives until it is dropped.
struct Other(std::process::Child);

impl Other {
    #[expect(clippy::disallowed_methods, reason = "a guest looks for a process of somebody else")]
    fn start() -> Self {
        let started = Self(std::process::Command::new("sleep").arg("600").env("SECRET", "hidden").spawn().unwrap());
        // `spawn` returns as soon as the new program cannot fail to start; its arguments are there a moment later.
        let arguments = format!("/proc/{}/cmdline", started.0.id());
        while std::fs::read(&arguments).unwrap().is_empty() {
            std::thread::yield_now();
        }
        started
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const HELD: [&str; 18] = [
    "environ",
    "mem",
    "maps",
    "smaps",
    "smaps_rollup",
    "numa_maps",
    "auxv",
    "stack",
    "syscall",
    "pagemap",
    "personality",
    "fd/0",
    "fdinfo/0",
    "root/etc/passwd",
    "cwd",
    "exe",
    "ns/net",
    "attr/current",
];

fn below(folder: &str, names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("{folder}/{name}")).collect()
}

#[tokio::test]
async fn the_agent_itself_is_not_reached() {
    let own = std::process::id();
    let thread = std::fs::read_dir("/proc/self/task").unwrap().last().unwrap().unwrap().file_name();
    let thread = thread.to_str().unwrap().to_owned();
    let mut paths = Vec::new();
    for process in ["self".into(), "thread-self".into(), own.to_string(), thread.clone(), format!("1/../{own}")] {
        for names in [&HELD[..], &["stat", "status", "comm", "cmdline", "task", "", "mounts", "net/dev"]] {
            paths.extend(below(&format!("/proc/{process}"), names));
        }
    }
    paths.extend(below(&format!("/proc/{own}/task/{thread}"), &HELD));
    paths.extend(below(&format!("/proc/1/task/{thread}"), &["stat", "environ"]));
    check_closed(&paths, &["/proc"]).await;
    let mut spec = trying(&paths, &["/proc"], None);
    spec.grants.process_arguments = true;
    assert_eq!(led(&once("path-explorer", &spec).await.unwrap()), Vec::<String>::new(), "whatever else is granted");
}

#[tokio::test]
async fn of_other_processes_figures_are_read_and_nothing_that_they_hold() {
    let other = Other::start();
    let process = format!("/proc/{}", other.0.id());
    let mut paths = below(&process, &HELD);
    paths.extend(below(
        &process,
        &["cmdline", "net", "net/unix", "net/raw", "mounts", "mountinfo", "map_files", "fd", "ns", "root", "cwd/."],
    ));
    paths.extend(below(&format!("{process}/task/{}", other.0.id()), &HELD));
    check_closed(&paths, &["/proc"]).await;
    check_open(&below(&process, &["stat", "statm", "status", "comm", "limits", "oom_score"]), &["/proc"]).await;
    // Not step by step: the folder between holds more than these.
    check_open_by(&["read", "see"], &below(&process, &["net/dev", "net/tcp"]), &["/proc"]).await;
    check_open(&below(&format!("{process}/task/{}", other.0.id()), &["stat"]), &["/proc"]).await;
}

#[tokio::test]
async fn command_lines_of_processes_take_a_grant_of_their_own() {
    let other = Other::start();
    let path = format!("/proc/{}/cmdline", other.0.id());
    let mut reading = spec(json!({ "path": path }));
    reading.grants.read = vec!["/proc".into()];
    crate::denied_by_default::check_denied(
        "read",
        &reading,
        "reading the command lines of processes",
        "grant.process_arguments = true",
    )
    .await;
    reading.grants.process_arguments = true;
    assert!(value(&once("read", &reading).await.unwrap(), "read.bytes") > 5.0);
}

#[tokio::test]
async fn kernel_memory_keys_and_the_log_are_not_read() {
    let names = [
        "kcore",
        "kmsg",
        "keys",
        "key-users",
        "kallsyms",
        "kpagecount",
        "kpageflags",
        "vmcore",
        "sysrq-trigger",
        "modules",
        "iomem",
        "cmdline",
        "config.gz",
        "timer_list",
        "vmallocinfo",
        "bus/pci",
        "sys/fs/binfmt_misc/status",
        "sys/../1/environ",
        "sys/../self/environ",
        "net/../self/environ",
        "net/../../environ",
    ];
    check_closed(&below("/proc", &names), &["/proc"]).await;
}

#[tokio::test]
async fn figures_of_the_kernel_are_read_from_the_tree_and_one_by_one() {
    let files =
        below("/proc", &["stat", "meminfo", "uptime", "net/dev", "mounts", "sys/fs/file-nr", "sys/kernel/pid_max"]);
    check_open(&files, &["/proc"]).await;
    for file in &files {
        let mut spec = spec(json!({ "path": file }));
        spec.grants.read = vec![file.into()];
        assert!(value(&once("read", &spec).await.unwrap(), "read.bytes") > 0.0, "{file}");
    }
    let mut all = trying(&files, &[], None);
    all.grants.read = files.iter().map(Into::into).collect();
    assert_eq!(
        led(&once("path-explorer", &all).await.unwrap()).iter().filter(|way| way.contains("read")).count(),
        files.len()
    );
}

#[tokio::test]
async fn a_list_of_processes_leaves_the_agent_out() {
    let other = Other::start();
    let mut spec = trying(&[], &["/proc"], None);
    spec.settings = json!({ "list": "/proc" }).to_string();
    let values = once("path-explorer", &spec).await.unwrap();
    let names: BTreeSet<_> = values.iter().map(|value| value.tags[0].1.as_str()).collect();
    assert!(names.contains("1") && names.contains("stat") && names.contains(other.0.id().to_string().as_str()));
    let own = std::process::id().to_string();
    for hidden in ["self", "thread-self", own.as_str()] {
        assert!(!names.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn a_grant_that_leads_to_what_is_never_granted_is_rejected_by_name() {
    let own = format!("/proc/{}", std::process::id());
    for path in [
        "/proc/self",
        "/proc/self/environ",
        "/proc/thread-self",
        "/proc/1/environ",
        "/proc/1/root",
        "/proc/1/fd",
        "/proc/kcore",
        "/proc/keys",
        "/sys/firmware",
        "/sys/kernel/notes",
        "/dev/mem",
        "/dev/kmsg",
        &own,
        &format!("{own}/environ"),
        "/dev/fd",
        "/proc/self/root/etc",
        "/proc/self/cwd",
    ] {
        if !Path::new(path).exists() {
            continue;
        }
        let mut spec = spec(json!({ "path": path }));
        spec.grants.read = vec![path.into()];
        let error = once("read", &spec).await.unwrap_err();
        assert!(matches!(error.kind(), "grant" | "host"), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_grant_above_the_kernels_file_systems_does_not_lead_into_them() {
    let mut paths = below("/proc", &["stat", "1/environ", "self/environ", "self/exe", "sys/kernel/pid_max"]);
    paths.extend(below("/sys", &["class/net", "kernel/mm", "firmware"]));
    paths.extend(below("/dev", &["null", "zero", "mem", "kmsg", "pts"]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file").to_str().unwrap().to_owned();
    std::fs::write(&file, "1").unwrap();
    let values = once("path-explorer", &trying(&paths, &["/"], None)).await.unwrap();
    let read: Vec<_> = led(&values).into_iter().filter(|way| !way.starts_with("path-explorer.see /dev")).collect();
    assert_eq!(read, Vec::<String>::new());
    check_open(&[file], &["/"]).await;
}

#[tokio::test]
async fn of_sysfs_devices_are_read_through_their_links_and_closed_parts_are_not() {
    let interface = Path::new("/sys/class/net/lo/mtu");
    assert!(interface.exists(), "every machine has this one");
    let file = [interface.to_str().unwrap().to_owned()];
    for granted in ["/sys", "/sys/class", "/sys/class/net"] {
        check_open(&file, &[granted]).await;
    }
    let mut names =
        below("/sys", &["firmware", "kernel/debug", "kernel/tracing/trace", "kernel/security", "kernel/notes"]);
    names.extend(below(
        "/sys",
        &["kernel/vmcoreinfo", "fs/bpf", "kernel/btf/vmlinux", "class/net/lo/../../../kernel/notes"],
    ));
    check_closed(&names, &["/sys"]).await;
    let out = below("/sys/class/net/lo", &["subsystem/lo/mtu", "../../../kernel/mm", "../../block", "device/driver"]);
    check_closed(&out, &["/sys/class/net"]).await;
}

#[tokio::test]
async fn nothing_of_the_kernels_is_granted_for_writing() {
    for path in ["/proc", "/proc/sys", "/sys", "/sys/class", "/"] {
        let mut spec = spec(json!({ "path": format!("{path}/x"), "create": true }));
        spec.grants.write = vec![path.into()];
        let error = once("write", &spec).await.unwrap_err();
        assert!(
            error.kind() == "grant" && error.to_string().contains("cannot be granted for writing"),
            "{path}: {error}"
        );
    }
}
