//! Protocols that come over HTTP only: what they share.

use std::marker::PhantomData;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::{Router, middleware};
use saker_config::{ByteSize, ConfigTable};

use crate::admission;
use crate::asked::Way;
use crate::keys::KeyCache;
use crate::naming::Naming;
use crate::settings::step_s;
use crate::{IngestAdmission, IngestContext, ListenerStats, ProtocolListenError, ProtocolListener};

/// A protocol over HTTP.
pub trait HttpProtocol: Send + Sync + Sized + 'static {
    /// What it is called: in the configuration, and where its points are counted.
    const NAME: &'static str;
    /// The paths that bring points; one that ends with a slash stands for all below it.
    const PATHS: &'static [&'static str];

    /// What it answers to.
    fn routes() -> Router<HttpDoor>;
}

/// What can be set of a protocol over HTTP whose series have Prometheus' labels.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpConfig {
    /// The label that becomes the endpoint. An empty name is no label's.
    pub endpoint_tag: String,
    /// How often values come, in seconds; the protocol does not say it.
    pub step_s: u32,
    /// Memory for the names of series that came before.
    pub key_cache_bytes: usize,
}

impl Default for HttpConfig {
    fn default() -> Self {
        // As queries show an endpoint, and as often as Prometheus scrapes where nothing else is set.
        Self { endpoint_tag: "instance".into(), step_s: 60, key_cache_bytes: 64 << 20 }
    }
}

impl HttpConfig {
    /// Reads its table; what is not written has its default.
    #[must_use]
    pub fn read(table: &mut ConfigTable<'_>) -> Self {
        let default = Self::default();
        Self {
            endpoint_tag: table.get("endpoint_tag", default.endpoint_tag),
            step_s: step_s(table, default.step_s),
            key_cache_bytes: table.get("key_cache_bytes", ByteSize(default.key_cache_bytes)).0,
        }
    }
}

/// What answers for a protocol over HTTP.
pub struct HttpListener<P> {
    listener: HttpDoor,
    protocol: PhantomData<fn() -> P>,
}

/// What its handlers share.
#[derive(Clone)]
pub struct HttpDoor(Arc<Inner>);

struct Inner {
    listener: Arc<ListenerStats>,
    admission: Arc<IngestAdmission>,
    intake: ArcSwap<HttpIntake>,
}

/// How bodies are taken, and what is known of those that came before.
pub(crate) struct HttpIntake {
    config: HttpConfig,
    endpoint: Arc<str>,
    keys: Arc<KeyCache>,
}

impl<P: HttpProtocol> ProtocolListener for HttpListener<P> {
    type Config = HttpConfig;

    fn build(context: &IngestContext, config: &HttpConfig, endpoint: &Arc<str>) -> Self {
        let listener = context.listeners.open(P::NAME, P::PATHS);
        let intake = ArcSwap::from_pointee(HttpIntake::new(config, endpoint, &listener));
        let inner = Inner { listener, admission: context.admission.clone(), intake };
        Self { listener: HttpDoor(Arc::new(inner)), protocol: PhantomData }
    }

    fn router(self: &Arc<Self>) -> Router {
        let admit = middleware::from_fn_with_state(self.listener.0.admission.clone(), admission::admit);
        P::routes().route_layer(admit).with_state(self.listener.clone())
    }

    /// What is known holds only as long as names are made in the same way.
    async fn apply(&self, config: &HttpConfig, endpoint: &Arc<str>) -> Result<(), ProtocolListenError> {
        let now = self.listener.intake();
        if now.config != *config || now.endpoint != *endpoint {
            self.listener.0.intake.store(Arc::new(HttpIntake::new(config, endpoint, &self.listener.0.listener)));
        }
        Ok(())
    }
}

impl HttpDoor {
    /// How bodies are taken now.
    pub(crate) fn intake(&self) -> Arc<HttpIntake> {
        self.0.intake.load_full()
    }

    /// Where a body goes.
    pub(crate) fn way<'a>(&'a self, intake: &'a HttpIntake) -> Way<'a> {
        Way { listener: &self.0.listener, admission: &self.0.admission, keys: &intake.keys }
    }
}

impl HttpIntake {
    fn new(config: &HttpConfig, endpoint: &Arc<str>, listener: &ListenerStats) -> Self {
        let keys = Arc::new(KeyCache::new(config.key_cache_bytes));
        listener.show_keys(keys.clone());
        Self { config: config.clone(), endpoint: endpoint.clone(), keys }
    }

    /// How series are named.
    pub(crate) fn naming(&self) -> Naming {
        Naming::new(&self.config.endpoint_tag, self.config.step_s, &self.endpoint)
    }
}
