//! Where the series that cAdvisor knows stand in its stats: the names are those of its InfluxDB driver, the paths those of
//! `info/v1`.

/// The place of a value in the stats. The order is the one in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StatPlace {
    /// At one of [`PATHS`].
    Value(u8),
    /// In the object of a device, under one of [`FILESYSTEM`].
    Device(u32, u8),
    /// In the list of a custom metric, with these labels.
    Custom(u32, u32),
}

/// What a name and its tags stand for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Of<'a> {
    Path(u8),
    Device(&'a str, u8),
}

/// What may stand in an object of `filesystem`.
pub(super) const FILESYSTEM: [&str; 2] = ["capacity", "usage"];

/// Values that there is one of. Those of one object stand together.
pub(super) const PATHS: [&[&str]; 23] = [
    &["cpu", "usage", "total"],
    &["cpu", "usage", "user"],
    &["cpu", "usage", "system"],
    &["cpu", "load_average"],
    &["memory", "usage"],
    &["memory", "max_usage"],
    &["memory", "cache"],
    &["memory", "rss"],
    &["memory", "swap"],
    &["memory", "mapped_file"],
    &["memory", "working_set"],
    &["memory", "total_active_file"],
    &["memory", "total_inactive_file"],
    &["memory", "failcnt"],
    &["memory", "container_data", "pgfault"],
    &["memory", "container_data", "pgmajfault"],
    &["memory", "hierarchical_data", "pgfault"],
    &["memory", "hierarchical_data", "pgmajfault"],
    &["network", "rx_bytes"],
    &["network", "rx_errors"],
    &["network", "tx_bytes"],
    &["network", "tx_errors"],
    &["referenced_memory"],
];

/// The place of a series, if it is one of cAdvisor's own: it has no other tags than cAdvisor gives it.
pub(super) fn of<'a>(metric: &str, tags: &[&'a (String, String)]) -> Option<Of<'a>> {
    let tag = |name: &str| tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let names: &[&str] = match metric {
        "fs_limit" | "fs_usage" => {
            let own = |(key, value): &&(String, String)| key == "device" || (key == "type" && value == &metric[3..]);
            let field = u8::from(metric == "fs_usage");
            return tags.iter().all(own).then_some(Of::Device(tag("device")?, field));
        }
        "memory_failure" => {
            let data = match tag("scope")? {
                "container" => "container_data",
                "hierarchical" => "hierarchical_data",
                _ => return None,
            };
            let path = ["memory", data, tag("failure_type")?];
            return (tags.len() == 2).then(|| position(&path)).flatten();
        }
        "cpu_usage_total" => &["cpu", "usage", "total"],
        "cpu_usage_user" => &["cpu", "usage", "user"],
        "cpu_usage_system" => &["cpu", "usage", "system"],
        "load_average" => &["cpu", "load_average"],
        "referenced_memory" => &["referenced_memory"],
        "rx_bytes" | "rx_errors" | "tx_bytes" | "tx_errors" => &["network", metric],
        _ => &["memory", metric.strip_prefix("memory_")?],
    };
    tags.is_empty().then(|| position(names)).flatten()
}

fn position<'a>(path: &[&str]) -> Option<Of<'a>> {
    PATHS.iter().position(|there| *there == path).map(|place| Of::Path(place as u8))
}
