//! The place of an instance, through all the versions that take it.

use std::sync::Arc;

use saker_config::Settings;
use saker_sandbox::{
    Blame, Figures, Grants, Hangs, InstanceSpec, Limits, LogTail, Meters, Plugin, PluginHash, StateCell,
};
use serde_json::{Map, Value};

use crate::collecting::Version;
use crate::schedule::Schedule;
use crate::settings_schema;
use crate::status::{Status, Statuses};

/// What makes one version differ from another.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Key {
    file: String,
    hash: PluginHash,
    settings: Map<String, Value>,
    grants: Grants,
    limits: Limits,
    schedule: Option<Schedule>,
}

/// What to do about a version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// It runs already, or it was tried and refused.
    Nothing,
    /// Nothing runs here yet: begin with it.
    Start,
    /// Something else runs: try it first.
    Try,
    /// Something else runs that may not run any longer.
    Replace,
}

pub(super) struct Seat {
    pub(super) status: Arc<Status>,
    base: InstanceSpec,
    running: Option<Key>,
    tried: Option<Key>,
    refused: bool,
}

/// What the configuration says about an instance.
pub(super) struct Wanted<'a> {
    pub(super) file: &'a str,
    pub(super) settings: &'a Settings,
    pub(super) grants: &'a Grants,
    pub(super) limits: &'a Limits,
    pub(super) schedule: Option<Schedule>,
}

impl Seat {
    /// A place for `name`, whose table in the configuration is `section`.
    pub(super) fn new(name: &str, section: &str, state: StateCell, statuses: &Statuses) -> Self {
        let (meters, figures, log_tail) = (Arc::new(Meters::default()), Figures::default(), LogTail::default());
        let status = Arc::new(Status::new(name, meters.clone(), figures.clone(), log_tail.clone()));
        statuses.insert(status.clone());
        let base = InstanceSpec {
            name: name.into(),
            section: section.into(),
            state,
            figures,
            meters,
            log_tail,
            ..InstanceSpec::default()
        };
        Self { status, base, running: None, tried: None, refused: false }
    }

    /// The version that is wanted, if its settings fit the plugin.
    ///
    /// # Errors
    /// Every setting that does not fit, with its place.
    pub(super) fn version(&self, plugin: &Plugin, wanted: &Wanted<'_>) -> Result<(Version, Key), String> {
        let misfits = settings_schema::check(&plugin.description().settings_schema, &wanted.settings.values);
        if !misfits.is_empty() {
            let lines: Vec<_> = misfits
                .iter()
                .map(|misfit| {
                    let place = wanted.settings.places.get(&misfit.path);
                    let place = place.map_or(String::new(), |place| format!("{place}: "));
                    let dot = if misfit.path.is_empty() { "" } else { "." };
                    format!("{place}{}.settings{dot}{}: {}", self.base.section, misfit.path, misfit.what)
                })
                .collect();
            return Err(lines.join("; "));
        }
        let spec = InstanceSpec {
            settings: Value::Object(wanted.settings.values.clone()).to_string(),
            grants: wanted.grants.clone(),
            limits: wanted.limits.clone(),
            // Other settings may be what an operator writes because of a place that hangs.
            hangs: Hangs::default(),
            ..self.base.clone()
        };
        let key = Key {
            file: wanted.file.into(),
            hash: plugin.hash(),
            settings: wanted.settings.values.clone(),
            grants: wanted.grants.clone(),
            limits: wanted.limits.clone(),
            schedule: wanted.schedule,
        };
        let schedule = wanted.schedule.unwrap_or_else(|| Schedule::new(&self.base.name, std::time::Duration::MAX));
        Ok((Version { file: wanted.file.into(), plugin: plugin.clone(), spec, schedule }, key))
    }

    /// What to do about a version; remembers what it answers.
    pub(super) fn decide(&mut self, key: &Key) -> Move {
        match &self.running {
            Some(running) if running == key => {
                self.tried = None;
                // What was refused is wanted no more. (That a version was taken back stays said: it is wanted still.)
                if std::mem::take(&mut self.refused) {
                    self.status.nothing_refused();
                }
                Move::Nothing
            }
            _ if self.tried.as_ref() == Some(key) => Move::Nothing,
            None => {
                self.takes(key.clone());
                Move::Start
            }
            // What is no longer granted must stop now, whether the plugin can live with that or not.
            Some(running) if takes_away(&running.grants, &key.grants) => {
                self.takes(key.clone());
                Move::Replace
            }
            Some(_) => {
                self.tried = Some(key.clone());
                Move::Try
            }
        }
    }

    /// Whether a version that was tried is still the one that is wanted.
    pub(super) fn still_wants(&self, key: &Key) -> bool {
        self.tried.as_ref() == Some(key)
    }

    /// Something that is wanted here cannot be put in place: why.
    pub(super) fn refuse(&mut self, message: &str, kind: &'static str, blame: Blame) {
        self.refused = true;
        self.status.refused(message, kind, blame);
    }

    /// A version runs here from now on.
    pub(super) fn takes(&mut self, key: Key) {
        self.running = Some(key);
        self.tried = None;
    }

    /// Nothing runs here any more.
    pub(super) fn leaves(&mut self) {
        self.running = None;
        self.tried = None;
    }

    pub(super) fn runs_file(&self, file: &str) -> bool {
        self.running.as_ref().is_some_and(|running| running.file == file)
    }
}

/// Whether `after` lacks any grant that `before` has.
fn takes_away(before: &Grants, after: &Grants) -> bool {
    fn lacks<T: PartialEq>(before: &[T], after: &[T]) -> bool {
        before.iter().any(|grant| !after.contains(grant))
    }
    lacks(&before.read, &after.read)
        || lacks(&before.usage, &after.usage)
        || lacks(&before.connect, &after.connect)
        || lacks(&before.secret, &after.secret)
        || lacks(&before.env, &after.env)
        || lacks(&before.write, &after.write)
        || (before.folder.is_some() && before.folder != after.folder)
        || (before.process_arguments && !after.process_arguments)
        || (before.stdout && !after.stdout)
}
