//! HTTP over Unix sockets: what a grant of one says, how a request names one, and whether it may be sent.
//!
//! A container runtime's socket is as good as root, so a grant names methods and paths as well. Paths are not made plain:
//! one that a server could read in another way than it is read here is rejected.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use http::{Method, Uri};
use wasmtime_wasi_http::Error;

use crate::grants::{Grants, Permission};

/// The scheme of requests over a Unix socket. Their authority is the path of the socket, two hexadecimal digits a byte:
/// what stands in percent-encoding elsewhere is no authority to wasi:http.
pub(crate) const SCHEME: &str = "http+unix";
/// Bytes of a socket's path: what an address of the system holds, less its end.
const SOCKET_BYTES_MAX: usize = 107;
/// What a request's path may hold beside letters, digits and slashes: RFC 3986's characters of a segment, without those
/// that servers read in different ways, `%` and `;`, and without `*`, which stands for a segment in a grant.
const PLAIN: &[u8] = b"-._~!$&'()+,=:@";

/// A Unix socket, and the requests that may be sent over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixGrant {
    /// Where the socket is.
    pub socket: PathBuf,
    /// The methods that requests may have.
    pub methods: Vec<Method>,
    /// What their paths may be.
    pub paths: Vec<UnixPath>,
}

/// What a request's path begins with, in whole segments: `/containers/json`; with a slash at its end, what is below
/// only; with `*` for any one segment: `/containers/*/stats`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixPath(String);

/// A grant of a Unix socket that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnixGrantError {
    /// Not a path that a socket can have.
    #[error(
        "{0:?} is no path of a socket: it must be absolute, without . and .., and have at most {SOCKET_BYTES_MAX} bytes"
    )]
    Socket(String),
    /// Not a method that can be granted.
    #[error("{0:?} is no method that can be granted; write one such as \"GET\", in capital letters")]
    Method(String),
    /// Not a path of requests.
    #[error(
        "{0:?} is no path of requests: write one such as \"/containers/json\" or \"/containers/*/stats\", without percent-encoding, query, . and .."
    )]
    Path(String),
    /// Not the three parts.
    #[error("{0:?} is no request: write METHOD SOCKET PATH, such as \"GET /run/docker.sock /containers/\"")]
    Request(String),
}

/// Checks the path of a socket.
///
/// # Errors
/// [`UnixGrantError::Socket`]
pub fn socket_path(text: &str) -> Result<PathBuf, UnixGrantError> {
    let path = Path::new(text);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let same = path.components().collect::<PathBuf>().as_os_str() == path.as_os_str();
    let fits = path.is_absolute() && text.len() <= SOCKET_BYTES_MAX && path.file_name().is_some();
    if plain && same && fits && !text.contains(char::is_control) {
        return Ok(path.into());
    }
    Err(UnixGrantError::Socket(text.into()))
}

/// Checks the name of a method.
///
/// # Errors
/// [`UnixGrantError::Method`]
pub fn unix_method(text: &str) -> Result<Method, UnixGrantError> {
    const KNOWN: [Method; 7] =
        [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
    KNOWN.into_iter().find(|known| known.as_str() == text).ok_or_else(|| UnixGrantError::Method(text.into()))
}

impl FromStr for UnixPath {
    type Err = UnixGrantError;

    fn from_str(text: &str) -> Result<Self, UnixGrantError> {
        // An asterisk is a whole segment; apart from that it is a path like any other.
        let as_path: Vec<_> = text.split('/').map(|part| if part == "*" { "x" } else { part }).collect();
        if is_plain(&as_path.join("/")) { Ok(Self(text.into())) } else { Err(UnixGrantError::Path(text.into())) }
    }
}

impl fmt::Display for UnixPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl UnixPath {
    /// Whether it covers a plain path.
    fn covers(&self, path: &str) -> bool {
        let (mut granted, mut asked) = (self.0.split('/').peekable(), path.split('/'));
        while let Some(part) = granted.next() {
            let Some(there) = asked.next() else { return false };
            let below = part.is_empty() && granted.peek().is_none();
            if !(below || part == there || (part == "*" && !there.is_empty())) {
                return false;
            }
        }
        true
    }
}

/// `METHOD SOCKET PATH`, as a plugin asks for it: `GET /run/docker.sock /containers/`.
impl FromStr for UnixGrant {
    type Err = UnixGrantError;

    fn from_str(text: &str) -> Result<Self, UnixGrantError> {
        let parts = text.split_once(' ').and_then(|(method, rest)| Some((method, rest.rsplit_once(' ')?)));
        let (method, (socket, path)) = parts.ok_or_else(|| UnixGrantError::Request(text.into()))?;
        Ok(Self { socket: socket_path(socket)?, methods: vec![unix_method(method)?], paths: vec![path.parse()?] })
    }
}

impl UnixGrant {
    /// The entry of the list `grant.unix` that is this grant.
    #[must_use]
    pub fn entry(&self) -> String {
        let methods: Vec<_> = self.methods.iter().map(|method| format!("{:?}", method.as_str())).collect();
        let paths: Vec<_> = self.paths.iter().map(|path| format!("{:?}", path.0)).collect();
        let (socket, methods, paths) = (&self.socket, methods.join(", "), paths.join(", "));
        format!("{{ path = {socket:?}, methods = [{methods}], paths = [{paths}] }}")
    }

    /// Whether it allows all that another does, of which each path is plain or a pattern of its own.
    #[must_use]
    pub fn allows(&self, other: &Self) -> bool {
        self.socket == other.socket
            && other.methods.iter().all(|method| self.methods.contains(method))
            && other.paths.iter().all(|path| self.paths.iter().any(|granted| granted.covers(&path.0)))
    }

    fn admits(&self, socket: &Path, method: &Method, path: &str) -> bool {
        self.socket == socket && self.methods.contains(method) && self.paths.iter().any(|granted| granted.covers(path))
    }
}

/// Whether a request goes over a Unix socket.
pub(crate) fn is_unix(uri: &Uri) -> bool {
    uri.scheme_str() == Some(SCHEME)
}

/// The socket that a request may be sent over.
///
/// # Errors
/// [`Error`], as the guest sees it. What is missing is told to `missing`.
pub(crate) fn admit(
    grants: &Grants,
    method: &Method,
    uri: &Uri,
    missing: impl FnOnce(Permission),
) -> Result<PathBuf, Error> {
    let socket = socket_of(uri).ok_or(Error::HttpRequestUriInvalid)?;
    if !is_plain(uri.path()) {
        return Err(Error::HttpRequestUriInvalid);
    }
    if grants.unix.iter().any(|grant| grant.admits(&socket, method, uri.path())) {
        return Ok(socket);
    }
    missing(Permission::Unix(format!("{method} {} {}", socket.display(), uri.path())));
    Err(Error::HttpRequestDenied)
}

/// The socket that an authority names.
pub(crate) fn socket_of(uri: &Uri) -> Option<PathBuf> {
    let digits = uri.authority()?.as_str().as_bytes();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let bytes: Option<Vec<u8>> = pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    socket_path(&String::from_utf8(bytes?).ok()?).ok()
}

/// Whether every server reads a path as it stands.
fn is_plain(path: &str) -> bool {
    let Some(below) = path.strip_prefix('/') else { return false };
    let segments: Vec<_> = below.split('/').collect();
    let last = segments.len() - 1;
    segments.iter().enumerate().all(|(place, segment)| {
        let letters = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte));
        letters && *segment != "." && *segment != ".." && (place == last || !segment.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: &str = "/run/docker.sock";

    fn authority(socket: &str) -> String {
        socket.bytes().map(|byte| format!("{byte:02x}")).collect()
    }

    fn grants(methods: &[&str], paths: &[&str]) -> Grants {
        let grant = UnixGrant {
            socket: SOCKET.into(),
            methods: methods.iter().map(|method| unix_method(method).unwrap()).collect(),
            paths: paths.iter().map(|path| path.parse().unwrap()).collect(),
        };
        Grants { unix: vec![grant], ..Grants::default() }
    }

    /// Whether a request is admitted; else the error and what is missing.
    fn asked(grants: &Grants, method: &str, uri: &str) -> Result<(), (String, Option<String>)> {
        let (method, uri) = (Method::from_bytes(method.as_bytes()).unwrap(), uri.parse::<Uri>().unwrap());
        let mut missing = None;
        let admitted = admit(grants, &method, &uri, |permission| missing = Some(permission.grant_line()));
        admitted.map(drop).map_err(|error| (format!("{error:?}"), missing))
    }

    #[test]
    fn nothing_is_admitted_that_is_not_granted() {
        let uri = format!("{SCHEME}://{}/containers/json?all=1", authority(SOCKET));
        let line =
            "grant.unix = [{ path = \"/run/docker.sock\", methods = [\"GET\"], paths = [\"/containers/json\"] }]";
        let rejected = Err(("HttpRequestDenied".into(), Some(line.to_owned())));
        assert_eq!(asked(&Grants::default(), "GET", &uri), rejected);
        assert_eq!(asked(&grants(&["GET"], &["/containers/"]), "GET", &uri), Ok(()));
        assert_eq!(asked(&grants(&["GET"], &["/info"]), "GET", &uri), rejected);
        for method in ["POST", "HEAD", "get", "DELETE", "OTHER"] {
            assert!(asked(&grants(&["GET"], &["/containers/"]), method, &uri).is_err(), "{method}");
        }
        let other = format!("{SCHEME}://{}/containers/json", authority("/run/other.sock"));
        assert!(asked(&grants(&["GET"], &["/containers/"]), "GET", &other).is_err());
    }

    #[test]
    fn a_path_covers_whole_segments_and_what_is_below() {
        for (granted, path, covers) in [
            ("/containers", "/containers", true),
            ("/containers", "/containers/", true),
            ("/containers", "/containers/a/json", true),
            ("/containers", "/containersx", false),
            ("/containers/", "/containers/a", true),
            ("/containers/", "/containers", false),
            ("/containers/*/stats", "/containers/a/stats", true),
            ("/containers/*/stats", "/containers/a/b/stats", false),
            ("/containers/*/stats", "/containers/a/archive", false),
            ("/containers/*/stats", "/containers//stats", false),
            ("/", "/anything/at/all", true),
        ] {
            assert_eq!(granted.parse::<UnixPath>().unwrap().covers(path), covers, "{granted} {path}");
        }
    }

    #[test]
    fn a_path_that_a_server_could_read_in_another_way_is_rejected() {
        let granted = grants(&["GET"], &["/containers/"]);
        for path in [
            "/containers/../images/json",
            "/containers/%2e%2e/images",
            "/containers/a%2Fb",
            "/containers/./a",
            "/containers//a",
            "//containers/a",
            "/containers/a;b",
            "/containers/a\\b",
            "/containers/..",
            "/containers/a*",
        ] {
            let uri = format!("{SCHEME}://{}{path}", authority(SOCKET));
            if uri.parse::<Uri>().is_ok() {
                assert_eq!(asked(&granted, "GET", &uri), Err(("HttpRequestUriInvalid".into(), None)), "{path}");
            }
        }
    }

    #[test]
    fn an_authority_is_a_path_in_small_digits_and_nothing_else() {
        let granted = grants(&["GET"], &["/"]);
        let good = authority(SOCKET);
        for wrong in [
            good.to_ascii_uppercase(),
            format!("{good}0"),
            format!("{good}:80"),
            format!("user@{good}"),
            format!("{good}@{good}"),
            authority("run/docker.sock"),
            authority("/run/../run/docker.sock"),
            authority("/run//docker.sock"),
            authority("/run/docker.sock/"),
            authority("/run/docker.sock\0"),
            authority(&format!("/{}", "x".repeat(SOCKET_BYTES_MAX))),
            "docker.sock".into(),
        ] {
            if let Ok(uri) = format!("{SCHEME}://{wrong}/info").parse::<Uri>() {
                assert_eq!(socket_of(&uri), None, "{wrong}");
                assert!(asked(&granted, "GET", &uri.to_string()).is_err(), "{wrong}");
            }
        }
    }

    #[test]
    fn a_grant_is_read_with_its_mistakes() {
        let grant: UnixGrant = "GET /run/docker.sock /containers/*/stats".parse().unwrap();
        assert_eq!(
            grant.entry(),
            "{ path = \"/run/docker.sock\", methods = [\"GET\"], paths = [\"/containers/*/stats\"] }"
        );
        for (text, words) in [
            ("GET /run/docker.sock", "write METHOD SOCKET PATH"),
            ("get /run/docker.sock /a", "in capital letters"),
            ("CONNECT /run/docker.sock /a", "no method that can be granted"),
            ("GET run/docker.sock /a", "no path of a socket"),
            ("GET /run/docker.sock a", "no path of requests"),
            ("GET /run/docker.sock /a/../b", "no path of requests"),
            ("GET /run/docker.sock /a?b", "no path of requests"),
        ] {
            let error = text.parse::<UnixGrant>().unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
