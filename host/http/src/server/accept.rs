//! Takes connections as long as there are seats and descriptors for them.

use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::{ServerShared, StopDeadlines, serve, told_to_stop};
use crate::descriptors;
use crate::stats::{Ending, ReasonLabel, Turned};

/// When the system gives no descriptor, it is asked again after this pause, not at once and for ever.
const SYSTEM_PAUSE: Duration = Duration::from_millis(100);
/// Of a reason why connections are turned away, the first is logged, and each of so many.
const LOG_EVERY: u64 = 1000;
/// Said to who is turned away, if it can be said at once.
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// What is left of a connection's task after its time is only its end.
const LAST_GRACE: Duration = Duration::from_millis(200);

/// Accepts until it is told to stop, then waits for what runs.
pub(super) async fn run(socket: TcpListener, shared: Arc<ServerShared>, stop: watch::Receiver<Option<StopDeadlines>>) {
    let (mut connections, mut stopping) = (JoinSet::new(), stop.clone());
    let ends = loop {
        tokio::select! {
            biased;
            ends = told_to_stop(&mut stopping) => {
                // A server that is dropped without a word stops at once.
                let now = Instant::now();
                break ends.unwrap_or(StopDeadlines { peers: now, work: now });
            }
            Some(_) = connections.join_next() => {}
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => take(stream, peer, &shared, &mut connections, &stop),
                Err(error) => {
                    turn_away(&shared, Turned::System, &error.to_string());
                    sleep(SYSTEM_PAUSE).await;
                }
            },
        }
    };
    drop(socket);
    finish(connections, ends).await;
}

fn take(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<ServerShared>,
    connections: &mut JoinSet<()>,
    stop: &watch::Receiver<Option<StopDeadlines>>,
) {
    let settings = shared.settings.load_full();
    let is_proxy = settings.proxies.iter().any(|network| network.contains(peer.ip()));
    let seat = if descriptors::is_kept_back(stream.as_raw_fd()) {
        Err(Turned::Descriptors)
    } else {
        shared.connections.seat(peer.ip(), is_proxy, &settings.limits)
    };
    match seat {
        Ok(seat) => {
            shared.stats.taken.fetch_add(1, Ordering::Relaxed);
            connections.spawn(serve::connection(stream, peer, settings, shared.clone(), seat, stop.clone()));
        }
        Err(reason) => turn_away_busy(&stream, shared, reason, peer),
    }
}

/// Says that there is no seat.
pub(super) fn turn_away_busy(stream: &TcpStream, shared: &ServerShared, reason: Turned, peer: SocketAddr) {
    turn_away(shared, reason, &peer.ip().to_string());
    // Who does not hear it sees the connection close.
    let _ = stream.try_write(BUSY);
}

fn turn_away(shared: &ServerShared, reason: Turned, detail: &str) {
    let before = shared.stats.turned.add(reason);
    if before.is_multiple_of(LOG_EVERY) {
        let reason = reason.as_str();
        tracing::warn!(reason, detail, before, "a connection was turned away; the limits stand under [listen]");
    }
}

/// Waits for what runs; whoever is not done in time is ended.
async fn finish(mut connections: JoinSet<()>, ends: StopDeadlines) {
    let last = ends.work + LAST_GRACE;
    while let Ok(Some(_)) = timeout_at(last, connections.join_next()).await {}
    connections.shutdown().await;
}

/// Counts a connection that the server's end has ended.
pub(super) fn count_stopped(shared: &ServerShared) {
    shared.stats.ended.add(Ending::Stopped);
}
