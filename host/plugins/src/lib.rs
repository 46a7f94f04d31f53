//! Plugins: the folder that they lie in, whose signatures they need, and what runs of them: collectors, processors and
//! the backends of nodes.
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
mod processor;
mod role;
mod schedule;
pub mod settings_schema;
mod signature;
mod state_dir;
mod status;
mod supervisor;
mod task;
pub mod unreached;

pub use api::{ApiState, operating, router};
pub use backend::BackendSlot;
pub use check::PluginCheck;
pub use config::{
    BackendConfig, FolderConfig, OwnPlace, PluginConfig, PluginsConfig, SignatureConfig, Written, plugin_section,
};
pub use deployment::Deployment;
pub use exposed::Exposed;
pub use keys::{Keys, KeysError, SignatureError};
pub use metrics::PluginMetrics;
pub use processor::Chain;
pub use schedule::Schedule;
pub use signature::{Signature, sha256};
pub use state_dir::StateDir;
pub use status::{Counts, Fault, FaultLimit, FileView, InstanceView, Status, Statuses};
pub use supervisor::{Dependencies, Supervision, Supervisor};
