//! Requests over Unix sockets: checked before anything is opened, and sent to the very socket that was found then.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::{self, CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::{BodyExt, Empty};
use parking_lot::Mutex;
use tokio::net::UnixStream;
use wasmtime_wasi_http::{Error, WasiBody};

use super::CONNECT_TIMEOUT;
use crate::ctx::Denials;
use crate::files::{self, GrantPathError, HeldGrants, OpenSocket};
use crate::grants::Grants;
use crate::{request, unix};

/// The headers that a request over a Unix socket may have, one of each. There are servers that take the method, the path or
/// the protocol of a request from a header, under more names than a list could hold.
const HEADERS: &[HeaderName] = &[
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::HOST,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::USER_AGENT,
];

/// What requests over Unix sockets go through.
pub(super) struct Gate {
    pub(super) grants: Arc<Grants>,
    pub(super) denials: Denials,
    pub(super) sockets: Arc<Sockets>,
}

/// The sockets of an instance, as its last requests have found them.
pub(super) struct Sockets {
    held: HeldGrants,
    /// At most as many as there are grants: only what is granted is looked for.
    open: Mutex<BTreeMap<PathBuf, Arc<OpenSocket>>>,
}

/// Why there is no connection over a socket.
#[derive(Debug, thiserror::Error)]
pub(super) enum SocketError {
    #[error("no socket was looked for")]
    None,
    #[error("cannot connect to {}: {source}", .path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("cannot connect to {} within {CONNECT_TIMEOUT:?}", .path.display())]
    Timeout { path: PathBuf },
}

impl Gate {
    /// Lets a request pass that is none over a Unix socket, or one that is granted; makes that plain.
    pub(super) fn check(&self, request: &mut Request<WasiBody>) -> Result<(), Error> {
        if !unix::is_unix(request.uri()) {
            return Ok(());
        }
        let missing = |permission| self.denials.note(permission);
        let socket = unix::admit(&self.grants, request.method(), request.uri(), missing)?;
        request::make_plain(request)?;
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            // What follows such a request could be taken for the next one, which nobody has checked.
            request.headers_mut().remove(CONTENT_LENGTH);
            *request.body_mut() = Empty::new().map_err(|never| match never {}).boxed_unsync();
        }
        keep(request.headers_mut());
        // On the guest's own thread, which may wait for a file system.
        self.sockets.look_for(socket).map_err(|error| Error::InternalError(Some(error.to_string())))
    }
}

/// Leaves the headers that a request may have.
fn keep(headers: &mut HeaderMap) {
    let mut all = std::mem::take(headers);
    for name in HEADERS {
        if let Some(value) = all.remove(name) {
            headers.insert(name, value);
        }
    }
}

impl Sockets {
    pub(super) fn new(held: HeldGrants) -> Self {
        Self { held, open: Mutex::default() }
    }

    fn look_for(&self, path: PathBuf) -> Result<(), GrantPathError> {
        let socket = files::open_socket(&self.held, &path)?;
        self.open.lock().insert(path, Arc::new(socket));
        Ok(())
    }

    /// Connects to the socket that was found for the last request to it.
    pub(super) async fn connect(&self, uri: &Uri) -> Result<UnixStream, SocketError> {
        let path = unix::socket_of(uri).ok_or(SocketError::None)?;
        let socket = self.open.lock().get(&path).cloned().ok_or(SocketError::None)?;
        match tokio::time::timeout(CONNECT_TIMEOUT, UnixStream::connect(socket.address())).await {
            Ok(connected) => connected.map_err(|source| SocketError::Connect { path, source }),
            Err(_) => Err(SocketError::Timeout { path }),
        }
    }
}
