//! `[listen]`: where the server is, and its bounds.

use std::path::PathBuf;
use std::time::Duration;

use saker_config::{Bytes, Listen, Table};

use crate::{Limits, Names, Network, Settings, Token, TokenError};

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
    pub http: Listen,
    /// A file whose first line is the token that requests must carry.
    pub token_file: Option<PathBuf>,
    /// Names under which it is asked, beside the host's own.
    pub names: Vec<String>,
    /// Proxies whose word is taken for where requests come from.
    pub trusted_proxies: Vec<Network>,
    /// Long bodies that are parsed at the same time.
    pub parsers: usize,
    /// What bounds connections, requests and bodies.
    pub limits: Limits,
}

impl Default for ListenConfig {
    fn default() -> Self {
        Self {
            http: Listen(Some(([127, 0, 0, 1], 1988).into())),
            token_file: None,
            names: Vec::new(),
            trusted_proxies: Vec::new(),
            parsers: 8,
            limits: Limits::default(),
        }
    }
}

impl ListenConfig {
    /// Reads its keys of the table, and finishes it.
    #[must_use]
    pub fn read(mut table: Table<'_>) -> Self {
        let default = Self::default();
        let config = Self {
            http: table.get("http", default.http),
            token_file: table.path("token_file"),
            names: names(&mut table),
            trusted_proxies: table.get("trusted_proxies", default.trusted_proxies),
            parsers: table.at_least("parsers", default.parsers, 1),
            limits: limits(&mut table, &default.limits),
        };
        if config.parsers > PARSERS_MAX {
            table.wrong("parsers", format!("must be at most {PARSERS_MAX}"));
        }
        if let Listen(Some(address)) = config.http
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
    pub fn settings(&self, body_bytes_most: usize) -> Result<Settings, TokenError> {
        let token = self.token_file.as_deref().map(Token::read).transpose()?;
        let limits = Limits { body_bytes: self.limits.body_bytes.min(body_bytes_most), ..self.limits.clone() };
        Ok(Settings { limits, names: Names::of_this_host(&self.names), proxies: self.trusted_proxies.clone(), token })
    }
}

/// Names of hosts, as they stand in a request.
fn names(table: &mut Table<'_>) -> Vec<String> {
    let names: Vec<String> = table.get("names", Vec::new());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    for name in names.iter().filter(|name| name.is_empty() || !name.chars().all(plain)) {
        table.wrong(
            "names",
            format!("expected names of hosts such as \"saker.example.com\", without a port, found {name:?}"),
        );
    }
    names
}

fn limits(table: &mut Table<'_>, default: &Limits) -> Limits {
    let mut time = |key: &'static str, default: Duration| {
        let time = table.get(key, default);
        if time < TIME_MIN {
            table.wrong(key, format!("must be at least {TIME_MIN:?}"));
        }
        time
    };
    let limits = Limits {
        head_timeout: time("head_timeout", default.head_timeout),
        body_stall: time("body_stall", default.body_stall),
        body_timeout: time("body_timeout", default.body_timeout),
        answer_stall: time("answer_stall", default.answer_stall),
        idle_timeout: time("idle_timeout", default.idle_timeout),
        connections: table.at_least("connections", default.connections, 1),
        address_connections: table.at_least("address_connections", default.address_connections, 1),
        loopback_connections: table.at_least("loopback_connections", default.loopback_connections, 1),
        head_bytes: table.get("head_bytes", Bytes(default.head_bytes)).0,
        body_bytes: table.get("body_bytes", Bytes(default.body_bytes)).0,
    };
    if limits.head_bytes < HEAD_BYTES_MIN {
        table.wrong("head_bytes", "must be at least 4KiB");
    }
    limits
}
