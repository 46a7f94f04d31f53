//! `[store]`: whether there is one, how much room it has, what is kept for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use saker_config::{ByteSize, ConfigTable};
use saker_model::Glob;

use crate::policy::{FOREVER_MS, Granularity, Policies, Policy, PolicyRule};
use crate::store::{StoreConfig, StoreDurability};

/// Below, the journal alone would not fit: its segments, twice.
const BYTES_MIN: usize = 64 << 20;
/// Below, seals are small and compress badly.
const HEAD_BYTES_MIN: usize = 1 << 20;
/// The disk has other work to do.
const SYNC_MIN: Duration = Duration::from_secs(1);
/// A policy has so many granularities at the most: each is a write, and files of its own.
const GRANULARITIES_MAX: usize = 8;
/// What is kept beyond what always is, by Gnocchi's names.
const PLAIN: [&str; 8] = ["mean", "sum", "last", "max", "min", "first", "count", "increase"];

impl StoreConfig {
    /// Reads its table.
    #[must_use]
    pub fn read(mut table: ConfigTable<'_>) -> Self {
        let default = Self::default();
        let enabled = table.get("enabled", default.enabled);
        let words = [("process", StoreDurability::Process), ("disk", StoreDurability::Disk)];
        let durability = table.choice("durability", default.durability, &words);
        let sync_interval = table.get("sync_interval", default.sync_interval);
        if sync_interval < SYNC_MIN {
            table.wrong("sync_interval", format!("must be at least {SYNC_MIN:?}"));
        }
        let bytes = bytes(&mut table, "max_bytes", default.bytes as usize, BYTES_MIN);
        let head_bytes = self::bytes(&mut table, "max_head_bytes", default.head_bytes, HEAD_BYTES_MIN);
        let policies = policies(&mut table);
        table.finish();
        Self { enabled, durability, sync_interval, bytes: bytes as u64, head_bytes, policies }
    }
}

fn bytes(table: &mut ConfigTable<'_>, key: &'static str, default: usize, least: usize) -> usize {
    let ByteSize(bytes) = table.get(key, ByteSize(default));
    if bytes < least {
        table.wrong(key, format!("must be at least {}MiB", least >> 20));
    }
    bytes.max(least)
}

fn policies(table: &mut ConfigTable<'_>) -> Policies {
    let mut own = Vec::new();
    for (name, policy) in table.named("policy", &[]) {
        let read = read_policy(&name, policy);
        match read.as_ref().map(Policy::check) {
            Some(Ok(())) => own.extend(read),
            Some(Err(error)) => table.wrong_in("policy", &name, &error.to_string()),
            None => {}
        }
    }
    let known: BTreeSet<String> =
        Policies::built_in().into_iter().chain(own.clone()).map(|policy| policy.name).collect();
    // One that is wrong has its mistake already.
    let written: BTreeSet<String> = table.table("policy").names().into_iter().collect();
    let mut rules = Vec::new();
    for mut rule in table.list("rule") {
        let read = read_rule(&mut rule);
        if let Some(read) = read {
            if known.contains(&read.policy) {
                rules.push(read);
            } else if !written.contains(&read.policy) {
                let all: Vec<_> = known.iter().map(|name| format!("{name:?}")).collect();
                rule.wrong("policy", format!("there is no such policy; there are {}", all.join(", ")));
            }
        }
        rule.finish();
    }
    Policies::new(own, rules).unwrap_or_default()
}

fn read_policy(name: &str, mut table: ConfigTable<'_>) -> Option<Policy> {
    let mut policy = Policy::new(name, 0, &[]);
    let raw = span(&mut table, "raw");
    policy.back_window_ms = table.optional("back_window").map_or(policy.back_window_ms, milliseconds);
    policy.by_data = table.choice("clock", false, &[("agent", false), ("data", true)]);
    for method in table.get::<Vec<String>>("aggregation_methods", Vec::new()) {
        match method.as_str() {
            "std" => policy.std = true,
            "median" => policy.percentiles = true,
            // Told from the last values of buckets that follow each other, which are always kept.
            "rate:sum" | "rate:mean" | "rate:last" | "rate:count" => {}
            other if PLAIN.contains(&other) => {}
            other if is_percentile(other) => policy.percentiles = true,
            other => table.wrong("aggregation_methods", unknown_method(other)),
        }
    }
    let list = table.list("definition");
    if list.is_empty() && raw.is_none() {
        table.wrong("definition", "a policy has raw = \"14d\", or a [[store.policy.NAME.definition]], or both");
        table.finish();
        return None;
    }
    if list.len() > GRANULARITIES_MAX {
        table.wrong("definition", format!("a policy has {GRANULARITIES_MAX} granularities at the most"));
    }
    for each in list.into_iter().take(GRANULARITIES_MAX) {
        policy.definition.extend(read_granularity(each));
    }
    // Without raw points there would be nothing to roll up: they stay for as long as late ones may come, twice.
    policy.raw_ms = raw.unwrap_or((2 * policy.back_window_ms).max(DAY_MS));
    table.finish();
    Some(policy)
}

const DAY_MS: i64 = 86_400_000;

fn unknown_method(method: &str) -> String {
    let plain = PLAIN.map(|name| format!("{name:?}")).join(", ");
    let shown = saker_model::text::clean(method, 40);
    format!("{shown:?} is none of {plain}, \"std\", \"median\", \"1pct\" to \"99pct\", \"rate:sum\" and \"rate:mean\"")
}

fn is_percentile(method: &str) -> bool {
    let number = method.strip_suffix("pct").and_then(|number| number.parse::<u8>().ok());
    number.is_some_and(|number| (1..=99).contains(&number))
}

/// Two of granularity, points and timespan, as Gnocchi has it; with the granularity alone, for ever.
fn read_granularity(mut table: ConfigTable<'_>) -> Option<Granularity> {
    let granularity = table.required::<Duration>("granularity", "\"1m\"").map(milliseconds);
    let timespan = span(&mut table, "timespan");
    let points = table.optional::<usize>("points").map(|points| i64::try_from(points).unwrap_or(FOREVER_MS));
    let granularity_ms = granularity?;
    let of_points = points.map(|points| granularity_ms.saturating_mul(points).min(FOREVER_MS));
    if timespan.zip(of_points).is_some_and(|(timespan, of_points)| timespan != of_points) {
        table.wrong("points", "granularity times points is not the timespan; one of them is enough");
    }
    table.finish();
    Some(Granularity { granularity_ms, timespan_ms: timespan.or(of_points).unwrap_or(FOREVER_MS) })
}

fn read_rule(table: &mut ConfigTable<'_>) -> Option<PolicyRule> {
    let metric = table.get("metric", Glob::new("*"));
    let tags = table.table("tags");
    let names = tags.names();
    let tags = names.into_iter().filter_map(|name| Some((name.clone(), tags.free::<Glob>(&name)?))).collect();
    let policy = table.required::<String>("policy", "\"medium\"")?;
    Some(PolicyRule { metric, tags, policy })
}

/// A time, or for ever.
fn span(table: &mut ConfigTable<'_>, key: &'static str) -> Option<i64> {
    let text = table.optional::<String>(key)?;
    if text == "forever" {
        return Some(FOREVER_MS);
    }
    let parsed = saker_config::parse_duration(&text).map(milliseconds);
    if parsed.is_none() {
        table.wrong(key, format!("expected a time such as \"14d\", or \"forever\", found {text:?}"));
    }
    parsed
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(FOREVER_MS).min(FOREVER_MS)
}

#[cfg(test)]
mod tests;
