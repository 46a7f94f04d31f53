//! The server at an address that can change while it runs.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use crate::{Server, ServerSettings, Stats, StopTimes};

/// How long requests may go on at an address that is left.
const LEAVE: StopTimes = StopTimes { peers: Duration::from_secs(1), work: Duration::from_secs(5) };
/// How long bodies may still come, and answers be read, when the agent stops.
const PEERS_MAX: Duration = Duration::from_secs(2);
/// How soon an address is tried again that is about to be free.
const FREE_RETRY: Duration = Duration::from_millis(5);

/// An address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; set listen.http to another address or to \"off\": {source}")]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// Serves a router at the address that it was told last; at none before it was told.
pub struct Listener {
    router: Router,
    stats: Arc<Stats>,
    place: Mutex<Option<ServingPlace>>,
}

/// Where it serves, and where it was told to; the port may have been left open.
struct ServingPlace {
    server: Server,
    configured: SocketAddr,
}

impl Listener {
    /// A listener that listens nowhere yet.
    #[must_use]
    pub fn new(router: Router, stats: Arc<Stats>) -> Self {
        Self { router, stats, place: Mutex::default() }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.place.lock().as_ref().map(|place| place.server.address())
    }

    /// Listens at this address with these settings, or nowhere. What listened before goes on until the new is there, and
    /// for ever if it cannot be had. One caller at a time.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn listen(&self, configured: Option<SocketAddr>, settings: ServerSettings) -> Result<(), ListenError> {
        if let (Some(address), Some(place)) = (configured, &*self.place.lock())
            && place.configured == address
        {
            place.server.set(settings);
            return Ok(());
        }
        let before = self.place.lock().take();
        let (now, result) = match self.change(before, configured, settings).await {
            Ok(now) => {
                if let Some(place) = &now {
                    tracing::info!(address = %place.server.address(), "listening");
                }
                (now, Ok(()))
            }
            Err((kept, error)) => (kept, Err(error)),
        };
        *self.place.lock() = now;
        result
    }

    /// No new requests; those that run have a part of this time to end, for others need some of it too.
    pub async fn stop(&self, limit: Duration) {
        let place = self.place.lock().take();
        if let Some(place) = place {
            let work = limit / 2;
            place.server.stop(StopTimes { peers: PEERS_MAX.min(work / 2), work }).await;
        }
    }

    async fn change(
        &self,
        before: Option<ServingPlace>,
        configured: Option<SocketAddr>,
        settings: ServerSettings,
    ) -> Result<Option<ServingPlace>, (Option<ServingPlace>, ListenError)> {
        let Some(configured) = configured else {
            if let Some(before) = before {
                before.server.stop(LEAVE).await;
            }
            return Ok(None);
        };
        match before {
            Some(before) => match bind(configured).await {
                Ok(socket) => {
                    let new = self.begin(socket, configured, settings);
                    before.server.stop(LEAVE).await;
                    new.map(Some).map_err(|error| (None, error))
                }
                Err(_) if before.server.address().port() == configured.port() => {
                    self.replace(before, configured, settings).await
                }
                Err(error) => Err((Some(before), error)),
            },
            None => {
                let socket = bind(configured).await.map_err(|error| (None, error))?;
                self.begin(socket, configured, settings).map(Some).map_err(|error| (None, error))
            }
        }
    }

    /// Listens at another address of the same port, which the system gives only when the old one is free. If it does not
    /// even then, the old one is taken back.
    async fn replace(
        &self,
        before: ServingPlace,
        configured: SocketAddr,
        settings: ServerSettings,
    ) -> Result<Option<ServingPlace>, (Option<ServingPlace>, ListenError)> {
        let (address, at, kept) = (before.server.address(), before.configured, before.server.settings());
        let leaving = tokio::spawn(before.server.stop(LEAVE));
        let mut socket = bind(configured).await;
        let end = tokio::time::Instant::now() + LEAVE.work;
        // The socket is closed at once, but by another task.
        while socket.is_err() && !leaving.is_finished() && tokio::time::Instant::now() < end {
            tokio::time::sleep(FREE_RETRY).await;
            socket = bind(configured).await;
        }
        match socket {
            Ok(socket) => self.begin(socket, configured, settings).map(Some).map_err(|error| (None, error)),
            Err(error) => {
                let again = match bind(address).await {
                    Ok(socket) => self.begin(socket, at, ServerSettings::clone(&kept)).ok(),
                    Err(_) => None,
                };
                Err((again, error))
            }
        }
    }

    fn begin(
        &self,
        socket: TcpListener,
        configured: SocketAddr,
        settings: ServerSettings,
    ) -> Result<ServingPlace, ListenError> {
        let server = Server::start(socket, self.router.clone(), settings, self.stats.clone());
        let server = server.map_err(|source| ListenError { address: configured, source })?;
        Ok(ServingPlace { server, configured })
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address).await.map_err(|source| ListenError { address, source })
}
