//! What is known of plugins, as JSON, and what an operator may do to them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use saker_http::ApiError;
use serde::Serialize;
use serde_json::{Value, json};

use crate::status::{FileView, InstanceView, Statuses};
use crate::supervisor::Supervision;

/// What the handlers need.
#[derive(Clone)]
pub struct PluginsApiState {
    /// What is known of every instance.
    pub statuses: Arc<Statuses>,
    /// Who can have one called again.
    pub supervision: Supervision,
}

/// The paths that tell about plugins.
pub fn router<S>(state: PluginsApiState) -> Router<S> {
    Router::new()
        .route("/saker/v1/plugins", get(plugins))
        .route("/saker/v1/plugins/{name}", get(plugin))
        .with_state(state)
}

/// The paths that change what runs: for operators only.
pub fn operating<S>(state: PluginsApiState) -> Router<S> {
    Router::new().route("/saker/v1/plugins/{name}/resume", post(resume)).with_state(state)
}

#[derive(Serialize)]
struct PluginList {
    instances: Vec<InstanceView>,
    files: Vec<FileView>,
    /// Why nothing is loaded from the plugin folder, if nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder_error: Option<String>,
}

async fn plugins(State(state): State<PluginsApiState>) -> Json<PluginList> {
    let statuses = &state.statuses;
    let instances = statuses.instances().iter().map(|status| status.view()).collect();
    Json(PluginList { instances, files: statuses.files(), folder_error: statuses.folder_error() })
}

async fn plugin(
    State(state): State<PluginsApiState>,
    Path(name): Path<String>,
) -> Result<Json<InstanceView>, ApiError> {
    let instances = state.statuses.instances();
    match instances.iter().find(|status| status.name == name) {
        Some(status) => Ok(Json(status.view())),
        None => Err(ApiError::new(StatusCode::NOT_FOUND, format!("there is no instance {name:?}"))),
    }
}

async fn resume(State(state): State<PluginsApiState>, Path(name): Path<String>) -> Result<Json<Value>, ApiError> {
    match state.supervision.resume(&name).await {
        Ok(()) => Ok(Json(json!({"resumed": name}))),
        Err(why) => Err(ApiError::new(StatusCode::CONFLICT, why)),
    }
}
