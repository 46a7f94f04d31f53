//! What one kind of plugin does differently from another: the rest is the reconciler's.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use saker_pipeline::Pipeline;
use saker_sandbox::{CallError, Plugin, PluginKind, Sandbox};

use crate::config::PluginConfig;
use crate::deployment::Deployment;
use crate::schedule::Schedule;
use crate::status::Status;

/// What instances of all kinds need.
#[derive(Clone)]
pub(crate) struct RoleContext {
    pub(crate) sandbox: Sandbox,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) endpoint: Arc<ArcSwap<Arc<str>>>,
}

/// What an instance is for. It is made for a place, and goes through all the deployments that take it.
pub(crate) trait Role: Sized + Send + 'static {
    /// The kind of plugin that fits.
    const KIND: PluginKind;

    /// A place where nothing runs yet.
    fn new(name: &str, shared: &RoleContext, status: &Arc<Status>) -> Self;

    /// When an instance is called, if that is by the clock.
    fn schedule(_name: &str, _config: &PluginConfig, _plugin: &Plugin, _interval: Duration) -> Option<Schedule> {
        None
    }

    /// Begins with the first deployment, or the first after [`withdraw`](Self::withdraw).
    fn start(&mut self, deployment: Arc<Deployment>);

    /// Puts another deployment in the place of the one that runs. What there is still to end of that one is answered.
    fn replace(&mut self, deployment: Arc<Deployment>) -> Option<StopFuture>;

    /// Takes away what runs: why nothing does from now on.
    fn withdraw(&mut self, why: &str) -> Option<StopFuture>;

    /// Has it called again at once, also from quarantine.
    fn resume(&self);

    /// Ends it in order, for good.
    fn stop(self) -> Option<StopFuture>;

    /// Tries a deployment before it takes another's place: opens it, calls it once, throws it away. It starts from a copy
    /// of the saved state and leaves none.
    fn canary(shared: RoleContext, deployment: Arc<Deployment>) -> BoxFuture<'static, Result<(), CallError>>;
}

/// The end of what ran, which may take as long as a call.
pub(crate) type StopFuture = BoxFuture<'static, ()>;
