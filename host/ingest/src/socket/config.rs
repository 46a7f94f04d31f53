//! What can be set of sockets, whatever their protocol.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use saker_config::{ByteSize, ConfigTable, ListenAddress};
use saker_http::{HttpLimits, IpNetwork};

/// Nobody who sends something now and then is idle sooner.
const IDLE_MIN: Duration = Duration::from_millis(100);

/// Where a protocol listens, and what bounds it.
#[derive(Clone, Debug, PartialEq)]
pub struct SocketConfig {
    /// Where it takes connections.
    pub tcp: Option<SocketAddr>,
    /// Where it takes datagrams.
    pub udp: Option<SocketAddr>,
    /// Who may send, beside this machine.
    pub senders: Vec<IpNetwork>,
    /// Connections at the same time.
    pub max_connections: usize,
    /// Of these, from one address (of IPv6, from one /64).
    pub max_connections_per_address: usize,
    /// Of these, from this machine.
    pub max_loopback_connections: usize,
    /// How long a connection may bring no whole line.
    pub idle_timeout: Duration,
    /// Memory for the names of lines that came before.
    pub key_cache_bytes: usize,
}

impl Default for SocketConfig {
    fn default() -> Self {
        let limits = HttpLimits::default();
        Self {
            tcp: None,
            udp: None,
            senders: Vec::new(),
            max_connections: limits.max_connections,
            max_connections_per_address: limits.max_connections_per_address,
            max_loopback_connections: limits.max_loopback_connections,
            // Who sends every minute keeps its connection, and who sends every five minutes nearly.
            idle_timeout: Duration::from_secs(300),
            key_cache_bytes: 64 << 20,
        }
    }
}

impl SocketConfig {
    /// Reads its keys from a protocol's table; what is not written has its default.
    #[must_use]
    pub fn read(table: &mut ConfigTable<'_>) -> Self {
        let udp = table.get("udp", ListenAddress(None)).0;
        Self::read_tcp(table, udp)
    }

    /// The same of a protocol that knows no datagrams.
    #[must_use]
    pub fn read_connections(table: &mut ConfigTable<'_>) -> Self {
        Self::read_tcp(table, None)
    }

    fn read_tcp(table: &mut ConfigTable<'_>, udp: Option<SocketAddr>) -> Self {
        let default = Self::default();
        let config = Self {
            tcp: table.get("tcp", ListenAddress(default.tcp)).0,
            udp,
            senders: table.get("senders", default.senders),
            max_connections: table.at_least("max_connections", default.max_connections, 1),
            max_connections_per_address: table.at_least(
                "max_connections_per_address",
                default.max_connections_per_address,
                1,
            ),
            max_loopback_connections: table.at_least("max_loopback_connections", default.max_loopback_connections, 1),
            idle_timeout: table.get("idle_timeout", default.idle_timeout),
            key_cache_bytes: table.get("key_cache_bytes", ByteSize(default.key_cache_bytes)).0,
        };
        if config.idle_timeout < IDLE_MIN {
            table.wrong("idle_timeout", format!("must be at least {IDLE_MIN:?}"));
        }
        for (key, address) in [("tcp", config.tcp), ("udp", config.udp)] {
            if let Some(address) = address.filter(|address| !address.ip().is_loopback() && config.senders.is_empty()) {
                table.wrong(
                    key,
                    format!("{address} can be reached from other machines, and whoever reaches it can send: name their addresses or networks in senders, or listen on 127.0.0.1"),
                );
            }
        }
        config
    }

    /// Whether an address may send.
    pub(super) fn may_send(&self, from: IpAddr) -> bool {
        let from = from.to_canonical();
        from.is_loopback() || self.senders.iter().any(|network| network.contains(from))
    }

    /// The bounds of connections, as their table takes them.
    pub(super) fn limits(&self) -> HttpLimits {
        HttpLimits {
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            max_loopback_connections: self.max_loopback_connections,
            ..HttpLimits::default()
        }
    }
}
