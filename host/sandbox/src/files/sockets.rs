//! Granted Unix sockets. What is held is the directory: whoever serves a socket makes it anew under its name when it
//! starts, so it is looked for there before each request, and a link in its place is not followed.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, fstat, openat};

use super::held::{GrantPathError, HeldGrants, find_without_links};
use super::tree::LOOK;

/// A socket as it is now.
#[derive(Debug)]
pub(crate) struct OpenSocket(OwnedFd);

impl OpenSocket {
    /// A path that leads to this very socket, whatever its name leads to by now. Good while this lives.
    pub(crate) fn address(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

/// Looks for a granted socket. This may wait for the file system that it lies on.
pub(crate) fn open(held: &HeldGrants, path: &Path) -> Result<OpenSocket, GrantPathError> {
    let os = |source: io::Error| GrantPathError::Os { path: path.into(), source };
    let folder = held.socket_folder(path)?;
    let name = path.file_name().unwrap_or_default();
    let found = openat(&*folder, name, LOOK | OFlags::NOFOLLOW, Mode::empty()).map_err(|errno| os(errno.into()))?;
    let stat = fstat(&found).map_err(|errno| os(errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
        return Err(os(io::Error::other("it is no socket")));
    }
    Ok(OpenSocket(found))
}

/// Whether a socket's path can be granted as it stands. One that is not there yet can.
///
/// # Errors
/// [`GrantPathError::Link`]
pub fn check_socket_path(path: &Path) -> Result<(), GrantPathError> {
    match find_without_links(path) {
        Err(error @ GrantPathError::Link { .. }) => Err(error),
        _ => Ok(()),
    }
}
