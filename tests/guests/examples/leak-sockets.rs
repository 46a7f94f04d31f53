//! Opens sockets until it gets none, keeps them, and answers how many it has. Lets go of them first, if it is told to.

use std::net::UdpSocket;

use saker_sdk::prelude::*;

saker_sdk::settings! {
    /// Settings of `leak-sockets`.
    pub struct LeakSocketsSettings {
        /// Whether those of the call before are closed.
        pub close: bool = false,
    }
}

/// The guest, with all that it has opened.
pub struct LeakSockets(bool, Vec<UdpSocket>);

impl Collector for LeakSockets {
    type Settings = LeakSocketsSettings;

    fn describe() -> Description {
        Description::new("leak-sockets", "1.0.0", "Opens sockets and closes none")
    }

    fn open(settings: LeakSocketsSettings) -> Result<Self, OpenError> {
        Ok(Self(settings.close, Vec::new()))
    }

    fn collect(&mut self, _run: Run) -> Result<Vec<Sample>, CollectError> {
        if self.0 {
            self.1.clear();
        }
        let mut new = 0;
        while let Ok(socket) = UdpSocket::bind("0.0.0.0:0") {
            self.1.push(socket);
            new += 1;
        }
        Ok(vec![Sample::gauge("leak-sockets.new", f64::from(new))])
    }
}

saker_sdk::export_collector!(LeakSockets);
