//! The reconciler: what should run of one kind, what does, and the least that makes them agree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use saker_sandbox::{Blame, Plugin};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::SupervisorEvent;
use super::files::{FileAbsence, PluginFolder};
use super::slot::{InstanceSlot, SlotAction, SlotRejection};
use crate::config::PluginConfig;
use crate::deployment::Deployment;
use crate::role::{Role, RoleContext, StopFuture};
use crate::state_dir::StateDir;
use crate::status::Statuses;

/// An instance that is managed: its place, and what it does there.
pub(super) struct Managed<R> {
    pub(super) slot: InstanceSlot,
    pub(super) role: R,
}

/// All instances of one kind, by name.
pub(super) struct Fleet<R> {
    all: BTreeMap<String, Managed<R>>,
}

/// What the configuration says about an instance.
pub(super) struct RequestedInstance {
    /// The table that it is written in.
    pub(super) section: String,
    pub(super) config: PluginConfig,
}

/// What reconciling takes and leaves behind.
pub(super) struct ReconcileContext {
    pub(super) shared: RoleContext,
    pub(super) statuses: Arc<Statuses>,
    pub(super) states: StateDir,
    pub(super) events: mpsc::Sender<SupervisorEvent>,
    /// Deployments that are being tried.
    pub(super) canaries: JoinSet<()>,
    /// What has still to be ended, once everything that is new is in place.
    pub(super) endings: Vec<StopFuture>,
}

impl<R> Default for Fleet<R> {
    fn default() -> Self {
        Self { all: BTreeMap::new() }
    }
}

impl<R: Role> Fleet<R> {
    pub(super) fn get(&self, name: &str) -> Option<&Managed<R>> {
        self.all.get(name)
    }

    /// The names of those that run a file.
    pub(super) fn users_of(&self, file: &str) -> impl Iterator<Item = String> {
        self.all.iter().filter(move |(_, managed)| managed.slot.runs_file(file)).map(|(name, _)| name.clone())
    }

    /// Makes a place for each that is wanted, and ends the others.
    pub(super) fn set_places(&mut self, wanted: &BTreeMap<String, RequestedInstance>, yard: &mut ReconcileContext) {
        for (name, managed) in self.all.extract_if(.., |name, _| !wanted.contains_key(name)) {
            tracing::info!(plugin = name, "stopped");
            yard.statuses.remove(&name);
            yard.endings.extend(managed.role.stop());
        }
        for (name, wanted) in wanted {
            self.all.entry(name.clone()).or_insert_with(|| {
                let slot = InstanceSlot::new(name, &wanted.section, yard.states.cell(name), &yard.statuses);
                let role = R::new(name, &yard.shared, &slot.status);
                Managed { slot, role }
            });
        }
    }

    /// Makes what runs agree with what is wanted, and with the plugins that there are.
    pub(super) fn reconcile(
        &mut self,
        wanted: &BTreeMap<String, RequestedInstance>,
        folder: &PluginFolder,
        interval: Duration,
        yard: &mut ReconcileContext,
    ) {
        self.set_places(wanted, yard);
        for (name, wanted) in wanted {
            let Some(managed) = self.all.get_mut(name) else { continue };
            match folder.plugin(&wanted.config.file_of(name), R::KIND) {
                Ok(plugin) => managed.agree(name, wanted, plugin, interval, yard),
                Err(FileAbsence::OnItsWay) => {}
                Err(FileAbsence::Missing(why)) => managed.is_left(why, yard),
            }
        }
    }

    /// A deployment was tried: it takes its place, or the reason is kept.
    pub(super) fn tried(&mut self, name: &str, deployment: &Arc<Deployment>, result: Result<(), SlotRejection>) {
        // Meanwhile something else may be wanted here.
        let Some(managed) = self.all.get_mut(name).filter(|managed| managed.slot.still_wants(deployment)) else {
            return;
        };
        match result {
            // The comparison that follows finds that it was found good, and puts it in place.
            Ok(()) => managed.slot.found_good(),
            Err(rejection) => managed.slot.reject(&rejection),
        }
    }

    /// Ends all of them.
    pub(super) fn stop(&mut self) -> Vec<StopFuture> {
        std::mem::take(&mut self.all).into_values().filter_map(|managed| managed.role.stop()).collect()
    }
}

impl<R: Role> Managed<R> {
    fn agree(
        &mut self,
        name: &str,
        wanted: &RequestedInstance,
        plugin: &Plugin,
        interval: Duration,
        yard: &mut ReconcileContext,
    ) {
        let RequestedInstance { section, config } = wanted;
        let grants = config.grants_for(name, plugin.hash());
        let schedule = R::schedule(name, config, plugin, interval);
        let deployment = match self.slot.deployment(plugin, config, grants, schedule) {
            Ok(deployment) => deployment,
            Err(rejection) => return self.slot.reject(&rejection),
        };
        let decided = self.slot.decide(&deployment);
        if decided != SlotAction::Nothing && config.is_foreign(name, plugin.hash()) {
            let grants = config.grants.to_words().join(", ");
            tracing::warn!(
                plugin = name,
                file = deployment.file,
                "not the file that ships with this agent, so its name grants it nothing; to grant it {grants}, write [{section}] into the configuration"
            );
        }
        match decided {
            SlotAction::Nothing => {}
            SlotAction::Start => self.role.start(deployment),
            SlotAction::Replace => yard.endings.extend(self.role.replace(deployment)),
            SlotAction::Try => yard.start_canary::<R>(name.to_owned(), deployment),
        }
    }

    /// There is no plugin for it: why.
    fn is_left(&mut self, why: String, yard: &mut ReconcileContext) {
        if self.slot.is_running() || !self.slot.status.is_rejected(&why) {
            self.slot.leaves();
            yard.endings.extend(self.role.withdraw(&why));
            self.slot.reject(&SlotRejection { message: why, kind: "missing", blame: Blame::Operator });
        }
    }
}

impl ReconcileContext {
    /// Tries a deployment aside from what runs.
    fn start_canary<R: Role>(&mut self, name: String, deployment: Arc<Deployment>) {
        let (shared, events) = (self.shared.clone(), self.events.clone());
        self.canaries.spawn(async move {
            let result = R::canary(shared, deployment.clone()).await.map_err(SlotRejection::from);
            // A supervisor that has ended wants no deployments.
            let _ = events.send(SupervisorEvent::Tried { kind: R::KIND, name, deployment, result }).await;
        });
    }
}
