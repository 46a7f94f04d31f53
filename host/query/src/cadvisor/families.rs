//! `/metrics/cadvisor`: the newest values under the names and in the units of cAdvisor's families, those of the kinds that
//! it has on by default and of some that the collector brings anyway.
//!
//! Without timestamps, and with the labels that a container has: a label that only others have is not there, where
//! cAdvisor writes an empty one.

use std::collections::BTreeMap;
use std::fmt::Write;

use saker_pipeline::reader::{Identity, ReadBudget, ReadError, SeriesReader, SeriesRef, TimeRange};

use super::find::{Container, Wanted, find};
use super::machine::Facts;
use super::stats::newest;
use super::{CadvisorError, version};
use crate::exposition::push_escaped;
use crate::float::push_json;

/// Nanoseconds and microseconds of a second: dividing by them is exact, multiplying by their parts is not.
const NS: f64 = 1e9;
const US: f64 = 1e6;

/// A family: name, type and what it is.
type Family = (&'static str, &'static str, &'static str);

/// A series in a family, what its values are divided by, and labels besides the container's.
struct Sample {
    family: Family,
    divisor: f64,
    labels: Vec<(&'static str, String)>,
}

macro_rules! plain {
    ($($metric:literal $family:literal $kind:literal $divisor:ident $help:literal;)*) => {
        /// Metrics whose values go into one family each, without labels of their own.
        const PLAIN: &[(&str, Family, f64)] = &[$(($metric, ($family, $kind, $help), $divisor)),*];
    };
}

const ONE: f64 = 1.0;

plain! {
    "cpu_usage_user" "container_cpu_user_seconds_total" "counter" NS "Processor time in user mode in seconds.";
    "cpu_usage_system" "container_cpu_system_seconds_total" "counter" NS "Processor time in the kernel in seconds.";
    "cpu_cfs_periods" "container_cpu_cfs_periods_total" "counter" ONE "Periods of the quota that have elapsed.";
    "cpu_cfs_throttled_periods" "container_cpu_cfs_throttled_periods_total" "counter" ONE "Periods in which it was throttled.";
    "cpu_cfs_throttled_time" "container_cpu_cfs_throttled_seconds_total" "counter" NS "Time for which it was throttled in seconds.";
    "cpu_cfs_bursts_periods" "container_cpu_cfs_burst_periods_total" "counter" ONE "Periods with a burst.";
    "cpu_cfs_burst_time" "container_cpu_cfs_burst_seconds_total" "counter" NS "Time above the quota in seconds.";
    "memory_usage" "container_memory_usage_bytes" "gauge" ONE "Memory in use in bytes, files that can be dropped included.";
    "memory_max_usage" "container_memory_max_usage_bytes" "gauge" ONE "The most memory that was in use in bytes.";
    "memory_cache" "container_memory_cache" "gauge" ONE "Files in memory in bytes.";
    "memory_rss" "container_memory_rss" "gauge" ONE "Anonymous memory in bytes.";
    "memory_swap" "container_memory_swap" "gauge" ONE "Swap in use in bytes.";
    "memory_mapped_file" "container_memory_mapped_file" "gauge" ONE "Files that are mapped in bytes.";
    "memory_working_set" "container_memory_working_set_bytes" "gauge" ONE "Memory in use without files that were not used for a while, in bytes.";
    "memory_total_active_file" "container_memory_total_active_file_bytes" "gauge" ONE "Files that were used lately in bytes.";
    "memory_total_inactive_file" "container_memory_total_inactive_file_bytes" "gauge" ONE "Files that were not used for a while in bytes.";
    "memory_file_dirty" "container_memory_file_dirty_bytes" "gauge" ONE "Files that are to be written in bytes.";
    "memory_file_writeback" "container_memory_file_writeback_bytes" "gauge" ONE "Files that are being written in bytes.";
    "memory_kernel" "container_memory_kernel_usage" "gauge" ONE "Memory of the kernel in bytes.";
    "memory_failcnt" "container_memory_failcnt" "counter" ONE "How often the limit was hit.";
    "memory_pgscan" "container_memory_pgscan_total" "counter" ONE "Pages that were looked at to be dropped.";
    "memory_pgsteal" "container_memory_pgsteal_total" "counter" ONE "Pages that were dropped.";
    "memory_workingset_refault_file" "container_memory_workingset_refault_file_total" "counter" ONE "Pages of files that were read again soon after.";
    "memory_workingset_refault_anon" "container_memory_workingset_refault_anon_total" "counter" ONE "Anonymous pages that were read again soon after.";
    "memory_events_high" "container_memory_events_high_total" "counter" ONE "How often it was slowed down at memory.high.";
    "memory_events_max" "container_memory_events_max_total" "counter" ONE "How often it came to memory.max.";
    "oom_events" "container_oom_events_total" "counter" ONE "Processes that were killed for want of memory.";
    "processes" "container_processes" "gauge" ONE "Processes.";
    "threads" "container_threads" "gauge" ONE "Threads.";
    "spec_threads_max" "container_threads_max" "gauge" ONE "Threads that there may be.";
    "creation_time_seconds" "container_creation_time_seconds" "gauge" ONE "When it was made, in seconds since 1970.";
    "start_time_seconds" "container_start_time_seconds" "gauge" ONE "When it was started, in seconds since 1970.";
    "spec_cpu_shares" "container_spec_cpu_shares" "gauge" ONE "Its share of processor time.";
    "spec_cpu_quota" "container_spec_cpu_quota" "gauge" ONE "Processor time that it may have in a period, in microseconds.";
    "spec_cpu_period" "container_spec_cpu_period" "gauge" ONE "The period, in microseconds.";
    "spec_memory_limit" "container_spec_memory_limit_bytes" "gauge" ONE "Memory that it may have in bytes.";
    "spec_memory_swap_limit" "container_spec_memory_swap_limit_bytes" "gauge" ONE "Swap that it may have in bytes.";
    "spec_memory_reservation_limit" "container_spec_memory_reservation_limit_bytes" "gauge" ONE "Memory that is kept for it in bytes.";
}

/// Where a series goes, several families included.
fn samples(identity: &Identity, has_quota: bool) -> Vec<Sample> {
    let tag = |key: &str| identity.tag(key).unwrap_or_default().to_owned();
    let one = |family, divisor, labels| vec![Sample { family, divisor, labels }];
    let metric = &*identity.metric;
    if metric.starts_with("cpu_cfs_") && !has_quota {
        return Vec::new();
    }
    if let Some((_, family, divisor)) = PLAIN.iter().find(|(name, ..)| *name == metric) {
        return one(*family, *divisor, Vec::new());
    }
    match metric {
        "cpu_usage_total" => one(CPU, NS, vec![("cpu", "total".into())]),
        "cpu_usage_per_cpu" => one(CPU, NS, vec![("cpu", format!("cpu{:0>2}", tag("instance")))]),
        "memory_failure" => {
            let scope = if tag("scope") == "container" { "container" } else { "hierarchy" };
            let family = ("container_memory_failures_total", "counter", "Pages that had to be brought.");
            one(family, ONE, vec![("failure_type", tag("failure_type")), ("scope", scope.into())])
        }
        "tasks_state" => {
            let family = ("container_tasks_state", "gauge", "Threads by state.");
            one(family, ONE, vec![("state", tag("state"))])
        }
        "io_service_bytes" | "io_serviced" => disk(metric, identity),
        "io_cost" => {
            let family = match &*tag("kind") {
                "usage" => ("container_fs_io_cost_usage_seconds_total", "counter", "Cost of requests in seconds."),
                "wait" => ("container_fs_io_cost_wait_seconds_total", "counter", "Waited for a budget in seconds."),
                "indebt" => ("container_fs_io_cost_indebt_seconds_total", "counter", "Time in debt in seconds."),
                "indelay" => ("container_fs_io_cost_indelay_seconds_total", "counter", "Time of delay in seconds."),
                _ => return Vec::new(),
            };
            one(family, US, vec![("device", tag("device"))])
        }
        "network_tcp" | "network_tcp6" => {
            let family = if metric == "network_tcp" {
                ("container_network_tcp_usage_total", "gauge", "TCP sockets by state.")
            } else {
                ("container_network_tcp6_usage_total", "gauge", "TCP sockets of IPv6 by state.")
            };
            one(family, ONE, vec![("tcp_state", tag("state"))])
        }
        "memory_numa_pages" | "memory_numa_pages_own" => {
            let scope = if metric == "memory_numa_pages" { "hierarchy" } else { "container" };
            let family = ("container_memory_numa_pages", "gauge", "Pages by NUMA node.");
            one(family, ONE, vec![("type", tag("type")), ("scope", scope.into()), ("node", tag("node"))])
        }
        "hugetlb_usage" => one(
            ("container_hugetlb_usage_bytes", "gauge", "Huge pages in use in bytes."),
            ONE,
            vec![("pagesize", tag("page_size"))],
        ),
        "hugetlb_max_usage" => one(
            ("container_hugetlb_max_usage_bytes", "gauge", "The most huge pages in use in bytes."),
            ONE,
            vec![("pagesize", tag("page_size"))],
        ),
        "hugetlb_failcnt" => one(
            ("container_hugetlb_failcnt", "counter", "How often the limit of huge pages was hit."),
            ONE,
            vec![("pagesize", tag("page_size"))],
        ),
        _ => waiting(metric, identity).or_else(|| network(metric, identity)).into_iter().collect(),
    }
}

const CPU: Family = ("container_cpu_usage_seconds_total", "counter", "Processor time in seconds.");

fn disk(metric: &str, identity: &Identity) -> Vec<Sample> {
    let tag = |key: &str| identity.tag(key).unwrap_or_default().to_owned();
    let family = match (metric, &*tag("operation")) {
        ("io_service_bytes", "Read") => Some(("container_fs_reads_bytes_total", "counter", "Bytes that were read.")),
        ("io_service_bytes", "Write") => {
            Some(("container_fs_writes_bytes_total", "counter", "Bytes that were written."))
        }
        ("io_serviced", "Read") => Some(("container_fs_reads_total", "counter", "Reads that were completed.")),
        ("io_serviced", "Write") => Some(("container_fs_writes_total", "counter", "Writes that were completed.")),
        _ => None,
    };
    let device = || ("device", tag("device"));
    let mut all: Vec<_> =
        family.map(|family| Sample { family, divisor: ONE, labels: vec![device()] }).into_iter().collect();
    if metric == "io_service_bytes" {
        let family = ("container_blkio_device_usage_total", "counter", "Bytes by device and operation.");
        let labels = vec![device(), ("major", tag("major")), ("minor", tag("minor")), ("operation", tag("operation"))];
        all.push(Sample { family, divisor: ONE, labels });
    }
    all
}

fn waiting(metric: &str, identity: &Identity) -> Option<Sample> {
    let family = match (metric, identity.tag("kind")?) {
        ("psi_cpu_total", "full") => (
            "container_pressure_cpu_stalled_seconds_total",
            "counter",
            "Time for which all threads waited for a processor.",
        ),
        ("psi_cpu_total", "some") => (
            "container_pressure_cpu_waiting_seconds_total",
            "counter",
            "Time for which some threads waited for a processor.",
        ),
        ("psi_memory_total", "full") => (
            "container_pressure_memory_stalled_seconds_total",
            "counter",
            "Time for which all threads waited for memory.",
        ),
        ("psi_memory_total", "some") => (
            "container_pressure_memory_waiting_seconds_total",
            "counter",
            "Time for which some threads waited for memory.",
        ),
        ("psi_io_total", "full") => {
            ("container_pressure_io_stalled_seconds_total", "counter", "Time for which all threads waited for disks.")
        }
        ("psi_io_total", "some") => {
            ("container_pressure_io_waiting_seconds_total", "counter", "Time for which some threads waited for disks.")
        }
        _ => return None,
    };
    Some(Sample { family, divisor: US, labels: Vec::new() })
}

fn network(metric: &str, identity: &Identity) -> Option<Sample> {
    let family = match metric {
        "network_rx_bytes" => ("container_network_receive_bytes_total", "counter", "Bytes received."),
        "network_rx_packets" => ("container_network_receive_packets_total", "counter", "Packets received."),
        "network_rx_dropped" => {
            ("container_network_receive_packets_dropped_total", "counter", "Packets dropped while receiving.")
        }
        "network_rx_errors" => ("container_network_receive_errors_total", "counter", "Errors while receiving."),
        "network_tx_bytes" => ("container_network_transmit_bytes_total", "counter", "Bytes sent."),
        "network_tx_packets" => ("container_network_transmit_packets_total", "counter", "Packets sent."),
        "network_tx_dropped" => {
            ("container_network_transmit_packets_dropped_total", "counter", "Packets dropped while sending.")
        }
        "network_tx_errors" => ("container_network_transmit_errors_total", "counter", "Errors while sending."),
        _ => return None,
    };
    Some(Sample { family, divisor: ONE, labels: vec![("interface", identity.tag("interface")?.to_owned())] })
}

/// Lines of each family, below its name.
#[derive(Default)]
struct Page {
    families: BTreeMap<&'static str, (Family, String)>,
    bytes: usize,
}

impl Page {
    fn push(&mut self, family: Family, labels: &[(String, String)], value: f64) {
        let (_, lines) = self.families.entry(family.0).or_insert_with(|| (family, String::new()));
        let before = lines.len();
        lines.push_str(family.0);
        for (place, (name, value)) in labels.iter().enumerate() {
            lines.push(if place == 0 { '{' } else { ',' });
            lines.push_str(name);
            lines.push_str("=\"");
            push_escaped(lines, value, true);
            lines.push('"');
        }
        lines.push_str(if labels.is_empty() { " " } else { "} " });
        push_json(lines, value);
        lines.push('\n');
        self.bytes += lines.len() - before;
    }

    fn text(self) -> String {
        let mut out = String::with_capacity(self.bytes + self.families.len() * 150);
        for ((name, kind, help), lines) in self.families.into_values() {
            // Writing into a text does not fail.
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{lines}");
        }
        out
    }
}

/// The page of all containers that have values in the range, and of the machine.
///
/// # Errors
/// The reader's and the budget's, and that several hosts have containers here.
pub fn exposition(
    reader: &dyn SeriesReader,
    (endpoint, version): (Option<&str>, &str),
    range: TimeRange,
    series_max: usize,
    budget: &ReadBudget,
) -> Result<String, CadvisorError> {
    let found = find(reader, &Wanted::All, endpoint, range, series_max)?;
    let facts = Facts::read(reader, endpoint, range, series_max, budget)?;
    let mut page = Page::default();
    for container in &found.containers {
        add_container(reader, container, range, &mut page, budget)?;
        let limit = budget.limits().memory_bytes;
        if page.bytes as u64 > limit {
            return Err(ReadError::Memory { wanted: page.bytes as u64, limit }.into());
        }
    }
    add_machine(&facts, version, &mut page);
    Ok(page.text())
}

fn add_container(
    reader: &dyn SeriesReader,
    container: &Container,
    range: TimeRange,
    page: &mut Page,
    budget: &ReadBudget,
) -> Result<(), CadvisorError> {
    let values = newest(reader, &container.series, range, budget)?;
    let is_there = |metric: &str| container.series.iter().any(|series| &*series.identity.metric == metric);
    let has_quota = is_there("spec_cpu_quota");
    let base = labels(container);
    for (series, value) in container.series.iter().zip(&values) {
        let Some(value) = value else { continue };
        for sample in samples(&series.identity, has_quota) {
            let own = sample.labels.into_iter().map(|(key, value)| (key.to_owned(), value));
            let mut all: Vec<_> = base.iter().cloned().chain(own).filter(|(_, value)| !value.is_empty()).collect();
            all.sort();
            page.push(sample.family, &all, value / sample.divisor);
        }
    }
    if let Some(seen_ms) = last_seen(reader, &container.series, range, budget)? {
        let family = ("container_last_seen", "gauge", "When it was seen last, in seconds since 1970.");
        page.push(family, &base, (seen_ms / 1000) as f64);
    }
    Ok(())
}

/// When there was a value last.
fn last_seen(
    reader: &dyn SeriesReader,
    series: &[SeriesRef],
    range: TimeRange,
    budget: &ReadBudget,
) -> Result<Option<i64>, ReadError> {
    let total: Vec<_> = series.iter().filter(|series| &*series.identity.metric == "cpu_usage_total").cloned().collect();
    let mut last = None;
    reader.read(&total, range, saker_pipeline::reader::AggregateSet::LAST, budget, &mut |chunk| {
        last = last.max(chunk.timestamps.last().copied());
    })?;
    Ok(last)
}

/// The labels of a container, sorted.
fn labels(container: &Container) -> Vec<(String, String)> {
    let named = [
        ("id", container.path.as_str()),
        ("image", container.text("image")),
        ("name", container.aliases().first().copied().unwrap_or_default()),
    ];
    let mut all: Vec<_> = named.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let clean = |key: &str| -> String {
        key.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect()
    };
    all.extend(container.labels().map(|(key, value)| (format!("container_label_{}", clean(key)), value.to_owned())));
    all.retain(|(_, value)| !value.is_empty());
    all.sort();
    // Two labels may come to one name.
    all.dedup_by(|one, other| one.0 == other.0);
    all
}

fn add_machine(facts: &Facts, own: &str, page: &mut Page) {
    let ids = ["boot_id", "machine_id", "system_uuid"].map(|key| (key.to_owned(), facts.text(key).to_owned()));
    let ids: Vec<_> = ids.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    for (metric, help) in [
        ("machine_cpu_cores", "Processors."),
        ("machine_cpu_physical_cores", "Cores."),
        ("machine_cpu_sockets", "Packages of processors."),
        ("machine_memory_bytes", "Memory in bytes."),
        ("machine_swap_bytes", "Swap in bytes."),
    ] {
        if let Some(value) = facts.value(metric) {
            page.push((metric, "gauge", help), &ids, value);
        }
    }
    let versions = [
        ("cadvisorVersion", version(own)),
        ("kernelVersion", facts.text("kernel_version").to_owned()),
        ("osVersion", facts.text("os_version").to_owned()),
    ];
    let versions: Vec<_> = versions
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    page.push(("cadvisor_version_info", "gauge", "What answers in cAdvisor's place, and on what."), &versions, 1.0);
    page.push(("container_scrape_error", "gauge", "1 if there was an error while reading containers."), &[], 0.0);
}
