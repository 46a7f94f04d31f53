//! The store's paths answered from its files, for an operator where no agent runs.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::response::Response;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use http_body_util::BodyExt as _;
use saker_journal::real;
use saker_pipeline::now_ms;
use tower_service::Service as _;

use crate::error::StoreError;
use crate::http::{operating, router};
use crate::store::{Store, StoreConfig};

/// The store in a folder that no agent has open.
pub struct StoreFolder(Router);

impl StoreFolder {
    /// Opens it; nobody else can until it is dropped.
    ///
    /// # Errors
    /// There is none, an agent has it open, or what the system says.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let failed = StoreError::of("open", folder.display().to_string());
        let disk = real(Dir::open_ambient_dir(folder, ambient_authority()).map_err(failed)?);
        // What is asked of files alone goes by no policy: nothing is taken in, and nothing is removed for its age.
        let store = Arc::new(Store::open(&*disk, StoreConfig::default(), now_ms())?.0);
        Ok(Self(router(store.clone()).merge(operating(store, Arc::new(|_, _| {})))))
    }

    /// Asks as one asks an agent: status, headers and body of the answer.
    pub async fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Option<(StatusCode, HeaderMap, Bytes)> {
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).ok()?;
        let response: Result<Response, Infallible> = self.0.clone().call(request).await;
        let Ok(response) = response;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        Some((parts.status, parts.headers, body))
    }
}
