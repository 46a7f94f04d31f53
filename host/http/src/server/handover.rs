//! A server without a socket of its own: a listener that speaks something else at the same port hands it the connections
//! that speak HTTP. They have the same bounds, clocks and checks as those of a [`Server`](super::Server).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwap;
use axum::Router;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{ServerShared, StopDeadlines, StopTimes, accept, serve};
use crate::table::ConnectionTable;
use crate::{ServerSettings, Stats};

/// Answers on connections that others have taken.
pub struct Handover {
    router: Router,
    settings: Arc<ArcSwap<ServerSettings>>,
    stats: Arc<Stats>,
    connections: Arc<ConnectionTable>,
    passed_on: Arc<ConnectionTable>,
    stop: watch::Sender<Option<StopDeadlines>>,
}

impl Handover {
    /// Nothing is handed over yet.
    #[must_use]
    pub fn new(router: Router, settings: ServerSettings, stats: Arc<Stats>) -> Self {
        Self {
            router,
            settings: Arc::new(ArcSwap::from_pointee(settings)),
            stats,
            connections: Arc::default(),
            passed_on: Arc::default(),
            stop: watch::Sender::new(None),
        }
    }

    /// Takes other settings: for requests and connections from now on.
    pub fn set(&self, settings: ServerSettings) {
        self.settings.store(Arc::new(settings));
    }

    /// Serves a connection to its end, or until this [stops](Self::stop).
    pub async fn serve(&self, stream: TcpStream, peer: SocketAddr) {
        let settings = self.settings.load_full();
        let is_proxy = settings.proxies.iter().any(|network| network.contains(peer.ip()));
        let shared = Arc::new(ServerShared {
            router: self.router.clone(),
            settings: self.settings.clone(),
            stats: self.stats.clone(),
            connections: self.connections.clone(),
            passed_on: self.passed_on.clone(),
            port: stream.local_addr().map_or(0, |address| address.port()),
        });
        match self.connections.seat(peer.ip(), is_proxy, &settings.limits) {
            Ok(seat) => {
                self.stats.taken.fetch_add(1, Ordering::Relaxed);
                serve::connection(stream, peer, settings, shared, seat, self.stop.subscribe()).await;
            }
            Err(reason) => accept::turn_away_busy(&stream, &shared, reason, peer),
        }
    }

    /// Has all connections end within these times.
    pub fn stop(&self, times: StopTimes) {
        let now = Instant::now();
        self.stop
            .send_replace(Some(StopDeadlines { peers: now + times.peers.min(times.work), work: now + times.work }));
    }
}
