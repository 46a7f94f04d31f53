//! The files of the page that were built into the program, and how they are sent.

use std::io::Read;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::read::GzDecoder;
use saker_http::ApiError;

/// The page, if it was built.
pub(crate) static BUILT: Option<Built> = include!(concat!(env!("OUT_DIR"), "/built.rs"));

/// What a page may load and ask: this agent, and nothing else. Data blocks are no scripts.
const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'";
const ICON: &str = include_str!("icon.svg");

pub(crate) struct Built {
    pub(crate) script: File,
    pub(crate) style: File,
}

/// A file under a name that changes with what is in it.
pub(crate) struct File {
    pub(crate) name: &'static str,
    gzip: &'static [u8],
    brotli: &'static [u8],
}

pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    if name == "icon.svg" {
        return ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "max-age=86400")], ICON)
            .into_response();
    }
    let mut files = BUILT.iter().flat_map(|built| [(&built.script, "text/javascript"), (&built.style, "text/css")]);
    match files.find(|(file, _)| file.name == name) {
        Some((file, content_type)) => {
            let mut response = file.packed(&headers);
            let own = response.headers_mut();
            own.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            own.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=31536000, immutable"));
            own.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            response
        }
        None => ApiError::new(StatusCode::NOT_FOUND, "the page has no such file; / has their names").into_response(),
    }
}

impl File {
    /// As who asks takes it. Browsers take brotli from this machine and over TLS.
    fn packed(&self, headers: &HeaderMap) -> Response {
        if takes(headers, "br") { coded(self.brotli.into_response(), "br") } else { packed(self.gzip, headers) }
    }
}

/// What is packed by gzip, as it is or unpacked for those who do not take it.
pub(crate) fn packed(bytes: impl Into<Bytes>, headers: &HeaderMap) -> Response {
    let bytes = bytes.into();
    if takes(headers, "gzip") {
        return coded(bytes.into_response(), "gzip");
    }
    let mut text = Vec::new();
    let mut response = match GzDecoder::new(&*bytes).read_to_end(&mut text) {
        Ok(_) => text.into_response(),
        Err(error) => ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// Whether `Accept-Encoding` names a coding; browsers weigh none with nothing.
fn takes(headers: &HeaderMap, coding: &str) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| one.split(';').next().unwrap_or_default().trim() == coding)
}

fn coded(mut response: Response, coding: &'static str) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// Says what the document may do.
pub(crate) fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
