//! Plugin files: from a file, a folder or a registry into the plugin folder, pinned in a lock file, and checked against
//! signatures before anybody runs them.
//!
//! The command line calls [`fetch`], [`push`] and [`Folder`]; the agent itself only [`Keys::check`], for every file that
//! it is about to compile. Nothing here runs or compiles a plugin.
#![warn(missing_docs)]

mod client;
mod exposed;
mod folder;
mod keys;
mod origin;
mod reference;
mod registry;
mod signature;
mod source;
mod version;

pub use exposed::Exposed;
pub use folder::{Consent, Drift, Folder, FolderError, Named, Pin};
pub use keys::{Keys, KeysError, SignatureError};
pub use registry::{Registry, RegistryError, push};
pub use signature::{Signature, sign};
pub use source::{Fetched, Source, SourceError, fetch};

/// Bytes of a plugin file that is fetched: what the agent takes by default.
pub const FILE_BYTES_MAX: usize = 32 << 20;
