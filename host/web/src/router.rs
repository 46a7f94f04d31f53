//! The paths, put together.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, middleware};
use saker_http::ApiError;
use saker_query::{Engine, RunError};

use crate::feed::Feed;
use crate::{assets, changes, document, live};

/// What the page needs.
pub struct Dependencies {
    /// Runs what is read, over the store or what stands for it.
    pub engine: Arc<Engine>,
    /// Tells what comes. It is a sink of the pipeline's as well.
    pub feed: Arc<Feed>,
    /// The agent's version.
    pub version: &'static str,
}

pub(crate) type Shared = Arc<Dependencies>;

/// The routes, by who may ask.
pub struct Routers {
    /// Anybody: files that were built, in which there is nothing of this host.
    pub open: Router,
    /// Who has the token. The caller puts [`saker_http::guarded`] around it.
    pub guarded: Router,
    shared: Shared,
}

impl Routers {
    /// Puts the document in front of what is at `/`, for browsers. To be laid around the guard: without a token the
    /// document comes without data, and asks for one.
    pub fn front(&self, index: Router) -> Router {
        index.layer(middleware::from_fn_with_state(self.shared.clone(), document::front))
    }
}

/// All routes.
#[must_use]
pub fn routers(dependencies: Dependencies) -> Routers {
    let shared = Arc::new(dependencies);
    let guarded = Router::new()
        .route("/saker/v1/page/live", get(live::live))
        .route("/saker/v1/page/changes", get(changes::changes))
        .with_state(shared.clone());
    Routers { open: Router::new().route("/page/{name}", get(assets::asset)), guarded, shared }
}

/// Why there is no answer, for who asked.
pub(crate) fn unanswered(error: RunError) -> ApiError {
    let status = match &error {
        RunError::Query(_) => StatusCode::UNPROCESSABLE_ENTITY,
        RunError::Died => StatusCode::INTERNAL_SERVER_ERROR,
        RunError::Busy(_) | RunError::Unread | RunError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
    };
    ApiError::new(status, error.to_string())
}

#[cfg(test)]
mod tests;
