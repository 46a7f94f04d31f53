//! Whether a request is meant for this server, and whether a foreign page has sent it.
//!
//! A browser sends `Origin` with every request of one site to another that is not a plain GET, and newer ones
//! `Sec-Fetch-Site` with every request; pages can change neither. Programs send none of both.

use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, StatusCode, Uri, Version};
use saker_model::text::{NAME_BYTES_MAX, clean};

use crate::stats::Rejection;
use crate::{ApiError, HostNames, forwarded};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// A host, and its port if it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

/// What a request says of whom it is for and where it comes from.
pub(crate) struct RequestOrigin<'a> {
    pub(crate) version: Version,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
    /// Whether it came through a trusted proxy, which says under which name it was asked itself.
    pub(crate) is_proxied: bool,
    /// The port that it came to.
    pub(crate) port: u16,
}

/// Rejects what is meant for another host, and what another site's page has sent.
pub(crate) fn check(names: &HostNames, asked: &RequestOrigin<'_>) -> Result<(), (Rejection, ApiError)> {
    let hosts = hosts(asked)?;
    for host in &hosts {
        let parsed = Authority::parse(host);
        if parsed.is_none_or(|authority| !names.has(authority.host)) {
            return Err(foreign_host(host));
        }
    }
    let hosts: Vec<_> = hosts.iter().filter_map(|host| Authority::parse(host)).collect();
    for origin in asked.headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().unwrap_or_default();
        if !is_own_origin(names, origin, &hosts, asked.port) {
            return Err(foreign_origin(origin));
        }
    }
    let sites = asked.headers.get_all(FETCH_SITE);
    if sites.iter().any(|site| !matches!(site.as_bytes(), b"same-origin" | b"none")) {
        let message = "the browser says that another site's page has sent this (Sec-Fetch-Site); ask from this server's own pages";
        return Err((Rejection::FetchSite, ApiError::new(StatusCode::FORBIDDEN, message)));
    }
    Ok(())
}

/// The hosts that the request is for: each of them has to be this one.
fn hosts<'a>(asked: &RequestOrigin<'a>) -> Result<Vec<&'a str>, (Rejection, ApiError)> {
    let wrong = |message| Err((Rejection::NoHost, ApiError::new(StatusCode::BAD_REQUEST, message)));
    let given: Vec<_> = asked.headers.get_all(header::HOST).iter().collect();
    let mut hosts = Vec::new();
    match given[..] {
        // Before 1.1 there was no such header, and no browser speaks that.
        [] if asked.version < Version::HTTP_11 => {}
        [] => return wrong("the request has no Host header"),
        [host] => hosts.push(host.to_str().unwrap_or("�")),
        _ => return wrong("the request has more than one Host header"),
    }
    hosts.extend(asked.uri.authority().map(axum::http::uri::Authority::as_str));
    if asked.is_proxied {
        hosts.extend(forwarded::hosts(asked.headers));
    }
    Ok(hosts)
}

fn foreign_host(host: &str) -> (Rejection, ApiError) {
    let shown = clean(host, NAME_BYTES_MAX);
    let message = format!(
        "the request is for host '{shown}', which is none of this agent's names; ask by address, or add the name to listen.allowed_hosts"
    );
    (Rejection::Host, ApiError::new(StatusCode::FORBIDDEN, message))
}

fn foreign_origin(origin: &str) -> (Rejection, ApiError) {
    let shown = clean(origin, NAME_BYTES_MAX);
    let message = format!(
        "a page of another site has sent this (Origin: '{shown}'); if that page is the operator's, add its name to listen.allowed_hosts"
    );
    (Rejection::Origin, ApiError::new(StatusCode::FORBIDDEN, message))
}

/// Whether a page of this origin is one of this server's own.
fn is_own_origin(names: &HostNames, origin: &str, hosts: &[Authority<'_>], port: u16) -> bool {
    let (authority, default) = match origin.split_once("://") {
        Some(("http", authority)) => (authority, 80),
        Some(("https", authority)) => (authority, 443),
        // `null` is nobody: a file, a sandboxed frame, a form that hides where it is from.
        _ => return false,
    };
    let Some(origin) = Authority::parse(authority) else { return false };
    let same = |host: &Authority<'_>| {
        host.host.eq_ignore_ascii_case(origin.host) && host.port.unwrap_or(default) == origin.port.unwrap_or(default)
    };
    if hosts.iter().any(same) {
        return true;
    }
    // Nobody else answers on this machine at this port.
    let loopback = origin.host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if (loopback || names.is_own(origin.host)) && origin.port.unwrap_or(default) == port {
        return true;
    }
    // Behind a proxy that does not pass its name on. Another port of that name may be somebody else's.
    names.is_added(origin.host) && origin.port.is_none_or(|given| given == port)
}

impl<'a> Authority<'a> {
    /// `host`, `host:port`, `[address]:port`; nothing else.
    fn parse(text: &'a str) -> Option<Self> {
        let (host, rest) = match text.strip_prefix('[') {
            Some(inner) => text.split_at(inner.find(']')? + 2),
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match (rest, rest.strip_prefix(':')) {
            ("" | ":", _) => None,
            (_, Some(port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
            _ => return None,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_host = host.starts_with('[') || host.bytes().all(plain);
        (is_host && !host.is_empty()).then_some(Self { host, port })
    }
}

#[cfg(test)]
mod tests;
