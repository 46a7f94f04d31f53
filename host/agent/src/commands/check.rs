//! `saker check`: every mistake in a configuration at once: the file's own, the files that it names, the plugins'
//! settings, and what these want to touch and are not granted.

use std::path::Path;

use saker_cli::args::ConfigArgs;
use saker_cli::{complain, say};
use saker_config::{Location, Problem, Problems};
use saker_plugins::PluginCheck;
use saker_sandbox::{Sandbox, SandboxError};

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
        count(config.plugins.backends.len(), "destination"),
        count(config.route.len(), "route")
    )?;
    Ok(())
}

fn place(args: &ConfigArgs) -> Location {
    match &args.config {
        Some(path) => Location::File { path: path.clone(), line: 1, column: 1 },
        None => Location::Default,
    }
}

struct Checker<'a> {
    config: &'a Config,
    place: Location,
    problems: Vec<Problem>,
    /// What is no mistake, and yet hardly what was meant.
    warnings: Vec<Problem>,
}

impl Checker<'_> {
    fn place_of(&self, key: &str) -> Location {
        self.config.places.get(key).unwrap_or(&self.place).clone()
    }

    fn wrong(&mut self, key: &str, what: impl Into<String>) {
        self.problems.push(Problem { place: self.place_of(key), key: key.into(), what: what.into() });
    }

    /// Looks at what the configuration only names.
    async fn look_further(&mut self) {
        self.check_files();
        if self.config.route.is_empty() && !is_wrong(&self.problems, "route") {
            let what = "there is none, so samples are kept on this host and sent nowhere".into();
            self.warnings.push(Problem { place: self.place.clone(), key: "route".into(), what });
        }
        if !FOLDER_KEYS.iter().any(|key| is_wrong(&self.problems, key)) {
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

    /// Checks what the configuration says of plugins.
    async fn check_plugins(&mut self) {
        let (config, problems) = (self.config, self.problems.clone());
        let place = self.place.clone();
        let place_of = |key: &str| config.places.get(key).unwrap_or(&place).clone();
        let mut check = PluginCheck::new(&config.plugins, place_of, |key| is_wrong(&problems, key));
        if check.folder() {
            match self.sandbox() {
                Ok(sandbox) => check.files(&sandbox).await,
                Err(error) => check.wrong("data_dir", format!("{error:#}")),
            }
        }
        self.problems.extend(check.problems);
        self.warnings.extend(check.warnings);
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
        if !is_wrong(&self.problems, "tls.ca_file") {
            self.wrong("tls.ca_file", error.to_string());
        }
        agent::sandbox(&Config { tls: TlsConfig::default(), ..self.config.clone() })
    }
}

/// Whether a mistake was found in this key, or below it.
fn is_wrong(problems: &[Problem], key: &str) -> bool {
    problems.iter().any(|problem| {
        let rest = problem.key.strip_prefix(key);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}

/// Whether a file can be read and holds anything; else what is wrong.
fn readable(path: &Path) -> Result<(), String> {
    match std::fs::read(path) {
        Ok(bytes) if bytes.is_empty() => Err(format!("{} is empty", path.display())),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}
