//! The server: accepts, serves, stops in order.

mod accept;
mod handover;
mod serve;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::table::ConnectionTable;
use crate::{ServerSettings, Stats};

pub use handover::Handover;

/// A socket that answers.
pub struct Server {
    address: SocketAddr,
    settings: Arc<ArcSwap<ServerSettings>>,
    stop: watch::Sender<Option<StopDeadlines>>,
    task: JoinHandle<()>,
}

/// How long what runs may go on when the server stops. What waits for its peer to ask for something ends at once.
#[derive(Clone, Copy, Debug)]
pub struct StopTimes {
    /// Bodies that are coming, and answers that are read: so long a slow peer may take.
    pub peers: Duration,
    /// Requests that are worked on.
    pub work: Duration,
}

/// The same as moments.
#[derive(Clone, Copy, Debug)]
struct StopDeadlines {
    peers: Instant,
    work: Instant,
}

/// Waits for the server's end; none if it is dropped without a word.
async fn told_to_stop(stop: &mut watch::Receiver<Option<StopDeadlines>>) -> Option<StopDeadlines> {
    stop.wait_for(Option::is_some).await.ok().and_then(|ends| *ends)
}

/// What all connections of a server share.
struct ServerShared {
    router: Router,
    settings: Arc<ArcSwap<ServerSettings>>,
    stats: Arc<Stats>,
    connections: Arc<ConnectionTable>,
    passed_on: Arc<ConnectionTable>,
    port: u16,
}

impl Server {
    /// Begins to serve at a socket.
    ///
    /// # Errors
    /// If the socket has no address.
    pub fn start(socket: TcpListener, router: Router, settings: ServerSettings, stats: Arc<Stats>) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let (stop, stopped) = watch::channel(None);
        let shared = Arc::new(ServerShared {
            router,
            settings: settings.clone(),
            stats,
            connections: Arc::default(),
            passed_on: Arc::default(),
            port: address.port(),
        });
        let task = tokio::spawn(accept::run(socket, shared, stopped));
        Ok(Self { address, settings, stop, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> Arc<ServerSettings> {
        self.settings.load_full()
    }

    /// Takes other settings: for requests from now on, and for connections that are taken from now on.
    pub fn set(&self, settings: ServerSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// Closes the socket, so that its address is free, and ends what runs within these times.
    pub async fn stop(self, times: StopTimes) {
        let now = Instant::now();
        let ends = StopDeadlines { peers: now + times.peers.min(times.work), work: now + times.work };
        self.stop.send_replace(Some(ends));
        // It ends at the latest moment by itself, unless it has failed.
        if let Err(error) = self.task.await {
            tracing::error!("the HTTP server has failed: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
