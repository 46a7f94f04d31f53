//! The `graphite` backend: lines of Graphite's plaintext protocol, over TCP or UDP. README.md has the settings, and what
//! "written" means without an answer.
//!
//! The lines are made by `saker_sdk::encode::graphite`, the sockets are those of `saker_sdk::net`.

#[cfg(test)]
mod tests;

use saker_sdk::encode::Lines;
use saker_sdk::encode::graphite::GraphiteForm as Form;
use saker_sdk::net::{
    Connection, DATAGRAM_BYTES, Deadline, NetError, Protocol, SocketTarget, TIMEOUT_MS, UdpSocket, datagram_size,
    datagrams,
};
use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of the `graphite` backend.
    pub struct GraphiteSettings {
        /// Where to: host:port or tcp://host:port for TCP, udp://host:port for UDP.
        pub address: String,
        /// Names are paths made by this template, such as "${endpoint}.${metric}.${tags}", in place of names with tags.
        pub path: Option<String> = None,
        /// With tags: the one that names the endpoint; "" leaves it out.
        pub endpoint_tag: String = "endpoint".into(),
        /// UDP: the most bytes of a datagram.
        pub datagram_bytes: u32 = DATAGRAM_BYTES,
        /// How long one write may take, in milliseconds. Must be less than the agent's deadline for it.
        pub timeout_ms: u32 = TIMEOUT_MS,
    }
}

/// The backend, with the series that it knows.
pub struct Graphite {
    lines: Lines,
    way: Transport,
    timeout_ms: u32,
}

enum Transport {
    Tcp(Connection),
    Udp(UdpSocket, usize),
}

impl Backend for Graphite {
    type Settings = GraphiteSettings;

    fn describe() -> Description {
        Description::new("graphite", env!("CARGO_PKG_VERSION"), "Writes points to Graphite, over TCP or UDP")
            .requests(connect("<host:port of address>"), "the lines are sent there")
    }

    fn open(settings: GraphiteSettings) -> Result<Self, OpenError> {
        let target = SocketTarget::parse("address", &settings.address, Protocol::Tcp)?;
        let way = match target.protocol {
            Protocol::Tcp => Transport::Tcp(Connection::new(target)),
            Protocol::Udp => {
                Transport::Udp(UdpSocket::new(target), datagram_size("datagram_bytes", settings.datagram_bytes)?)
            }
        };
        let form = match &settings.path {
            Some(path) => Form::by_path("path", path)?,
            None => Form::Tagged { endpoint_tag: settings.endpoint_tag },
        };
        Ok(Self { lines: Lines::new(form), way, timeout_ms: settings.timeout_ms })
    }

    fn define(&mut self, definitions: Vec<Definition>) {
        self.lines.define(&definitions);
    }

    fn write(&mut self, points: Vec<Point>) -> Result<usize, WriteError> {
        if points.is_empty() {
            return Ok(0);
        }
        self.lines.check(&points)?;
        let deadline = Deadline::after_ms(self.timeout_ms);
        match &mut self.way {
            Transport::Tcp(connection) => by_tcp(connection, &mut self.lines, &points, deadline)?,
            Transport::Udp(socket, most) => self.lines.in_pieces(&points, |piece| {
                Ok(datagrams(piece, *most).try_for_each(|datagram| socket.send(datagram, deadline))?)
            })?,
        }
        Ok(points.len())
    }

    fn forget(&mut self, ids: Vec<SeriesId>) {
        self.lines.forget(&ids);
    }
}

saker_sdk::export_backend!(Graphite);

fn by_tcp(
    connection: &mut Connection,
    lines: &mut Lines,
    points: &[Point],
    deadline: Deadline,
) -> Result<(), WriteError> {
    let address = connection.target().address();
    connection.with(deadline, |stream| {
        lines.in_pieces(points, |piece| Ok(stream.write_all(piece)?))?;
        // Graphite says nothing. What others say is let go, so that a close behind it is seen.
        stream.take_received();
        if !stream.is_open() {
            // By a limit, a restart or a line that it cannot take: it has read some of the lines, or none.
            return Err(NetError::Unavailable(format!("{address}: the connection was closed while writing")).into());
        }
        Ok(())
    })
}
