//! The forwarder over HTTP: routes and destinations, and the queues on disk.

mod queues;
mod routes;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::Forwarder;

/// Tells the name of a destination's backend, if there is such a destination.
pub type BackendNames = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What requests are answered from.
#[derive(Clone)]
pub struct ForwardApiState {
    /// What routes and queues points.
    pub forwarder: Arc<Forwarder>,
    /// The name of a destination's backend.
    pub backend_of: BackendNames,
    /// The endpoint of a series that is asked about without one.
    pub endpoint: Arc<dyn Fn() -> Arc<str> + Send + Sync>,
}

/// Where points go, and what waits.
pub fn router(state: ForwardApiState) -> Router {
    Router::new()
        .route("/saker/v1/routes", get(routes::routes))
        .route("/saker/v1/queues", get(queues::list))
        .route("/saker/v1/queues/{destination}", get(queues::inspect))
        .with_state(state)
}

/// What changes queues, which is an operator's.
pub fn operating(state: ForwardApiState) -> Router {
    Router::new()
        .route("/saker/v1/queues/{destination}/replay", post(queues::replay))
        .route("/saker/v1/queues/{destination}/drop", post(queues::discard))
        .with_state(state)
}
