//! The machine, from the collector `machine`.

use std::collections::BTreeMap;

use saker_pipeline::reader::{Matcher, MatcherLabel, ReadBudget, SeriesReader, SeriesRef, TextCondition, TimeRange};
use serde_json::{Map, Value, json};

use super::stats::newest;
use super::{CadvisorError, json};

/// What is known of the machine: each series with its newest value.
pub(super) struct Facts(Vec<(SeriesRef, f64)>);

impl Facts {
    pub(super) fn read(
        reader: &dyn SeriesReader,
        endpoint: Option<&str>,
        range: TimeRange,
        series_max: usize,
        budget: &ReadBudget,
    ) -> Result<Self, CadvisorError> {
        let ours = TextCondition::Meets(std::sync::Arc::new(|metric: &str| metric.starts_with("machine_")));
        let mut matchers = vec![Matcher { label: MatcherLabel::Metric, condition: ours }];
        matchers.extend(
            endpoint.map(|name| Matcher { label: MatcherLabel::Endpoint, condition: TextCondition::Is(name.into()) }),
        );
        let mut series = reader.select(&matchers, range, series_max)?;
        // Of several hosts the first; who wants another names it.
        let first = series.first().map(|series| series.identity.endpoint.clone());
        series.retain(|series| Some(&series.identity.endpoint) == first.as_ref());
        let newest = newest(reader, &series, range, budget)?;
        let known = series.into_iter().zip(newest).filter_map(|(series, value)| Some((series, value?)));
        Ok(Self(known.collect()))
    }

    fn of<'f>(&'f self, metric: &'f str) -> impl Iterator<Item = &'f (SeriesRef, f64)> {
        self.0.iter().filter(move |(series, _)| &*series.identity.metric == metric)
    }

    pub(super) fn value(&self, metric: &str) -> Option<f64> {
        self.of(metric).next().map(|(_, value)| *value)
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.of("machine_info").find_map(|(series, _)| series.identity.tag(key)).unwrap_or_default()
    }
}

/// `MachineInfo`.
///
/// # Errors
/// [`CadvisorError::NoMachine`], the reader's and the budget's.
pub fn machine(
    reader: &dyn SeriesReader,
    endpoint: Option<&str>,
    range: TimeRange,
    series_max: usize,
    budget: &ReadBudget,
) -> Result<Value, CadvisorError> {
    let facts = Facts::read(reader, endpoint, range, series_max, budget)?;
    if facts.0.is_empty() {
        return Err(CadvisorError::NoMachine);
    }
    Ok(Value::Object(machine_of(&facts, range.end_ms)))
}

fn machine_of(facts: &Facts, now_ms: i64) -> Map<String, Value> {
    let mut machine = Map::new();
    machine.insert("timestamp".into(), json::time(now_ms).into());
    for key in ["vendor_id", "machine_id", "system_uuid", "boot_id"] {
        machine.insert(key.into(), facts.text(key).into());
    }
    for (key, metric) in [
        ("num_cores", "machine_cpu_cores"),
        ("num_physical_cores", "machine_cpu_physical_cores"),
        ("num_sockets", "machine_cpu_sockets"),
        ("cpu_frequency_khz", "machine_cpu_frequency_khz"),
        ("memory_capacity", "machine_memory_bytes"),
        ("swap_capacity", "machine_swap_bytes"),
    ] {
        machine.extend(facts.value(metric).and_then(json::number).map(|number| (key.to_owned(), number)));
    }
    machine.insert("hugepages".into(), pages(facts, "machine_hugepages_count", None));
    machine.insert("disk_map".into(), disks(facts));
    machine.insert("network_devices".into(), interfaces(facts));
    machine.insert("topology".into(), topology(facts));
    machine
}

fn pages(facts: &Facts, metric: &str, node: Option<&str>) -> Value {
    let of_node = facts.of(metric).filter(|(series, _)| node.is_none() || series.identity.tag("node_id") == node);
    of_node
        .map(|(series, pages)| json!({"page_size": whole(series, "page_size"), "num_pages": json::number(*pages)}))
        .collect()
}

fn disks(facts: &Facts) -> Value {
    let disk = |(series, size): &(SeriesRef, f64)| {
        let tag = |key: &str| series.identity.tag(key).unwrap_or_default();
        let disk = json!({
            "name": tag("name"),
            "major": whole(series, "major"),
            "minor": whole(series, "minor"),
            "size": json::number(*size),
            "scheduler": tag("scheduler"),
        });
        (format!("{}:{}", tag("major"), tag("minor")), disk)
    };
    Value::Object(facts.of("machine_disk_size_bytes").map(disk).collect())
}

fn interfaces(facts: &Facts) -> Value {
    let interface = |(series, mtu): &(SeriesRef, f64)| {
        let name = series.identity.tag("name");
        let speed = facts.of("machine_network_speed_mbits").find(|(other, _)| other.identity.tag("name") == name);
        let mut interface = json!({
            "name": name,
            "mac_address": series.identity.tag("mac_address").unwrap_or_default(),
            "mtu": json::number(*mtu),
        });
        if let Some((_, speed)) = speed {
            interface["speed"] = json::number(*speed).unwrap_or_default();
        }
        interface
    };
    facts.of("machine_network_mtu_bytes").map(interface).collect()
}

fn topology(facts: &Facts) -> Value {
    let mut nodes: BTreeMap<u64, BTreeMap<(u64, u64), Vec<u64>>> = BTreeMap::new();
    for (series, _) in facts.of("machine_cpu_thread") {
        let of = |key: &str| whole(series, key).as_u64().unwrap_or_default();
        let cores = nodes.entry(of("node_id")).or_default();
        cores.entry((of("socket_id"), of("core_id"))).or_default().push(of("thread_id"));
    }
    let node = |(node, cores): (u64, BTreeMap<(u64, u64), Vec<u64>>)| {
        let is = |series: &SeriesRef| whole(series, "node_id") == json!(node);
        let caches = |of_core: &dyn Fn(&SeriesRef) -> bool, kinds: &dyn Fn(u64) -> bool| -> Vec<Value> {
            let all = facts.of("machine_cpu_cache_capacity_bytes").filter(|(series, _)| is(series) && of_core(series));
            all.filter(|(series, _)| kinds(whole(series, "level").as_u64().unwrap_or_default()))
                .map(|(series, size)| {
                    let kind = series.identity.tag("type").unwrap_or_default();
                    json!({"id": whole(series, "cache_id"), "size": json::number(*size), "type": kind, "level": whole(series, "level")})
                })
                .collect()
        };
        let cores: Vec<Value> = cores
            .into_iter()
            .map(|((socket, core), mut threads)| {
                threads.sort_unstable();
                let own = |series: &SeriesRef| {
                    whole(series, "core_id") == json!(core) && whole(series, "socket_id") == json!(socket)
                };
                json!({
                    "core_id": core,
                    "thread_ids": threads,
                    "caches": caches(&own, &|level| level <= 2),
                    "socket_id": socket,
                })
            })
            .collect();
        let name = node.to_string();
        let memory = facts.of("machine_node_memory_capacity_bytes").find(|(series, _)| is(series));
        let distances: Vec<_> = facts.of("machine_node_distance").filter(|(series, _)| is(series)).collect();
        json!({
            "node_id": node,
            "memory": memory.and_then(|(_, bytes)| json::number(*bytes)),
            "hugepages": pages(facts, "machine_node_hugepages_count", Some(&name)),
            "cores": cores,
            "caches": caches(&|_| true, &|level| level > 2),
            "distances": distances.iter().filter_map(|(_, distance)| json::number(*distance)).collect::<Vec<_>>(),
        })
    };
    nodes.into_iter().map(node).collect()
}

fn whole(series: &SeriesRef, key: &str) -> Value {
    series.identity.tag(key).and_then(|text| text.parse::<u64>().ok()).map_or(Value::Null, Value::from)
}

/// `Attributes`: the machine and its versions.
///
/// # Errors
/// As [`machine`].
pub fn attributes(
    reader: &dyn SeriesReader,
    endpoint: Option<&str>,
    range: TimeRange,
    series_max: usize,
    (version, budget): (&str, &ReadBudget),
) -> Result<Value, CadvisorError> {
    let facts = Facts::read(reader, endpoint, range, series_max, budget)?;
    if facts.0.is_empty() {
        return Err(CadvisorError::NoMachine);
    }
    let mut attributes = machine_of(&facts, range.end_ms);
    attributes.remove("timestamp");
    attributes.insert("kernel_version".into(), facts.text("kernel_version").into());
    attributes.insert("container_os_version".into(), facts.text("os_version").into());
    attributes.insert("cadvisor_version".into(), self::version(version).into());
    Ok(attributes.into())
}

/// What stands where cAdvisor's version would.
#[must_use]
pub fn version(version: &str) -> String {
    format!("saker-{version}")
}
