//! Where the series of a container stand in the JSON of its stats.

use saker_pipeline::reader::Identity;

/// A place in the stats of one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum QueryPosition {
    /// At a path of keys.
    At(Vec<String>),
    /// In the list at a path, in the object whose keys have these values, at a path of keys in it.
    In(&'static [&'static str], Vec<(&'static str, String)>, Vec<String>),
    /// In the list of processors, at this place.
    Processor(usize),
}

/// States of sockets as cAdvisor has them.
const STATES: [(&str, &str); 11] = [
    ("established", "Established"),
    ("synsent", "SynSent"),
    ("synrecv", "SynRecv"),
    ("finwait1", "FinWait1"),
    ("finwait2", "FinWait2"),
    ("timewait", "TimeWait"),
    ("close", "Close"),
    ("closewait", "CloseWait"),
    ("lastack", "LastAck"),
    ("listen", "Listen"),
    ("closing", "Closing"),
];

/// Processors of a machine: what is beyond is no number of one.
const PROCESSORS_MAX: usize = 8192;

/// The place of a series, if it has one in the stats. What belongs to the spec has none.
pub(super) fn of(identity: &Identity) -> Option<QueryPosition> {
    let tag = |key: &str| identity.tag(key).map(str::to_owned);
    let at = |keys: &[&str]| Some(QueryPosition::At(keys.iter().map(|key| (*key).to_owned()).collect()));
    let metric = &*identity.metric;
    match metric {
        "cpu_usage_total" => at(&["cpu", "usage", "total"]),
        "cpu_usage_user" => at(&["cpu", "usage", "user"]),
        "cpu_usage_system" => at(&["cpu", "usage", "system"]),
        "cpu_usage_per_cpu" => {
            tag("instance")?.parse().ok().filter(|place| *place < PROCESSORS_MAX).map(QueryPosition::Processor)
        }
        "memory_failure" => {
            let data = if tag("scope")? == "container" { "container_data" } else { "hierarchical_data" };
            at(&["memory", data, &tag("failure_type")?])
        }
        "memory_numa_pages" => at(&["memory", "hierarchical_data", "numa_stats", &tag("type")?, &tag("node")?]),
        "memory_numa_pages_own" => at(&["memory", "container_data", "numa_stats", &tag("type")?, &tag("node")?]),
        "memory_events_high" => at(&["memory", "events", "high"]),
        "memory_events_max" => at(&["memory", "events", "max"]),
        "oom_events" => at(&["oom_events"]),
        "processes" => at(&["processes", "process_count"]),
        "threads" => at(&["processes", "threads_current"]),
        "tasks_state" => at(&["task_stats", &format!("nr_{}", tag("state")?)]),
        "io_service_bytes" | "io_serviced" => device(identity, metric, vec!["stats".into(), tag("operation")?]),
        "io_cost" => {
            let list = format!("io_cost_{}", tag("kind")?);
            device(identity, &list, vec!["stats".into(), "Total".into()])
        }
        "network_tcp" | "network_tcp6" => {
            let state = tag("state")?;
            let (_, state) = STATES.iter().find(|(known, _)| *known == state)?;
            at(&["network", &metric["network_".len()..], state])
        }
        "hugetlb_usage" => at(&["hugetlb", &tag("page_size")?, "usage"]),
        "hugetlb_max_usage" => at(&["hugetlb", &tag("page_size")?, "max_usage"]),
        "hugetlb_failcnt" => at(&["hugetlb", &tag("page_size")?, "failcnt"]),
        "rx_bytes" | "rx_errors" | "tx_bytes" | "tx_errors" => at(&["network", metric]),
        _ => by_prefix(identity, metric),
    }
}

fn by_prefix(identity: &Identity, metric: &str) -> Option<QueryPosition> {
    let at = |keys: &[&str]| Some(QueryPosition::At(keys.iter().map(|key| (*key).to_owned()).collect()));
    if let Some(key) = metric.strip_prefix("network_") {
        let interface = identity.tag("interface")?.to_owned();
        return Some(QueryPosition::In(&["network", "interfaces"], vec![("name", interface)], vec![key.to_owned()]));
    }
    if let Some(rest) = metric.strip_prefix("psi_") {
        let (of, key) = rest.split_once('_')?;
        let of = if of == "io" { "diskio" } else { of };
        return at(&[of, "psi", identity.tag("kind")?, key]);
    }
    if let Some(key) = metric.strip_prefix("cpu_cfs_") {
        return at(&["cpu", "cfs", key]);
    }
    if let Some(key) = metric.strip_prefix("memory_") {
        return at(&["memory", key]);
    }
    None
}

fn device(identity: &Identity, list: &str, keys: Vec<String>) -> Option<QueryPosition> {
    let list: &'static [&'static str] = match list {
        "io_service_bytes" => &["diskio", "io_service_bytes"],
        "io_serviced" => &["diskio", "io_serviced"],
        "io_cost_usage" => &["diskio", "io_cost_usage"],
        "io_cost_wait" => &["diskio", "io_cost_wait"],
        "io_cost_indebt" => &["diskio", "io_cost_indebt"],
        "io_cost_indelay" => &["diskio", "io_cost_indelay"],
        _ => return None,
    };
    let text = |key: &str| identity.tag(key).unwrap_or_default().to_owned();
    Some(QueryPosition::In(
        list,
        vec![("device", text("device")), ("major", text("major")), ("minor", text("minor"))],
        keys,
    ))
}
