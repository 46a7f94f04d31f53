//! What a plugin's errors become on their way to the agent.

use std::io;

use crate::bindings::types::{OpenError, Permission};
use crate::collector::CollectError;

/// The number of WASI's "not capable", which libc answers for a path that is below no granted directory.
const ENOTCAPABLE: i32 = 76;
/// The number of WASI's "not permitted", which the host answers for a path that leaves its granted directory.
const EPERM: i32 = 63;

/// The permission that reading `path` wants, if that is what `error` says; otherwise none.
///
/// Only inside the sandbox: natively the same numbers mean other things.
#[must_use]
pub fn denied_path(path: &str, error: &io::Error) -> Option<Permission> {
    let refused = cfg!(target_arch = "wasm32") && matches!(error.raw_os_error(), Some(ENOTCAPABLE | EPERM));
    // WASI libc has no number for "no directory was granted at all"; the standard library then says so in words.
    let uncovered = error.raw_os_error().is_none() && error.to_string().contains("pre-opened");
    (refused || uncovered).then(|| Permission::Read(path.into()))
}

impl CollectError {
    /// Sorts an input-output error about `path`: a missing permission, or something that is not there now.
    #[must_use]
    pub fn from_io(path: &str, error: &io::Error) -> Self {
        match denied_path(path, error) {
            Some(permission) => Self::Denied(permission),
            None => Self::Unavailable(format!("{path}: {error}")),
        }
    }

    /// Something that was read makes no sense: where, and what was expected there.
    #[must_use]
    pub fn malformed(place: &str, expected: &str) -> Self {
        Self::Malformed(format!("{place}: expected {expected}"))
    }
}

impl OpenError {
    /// Sorts an input-output error about `path`.
    #[must_use]
    pub fn from_io(path: &str, error: &io::Error) -> Self {
        match denied_path(path, error) {
            Some(permission) => Self::Denied(permission),
            None => Self::Other(format!("{path}: {error}")),
        }
    }
}
