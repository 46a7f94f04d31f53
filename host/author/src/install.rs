//! Plugin files: from a file, a folder or a registry into the plugin folder, pinned in a lock file, and checked against
//! signatures before anybody runs them.
//!
//! The command line calls [`fetch`], [`push`] and [`InstallFolder`]; an agent that runs needs none of it. Nothing here
//! runs or compiles a plugin.

mod client;
mod folder;
mod origin;
mod reference;
mod registry;
mod sign;
mod source;
mod version;

pub use folder::{Consent, Drift, FolderError, InstallFolder, Pin, PluginIdentity};
pub use registry::{RegistryClient, RegistryError, push};
pub use sign::sign;
pub use source::{FetchedPlugin, PluginSource, SourceError, fetch};

/// Bytes of a plugin file that is fetched: what the agent takes by default.
pub const FILE_BYTES_MAX: usize = 32 << 20;
