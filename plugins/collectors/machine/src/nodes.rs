//! Memory, and the nodes that it is divided into.

use saker_sdk::text;

use crate::facts::{Facts, bytes, folders, line, number, numbered};

/// From here on, a number of bytes is none.
const BYTES_END: f64 = 1e18;

pub(crate) fn add(meminfo: &str, sys: &str, facts: &mut Facts) {
    let of = |text: &str, wanted: &str| {
        let found = text::pairs(text).find(|(key, _)| *key == wanted).map(|(_, value)| value.replace(' ', ""));
        found.and_then(|value| bytes(&value)).filter(|bytes| *bytes < BYTES_END)
    };
    facts.add_known("machine_memory_bytes", of(meminfo, "MemTotal"), &[]);
    facts.add_known("machine_swap_bytes", of(meminfo, "SwapTotal"), &[]);
    add_huge(&format!("{sys}/kernel/mm/hugepages"), None, facts);
    let folder = format!("{sys}/devices/system/node");
    let nodes = numbered(&folder, "node");
    for node in &nodes {
        let (at, name) = (format!("{folder}/node{node}"), node.to_string());
        // `Node 0 MemTotal: 1024 kB`
        let text = text::read_if_there(&format!("{at}/meminfo")).ok().flatten().unwrap_or_default();
        let own: String =
            text.lines().filter_map(|line| Some(line.trim().splitn(3, ' ').nth(2)?.to_owned() + "\n")).collect();
        facts.add_known("machine_node_memory_capacity_bytes", of(&own, "MemTotal"), &[("node_id", &name)]);
        add_huge(&format!("{at}/hugepages"), Some(&name), facts);
        let distances = line(&format!("{at}/distance")).unwrap_or_default();
        for (other, distance) in nodes.iter().zip(distances.split_ascii_whitespace()) {
            let tags = [("node_id", name.as_str()), ("target_node_id", &other.to_string())];
            facts.add_known("machine_node_distance", distance.parse::<u32>().ok().map(f64::from), &tags);
        }
    }
}

/// Huge pages of each size, in kB as cAdvisor has them.
fn add_huge(folder: &str, node: Option<&str>, facts: &mut Facts) {
    for size in folders(folder) {
        let Some(kb) = size.strip_prefix("hugepages-").and_then(|size| size.strip_suffix("kB")) else { continue };
        let pages = number(&format!("{folder}/{size}/nr_hugepages"));
        match node {
            Some(node) => {
                facts.add_known("machine_node_hugepages_count", pages, &[("node_id", node), ("page_size", kb)])
            }
            None => facts.add_known("machine_hugepages_count", pages, &[("page_size", kb)]),
        }
    }
}
