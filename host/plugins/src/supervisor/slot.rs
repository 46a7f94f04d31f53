//! The place of an instance, through all the deployments that take it.

use std::sync::Arc;

use saker_sandbox::{Blame, CallError, CustomMetrics, Grants, Hangs, InstanceSpec, LogTail, Meters, Plugin, StateCell};
use serde_json::Value;

use crate::config::PluginConfig;
use crate::deployment::Deployment;
use crate::schedule::Schedule;
use crate::settings_schema;
use crate::status::{Status, Statuses};

/// What to do about a deployment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SlotAction {
    /// It runs already, or it was tried and rejected.
    Nothing,
    /// Nothing runs here yet: begin with it.
    Start,
    /// Something else runs: try it first.
    Try,
    /// Something else runs that may not run any longer.
    Replace,
}

/// Why something cannot be put in place.
#[derive(Debug)]
pub(crate) struct SlotRejection {
    pub(crate) message: String,
    pub(crate) kind: &'static str,
    pub(crate) blame: Blame,
}

impl From<CallError> for SlotRejection {
    fn from(error: CallError) -> Self {
        Self { message: error.to_string(), kind: error.kind(), blame: error.blame() }
    }
}

/// The place of an instance: what is known of it, and which deployment it is about.
pub(crate) struct InstanceSlot {
    pub(crate) status: Arc<Status>,
    /// What is the same in all deployments.
    base: InstanceSpec,
    running: Option<Arc<Deployment>>,
    /// What is being tried, or was tried and rejected.
    tried: Option<Arc<Deployment>>,
    /// What was tried, and is to take its place.
    good: Option<Arc<Deployment>>,
    rejected: bool,
}

impl InstanceSlot {
    /// A place for the instance `name`, whose table in the configuration is `section`.
    pub(crate) fn new(name: &str, section: &str, state: StateCell, statuses: &Statuses) -> Self {
        let (meters, custom_metrics, log_tail) =
            (Arc::new(Meters::default()), CustomMetrics::default(), LogTail::default());
        let status = Arc::new(Status::new(name, meters.clone(), custom_metrics.clone(), log_tail.clone()));
        statuses.insert(status.clone());
        let base = InstanceSpec {
            name: name.into(),
            section: section.into(),
            state,
            custom_metrics,
            meters,
            log_tail,
            ..InstanceSpec::default()
        };
        Self { status, base, running: None, tried: None, good: None, rejected: false }
    }

    /// The deployment that is wanted, if its settings fit the plugin.
    ///
    /// # Errors
    /// Every setting that does not fit, with its place.
    pub(crate) fn deployment(
        &self,
        plugin: &Plugin,
        config: &PluginConfig,
        grants: Grants,
        schedule: Option<Schedule>,
    ) -> Result<Arc<Deployment>, SlotRejection> {
        let misfits = settings_schema::check(&plugin.description().settings_schema, &config.settings.values);
        if !misfits.is_empty() {
            let lines: Vec<_> = misfits
                .iter()
                .map(|misfit| {
                    let place = config.settings.places.get(&misfit.path);
                    let place = place.map_or(String::new(), |place| format!("{place}: "));
                    let dot = if misfit.path.is_empty() { "" } else { "." };
                    format!("{place}{}.settings{dot}{}: {}", self.base.section, misfit.path, misfit.what)
                })
                .collect();
            return Err(SlotRejection { message: lines.join("; "), kind: "settings", blame: Blame::Operator });
        }
        let spec = InstanceSpec {
            settings: Value::Object(config.settings.values.clone()).to_string(),
            grants,
            limits: config.limits.clone(),
            // Other settings may be what an operator writes because of a place that hangs.
            hangs: Hangs::default(),
            ..self.base.clone()
        };
        let file = config.file_of(&self.base.name);
        Ok(Arc::new(Deployment { file, plugin: plugin.clone(), spec, schedule }))
    }

    /// What to do about a deployment; remembers what it answers.
    pub(crate) fn decide(&mut self, wanted: &Arc<Deployment>) -> SlotAction {
        match &self.running {
            Some(running) if running == wanted => {
                (self.tried, self.good) = (None, None);
                // What was rejected is wanted no more. (That one was taken back stays said: it is wanted still.)
                if std::mem::take(&mut self.rejected) {
                    self.status.nothing_rejected();
                }
                SlotAction::Nothing
            }
            Some(_) if self.good.as_ref() == Some(wanted) => {
                self.takes(wanted.clone());
                SlotAction::Replace
            }
            _ if self.tried.as_ref() == Some(wanted) => SlotAction::Nothing,
            None => {
                self.takes(wanted.clone());
                SlotAction::Start
            }
            // What is no longer granted must stop now, whether the plugin can live with that or not.
            Some(running) if takes_away(&running.spec.grants, &wanted.spec.grants) => {
                self.takes(wanted.clone());
                SlotAction::Replace
            }
            Some(_) => {
                self.tried = Some(wanted.clone());
                SlotAction::Try
            }
        }
    }

    /// Whether a deployment that was tried is still the one that is wanted.
    pub(crate) fn still_wants(&self, tried: &Arc<Deployment>) -> bool {
        self.tried.as_ref() == Some(tried)
    }

    /// What was tried may take its place.
    pub(crate) fn found_good(&mut self) {
        self.good = self.tried.take();
    }

    /// Something that is wanted here cannot be put in place: why.
    pub(crate) fn reject(&mut self, rejection: &SlotRejection) {
        self.rejected = true;
        self.status.rejected(&rejection.message, rejection.kind, rejection.blame);
    }

    /// A deployment runs here from now on.
    fn takes(&mut self, deployment: Arc<Deployment>) {
        self.running = Some(deployment);
        (self.tried, self.good) = (None, None);
    }

    /// Whether anything runs here.
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Nothing runs here any more.
    pub(crate) fn leaves(&mut self) {
        self.running = None;
        (self.tried, self.good) = (None, None);
    }

    pub(crate) fn runs_file(&self, file: &str) -> bool {
        self.running.as_ref().is_some_and(|running| running.file == file)
    }
}

/// Whether `after` lacks any grant that `before` has.
fn takes_away(before: &Grants, after: &Grants) -> bool {
    fn lacks<T: PartialEq>(before: &[T], after: &[T]) -> bool {
        before.iter().any(|grant| !after.contains(grant))
    }
    lacks(&before.read, &after.read)
        || lacks(&before.statfs, &after.statfs)
        || lacks(&before.connect, &after.connect)
        || lacks(&before.secret, &after.secret)
        || lacks(&before.env, &after.env)
        || lacks(&before.write, &after.write)
        || (before.data_dir.is_some() && before.data_dir != after.data_dir)
        || (before.process_arguments && !after.process_arguments)
        || (before.stdout && !after.stdout)
}
