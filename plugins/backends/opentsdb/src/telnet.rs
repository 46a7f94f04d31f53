//! Lines of `put` over TCP. The server says nothing of those that it takes, and of others a line each, some time later.

use saker_sdk::encode::Lines;
use saker_sdk::host::Level;
use saker_sdk::net::{Connection, Deadline, NetError, Protocol, SocketTarget};
use saker_sdk::prelude::*;

use crate::OpentsdbSettings;

/// How many characters of what the server says go into the log.
const SAID_MAX: usize = 300;

pub(crate) struct Telnet {
    connection: Connection,
}

impl Telnet {
    pub(crate) fn new(settings: &OpentsdbSettings) -> Result<Self, OpenError> {
        if settings.token.is_some() || settings.username.is_some() || settings.password.is_some() {
            let what = "url: telnet knows no token, username or password; write http://host:port";
            return Err(OpenError::Settings(what.into()));
        }
        Ok(Self { connection: Connection::new(SocketTarget::parse("url", &settings.url, Protocol::Tcp)?) })
    }

    pub(crate) fn write(&mut self, lines: &mut Lines, points: &[Point], deadline: Deadline) -> Result<(), WriteError> {
        let address = self.connection.target().address();
        self.connection.with(deadline, |stream| {
            lines.in_pieces(points, |piece| Ok(stream.write_all(piece)?))?;
            note(&stream.take_received());
            if !stream.is_open() {
                return Err(NetError::Unavailable(format!("{address}: the connection was closed while writing")).into());
            }
            Ok(())
        })
    }
}

/// Counts and logs what the server has said: each line is a point of this batch or an earlier one that it did not take.
fn note(said: &[u8]) {
    let text = String::from_utf8_lossy(said);
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    if let Some(first) = lines.next() {
        host::counter_add("complaints", 1.0 + lines.count() as f64);
        let first: String = first.chars().take(SAID_MAX).collect();
        host::log(Level::Warn, &format!("the server has not taken a point: {first}"));
    }
}
