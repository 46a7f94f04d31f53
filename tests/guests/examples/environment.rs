//! Tells what it sees of the agent's environment: one variable, the number of all, arguments, standard input.

use std::io::Read;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `environment`.
    pub struct EnvironmentSettings {
        /// The variable to look for.
        pub name: String = "PATH".into(),
    }
}

/// The guest.
pub struct Environment(EnvironmentSettings);

impl Collector for Environment {
    type Settings = EnvironmentSettings;

    fn describe() -> Description {
        Description::new("environment", "1.0.0", "Tells what it sees of the agent's environment")
            .requests(env("PATH"), "it is what it looks for by default")
    }

    fn open(settings: EnvironmentSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        let mut input = Vec::new();
        let read = std::io::stdin().read_to_end(&mut input).unwrap_or(0);
        let found = std::env::var(&self.0.name);
        Ok(vec![
            Sample::gauge("environment.found", f64::from(found.is_ok())).tag("value", found.as_deref().unwrap_or("-")),
            Sample::gauge("environment.variables", std::env::vars_os().count() as f64),
            Sample::gauge("environment.arguments", std::env::args_os().count() as f64),
            Sample::gauge("environment.input_bytes", read as f64),
        ])
    }
}

saker_sdk::export_collector!(Environment);
