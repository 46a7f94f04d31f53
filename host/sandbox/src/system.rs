//! What is asked of the operating system by name and may hang there: the addresses of a name, and the fill of a file
//! system. Tests put answers of their own in its place.

use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

/// How a name becomes addresses.
pub type Resolve = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;
/// How full the file system at a path is.
pub type Measure = dyn Fn(&str) -> io::Result<FileSystemStats> + Send + Sync;

/// Size and fill of a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSystemStats {
    /// Its size.
    pub total_bytes: u64,
    /// Bytes that nobody uses.
    pub free_bytes: u64,
    /// Of these, bytes that users other than root may use.
    pub available_bytes: u64,
    /// Inodes in all.
    pub total_inodes: u64,
    /// Inodes that nobody uses.
    pub free_inodes: u64,
}

/// The questions. The default asks the real system.
#[derive(Clone)]
pub struct System {
    /// The addresses of a name. The C library's answer, with all that this machine is set up to look in.
    pub resolve: Arc<Resolve>,
    /// The fill of the file system at a path. None asks the file systems below the granted places themselves.
    pub measure: Option<Arc<Measure>>,
}

impl Default for System {
    fn default() -> Self {
        Self { resolve: Arc::new(resolve), measure: None }
    }
}

impl fmt::Debug for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("System").finish_non_exhaustive()
    }
}

fn resolve(name: &str) -> io::Result<Vec<IpAddr>> {
    Ok((name, 0).to_socket_addrs()?.map(|address| address.ip().to_canonical()).collect())
}
