//! Which instances there should be, by what the configuration says and by the files that are there.

use std::collections::BTreeMap;

use super::fleet::RequestedInstance;
use crate::config::{BackendConfig, IsWritten, PluginConfig, PluginsConfig, plugin_section};

/// The instance that a destination's backend is.
pub(super) fn backend_name(destination: &str) -> String {
    format!("destination {destination}")
}

/// The backends of all destinations.
pub(super) fn backends(config: &PluginsConfig) -> BTreeMap<String, RequestedInstance> {
    let wanted = |(destination, backend): (&String, &BackendConfig)| {
        let config = PluginConfig {
            written: IsWritten(true),
            file: Some(format!("{}.wasm", backend.backend)),
            enabled: true,
            interval: None,
            settings: backend.settings.clone(),
            grants: backend.grants.clone(),
            limits: backend.limits.clone(),
        };
        (backend_name(destination), RequestedInstance { section: format!("destination.{destination}"), config })
    };
    config.backends.iter().map(wanted).collect()
}

/// The processors.
pub(super) fn processors(config: &PluginsConfig) -> BTreeMap<String, RequestedInstance> {
    let names = config.processors.iter();
    names
        .map(|name| (name.clone(), RequestedInstance { section: plugin_section(name), config: config.instance(name) }))
        .collect()
}

/// Every collector file runs under its own name, and under each name that the configuration gives it.
pub(super) fn collectors<'a>(
    config: &PluginsConfig,
    files: impl Iterator<Item = &'a String>,
) -> BTreeMap<String, RequestedInstance> {
    let mut wanted = BTreeMap::new();
    let mut want = |name: &str, config: PluginConfig| {
        wanted.insert(name.to_owned(), RequestedInstance { section: plugin_section(name), config });
    };
    for file in files {
        let stem = file.trim_end_matches(".wasm");
        if !config.instances.contains_key(stem) {
            want(stem, PluginConfig { file: Some(file.clone()), ..PluginConfig::default_of(stem) });
        }
        for (name, plugin) in &config.instances {
            if plugin.enabled && plugin.file_of(name) == *file {
                want(name, plugin.clone());
            }
        }
    }
    wanted
}
