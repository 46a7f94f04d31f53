//! Processors: how many, and how they are put together.

use std::collections::{BTreeMap, BTreeSet};

use saker_sdk::{CollectError, text};

use crate::facts::{Facts, bytes, line, number, numbered};

/// A processor that is online.
struct Thread {
    number: u32,
    core: String,
    socket: String,
    node: String,
}

pub(crate) fn add(proc: &str, sys: &str, facts: &mut Facts) -> Result<(), CollectError> {
    let folder = format!("{sys}/devices/system/cpu");
    let mut nodes = BTreeMap::new();
    for node in numbered(&format!("{sys}/devices/system/node"), "node") {
        let of_node = numbered(&format!("{sys}/devices/system/node/node{node}"), "cpu");
        nodes.extend(of_node.into_iter().map(|number| (number, node.to_string())));
    }
    let threads: Vec<_> =
        numbered(&folder, "cpu").into_iter().filter_map(|number| thread(&folder, number, &nodes)).collect();
    if threads.is_empty() {
        // A kernel without topology counts at least its processors.
        let path = format!("{proc}/cpuinfo");
        let text = text::read(&path)?;
        let count = text::pairs(&text).filter(|(key, _)| *key == "processor").count();
        facts.add_known("machine_cpu_cores", Some(count as f64).filter(|count| *count > 0.0), &[]);
        return Ok(());
    }
    let cores: BTreeSet<_> = threads.iter().map(|thread| (&thread.socket, &thread.core)).collect();
    let sockets: BTreeSet<_> = threads.iter().map(|thread| &thread.socket).collect();
    facts.add("machine_cpu_cores", threads.len() as f64, &[]);
    facts.add("machine_cpu_physical_cores", cores.len() as f64, &[]);
    facts.add("machine_cpu_sockets", sockets.len() as f64, &[]);
    let first = threads[0].number;
    let fastest = number(&format!("{folder}/cpu{first}/cpufreq/cpuinfo_max_freq")).or_else(|| frequency(proc));
    facts.add_known("machine_cpu_frequency_khz", fastest, &[]);
    for thread in &threads {
        let number = thread.number.to_string();
        let tags = [
            ("node_id", thread.node.as_str()),
            ("socket_id", &thread.socket),
            ("core_id", &thread.core),
            ("thread_id", &number),
        ];
        facts.add("machine_cpu_thread", 1.0, &tags);
    }
    add_caches(&folder, &threads, facts);
    Ok(())
}

fn thread(folder: &str, number: u32, nodes: &BTreeMap<u32, String>) -> Option<Thread> {
    let topology = |name: &str| line(&format!("{folder}/cpu{number}/topology/{name}"));
    // What is offline has no topology.
    let core = topology("core_id")?;
    // Some virtual machines say -1: all in one.
    let socket = topology("physical_package_id").filter(|id| id != "-1").unwrap_or_else(|| "0".into());
    let node = nodes.get(&number).cloned().unwrap_or_else(|| "0".into());
    Some(Thread { number, core, socket, node })
}

/// The caches of each core, and those that cores share once a node.
fn add_caches(folder: &str, threads: &[Thread], facts: &mut Facts) {
    let mut seen = BTreeSet::new();
    for thread in threads {
        let caches = format!("{folder}/cpu{}/cache", thread.number);
        for index in numbered(&caches, "index") {
            let of = |name: &str| line(&format!("{caches}/index{index}/{name}"));
            let (Some(level), Some(kind), Some(size)) = (of("level"), of("type"), of("size")) else { continue };
            let shared = of("shared_cpu_list").unwrap_or_default();
            if !seen.insert((level.clone(), kind.clone(), shared)) {
                continue;
            }
            let id = of("id").unwrap_or_default();
            let tags = [
                ("node_id", thread.node.as_str()),
                ("core_id", &thread.core),
                ("socket_id", &thread.socket),
                ("type", &kind),
                ("level", &level),
                ("cache_id", &id),
            ];
            facts.add_known("machine_cpu_cache_capacity_bytes", bytes(&size), &tags);
        }
    }
}

/// `cpu MHz`, of which not all kernels know more than what it is now.
fn frequency(proc: &str) -> Option<f64> {
    let mhz = info(proc, "cpu MHz")?.parse::<f64>().ok()?;
    (mhz.is_finite() && mhz > 0.0).then(|| (mhz * 1000.0).round())
}

/// Who made the processors.
pub(crate) fn vendor(proc: &str) -> Option<String> {
    info(proc, "vendor_id").or_else(|| info(proc, "CPU implementer"))
}

fn info(proc: &str, key: &str) -> Option<String> {
    let text = text::read_if_there(&format!("{proc}/cpuinfo")).ok().flatten()?;
    let of = |line: &str| {
        line.split_once(':').filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
    };
    text.lines().find_map(of)
}
