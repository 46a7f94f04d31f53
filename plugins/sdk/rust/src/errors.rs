//! What a plugin's errors become on their way to the agent.

use std::io;

use crate::bindings::types::{OpenError, Permission};
use crate::collector::CollectError;

/// The number of WASI's "not permitted", which the host answers for a path that leaves its granted directory.
const EPERM: i32 = 63;
/// The number of WASI's "read-only file system".
const EROFS: i32 = 69;

/// The permission that reading `path` wants, if that is what `error` says; otherwise none.
///
/// Only inside the sandbox: natively nothing is granted or denied.
#[must_use]
pub fn denied_path(path: &str, error: &io::Error) -> Option<Permission> {
    let left_its_directory = cfg!(target_arch = "wasm32") && error.raw_os_error() == Some(EPERM);
    // A path below no granted directory does not exist, as far as libc is concerned.
    let nowhere = error.kind() == io::ErrorKind::NotFound || error.raw_os_error().is_none();
    (left_its_directory || (nowhere && !is_granted(path))).then(|| Permission::Read(path.into()))
}

/// The permission that writing to `path` wants, if that is what `error` says; otherwise none. The path of a directory
/// ends with a slash: of a file, it is the directory around it that is to be granted.
///
/// Only inside the sandbox: natively nothing is granted or denied.
#[must_use]
pub fn denied_writing(path: &str, error: &io::Error) -> Option<Permission> {
    let read_only = cfg!(target_arch = "wasm32") && matches!(error.raw_os_error(), Some(EPERM | EROFS));
    let nowhere = error.kind() == io::ErrorKind::NotFound || error.raw_os_error().is_none();
    let own = std::path::Path::new(path).starts_with(crate::DATA_DIR);
    let wanted = || if own { Permission::DataDir } else { Permission::Write(path.into()) };
    (read_only || (nowhere && !is_granted(path))).then(wanted)
}

/// Whether a granted directory holds `path`.
#[cfg(target_arch = "wasm32")]
fn is_granted(path: &str) -> bool {
    let granted = wasip2::filesystem::preopens::get_directories();
    granted.iter().any(|(_, directory)| std::path::Path::new(path).starts_with(directory))
}

#[cfg(not(target_arch = "wasm32"))]
fn is_granted(_: &str) -> bool {
    true
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

    /// Sorts an input-output error of writing to `path`.
    #[must_use]
    pub fn from_io_writing(path: &str, error: &io::Error) -> Self {
        match denied_writing(path, error) {
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
