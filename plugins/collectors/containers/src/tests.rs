//! Recorded trees of both versions, and this machine's own.

mod folder;
mod live;
mod recorded;

use std::collections::BTreeMap;

use saker_sdk::prelude::*;
use saker_sdk::settings::parse;

use super::*;

pub(crate) use folder::Folder;

/// The id of a container in the recorded trees.
const ID: &str = "8b3a1cd4f7e2958b3a1cd4f7e2958b3a1cd4f7e2958b3a1cd4f7e2958b3a1cd4";

/// A collector, and the columns that the agent would keep.
struct Session {
    containers: Containers,
    columns: Columns,
    values: Vec<Sample>,
}

impl Session {
    fn open(folder: &Folder, more: &str) -> Self {
        let settings = format!(
            r#"{{"cgroup": "{}", "proc": "{}", "containerd": "{}", "crio": ["{}"]{more}}}"#,
            folder.path("cgroup"),
            folder.path("proc"),
            folder.path("containerd"),
            folder.path("crio"),
        );
        let containers = Containers::open(parse(&settings).unwrap()).unwrap();
        Self { containers, columns: Columns::default(), values: Vec::new() }
    }

    /// A run at this second.
    fn run(&mut self, at_s: i64) -> Result<(), CollectError> {
        let run = Run { timestamp_ms: at_s * 1000, interval_ms: 1000 };
        self.columns.begin(run);
        self.values.clear();
        let done = self.containers.collect(run, &mut self.columns);
        if done.is_ok() {
            self.values = self.columns.values();
        }
        let _ = self.columns.take();
        done
    }

    /// The value of a metric with these tags, written as Open-Falcon writes them.
    fn value(&self, metric: &str, tags: &str) -> Option<f64> {
        let mut expected: Vec<&str> = tags.split(',').collect();
        expected.sort_unstable();
        let is = |value: &&Sample| {
            let mut found: Vec<_> = value.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            found.sort_unstable();
            value.metric == metric && found == expected
        };
        let found: Vec<_> = self.values.iter().filter(is).collect();
        assert!(found.len() < 2, "{metric} {tags} comes twice");
        found.first().map(|value| value.value)
    }

    fn check(&self, container: &str, expected: &[(&str, &str, f64)]) {
        for (metric, tags, value) in expected {
            let tags = if tags.is_empty() {
                format!("container={container}")
            } else {
                format!("container={container},{tags}")
            };
            assert_eq!(self.value(metric, &tags), Some(*value), "{metric} {tags}");
        }
    }

    /// The groups that there are values of, and how many.
    fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for value in &self.values {
            let (_, container) = value.tags.iter().find(|(key, _)| key == "container").unwrap();
            *counts.entry(container.clone()).or_default() += 1;
        }
        counts
    }

    fn groups(&self) -> Vec<String> {
        self.counts().into_keys().collect()
    }
}

fn logged() -> Vec<String> {
    saker_sdk::testing::logged().into_iter().map(|(_, line)| line).collect()
}
