use super::*;

fn check_request(head: &str, is_proxied: bool) -> Result<(), Rejection> {
    let mut lines = head.lines();
    let uri: Uri = lines.next().unwrap().parse().unwrap();
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let names = HostNames::of_this_host(&["metrics.example".into()]);
    let asked = RequestOrigin { version: Version::HTTP_11, uri: &uri, headers: &headers, is_proxied, port: 1988 };
    check(&names, &asked).map_err(|(rejection, _)| rejection)
}

fn asked(head: &str) -> Result<(), Rejection> {
    check_request(head, false)
}

#[test]
fn a_host_is_a_name_or_address_of_this_machine() {
    for host in [
        "127.0.0.1:1988",
        "[::1]:1988",
        "[::1]",
        "localhost",
        "LOCALHOST:1988",
        "localhost.",
        "10.1.2.3:80",
        "metrics.example",
    ] {
        assert_eq!(asked(&format!("/\nhost: {host}")), Ok(()), "{host}");
    }
    for host in [
        "evil.com",
        "evil.com:1988",
        "localhost.evil.com",
        "127.0.0.1.evil.com",
        "evil.com@localhost",
        "localhost@evil.com",
        "localhost:x",
        "localhost:1988:1",
        "[::1",
        "[::1]x",
        "localhost/",
        "x",
        "127.0.0.1 evil.com",
        "localhost,evil.com",
        "localhost:99999",
        "0x7f.1",
        "metrics.example.evil.com",
    ] {
        assert_eq!(asked(&format!("/\nhost: {host}")), Err(Rejection::Host), "{host}");
    }
    assert_eq!(asked("/"), Err(Rejection::NoHost));
    assert_eq!(asked("/\nhost: localhost\nhost: evil.com"), Err(Rejection::NoHost));
    assert_eq!(asked("http://evil.com/\nhost: localhost"), Err(Rejection::Host), "the line of the request counts too");
    assert_eq!(asked("http://localhost/\nhost: localhost"), Ok(()));
}

#[test]
fn an_origin_is_this_server_itself() {
    let from = |host: &str, origin: &str| asked(&format!("/v1/push\nhost: {host}\norigin: {origin}"));
    for (host, origin) in [
        ("127.0.0.1:1988", "http://127.0.0.1:1988"),
        ("127.0.0.1:1988", "http://localhost:1988"),
        ("localhost:1988", "http://[::1]:1988"),
        ("10.0.0.5:1988", "http://10.0.0.5:1988"),
        ("metrics.example", "https://metrics.example"),
        ("metrics.example:443", "https://metrics.example"),
        ("127.0.0.1:1988", "https://metrics.example"),
    ] {
        assert_eq!(from(host, origin), Ok(()), "{host} {origin}");
    }
    for (host, origin) in [
        ("127.0.0.1:1988", "null"),
        ("127.0.0.1:1988", ""),
        ("127.0.0.1:1988", "http://evil.com"),
        ("127.0.0.1:1988", "http://6.6.6.6"),
        ("127.0.0.1:1988", "http://6.6.6.6:1988"),
        ("127.0.0.1:1988", "http://localhost:3000"),
        ("127.0.0.1:1988", "http://localhost"),
        ("127.0.0.1:1988", "http://127.0.0.1:3000"),
        ("127.0.0.1:1988", "http://metrics.example:3000"),
        ("127.0.0.1:1988", "http://metrics.example.evil.com"),
        ("127.0.0.1:1988", "http://127.0.0.1:1988.evil.com"),
        ("127.0.0.1:1988", "http://127.0.0.1:1988@evil.com"),
        ("127.0.0.1:1988", "http://127.0.0.1:1988 http://evil.com"),
        ("127.0.0.1:1988", "chrome-extension://127.0.0.1:1988"),
        ("127.0.0.1:1988", "file://"),
    ] {
        assert_eq!(from(host, origin), Err(Rejection::Origin), "{host} {origin}");
    }
    let two = "/\nhost: localhost:1988\norigin: http://localhost:1988\norigin: http://evil.com";
    assert_eq!(asked(two), Err(Rejection::Origin));
}

#[test]
fn what_the_browser_says_of_the_site_counts() {
    let from = |site: &str| asked(&format!("/\nhost: localhost\nsec-fetch-site: {site}"));
    assert_eq!((from("none"), from("same-origin")), (Ok(()), Ok(())));
    for site in ["cross-site", "same-site", "", "Same-Origin", "other"] {
        assert_eq!(from(site), Err(Rejection::FetchSite), "{site}");
    }
}

#[test]
fn the_name_that_a_proxy_forwards_counts_only_if_it_is_trusted() {
    let head = "/\nhost: 127.0.0.1:1988\nx-forwarded-host: evil.com";
    assert_eq!(check_request(head, true), Err(Rejection::Host));
    assert_eq!(check_request(head, false), Ok(()), "a stranger's word is not looked at");
    assert_eq!(check_request("/\nhost: evil.com\nx-forwarded-host: localhost", true), Err(Rejection::Host));
    let forwarded =
        "/\nhost: 127.0.0.1:1988\nforwarded: for=10.0.0.1;host=metrics.example\norigin: https://metrics.example";
    assert_eq!(check_request(forwarded, true), Ok(()));
}
