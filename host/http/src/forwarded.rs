//! What proxies say of a request that they pass on: `X-Forwarded-For`, `X-Forwarded-Host`, and `Forwarded` (RFC 7239).
//!
//! Anybody can write these headers, so they count only if the request comes from a proxy that is trusted, and of a list
//! of addresses only what trusted proxies have added at its end.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use axum::http::header::{FORWARDED, HeaderName};

use crate::IpNetwork;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Proxies in a row. What is further away is not looked at.
const HOPS_MAX: usize = 16;

/// Where a request comes from: its peer, or whom trusted proxies name.
pub(crate) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNetwork]) -> IpAddr {
    let is_proxy = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let named = addresses(headers);
    for name in named.iter().rev().take(HOPS_MAX) {
        if !is_proxy(client) {
            break;
        }
        // Who comes behind a proxy that names nobody is that proxy.
        let Some(address) = name.as_deref().and_then(address) else { break };
        client = address;
    }
    client
}

/// The names that it was asked under by way of proxies.
pub(crate) fn hosts(headers: &HeaderMap) -> Vec<&str> {
    let plain = values(headers, &FORWARDED_HOST).flat_map(|value| value.split(',')).map(str::trim);
    plain.chain(values(headers, &FORWARDED).flat_map(|value| parameters(value, "host"))).collect()
}

/// The addresses that are named, the nearest last.
fn addresses(headers: &HeaderMap) -> Vec<Option<String>> {
    let plain = values(headers, &FORWARDED_FOR).flat_map(|value| value.split(','));
    let plain: Vec<_> = plain.map(|name| Some(name.trim().to_owned())).collect();
    if !plain.is_empty() {
        return plain;
    }
    let elements = values(headers, &FORWARDED).flat_map(|value| value.split(','));
    elements.map(|element| parameters(element, "for").next().map(str::to_owned)).collect()
}

/// What is not text stands for a name that is no address.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> + use<'a> {
    headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("unreadable"))
}

/// The values of a parameter in `a=1;b="2", a=3`.
fn parameters<'a>(value: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    value.split([',', ';']).filter_map(move |pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
    })
}

fn address(text: &str) -> Option<IpAddr> {
    let bare = text.trim_matches(['[', ']']).parse().ok();
    bare.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(peer: &str, name: &'static str, values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().unwrap());
        }
        let proxies = ["127.0.0.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        client(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_trusted_proxies_say_where_a_request_comes_from() {
        let plain = |peer: &str, values: &[&str]| client_of(peer, "x-forwarded-for", values);
        assert_eq!(plain("192.0.2.1", &["1.1.1.1"]), "192.0.2.1", "a stranger's word does not count");
        assert_eq!(plain("127.0.0.1", &["1.1.1.1"]), "1.1.1.1");
        assert_eq!(plain("127.0.0.1", &["9.9.9.9, 1.1.1.1, 10.0.0.3"]), "1.1.1.1", "nor what strangers said before");
        assert_eq!(plain("127.0.0.1", &["9.9.9.9", "1.1.1.1:4711"]), "1.1.1.1");
        assert_eq!(plain("127.0.0.1", &["1.1.1.1, unknown"]), "127.0.0.1");
        assert_eq!(plain("127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(plain("127.0.0.1", &["10.0.0.1, 10.0.0.2"]), "10.0.0.1");
        assert_eq!(plain("::ffff:127.0.0.1", &["[2001:db8::1]:80"]), "2001:db8::1");
    }

    #[test]
    fn the_standard_header_says_the_same() {
        let standard = |values: &[&str]| client_of("127.0.0.1", "forwarded", values);
        assert_eq!(standard(&["for=9.9.9.9, for=\"[2001:db8::1]:80\";proto=https;host=x"]), "2001:db8::1");
        assert_eq!(standard(&["For=1.1.1.1;by=10.0.0.1"]), "1.1.1.1");
        assert_eq!(standard(&["for=9.9.9.9, by=10.0.0.1"]), "127.0.0.1");
        assert_eq!(standard(&["for=_hidden"]), "127.0.0.1");
        let headers = HeaderMap::from_iter([
            (FORWARDED, "for=1.1.1.1;host=\"a.example\", host=b.example".parse().unwrap()),
            (FORWARDED_HOST, "c.example, d.example".parse().unwrap()),
        ]);
        assert_eq!(hosts(&headers), ["c.example", "d.example", "a.example", "b.example"]);
    }
}
