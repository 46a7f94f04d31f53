//! Which plugin files the configuration speaks of, and which of those that are there are wanted first.

use std::collections::BTreeSet;

use saker_sandbox::PluginKind;

use crate::config::{PluginConfig, PluginsConfig};

/// A file up to this size is small: it compiles within a second or two. What ships has at most 1 MiB, Python's have 18.
const SMALL_BYTES: u64 = 4 << 20;

/// How soon a file is wanted; the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    large: bool,
    class: Class,
    bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Collectors and pushes wait for it.
    Processor,
    Collector,
    /// What it will be given waits in a queue.
    Backend,
    /// Its exports do not tell; loading it will.
    Unknown,
}

/// The files that the configuration speaks of.
#[derive(Default)]
pub(super) struct Uses {
    processors: BTreeSet<String>,
    backends: BTreeSet<String>,
    /// Of a collector or processor that is not disabled.
    enabled: BTreeSet<String>,
    /// Whose own name has a table, so that only tables decide.
    ruled: BTreeSet<String>,
    /// Of a table that the operator has written.
    written: BTreeSet<String>,
}

impl Uses {
    pub(super) fn of(config: &PluginsConfig) -> Self {
        let mut uses = Self::default();
        for name in &config.processors {
            let plugin = config.instances.get(name);
            uses.processors.insert(plugin.map_or_else(|| format!("{name}.wasm"), |plugin| plugin.file_of(name)));
        }
        uses.backends.extend(config.backends.values().map(|backend| format!("{}.wasm", backend.backend)));
        for (name, plugin) in &config.instances {
            uses.ruled.insert(format!("{name}.wasm"));
            if plugin.enabled {
                uses.enabled.insert(plugin.file_of(name));
                if *plugin != PluginConfig::default_of(name) {
                    uses.written.insert(plugin.file_of(name));
                }
            }
        }
        uses
    }

    /// Whether the configuration names it, so that a start waits for it.
    pub(super) fn name(&self, file: &str) -> bool {
        [&self.processors, &self.backends, &self.written].iter().any(|files| files.contains(file))
    }

    /// How soon a file is wanted, if it is.
    pub(super) fn rank(&self, name: &str, kind: Option<PluginKind>, bytes: u64) -> Option<Rank> {
        let class = match kind {
            Some(PluginKind::Processor) => self.processors.contains(name).then_some(Class::Processor),
            Some(PluginKind::Backend) => self.backends.contains(name).then_some(Class::Backend),
            Some(PluginKind::Collector) => {
                (self.enabled.contains(name) || !self.ruled.contains(name)).then_some(Class::Collector)
            }
            None => Some(Class::Unknown),
        };
        class.map(|class| Rank { large: bytes > SMALL_BYTES, class, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(uses: &Uses, files: &[(&'static str, Option<PluginKind>, u64)]) -> Vec<&'static str> {
        let ranked = files.iter().filter_map(|&(name, kind, bytes)| Some((uses.rank(name, kind, bytes)?, name)));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort();
        ranked.into_iter().map(|(_, name)| name).collect()
    }

    fn uses(change: impl FnOnce(&mut PluginsConfig)) -> Uses {
        let mut config = PluginsConfig::default();
        change(&mut config);
        Uses::of(&config)
    }

    const FILES: [(&str, Option<PluginKind>, u64); 8] = [
        ("cpu.wasm", Some(PluginKind::Collector), 300_000),
        ("influx.wasm", Some(PluginKind::Backend), 200_000),
        ("junk.wasm", None, 100),
        ("kafka.wasm", Some(PluginKind::Backend), 200_000),
        ("mine.wasm", Some(PluginKind::Collector), 100_000),
        ("python.wasm", Some(PluginKind::Collector), 18 << 20),
        ("tag.wasm", Some(PluginKind::Processor), 400_000),
        ("unnamed.wasm", Some(PluginKind::Processor), 400_000),
    ];

    #[test]
    fn what_nothing_names_is_not_wanted_and_small_collectors_come_first() {
        let nothing = uses(|_| {});
        assert_eq!(order(&nothing, &FILES), ["mine.wasm", "cpu.wasm", "junk.wasm", "python.wasm"]);
        let tagged = uses(|config| config.processors = vec!["tag".into()]);
        assert_eq!(order(&tagged, &FILES)[..2], ["tag.wasm", "mine.wasm"]);
    }

    #[test]
    fn a_collector_that_is_disabled_is_wanted_only_under_another_name() {
        let disabled = |config: &mut PluginsConfig| {
            let cpu = PluginConfig { enabled: false, ..PluginConfig::default_of("cpu") };
            config.instances.insert("cpu".into(), cpu);
        };
        assert!(!order(&uses(disabled), &FILES).contains(&"cpu.wasm"));
        let other = uses(|config| {
            disabled(config);
            let other = PluginConfig { file: Some("cpu.wasm".into()), ..PluginConfig::default_of("other") };
            config.instances.insert("other".into(), other);
        });
        assert!(order(&other, &FILES).contains(&"cpu.wasm"));
        assert!(other.name("cpu.wasm") && !other.name("load.wasm"));
    }
}
