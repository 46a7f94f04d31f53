//! What a server is told: its bounds, its names, its token. All of it can change while it runs.

use std::time::Duration;

use crate::{HostNames, IpNetwork, Token};

/// What bounds connections, requests and bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections at the same time.
    pub max_connections: usize,
    /// Of these, from one address (of IPv6, from one /64). Requests that a trusted proxy passes on count likewise for
    /// the address that they come from.
    pub max_connections_per_address: usize,
    /// Of these, from this machine.
    pub max_loopback_connections: usize,
    /// For the whole head of a request, and from the connection's beginning to its first head.
    pub head_timeout: Duration,
    /// Bytes of a head.
    pub max_head_bytes: usize,
    /// Without progress of a body.
    pub body_stall_timeout: Duration,
    /// For a whole body, and for all the time that an answer waits for its reader.
    pub body_timeout: Duration,
    /// Bytes of a body, packed and unpacked.
    pub max_body_bytes: usize,
    /// Without progress of an answer.
    pub response_stall_timeout: Duration,
    /// Between two requests of a connection.
    pub idle_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            // A hundred pushing agents, scrapers and people with room for as many again: some megabytes of buffers.
            max_connections: 512,
            max_connections_per_address: 128,
            max_loopback_connections: 256,
            head_timeout: Duration::from_secs(10),
            // Four times what other servers take.
            max_head_bytes: 32 << 10,
            body_stall_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(300),
            max_body_bytes: 32 << 20,
            response_stall_timeout: Duration::from_secs(30),
            // Longer than a minute, so that who pushes every minute keeps its connection.
            idle_timeout: Duration::from_secs(75),
        }
    }
}

/// All that a server is told.
#[derive(Clone, Debug, Default)]
pub struct ServerSettings {
    /// Its bounds.
    pub limits: HttpLimits,
    /// The names that it is asked under.
    pub names: HostNames,
    /// Proxies whose word is taken for where requests come from.
    pub proxies: Vec<IpNetwork>,
    /// What requests must carry.
    pub token: Option<Token>,
}
