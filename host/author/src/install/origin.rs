//! Who may hear a password or a token: the registry itself, and the token services that the operator names.

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// Scheme, host and port: what has to be the same for one server to count as another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerOrigin {
    tls: bool,
    host: String,
    port: u16,
}

impl ServerOrigin {
    /// Of a whole address. None for one without host, of another scheme, or with a user's name in it.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let tls = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().trim_end_matches('.').to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
        (!host.is_empty()).then_some(Self { tls, host, port })
    }

    /// Whether what is said to it can be read on the way: plain HTTP, but for this machine.
    pub(crate) fn is_overheard(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        let loopback = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        !self.tls && !loopback
    }

    /// Whether it is spoken to without TLS.
    pub(crate) fn is_plain(&self) -> bool {
        !self.tls
    }

    /// Whether an operator means it by `host` or `host:port`.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        format!("{}://{name}/", if self.tls { "https" } else { "http" })
            .parse()
            .is_ok_and(|uri| Self::of(&uri).as_ref() == Some(self))
    }
}

/// As `--token-service` wants it: the port only where it is not the scheme's own.
impl fmt::Display for ServerOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => f.write_str(&self.host),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<ServerOrigin> {
        ServerOrigin::of(&text.parse().unwrap())
    }

    #[test]
    fn a_server_is_its_scheme_its_host_and_its_port() {
        assert_eq!(of("https://Registry.example/v2/"), of("https://registry.example.:443/token"));
        for other in ["http://registry.example/", "https://registry.example:444/", "https://a.registry.example/"] {
            assert_ne!(of("https://registry.example/"), of(other), "{other}");
        }
        for none in ["https://u:p@registry.example/", "/path", "ftp://registry.example/"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn plain_http_is_overheard_but_on_this_machine() {
        for (text, expected) in [
            ("https://registry.example/", false),
            ("http://registry.example/", true),
            ("http://10.0.0.1:5000/", true),
            ("http://127.0.0.1.evil.example/", true),
            ("http://127.0.0.1:5000/", false),
            ("http://[::1]:5000/", false),
            ("http://localhost:5000/", false),
        ] {
            assert_eq!(of(text).unwrap().is_overheard(), expected, "{text}");
        }
    }

    #[test]
    fn a_service_is_named_by_host_or_host_and_port() {
        let docker = of("https://auth.docker.io/token").unwrap();
        assert!(docker.is_named("auth.docker.io") && docker.is_named("AUTH.docker.io:443"));
        assert!(
            !docker.is_named("auth.docker.io:444")
                && !docker.is_named("docker.io")
                && !docker.is_named("x@auth.docker.io")
        );
        assert_eq!(docker.to_string(), "auth.docker.io");
    }
}
