//! What a guest's request may say, once it is read as a server would read it: its method, where it goes, its headers.
//!
//! What holds for every request is checked first. A request that carries a secret says less still: nothing that makes
//! a server answer in another way than plainly and at once, for the answer is looked through.

use http::header::{self, HeaderValue};
use http::{Method, Request, Uri};
use wasmtime_wasi_http::Error;

use crate::unix;

/// Methods that make a server or a proxy answer with the request itself, or lead elsewhere. Servers differ in whether
/// they read small letters as large ones, so these count as well.
const REFUSED: &[&str] = &["CONNECT", "TRACE", "TRACK"];
/// Methods of requests that carry a secret.
const WITH_SECRET: &[Method] =
    &[Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
/// Headers that change how a request is read, or how it is answered: in pieces, packed, by another method. Not in
/// requests that carry a secret; `x-http-method…` and `proxy-…` in all their forms go as well.
const WITHOUT_SECRET: &[&str] = &[
    "accept-encoding",
    "connection",
    "expect",
    "http2-settings",
    "if-range",
    "keep-alive",
    "max-forwards",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-method-override",
];
/// What such headers begin with.
const WITHOUT_SECRET_PREFIXES: &[&str] = &["proxy-", "x-http-method"];

/// Checks what holds for every request, and writes its `Host` from where it goes.
///
/// # Errors
/// [`Error`], as the guest sees it.
pub(crate) fn check<B>(request: &mut Request<B>) -> Result<(), Error> {
    let method = request.method().as_str();
    if REFUSED.iter().any(|rejected| method.eq_ignore_ascii_case(rejected)) {
        return Err(Error::HttpRequestMethodInvalid);
    }
    let host = if unix::is_unix(request.uri()) {
        // The socket's path is nobody's name.
        HeaderValue::from_static("localhost")
    } else {
        host_of(request.uri()).ok_or(Error::HttpRequestUriInvalid)?
    };
    // Guests may not set it, and what stands here is their authority, letter by letter.
    request.headers_mut().insert(header::HOST, host);
    Ok(())
}

/// Takes from a request what may not go where a secret goes, or over a Unix socket.
///
/// # Errors
/// [`Error::HttpRequestMethodInvalid`]
pub(crate) fn make_plain<B>(request: &mut Request<B>) -> Result<(), Error> {
    let upper = request.method().as_str().to_ascii_uppercase();
    let known = WITH_SECRET.iter().find(|known| known.as_str() == upper);
    *request.method_mut() = known.ok_or(Error::HttpRequestMethodInvalid)?.clone();
    let headers = request.headers_mut();
    WITHOUT_SECRET.iter().for_each(|name| _ = headers.remove(*name));
    let more: Vec<_> = headers
        .keys()
        .filter(|name| WITHOUT_SECRET_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix)))
        .cloned()
        .collect();
    more.iter().for_each(|name| _ = headers.remove(name));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Ok(())
}

/// `host` or `host:port` in small letters, without the scheme's own port; nothing if there is more in the authority or
/// less.
fn host_of(uri: &Uri) -> Option<HeaderValue> {
    let authority = uri.authority()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    // What is no number behind a colon would be left out below, and read by somebody else.
    let named = authority.as_str().len() > authority.host().len();
    let port = authority.port_u16();
    if named && port.is_none() {
        return None;
    }
    let own = match uri.scheme_str()? {
        "http" => 80,
        "https" => 443,
        _ => return None,
    };
    let host = authority.host().to_ascii_lowercase();
    match port.filter(|&port| port != own) {
        Some(port) => HeaderValue::from_str(&format!("{host}:{port}")).ok(),
        None => HeaderValue::from_str(&host).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, uri: &str, headers: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request =
            Request::builder().method(method).uri(uri).header("host", "as.the.guest:wrote").body(()).unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    }

    #[test]
    fn what_answers_with_the_request_is_rejected_in_letters_of_any_size() {
        for method in ["TRACE", "trace", "tRaCe", "CONNECT", "connect", "track", "TRACK"] {
            assert!(check(&mut request(method, "http://a/", &[])).is_err(), "{method}");
        }
        for method in ["GET", "PROPFIND", "get"] {
            assert!(check(&mut request(method, "http://a/", &[])).is_ok(), "{method}");
        }
    }

    #[test]
    fn the_host_header_is_where_the_request_goes() {
        for (uri, host) in [
            ("http://Db.Example/x", "db.example"),
            ("http://db.example:80/", "db.example"),
            ("https://db.example:80/", "db.example:80"),
            ("https://db.example:443/", "db.example"),
            ("http://[::1]:9/", "[::1]:9"),
        ] {
            let mut request = request("GET", uri, &[]);
            check(&mut request).unwrap();
            assert_eq!(request.headers().get_all("host").iter().collect::<Vec<_>>(), [host], "{uri}");
        }
        for uri in ["http://evil.example@db.example/", "http://u:p@db.example:80/", "http://db.example:/", "ftp://a/"] {
            assert!(check(&mut request("GET", uri, &[])).is_err(), "{uri}");
        }
    }

    #[test]
    fn where_a_secret_goes_a_request_is_plain() {
        let headers = [
            ("range", "bytes=0-1"),
            ("Accept-Encoding", "gzip"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("x-http-method-override", "TRACE"),
            ("x-http-method", "TRACE"),
            ("proxy-authorization", "x"),
            ("proxy-anything", "x"),
            ("upgrade", "h2c"),
            ("content-type", "text/plain"),
        ]
        .map(|(name, value)| (&*name.to_ascii_lowercase().leak(), value));
        let mut request = request("post", "http://a/", &headers);
        make_plain(&mut request).unwrap();
        assert_eq!(request.method(), Method::POST);
        let mut left: Vec<_> = request.headers().keys().map(header::HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept-encoding", "content-type", "host"]);
        assert_eq!(request.headers()["accept-encoding"], "identity");
        assert!(make_plain(&mut self::request("PROPFIND", "http://a/", &[])).is_err());
    }
}
