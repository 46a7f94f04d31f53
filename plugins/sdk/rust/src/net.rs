//! Sockets for backends whose destination speaks no HTTP: TCP and UDP to granted addresses.
//!
//! A backend parses its setting with [`SocketTarget::parse`] when it is opened and keeps a [`Connection`] or a
//! [`UdpSocket`] from call to call. Inside the sandbox this is WASI's sockets, and the agent checks the grant of every
//! address; natively it is the standard library's, so that tests talk to a listener of their own. There is no TLS here.
//!
//! Every wait ends at a [`Deadline`], which has to be earlier than the agent's own deadline for the call: an instance
//! that the agent has to end looks as if its points had broken it, and a slow server is no reason to give points up.

mod connection;
mod datagrams;
#[cfg(not(target_arch = "wasm32"))]
#[path = "net/native.rs"]
mod raw;
#[cfg(target_arch = "wasm32")]
#[path = "net/wasi.rs"]
mod raw;
mod stream;

use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

pub use connection::Connection;
pub use datagrams::{DATAGRAM_BYTES, UdpSocket, datagram_size, datagrams};
pub use stream::TcpStream;

use crate::backend::WriteError;
use crate::bindings::types::OpenError;

/// How long a call may wait for its destination, in milliseconds, if the settings say nothing: less than the ten
/// seconds that the agent gives a write, so that the backend can still say what it has waited for.
pub const TIMEOUT_MS: u32 = 8000;

/// How the bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A stream.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Where to: a parsed `tcp://host:port`, `udp://host:port` or `host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketTarget {
    /// How the bytes travel.
    pub protocol: Protocol,
    /// A name, or an address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Why nothing could be sent or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetError {
    /// The address is not granted: `host:port`.
    Denied(String),
    /// The destination is away, silent or broke off: its address, and what happened.
    Unavailable(String),
}

/// When waiting ends.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

/// What a socket says, before anybody knows what for.
#[derive(Debug)]
enum Failure {
    /// The address is not granted.
    Denied,
    /// The deadline has passed.
    Late,
    /// Anything else, in the system's words.
    Other(String),
}

impl SocketTarget {
    /// Parses what stands in a setting. Without a scheme it is `usual`, and a backend that speaks over only one
    /// protocol compares.
    ///
    /// # Errors
    /// [`OpenError::Settings`], naming the setting and what to write.
    pub fn parse(setting: &str, text: &str, usual: Protocol) -> Result<Self, OpenError> {
        let wrong = |what: &str| {
            let example = match usual {
                Protocol::Tcp => "tcp://host:port",
                Protocol::Udp => "udp://host:port",
            };
            OpenError::Settings(format!("{setting}: {what}; write host:port or {example}"))
        };
        let (protocol, rest) = match text.split_once("://") {
            Some(("tcp", rest)) => (Protocol::Tcp, rest),
            Some(("udp", rest)) => (Protocol::Udp, rest),
            Some(_) => return Err(wrong("neither tcp:// nor udp://")),
            None => (usual, text),
        };
        let (host, port) = rest.rsplit_once(':').ok_or_else(|| wrong("no port"))?;
        let port: NonZeroU16 = port.parse().map_err(|_| wrong("no valid port"))?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => inner,
            Some(_) => return Err(wrong("no IPv6 address between the brackets")),
            None if host.contains(':') => return Err(wrong("an IPv6 address without brackets")),
            None => host,
        };
        if host.is_empty() {
            return Err(wrong("no host"));
        }
        if !host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@?#".contains(&byte)) {
            return Err(wrong("a character that no host has"));
        }
        Ok(Self { protocol, host: host.into(), port: port.get() })
    }

    /// `host:port`, as a grant is written.
    #[must_use]
    pub fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Looks the host up, and hands its addresses over one after the other, until one of them is reached.
    fn reach<T>(
        &self,
        deadline: Deadline,
        mut to: impl FnMut(SocketAddr, Deadline) -> Result<T, Failure>,
    ) -> Result<T, NetError> {
        let found = match self.host.parse::<IpAddr>() {
            Ok(ip) => vec![ip],
            Err(_) => raw::resolve(&self.host, deadline).map_err(|failure| self.failed(failure))?,
        };
        let mut failed = None;
        for ip in found {
            match to(SocketAddr::new(ip, self.port), deadline) {
                Ok(reached) => return Ok(reached),
                // That one address is not granted says less than what became of another.
                Err(Failure::Denied) if failed.is_some() => {}
                Err(failure) => failed = Some(failure),
            }
        }
        Err(self.failed(failed.unwrap_or_else(|| Failure::Other("the name has no address".into()))))
    }

    fn failed(&self, failure: Failure) -> NetError {
        let address = self.address();
        match failure {
            Failure::Denied => NetError::Denied(address),
            Failure::Late => NetError::Unavailable(format!("{address}: no answer in time")),
            Failure::Other(what) => NetError::Unavailable(format!("{address}: {what}")),
        }
    }
}

impl Deadline {
    /// So long from now.
    #[must_use]
    pub fn after_ms(ms: u32) -> Self {
        Self(Instant::now() + Duration::from_millis(ms.into()))
    }

    /// The earlier of it and so long from now: for one part of a call.
    #[must_use]
    pub fn within_ms(self, ms: u32) -> Self {
        Self(self.0.min(Self::after_ms(ms).0))
    }

    /// Whether it has passed: for a call that has more to do than fits into it.
    #[must_use]
    pub fn is_over(self) -> bool {
        self.left().is_err()
    }

    /// How much is left.
    fn left(self) -> Result<Duration, Failure> {
        let left = self.0.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(Failure::Late) } else { Ok(left) }
    }
}

impl From<NetError> for WriteError {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Denied(address) => Self::denied(address),
            NetError::Unavailable(message) => Self::retry(message, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SocketTarget, OpenError> {
        SocketTarget::parse("address", text, Protocol::Tcp)
    }

    #[test]
    fn an_address_is_taken_apart_with_or_without_its_protocol() {
        let target = |protocol, host: &str, port| SocketTarget { protocol, host: host.into(), port };
        assert_eq!(parse("h:1").unwrap(), target(Protocol::Tcp, "h", 1));
        assert_eq!(parse("udp://127.0.0.1:65535").unwrap(), target(Protocol::Udp, "127.0.0.1", 65535));
        assert_eq!(parse("tcp://[::1]:7").unwrap(), target(Protocol::Tcp, "::1", 7));
        assert_eq!(SocketTarget::parse("a", "h:1", Protocol::Udp).unwrap().protocol, Protocol::Udp);
        assert_eq!(parse("[::1]:7").unwrap().address(), "[::1]:7");
        assert_eq!(parse("tcp://graphite.example:2003").unwrap().address(), "graphite.example:2003");
    }

    #[test]
    fn an_unusable_address_says_what_to_write() {
        for (text, what) in [
            ("", "no port"),
            ("host", "no port"),
            ("host:", "no valid port"),
            ("host:0", "no valid port"),
            ("host:65536", "no valid port"),
            ("http://host:80", "neither tcp:// nor udp://"),
            ("tcp://:80", "no host"),
            ("tcp://host:80/", "no valid port"),
            ("me@host:80", "a character"),
            ("a b:80", "a character"),
            ("::1:80", "an IPv6 address without brackets"),
            ("[::x]:80", "no IPv6 address"),
        ] {
            let Err(OpenError::Settings(message)) = parse(text) else { panic!("{text}") };
            let whole = format!("address: {what}");
            assert!(
                message.starts_with(&whole) && message.ends_with("; write host:port or tcp://host:port"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_name_without_an_address_is_away() {
        // No name server is asked for a name like this.
        let target = parse("a..b:1").unwrap();
        let error = TcpStream::connect(&target, Deadline::after_ms(TIMEOUT_MS)).err().unwrap();
        assert!(matches!(&error, NetError::Unavailable(text) if text.starts_with("a..b:1: ")), "{error:?}");
    }

    #[test]
    fn a_part_of_a_call_ends_no_later_than_the_call() {
        let call = Deadline::after_ms(1000);
        assert!(call.within_ms(0).is_over() && !call.is_over());
        assert!(Deadline::after_ms(0).within_ms(1000).is_over());
    }

    #[test]
    fn a_missing_grant_is_denied_and_everything_else_tried_again() {
        assert_eq!(WriteError::from(NetError::Denied("h:1".into())).to_string(), WriteError::denied("h:1").to_string());
        let retry = WriteError::from(NetError::Unavailable("h:1: gone".into()));
        assert!(matches!(retry, WriteError::Retry(retry) if retry.message == "h:1: gone" && retry.after_ms.is_none()));
    }
}
