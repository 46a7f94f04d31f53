//! Who may ask for what: looked at before a body is read.
//!
//! For every request: its announced size, then [`origin`](crate::origin). A router adds [`guarded`] to paths that want
//! the token, and [`operator`] to those that change something.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::origin::{self, RequestOrigin};
use crate::stats::{Rejection, Stats};
use crate::table::{ConnectionSeat, ConnectionTable};
use crate::{ApiError, ServerSettings, forwarded};

/// The header that says that an operator has sent a request, where there is no token to say it: a page of another site
/// cannot send it without asking first, and is not answered.
pub const OPERATOR_HEADER: &str = "x-saker";

const OPERATOR: HeaderName = HeaderName::from_static(OPERATOR_HEADER);

/// What is known of a request besides itself. Every request that comes through a server carries one.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// What the server was told when the request came.
    pub settings: Arc<ServerSettings>,
    /// Where it comes from.
    pub client: IpAddr,
    /// Where rejections are counted.
    pub stats: Arc<Stats>,
}

/// What a request came in by.
pub(crate) struct Arrival {
    pub(crate) peer: SocketAddr,
    /// The port of this side.
    pub(crate) port: u16,
}

/// Lets a request in, with a seat if it was passed on by a proxy.
pub(crate) fn admit(
    visit: &RequestInfo,
    came: &Arrival,
    request: &axum::http::request::Parts,
    passed_on: &Arc<ConnectionTable>,
) -> Result<Option<ConnectionSeat>, ApiError> {
    let (settings, headers) = (&visit.settings, &request.headers);
    let reject = |(rejection, error): (Rejection, ApiError)| {
        visit.stats.rejected.add(rejection);
        error
    };
    if announced(headers).is_some_and(|bytes| bytes > settings.limits.max_body_bytes as u64) {
        return Err(reject((Rejection::TooLarge, crate::body::too_large(settings.limits.max_body_bytes))));
    }
    let is_proxied = settings.proxies.iter().any(|network| network.contains(came.peer.ip()));
    let asked = RequestOrigin { version: request.version, uri: &request.uri, headers, is_proxied, port: came.port };
    origin::check(&settings.names, &asked).map_err(reject)?;
    if visit.client == came.peer.ip().to_canonical() {
        return Ok(None);
    }
    let seat = passed_on.seat(visit.client, false, &settings.limits);
    seat.map(Some).map_err(|_| {
        let message = format!("too many requests of {} at the same time; try again", visit.client);
        let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message).after(std::time::Duration::from_secs(1));
        reject((Rejection::Address, error))
    })
}

/// Where a request comes from.
pub(crate) fn client(came: &Arrival, headers: &HeaderMap, settings: &ServerSettings) -> IpAddr {
    forwarded::client(came.peer.ip(), headers, &settings.proxies)
}

/// How long a body is going to be, if that is said; longer than anything if it is nonsense.
fn announced(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(header::CONTENT_LENGTH)?;
    Some(length.to_str().ok().and_then(|text| text.trim().parse().ok()).unwrap_or(u64::MAX))
}

/// For paths that want the token, where there is one.
pub async fn guarded(request: Request, next: Next) -> Response {
    if let Some(visit) = request.extensions().get::<RequestInfo>()
        && let Some(token) = &visit.settings.token
        && !token.is_in(request.headers())
    {
        visit.stats.rejected.add(Rejection::Token);
        let message = "a token is needed: Authorization: Bearer TOKEN";
        return ApiError::new(StatusCode::UNAUTHORIZED, message).into_response();
    }
    next.run(request).await
}

/// For paths by which an operator changes something: they want the token, or where there is none a header that another
/// site's page cannot send.
pub async fn operator(request: Request, next: Next) -> Response {
    if let Some(visit) = request.extensions().get::<RequestInfo>()
        && visit.settings.token.is_none()
        && !is_from_operator(request.headers())
    {
        visit.stats.rejected.add(Rejection::OperatorHeader);
        let message =
            "this changes something, so it wants the header X-Saker: 1, which pages of other sites cannot send";
        return ApiError::new(StatusCode::FORBIDDEN, message).into_response();
    }
    guarded(request, next).await
}

/// Whether a request has something that a browser sends for no foreign page without asking first.
fn is_from_operator(headers: &HeaderMap) -> bool {
    let json = |value: &axum::http::HeaderValue| {
        let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(b"application/json")
    };
    headers.contains_key(OPERATOR) || headers.get(header::CONTENT_TYPE).is_some_and(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_foreign_page_cannot_send_speaks_for_an_operator() {
        let from = |name: &'static str, value: &str| {
            is_from_operator(&HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]))
        };
        assert!(from("x-saker", "1"));
        assert!(from("content-type", "application/json; charset=utf-8"));
        for simple in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/plain; application/json",
            "application/jsonp",
            "text/plain;a=application/json",
        ] {
            assert!(!from("content-type", simple), "{simple}");
        }
        assert!(!is_from_operator(&HeaderMap::new()));
    }

    #[test]
    fn a_length_that_is_none_is_too_long() {
        let of = |value: &str| announced(&HeaderMap::from_iter([(header::CONTENT_LENGTH, value.parse().unwrap())]));
        assert_eq!((of("12"), of("99999999999999999999"), of("x")), (Some(12), Some(u64::MAX), Some(u64::MAX)));
        assert_eq!(announced(&HeaderMap::new()), None);
    }
}
