//! Reaches out with the standard library's own sockets, and answers 1 if that went well.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// What is done with the address.
    pub enum How {
        /// A TCP connection to it.
        Connect = "connect",
        /// A datagram to it.
        Send = "send",
        /// Waiting for connections on it.
        Listen = "listen",
    }
}

saker_sdk::settings! {
    /// Settings of `dial`.
    pub struct SocketDialerSettings {
        /// `host:port`.
        pub address: String,
        /// What is done with it.
        pub how: How = How::Connect,
    }
}

/// The guest.
pub struct SocketDialer(SocketDialerSettings);

impl Collector for SocketDialer {
    type Settings = SocketDialerSettings;

    fn describe() -> Description {
        Description::new("socket-dialer", "1.0.0", "Reaches out by a socket")
            .requests(connect("127.0.0.1:*"), "somebody may be there")
    }

    fn open(settings: SocketDialerSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        // What the host has rejected looks like any other error here.
        self.dial().map_err(|error| CollectError::Unavailable(format!("{}: {error}", self.0.address)))?;
        Ok(vec![Sample::gauge("socket-dialer.done", 1.0)])
    }
}

saker_sdk::export_collector!(SocketDialer);

impl SocketDialer {
    fn dial(&self) -> io::Result<()> {
        let address = self.0.address.as_str();
        match self.0.how {
            How::Connect => TcpStream::connect(address).map(drop),
            How::Send => UdpSocket::bind("0.0.0.0:0")?.send_to(b"hello", address).map(drop),
            How::Listen => TcpListener::bind(address).map(drop),
        }
    }
}
