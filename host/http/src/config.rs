//! `[listen]`: where the server is, and its bounds.

use std::path::PathBuf;
use std::time::Duration;

use saker_config::{ByteSize, ConfigTable, ListenAddress};

use crate::{HostNames, HttpLimits, IpNetwork, ServerSettings, Token, TokenError};

/// Each is a thread at work.
const PARSERS_MAX: usize = 256;
/// A head with a token and what a proxy adds finds room.
const HEAD_BYTES_MIN: usize = 4 << 10;
/// Nobody's request is over sooner.
const TIME_MIN: Duration = Duration::from_millis(100);

/// Where the server is, and its bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct ListenConfig {
    /// Its address, or `off`.
    pub http: ListenAddress,
    /// A file whose first line is the token that requests must carry.
    pub token_file: Option<PathBuf>,
    /// Names under which it is asked, beside the host's own.
    pub allowed_hosts: Vec<String>,
    /// Proxies whose word is taken for where requests come from.
    pub trusted_proxies: Vec<IpNetwork>,
    /// Long bodies that are parsed at the same time.
    pub max_parsers: usize,
    /// What bounds connections, requests and bodies.
    pub limits: HttpLimits,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            http: ListenAddress(Some(([127, 0, 0, 1], 1988).into())),
            token_file: None,
            allowed_hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            max_parsers: 8,
            limits: HttpLimits::default(),
        }
    }
}

impl ListenConfig {
    /// Reads its keys of the table, and finishes it.
    #[must_use]
    pub fn read(mut table: ConfigTable<'_>) -> Self {
        let default = Self::default();
        let config = Self {
            http: table.get("http", default.http),
            token_file: table.path("token_file"),
            allowed_hosts: names(&mut table),
            trusted_proxies: table.get("trusted_proxies", default.trusted_proxies),
            max_parsers: table.at_least("max_parsers", default.max_parsers, 1),
            limits: limits(&mut table, &default.limits),
        };
        if config.max_parsers > PARSERS_MAX {
            table.wrong("max_parsers", format!("must be at most {PARSERS_MAX}"));
        }
        if let ListenAddress(Some(address)) = config.http
            && !address.ip().is_loopback()
            && config.token_file.is_none()
        {
            table.wrong(
                "http",
                format!(
                    "{address} can be reached from other machines, so it needs a token: set listen.token_file to a \
                     file that holds one, or listen on 127.0.0.1"
                ),
            );
        }
        table.finish();
        config
    }

    /// What the server is told; no body may be longer than `body_bytes_most`. Reads the token anew, so it waits for a
    /// disk.
    ///
    /// # Errors
    /// If the token cannot be had.
    pub fn settings(&self, body_bytes_most: usize) -> Result<ServerSettings, TokenError> {
        let token = self.token_file.as_deref().map(Token::read).transpose()?;
        let limits =
            HttpLimits { max_body_bytes: self.limits.max_body_bytes.min(body_bytes_most), ..self.limits.clone() };
        Ok(ServerSettings {
            limits,
            names: HostNames::of_this_host(&self.allowed_hosts),
            proxies: self.trusted_proxies.clone(),
            token,
        })
    }
}

/// Names of hosts, as they stand in a request.
fn names(table: &mut ConfigTable<'_>) -> Vec<String> {
    let names: Vec<String> = table.get("allowed_hosts", Vec::new());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    for name in names.iter().filter(|name| name.is_empty() || !name.chars().all(plain)) {
        table.wrong(
            "names",
            format!("expected names of hosts such as \"saker.example.com\", without a port, found {name:?}"),
        );
    }
    names
}

fn limits(table: &mut ConfigTable<'_>, default: &HttpLimits) -> HttpLimits {
    let mut time = |key: &'static str, default: Duration| {
        let time = table.get(key, default);
        if time < TIME_MIN {
            table.wrong(key, format!("must be at least {TIME_MIN:?}"));
        }
        time
    };
    let limits = HttpLimits {
        head_timeout: time("head_timeout", default.head_timeout),
        body_stall_timeout: time("body_stall_timeout", default.body_stall_timeout),
        body_timeout: time("body_timeout", default.body_timeout),
        response_stall_timeout: time("response_stall_timeout", default.response_stall_timeout),
        idle_timeout: time("idle_timeout", default.idle_timeout),
        max_connections: table.at_least("max_connections", default.max_connections, 1),
        max_connections_per_address: table.at_least(
            "max_connections_per_address",
            default.max_connections_per_address,
            1,
        ),
        max_loopback_connections: table.at_least("max_loopback_connections", default.max_loopback_connections, 1),
        max_head_bytes: table.get("max_head_bytes", ByteSize(default.max_head_bytes)).0,
        max_body_bytes: table.get("max_body_bytes", ByteSize(default.max_body_bytes)).0,
    };
    if limits.max_head_bytes < HEAD_BYTES_MIN {
        table.wrong("max_head_bytes", "must be at least 4KiB");
    }
    limits
}
