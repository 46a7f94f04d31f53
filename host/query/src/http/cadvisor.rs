//! cAdvisor's API: `/api/v1.3`, `/api/v2.1` and `/metrics/cadvisor`.

mod ask;
mod options;
mod version1;
mod version2;

use axum::Router;
use axum::routing::{MethodRouter, get};

use super::Shared;

pub(super) fn routes() -> Router<Shared> {
    let router = Router::new()
        .route("/metrics/cadvisor", get(version2::metrics))
        .route("/api/v1.3/machine", get(version1::machine))
        .route("/api/v2.1/machine", get(version1::machine))
        .route("/api/v2.1/version", get(version2::version))
        .route("/api/v2.1/attributes", get(version2::attributes));
    let named = [
        ("/api/v1.3/containers", get(version1::containers).post(version1::containers)),
        ("/api/v1.3/subcontainers", get(version1::subcontainers).post(version1::subcontainers)),
        ("/api/v1.3/docker", get(version1::docker).post(version1::docker)),
        ("/api/v2.1/stats", get(version2::stats)),
        ("/api/v2.1/spec", get(version2::spec)),
        ("/api/v2.1/summary", get(version2::summary)),
        ("/api/v2.1/events", get(version2::events)),
    ];
    named.into_iter().fold(router, |router, (path, route)| with_names(router, path, route))
}

/// A route for a path without a name, with a slash at its end, and with a name, in which there may be slashes.
fn with_names(router: Router<Shared>, path: &str, route: MethodRouter<Shared>) -> Router<Shared> {
    let paths = [path.to_owned(), format!("{path}/"), format!("{path}/{{*name}}")];
    paths.iter().fold(router, |router, path| router.route(path, route.clone()))
}
