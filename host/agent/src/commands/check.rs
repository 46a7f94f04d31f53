//! `saker check`: every mistake in a configuration at once: the file's own, the files that it names, the plugins'
//! settings, and what these want to touch and are not granted.

use std::path::Path;

use saker_cli::args::ConfigArgs;
use saker_cli::{complain, say};
use saker_config::{Place, Problem, Problems, Settings};
use saker_plugins::unreached::{Weight, unreached};
use saker_plugins::{Keys, PluginConfig, folder, settings_schema};
use saker_sandbox::{Grants, Kind, Plugin, Sandbox, SandboxError};

use crate::agent;
use crate::config::{Config, TlsConfig};

/// Keys whose mistakes leave open which plugin files are meant.
const FOLDER_KEYS: [&str; 2] = ["plugins", "data_dir"];

pub(crate) fn check(args: &ConfigArgs) -> anyhow::Result<()> {
    let (config, mut problems) = Config::look(&super::run::gather(args)?);
    let mut warnings = Vec::new();
    let config = match config {
        Some(config) => {
            let mut checker = Checker { config: &config, place: place(args), problems, warnings: Vec::new() };
            saker_cli::runtime()?.block_on(checker.look_further());
            (problems, warnings) = (checker.problems, checker.warnings);
            warnings.extend(config.warnings.0.iter().cloned());
            config
        }
        None => Config::default(),
    };
    for warning in warnings {
        complain!("note: {warning}");
    }
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.place.order());
        return Err(Problems(problems).into());
    }
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    say!(
        "the configuration is right: {}, {}, {}",
        count(config.plugins.instances.values().filter(|plugin| plugin.enabled).count(), "plugin"),
        count(config.plugins.backends.len(), "node"),
        count(config.route.len(), "route")
    )?;
    Ok(())
}

fn place(args: &ConfigArgs) -> Place {
    match &args.config {
        Some(path) => Place::File { path: path.clone(), line: 1, column: 1 },
        None => Place::Default,
    }
}

struct Checker<'a> {
    config: &'a Config,
    place: Place,
    problems: Vec<Problem>,
    /// What is no mistake, and yet hardly what was meant.
    warnings: Vec<Problem>,
}

/// A plugin file under the name that the configuration gives it.
struct Use {
    key: String,
    file: String,
    kind: Kind,
    settings: Settings,
    grants: Grants,
}

impl Checker<'_> {
    fn place_of(&self, key: &str) -> Place {
        self.config.places.get(key).unwrap_or(&self.place).clone()
    }

    fn wrong(&mut self, key: &str, what: impl Into<String>) {
        self.problems.push(Problem { place: self.place_of(key), key: key.into(), what: what.into() });
    }

    /// Whether reading the configuration has found a mistake in this key, or below it.
    fn is_wrong(&self, key: &str) -> bool {
        self.problems.iter().any(|problem| {
            let rest = problem.key.strip_prefix(key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    }

    /// Looks at what the configuration only names.
    async fn look_further(&mut self) {
        self.check_files();
        if self.config.route.is_empty() && !self.is_wrong("route") {
            let what = "there is none, so values are kept in the cache and sent nowhere".into();
            self.warnings.push(Problem { place: self.place.clone(), key: "route".into(), what });
        }
        if !FOLDER_KEYS.iter().any(|key| self.is_wrong(key)) {
            self.check_plugins().await;
        }
    }

    fn check_files(&mut self) {
        let config = self.config;
        if let Some(path) = &config.listen.token_file
            && let Err(error) = saker_http::Token::read(path)
        {
            self.wrong("listen.token_file", format!("{error:#}"));
        }
        if let Some(path) = &config.tls.ca_file
            && let Err(what) = readable(path)
        {
            self.wrong("tls.ca_file", what);
        }
        for (name, path) in &config.plugins.secrets {
            if let Err(what) = readable(path) {
                self.wrong(&format!("secret.{name}.file"), what);
            }
        }
    }

    /// Checks the plugin files that the configuration names, their settings against their schemas, and their grants
    /// against their settings.
    async fn check_plugins(&mut self) {
        let config = self.config;
        if let Err(error) = Keys::read(&config.plugins.folder.signatures.keys) {
            // Every plugin would be refused for the same reason.
            return self.wrong("plugins.signature_keys", error.to_string());
        }
        if let Err(error) = folder::scan(&config.plugins.folder.dir) {
            // Nothing in it would be loaded, whatever it is.
            return self.wrong("plugins.dir", error.to_string());
        }
        let sandbox = match self.sandbox() {
            Ok(sandbox) => sandbox,
            Err(error) => return self.wrong("data_dir", format!("{error:#}")),
        };
        for one in uses(config) {
            self.check_use(&sandbox, &one).await;
        }
    }

    /// A sandbox to load plugins in, which speak to nobody here: certificates that are wrong hide nothing else.
    fn sandbox(&mut self) -> anyhow::Result<Sandbox> {
        let error = match agent::sandbox(self.config) {
            Ok(sandbox) => return Ok(sandbox),
            Err(error) => error,
        };
        if !matches!(error.downcast_ref(), Some(SandboxError::Certificates { .. })) {
            return Err(error);
        }
        if !self.is_wrong("tls.ca_file") {
            self.wrong("tls.ca_file", error.to_string());
        }
        agent::sandbox(&Config { tls: TlsConfig::default(), ..self.config.clone() })
    }

    async fn check_use(&mut self, sandbox: &Sandbox, one: &Use) {
        let plugin = match self.load(sandbox, one).await {
            Ok(plugin) => plugin,
            Err(what) => return self.wrong(&one.key, what),
        };
        let description = plugin.description();
        let own_place = self.place_of(&one.key);
        for misfit in settings_schema::check(&description.settings_schema, &one.settings.values) {
            let place = one.settings.places.get(&misfit.path).unwrap_or(&own_place).clone();
            let dot = if misfit.path.is_empty() { "" } else { "." };
            let key = format!("{}.settings{dot}{}", one.key, misfit.path);
            self.problems.push(Problem { place, key, what: misfit.what });
        }
        if self.is_wrong(&format!("{}.grant", one.key)) {
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
                Weight::Mistake => self.problems.push(problem),
                Weight::Warning => self.warnings.push(problem),
            }
        }
    }

    /// The plugin of a file, if it is one of the kind that is wanted.
    async fn load(&self, sandbox: &Sandbox, Use { file, kind, .. }: &Use) -> Result<Plugin, String> {
        let config = &self.config.plugins.folder;
        let bytes = folder::read_checked(&config.dir, file, config.file_bytes, &config.signatures)
            .map_err(|error| format!("{file} in {}: {error}", config.dir.display()))?;
        let plugin = sandbox.load(&bytes).await.map_err(|error| format!("{file}: {error}"))?;
        if plugin.kind() == *kind {
            return Ok(plugin);
        }
        let cure = match plugin.kind() {
            Kind::Collector => "",
            Kind::Processor => "; name it in [pipeline] processors",
            Kind::Backend => "; give it to a [node.NAME] as backend",
        };
        Err(format!("{file} is a {}, and a {} is wanted here{cure}", plugin.kind().as_str(), kind.as_str()))
    }
}

/// Every plugin file that the configuration names.
fn uses(config: &Config) -> Vec<Use> {
    let of_plugin = |key: String, name: &str, plugin: &PluginConfig, kind| Use {
        key,
        file: plugin.file_of(name),
        kind,
        settings: plugin.settings.clone(),
        grants: plugin.grants.clone(),
    };
    let mut uses = Vec::new();
    for name in &config.plugins.processors {
        let plugin = config.plugins.instances.get(name).cloned().unwrap_or_else(|| PluginConfig::default_of(name));
        uses.push(of_plugin("pipeline.processors".into(), name, &plugin, Kind::Processor));
    }
    for (name, plugin) in &config.plugins.instances {
        // The shipped collectors need not be there, and processors are among these already.
        let written = *plugin != PluginConfig::default_of(name) && plugin.enabled;
        if written && !config.plugins.processors.contains(name) {
            uses.push(of_plugin(format!("plugin.{name}"), name, plugin, Kind::Collector));
        }
    }
    uses.extend(config.plugins.backends.iter().map(|(name, node)| Use {
        key: format!("node.{name}"),
        file: format!("{}.wasm", node.backend),
        kind: Kind::Backend,
        settings: node.settings.clone(),
        grants: node.grants.clone(),
    }));
    uses
}

/// Whether a file can be read and holds anything; else what is wrong.
fn readable(path: &Path) -> Result<(), String> {
    match std::fs::read(path) {
        Ok(bytes) if bytes.is_empty() => Err(format!("{} is empty", path.display())),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}
