//! Plugins: the folder that they lie in, whose signatures they need, and what runs of them: collectors, processors and
//! the backends of destinations.
//!
//! The [`Supervisor`] is the one that decides what runs. Whoever wants to tell it something has a [`Supervision`]; what
//! is known of every instance is in [`Statuses`]. No listener and no command line is known here.
#![warn(missing_docs)]

mod api;
mod backend;
mod check;
mod collector;
mod config;
mod deployment;
mod exposed;
pub mod folder;
mod keys;
mod metrics;
pub mod missing_grants;
mod processor;
mod role;
mod schedule;
pub mod settings_schema;
mod signature;
mod state_dir;
mod status;
mod supervisor;
mod task;

pub use api::{PluginsApiState, operating, router};
pub use backend::BackendSlot;
pub use check::PluginCheck;
pub use config::{
    BackendConfig, FolderConfig, IsWritten, OwnPlace, PluginConfig, PluginsConfig, SignatureConfig, plugin_section,
};
pub use deployment::Deployment;
pub use exposed::ExposedPath;
pub use keys::{KeysError, SignatureError, TrustedKeys};
pub use metrics::PluginMetrics;
pub use processor::Chain;
pub use schedule::Schedule;
pub use signature::{Signature, sha256};
pub use state_dir::StateDir;
pub use status::{FaultLimit, FileView, InstanceCounts, InstanceView, PluginFailure, Status, Statuses};
pub use supervisor::{Dependencies, Supervision, Supervisor};
