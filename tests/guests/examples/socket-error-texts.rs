//! Writes to a connection that the other end has closed, and tells all that the error says about itself.

use std::time::{Duration, Instant};

use saker_sdk::prelude::*;
use wasip2::io::streams::StreamError;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::network::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;

saker_sdk::settings! {
    /// Settings of `pry`.
    pub struct SocketErrorTextsSettings {
        /// A port of 127.0.0.1.
        pub port: u32,
    }
}

/// The guest.
pub struct SocketErrorTexts(SocketErrorTextsSettings);

impl Collector for SocketErrorTexts {
    type Settings = SocketErrorTextsSettings;

    fn describe() -> Description {
        Description::new("socket-error-texts", "1.0.0", "Tells all that an error says")
    }

    fn open(settings: SocketErrorTextsSettings) -> Result<Self, OpenError> {
        Ok(Self(settings))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        // Whether the other end's close comes as an error or as an end is chance.
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(4) {
            if let Some(said) = self.said()? {
                return Err(CollectError::Other(said));
            }
        }
        Err(CollectError::Unavailable("the other end has ended in order each time".into()))
    }
}

impl SocketErrorTexts {
    /// Writes until the connection ends; what the error says, if it ends by one.
    fn said(&self) -> Result<Option<String>, CollectError> {
        let failed = |error| CollectError::Unavailable(format!("{error:?}"));
        let socket = create_tcp_socket(IpAddressFamily::Ipv4).map_err(failed)?;
        let port = u16::try_from(self.0.port).unwrap_or(0);
        let address = Ipv4SocketAddress { address: (127, 0, 0, 1), port };
        socket.start_connect(&instance_network(), IpSocketAddress::Ipv4(address)).map_err(failed)?;
        socket.subscribe().block();
        let (_input, output) = socket.finish_connect().map_err(failed)?;
        loop {
            match output.blocking_write_and_flush(b"is anybody there?") {
                Ok(()) => {}
                Err(StreamError::Closed) => return Ok(None),
                Err(StreamError::LastOperationFailed(error)) => return Ok(Some(error.to_debug_string())),
            }
        }
    }
}

saker_sdk::export_collector!(SocketErrorTexts);
