//! The collectors' figures beside `/proc`'s and node_exporter's, read in the same seconds.

use std::collections::HashMap;

use crate::agent::{Agent, Home};
use crate::http;
use crate::servers::Server;

/// How far two readings of a thing that does not stand still may be apart.
const TOLERANCE: f64 = 0.01;

/// Name and labels of each line of an exposition, with its value.
fn scrape(server: &Server) -> HashMap<String, f64> {
    let (_, text) = http::get(&server.address, "/metrics");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.rsplit_once(' ').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?))))
        .collect()
}

fn check(what: &str, ours: f64, low: f64, high: f64) {
    let slack = TOLERANCE * high.abs().max(1.0);
    assert!(ours >= low - slack && ours <= high + slack, "{what}: {ours}, elsewhere {low} before and {high} after");
}

/// One `cpu` line of `/proc/stat`, in seconds.
fn proc_stat() -> Vec<f64> {
    let text = std::fs::read_to_string("/proc/stat").unwrap();
    let line = text.lines().next().unwrap();
    line.split_whitespace().skip(1).map(|runs| runs.parse::<f64>().unwrap() / 100.0).collect()
}

#[test]
fn cpu_memory_disk_and_network_agree_with_proc_and_node_exporter() {
    let exporter = Server::node_exporter();
    let agent = Home::new(&["cpu", "memory", "disk-io", "disk-usage", "network"])
        .keys("interval = \"500ms\"")
        .config("[plugin.network]\nsettings = { exclude = [] }")
        .start();
    // A reading of ours between two of theirs.
    let before = scrape(&exporter);
    let stat_before = proc_stat();
    let runs = |agent: &Agent, name: &str| agent.instance(name).unwrap()["counts"]["succeeded"].as_u64().unwrap();
    for name in ["cpu", "memory", "disk-io", "disk-usage", "network"] {
        let so_far = runs(&agent, name);
        agent.until("two more runs", |agent| (runs(agent, name) >= so_far + 2).then_some(()));
    }
    let ours = Ours::read(&agent);
    let stat_after = proc_stat();
    let after = scrape(&exporter);
    let both = |line: &str| {
        let find = |scraped: &HashMap<String, f64>| *scraped.get(line).unwrap_or_else(|| panic!("no {line}"));
        (find(&before), find(&after))
    };

    for (column, mode) in
        ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"].into_iter().enumerate()
    {
        check(&format!("cpu.time.{mode} and /proc/stat"), ours.cpu[mode], stat_before[column], stat_after[column]);
        let sum = |scraped: &HashMap<String, f64>| -> f64 {
            let suffix = format!("mode=\"{mode}\"}}");
            let lines = scraped
                .iter()
                .filter(|(line, _)| line.starts_with("node_cpu_seconds_total{") && line.ends_with(&suffix));
            lines.map(|(_, seconds)| seconds).sum()
        };
        check(&format!("cpu.time.{mode} and node_exporter"), ours.cpu[mode], sum(&before), sum(&after));
    }
    let (low, high) = both("node_memory_MemTotal_bytes");
    check("mem.memtotal", ours.memory_total, low, high);
    let (a, b) = both("node_memory_MemAvailable_bytes");
    check("mem.memfree", ours.memory_free, a.min(b), a.max(b));
    // Debian's node_exporter leaves the loopback out.
    for (interface, bytes) in ours.received.iter().filter(|(interface, _)| interface != "lo") {
        let (low, high) = both(&format!("node_network_receive_bytes_total{{device=\"{interface}\"}}"));
        check(&format!("net.if.in.bytes of {interface}"), *bytes, low, high);
    }
    for (device, sectors) in &ours.written {
        let (low, high) = both(&format!("node_disk_written_bytes_total{{device=\"{device}\"}}"));
        check(&format!("disk.io.write_sectors of {device}"), sectors * 512.0, low, high);
    }
    let root = before
        .keys()
        .find(|line| line.starts_with("node_filesystem_size_bytes{") && line.contains("mountpoint=\"/\""))
        .unwrap();
    let (low, high) = both(root);
    check("df.bytes.total of /", ours.root_total, low, high);
    let (a, b) = both(&root.replace("_size_", "_avail_"));
    check("df.bytes.free of /", ours.root_free, a.min(b), a.max(b));
}

struct Ours {
    cpu: HashMap<&'static str, f64>,
    memory_total: f64,
    memory_free: f64,
    received: Vec<(String, f64)>,
    written: Vec<(String, f64)>,
    root_total: f64,
    root_free: f64,
}

impl Ours {
    fn read(agent: &Agent) -> Self {
        let modes = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
        let tagged = |metric: &str, tag: &str| -> Vec<(String, f64)> {
            let recent = agent.json(&format!("/saker/v1/recent?metric={metric}&points=1"));
            let series = recent["series"].as_array().unwrap();
            assert!(!series.is_empty(), "{metric}");
            series
                .iter()
                .map(|one| (one["tags"][tag].as_str().unwrap().to_owned(), one["points"][0][1].as_f64().unwrap()))
                .collect()
        };
        Self {
            cpu: modes.into_iter().map(|mode| (mode, agent.newest(&format!("cpu.time.{mode}"), ""))).collect(),
            memory_total: agent.newest("mem.memtotal", ""),
            memory_free: agent.newest("mem.memfree", ""),
            received: tagged("net.if.in.bytes", "iface"),
            written: tagged("disk.io.write_sectors", "device"),
            root_total: agent.newest("df.bytes.total", "mount=/"),
            root_free: agent.newest("df.bytes.free", "mount=/"),
        }
    }
}
