//! The plugin under test, and how its instances are made.

use std::net::SocketAddr;
use std::time::Duration;

use saker_sandbox::{CallError, CustomMetrics, Description, Grants, InstanceSpec, Kill, Plugin, PluginFault, Sandbox};
use serde_json::{Map, Value};

use crate::report::{CaseFailure, failed, skipped};
use crate::schema;

/// How a plugin is to be tested.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its settings, if it needs other than its defaults. `{kit}` in a text stands for `host:port` of the kit's server.
    pub settings: Option<Map<String, Value>>,
    /// What it is granted. The addresses of the kit's own servers come to it.
    pub grants: Grants,
    /// Where a backend writes to.
    pub server: TargetServer,
    /// The time between two runs of a collector: what stands still for too short a time may have no figures.
    pub pause: Duration,
    /// Words that a case's name has to hold to be tried; all cases if there are none.
    pub only: Option<String>,
    /// The agent's own check of settings against a schema: what does not fit, in words.
    pub misfits: fn(&Value, &Map<String, Value>) -> Vec<String>,
}

/// Where a backend under test writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetServer {
    /// To servers that the kit starts, which take everything or fail in a chosen way.
    Kit,
    /// To the real server that the settings name; failing servers are still the kit's.
    Given,
}

pub(crate) struct TestSubject<'a> {
    pub(crate) sandbox: &'a Sandbox,
    pub(crate) plugin: &'a Plugin,
    pub(crate) options: &'a Options,
    /// Shared by all instances, and looked at in the end.
    pub(crate) custom_metrics: CustomMetrics,
}

impl<'a> TestSubject<'a> {
    pub(crate) fn new(sandbox: &'a Sandbox, plugin: &'a Plugin, options: &'a Options) -> Self {
        Self { sandbox, plugin, options, custom_metrics: CustomMetrics::default() }
    }

    pub(crate) fn description(&self) -> &Description {
        self.plugin.description()
    }

    /// The settings to open it with where its destination does not matter: those given, or made up from its schema.
    pub(crate) fn settings(&self) -> Map<String, Value> {
        let mut settings = self.options.settings.clone().unwrap_or_default();
        schema::fill(&self.description().settings_schema, &mut settings);
        settings
    }

    /// The settings that lead it to `address`; none if the schema has no key for one.
    pub(crate) fn settings_to(&self, address: SocketAddr) -> Option<Map<String, Value>> {
        let mut settings = self.settings();
        let placed = schema::place(&self.description().settings_schema, &mut settings, address);
        placed.then_some(settings)
    }

    /// An instance with these settings, and with what the options grant.
    pub(crate) fn spec(&self, settings: &Map<String, Value>) -> InstanceSpec {
        let name = self.description().name.clone();
        InstanceSpec {
            section: format!("plugin.{name}"),
            name,
            settings: Value::Object(settings.clone()).to_string(),
            grants: self.options.grants.clone(),
            custom_metrics: self.custom_metrics.clone(),
            ..InstanceSpec::default()
        }
    }

    /// What an error of a call means for a case that needed the call to succeed.
    pub(crate) fn miss(&self, error: &CallError, spec: &InstanceSpec) -> CaseFailure {
        let lines = spec.log_tail.lines();
        let last = &lines[lines.len().saturating_sub(3)..];
        let log: String = last.iter().map(|line| format!("; it logged: {line}")).collect();
        match error {
            CallError::Denied(denied) => {
                skipped(format!("{denied}; here: --grant requested, or one by one as in --help"))
            }
            CallError::Grant(why) => {
                failed(format!("its grants cannot be used: {why}"), "grant it what it wants, as it says")
            }
            CallError::Plugin(PluginFault::Unavailable(what)) => skipped(format!(
                "what it needs is not here: {what}; other --settings may lead it to a place that has it"
            )),
            CallError::Plugin(PluginFault::Settings(what)) if self.options.settings.is_none() => {
                skipped(format!("it does not open with settings made up from its schema: {what}; give --settings"))
            }
            CallError::Plugin(PluginFault::Settings(what)) => {
                failed(format!("it rejects the settings: {what}"), "give settings that it takes")
            }
            CallError::Plugin(fault) => {
                failed(format!("{fault}{log}"), "find out why it fails; run: saker collect, for a collector")
            }
            CallError::Killed(kill @ Kill::Deadline { .. }) => {
                failed(format!("{kill}{log}"), "do less in one call, and let no wait be longer than its deadline")
            }
            CallError::Killed(kill @ Kill::Trap { .. }) => {
                failed(format!("{kill}{log}"), "return an error instead of a trap")
            }
            CallError::Killed(kill) => failed(format!("{kill}{log}"), "stay within the limit"),
            CallError::Hung(hang) => {
                failed(format!("{hang}{log}"), "run it where what it reads and writes answers, or take other settings")
            }
            CallError::Host(what) => {
                failed(format!("the agent failed: {what}"), "report it: this is not the plugin's fault")
            }
        }
    }
}
