//! `saker check`: every mistake in a configuration, the plugins' settings included.

use saker_install::Keys;
use saker_sandbox::Kind;

use crate::agent;
use crate::cli::ConfigArgs;
use crate::config::{Config, Place, PluginConfig, Problem, Problems, Settings};
use crate::folder;
use crate::settings_schema;

pub(crate) fn check(args: &ConfigArgs) -> anyhow::Result<()> {
    let (config, _) = super::run::read(args)?;
    let problems = super::runtime()?.block_on(check_plugins(&config, args))?;
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    println!(
        "the configuration is right: {}, {}, {}",
        count(config.plugin.values().filter(|plugin| plugin.enabled).count(), "plugin"),
        count(config.node.len(), "node"),
        count(config.route.len(), "route")
    );
    Ok(())
}

/// Checks the files that the configuration names, and the settings against their schemas.
async fn check_plugins(config: &Config, args: &ConfigArgs) -> anyhow::Result<Vec<Problem>> {
    let mut checker = Checker { config, sandbox: agent::sandbox(config)?, place: place(args), problems: Vec::new() };
    let keys = &config.plugins.signatures.keys;
    if let Err(error) = Keys::read(keys) {
        let key = "plugins.signature_keys";
        // Every plugin would be refused for the same reason.
        return Ok(vec![Problem { place: checker.place_of(key), key: key.into(), what: error.to_string() }]);
    }
    for name in &config.pipeline.processors {
        let plugin = config.plugin.get(name).cloned().unwrap_or_else(|| PluginConfig::default_of(name));
        checker.check("pipeline.processors", &plugin.file_of(name), Kind::Processor, &plugin.settings).await;
    }
    for (name, plugin) in &config.plugin {
        // The shipped collectors need not be there, and processors were checked above.
        let written = *plugin != PluginConfig::default_of(name) && plugin.enabled;
        if written && !config.pipeline.processors.contains(name) {
            checker.check(&format!("plugin.{name}"), &plugin.file_of(name), Kind::Collector, &plugin.settings).await;
        }
    }
    for (name, node) in &config.node {
        let file = format!("{}.wasm", node.backend);
        checker.check(&format!("node.{name}"), &file, Kind::Backend, &node.settings).await;
    }
    Ok(checker.problems)
}

fn place(args: &ConfigArgs) -> Place {
    match &args.config {
        Some(path) => Place::File { path: path.clone(), line: 1, column: 1 },
        None => Place::Default,
    }
}

struct Checker<'a> {
    config: &'a Config,
    sandbox: saker_sandbox::Sandbox,
    place: Place,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn place_of(&self, key: &str) -> Place {
        self.config.places.get(key).unwrap_or(&self.place).clone()
    }

    async fn check(&mut self, key: &str, file: &str, kind: Kind, settings: &Settings) {
        let own_place = self.place_of(key);
        let mut note = |place: Place, key: String, what: String| self.problems.push(Problem { place, key, what });
        let bytes = match folder::read_checked(
            &self.config.plugins.dir,
            file,
            self.config.plugins.file_bytes,
            &self.config.plugins.signatures,
        ) {
            Ok(bytes) => bytes,
            Err(error) => {
                let dir = self.config.plugins.dir.display();
                return note(own_place, key.into(), format!("{file} in {dir}: {error}"));
            }
        };
        let plugin = match self.sandbox.load(&bytes).await {
            Ok(plugin) => plugin,
            Err(error) => return note(own_place, key.into(), format!("{file}: {error}")),
        };
        if plugin.kind() != kind {
            let cure = match plugin.kind() {
                Kind::Collector => "",
                Kind::Processor => "; name it in [pipeline] processors",
                Kind::Backend => "; give it to a [node.NAME] as backend",
            };
            let what = format!("{file} is a {}, and a {} is wanted here{cure}", plugin.kind().as_str(), kind.as_str());
            return note(own_place, key.into(), what);
        }
        for misfit in settings_schema::check(&plugin.description().settings_schema, &settings.values) {
            let place = settings.places.get(&misfit.path).unwrap_or(&own_place).clone();
            let dot = if misfit.path.is_empty() { "" } else { "." };
            note(place, format!("{key}.settings{dot}{}", misfit.path), misfit.what);
        }
    }
}
