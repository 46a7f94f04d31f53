//! Whether the plugin files that a configuration names are there and fit it: of the kind that is wanted, with settings that
//! their schemas allow and grants that these need.

use saker_config::{Location, PluginSettings, Problem};
use saker_sandbox::{Grants, Plugin, PluginKind, Sandbox};

use crate::config::{PluginConfig, PluginsConfig};
use crate::keys::TrustedKeys;
use crate::missing_grants::{GrantSeverity, unreached};
use crate::{folder, settings_schema};

/// A check of a configuration's plugins, and what it finds.
pub struct PluginCheck<'a> {
    config: &'a PluginsConfig,
    place_of: Box<dyn Fn(&str) -> Location + Send + Sync + 'a>,
    is_wrong: Box<dyn Fn(&str) -> bool + Send + Sync + 'a>,
    /// Mistakes.
    pub problems: Vec<Problem>,
    /// What is no mistake, and yet hardly what was meant.
    pub warnings: Vec<Problem>,
}

/// A plugin file under the name that the configuration gives it.
struct PluginUse {
    key: String,
    file: String,
    kind: PluginKind,
    settings: PluginSettings,
    grants: Grants,
}

impl<'a> PluginCheck<'a> {
    /// Nothing is checked yet. `place_of` says where a key is written, `is_wrong` whether reading the configuration has
    /// found a mistake in it or below it.
    pub fn new(
        config: &'a PluginsConfig,
        place_of: impl Fn(&str) -> Location + Send + Sync + 'a,
        is_wrong: impl Fn(&str) -> bool + Send + Sync + 'a,
    ) -> Self {
        let (place_of, is_wrong) = (Box::new(place_of), Box::new(is_wrong));
        Self { config, place_of, is_wrong, problems: Vec::new(), warnings: Vec::new() }
    }

    /// Notes a mistake.
    pub fn wrong(&mut self, key: &str, what: impl Into<String>) {
        self.problems.push(Problem { place: (self.place_of)(key), key: key.into(), what: what.into() });
    }

    /// Whether the folder and its keys can be read at all: else every plugin would be wrong for the same reason.
    pub fn folder(&mut self) -> bool {
        if let Err(error) = TrustedKeys::read(&self.config.folder.signatures.keys) {
            self.wrong("plugins.signature_keys", error.to_string());
            return false;
        }
        if let Err(error) = folder::scan(&self.config.folder.dir) {
            self.wrong("plugins.dir", error.to_string());
            return false;
        }
        true
    }

    /// Checks each plugin file that is named, its settings against its schema, and its grants against its settings.
    pub async fn files(&mut self, sandbox: &Sandbox) {
        for one in uses(self.config) {
            self.check_use(sandbox, &one).await;
        }
    }

    async fn check_use(&mut self, sandbox: &Sandbox, one: &PluginUse) {
        let plugin = match self.load(sandbox, one).await {
            Ok(plugin) => plugin,
            Err(what) => return self.wrong(&one.key, what),
        };
        let description = plugin.description();
        let own_place = (self.place_of)(&one.key);
        for misfit in settings_schema::check(&description.settings_schema, &one.settings.values) {
            let place = one.settings.places.get(&misfit.path).unwrap_or(&own_place).clone();
            let dot = if misfit.path.is_empty() { "" } else { "." };
            let key = format!("{}.settings{dot}{}", one.key, misfit.path);
            self.problems.push(Problem { place, key, what: misfit.what });
        }
        if (self.is_wrong)(&format!("{}.grant", one.key)) {
            return;
        }
        for miss in unreached(description, &one.settings.values, &one.grants) {
            let place = miss.setting.as_ref().and_then(|setting| one.settings.places.get(setting));
            let key = match &miss.setting {
                Some(setting) => format!("{}.settings.{setting}", one.key),
                None => one.key.clone(),
            };
            let problem = Problem { place: place.unwrap_or(&own_place).clone(), key, what: miss.what };
            match miss.weight {
                GrantSeverity::Mistake => self.problems.push(problem),
                GrantSeverity::Warning => self.warnings.push(problem),
            }
        }
    }

    /// The plugin of a file, if it is one of the kind that is wanted.
    async fn load(&self, sandbox: &Sandbox, PluginUse { file, kind, .. }: &PluginUse) -> Result<Plugin, String> {
        let config = &self.config.folder;
        let bytes = folder::read_checked(&config.dir, file, config.max_file_bytes, &config.signatures)
            .map_err(|error| format!("{file} in {}: {error}", config.dir.display()))?;
        let plugin = sandbox.load(&bytes).await.map_err(|error| format!("{file}: {error}"))?;
        if plugin.kind() == *kind {
            return Ok(plugin);
        }
        let cure = match plugin.kind() {
            PluginKind::Collector => "",
            PluginKind::Processor => "; name it in [pipeline] processors",
            PluginKind::Backend => "; give it to a [destination.NAME] as backend",
        };
        Err(format!("{file} is a {}, and a {} is wanted here{cure}", plugin.kind().as_str(), kind.as_str()))
    }
}

/// Every plugin file that the configuration names.
fn uses(config: &PluginsConfig) -> Vec<PluginUse> {
    let of_plugin = |key: String, name: &str, plugin: &PluginConfig, kind| PluginUse {
        key,
        file: plugin.file_of(name),
        kind,
        settings: plugin.settings.clone(),
        grants: plugin.grants.clone(),
    };
    let mut uses = Vec::new();
    for name in &config.processors {
        let plugin = config.instances.get(name).cloned().unwrap_or_else(|| PluginConfig::default_of(name));
        uses.push(of_plugin("pipeline.processors".into(), name, &plugin, PluginKind::Processor));
    }
    for (name, plugin) in &config.instances {
        // The shipped collectors need not be there, and processors are among these already.
        let written = *plugin != PluginConfig::default_of(name) && plugin.enabled;
        if written && !config.processors.contains(name) {
            uses.push(of_plugin(format!("plugin.{name}"), name, plugin, PluginKind::Collector));
        }
    }
    uses.extend(config.backends.iter().map(|(name, destination)| PluginUse {
        key: format!("destination.{name}"),
        file: format!("{}.wasm", destination.backend),
        kind: PluginKind::Backend,
        settings: destination.settings.clone(),
        grants: destination.grants.clone(),
    }));
    uses
}
