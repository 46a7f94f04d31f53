//! All protocols together, as the agent has them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::{BoxFuture, join_all};

use crate::{AllListenerStats, IngestAdmission};

/// What every protocol is given.
#[derive(Clone)]
pub struct IngestContext {
    /// Where it opens its listener.
    pub listeners: Arc<AllListenerStats>,
    /// Who says whether anything may come in now.
    pub admission: Arc<IngestAdmission>,
}

/// A protocol that samples come in by.
pub trait ProtocolListener: Send + Sync + Sized + 'static {
    /// What can be set.
    type Config: Send + Sync + 'static;

    /// Opens its listener. It listens nowhere until its settings are [applied](Self::apply).
    fn build(context: &IngestContext, config: &Self::Config, endpoint: &Arc<str>) -> Self;

    /// What it answers to over HTTP.
    fn router(self: &Arc<Self>) -> Router {
        Router::new()
    }

    /// Takes settings, and changes what differs. `endpoint` is whose values these are where nothing else says it.
    fn apply(
        &self,
        config: &Self::Config,
        endpoint: &Arc<str>,
    ) -> impl Future<Output = Result<(), ProtocolListenError>> + Send;

    /// Takes what has come, and nothing more.
    fn stop(&self, _limit: Duration) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// A protocol does not listen where it is told to. It goes on where it did before.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for {listener}; set listen.{listener} to another address or to \"off\"")]
pub struct ProtocolListenError {
    /// The protocol.
    pub listener: &'static str,
    /// Where.
    pub address: SocketAddr,
    /// Why not.
    #[source]
    pub source: std::io::Error,
}

/// All protocols of an agent whose configuration is a `C`.
pub struct Ingest<C> {
    context: IngestContext,
    endpoint: Arc<str>,
    listeners: Vec<Box<dyn AnyListener<C>>>,
}

/// A listener, and where its settings stand.
struct ListenerHolder<C, L: ProtocolListener> {
    listener: Arc<L>,
    settings: fn(&C) -> &L::Config,
}

/// What all listeners have in common, without their types.
trait AnyListener<C>: Send + Sync {
    fn router(&self) -> Router;
    fn apply<'a>(&'a self, config: &'a C, endpoint: &'a Arc<str>) -> BoxFuture<'a, Result<(), ProtocolListenError>>;
    fn stop(&self, limit: Duration) -> BoxFuture<'_, ()>;
}

impl<C: Send + Sync + 'static> Ingest<C> {
    /// No protocols yet.
    #[must_use]
    pub fn new(context: IngestContext, endpoint: Arc<str>) -> Self {
        Self { context, endpoint, listeners: Vec::new() }
    }

    /// Adds a protocol. `settings` says where its own stand in the configuration.
    pub fn add<L: ProtocolListener>(&mut self, config: &C, settings: fn(&C) -> &L::Config) {
        let listener = Arc::new(L::build(&self.context, settings(config), &self.endpoint));
        self.listeners.push(Box::new(ListenerHolder { listener, settings }));
    }

    /// What they answer to over HTTP.
    pub fn router(&self) -> Router {
        self.listeners.iter().fold(Router::new(), |router, listener| router.merge(listener.router()))
    }

    /// Where each has its listener.
    #[must_use]
    pub fn listeners(&self) -> Arc<AllListenerStats> {
        self.context.listeners.clone()
    }

    /// Who says what may come in.
    #[must_use]
    pub fn admission(&self) -> &IngestAdmission {
        &self.context.admission
    }

    /// Has all of them take settings.
    ///
    /// # Errors
    /// Those that do not listen where they are told to; all others do.
    pub async fn apply(&self, config: &C, endpoint: &Arc<str>) -> Result<(), ProtocolListenError> {
        let applied = join_all(self.listeners.iter().map(|listener| listener.apply(config, endpoint))).await;
        applied.into_iter().collect()
    }

    /// Has all of them take what has come, within this time, and nothing more.
    pub async fn stop(&self, limit: Duration) {
        join_all(self.listeners.iter().map(|listener| listener.stop(limit))).await;
    }
}

impl<C: Send + Sync + 'static, L: ProtocolListener> AnyListener<C> for ListenerHolder<C, L> {
    fn router(&self) -> Router {
        self.listener.router()
    }

    fn apply<'a>(&'a self, config: &'a C, endpoint: &'a Arc<str>) -> BoxFuture<'a, Result<(), ProtocolListenError>> {
        Box::pin(self.listener.apply((self.settings)(config), endpoint))
    }

    fn stop(&self, limit: Duration) -> BoxFuture<'_, ()> {
        Box::pin(self.listener.stop(limit))
    }
}
