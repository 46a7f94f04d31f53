//! The sockets themselves: bound, moved to other addresses, closed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{LineListenerShared, LineProtocol, SocketConfig, tcp, udp};
use crate::ProtocolListenError;

/// What has come at an address that is left may be taken so long.
const LEAVE: Duration = Duration::from_secs(1);

/// The sockets of a protocol.
#[derive(Default)]
pub(super) struct Bound {
    tcp: Option<RunningSocket>,
    udp: Option<RunningSocket>,
}

/// What a socket speaks.
#[derive(Clone, Copy)]
enum SocketKind {
    Tcp,
    Udp,
}

/// A socket and who reads from it.
struct RunningSocket {
    /// Where it was told to listen; the port may have been left open.
    configured: SocketAddr,
    address: SocketAddr,
    stop: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
}

impl Bound {
    /// Listens where the settings say.
    pub(super) async fn listen<P: LineProtocol>(
        &mut self,
        config: &SocketConfig,
        shared: &Arc<LineListenerShared<P>>,
    ) -> Result<(), ProtocolListenError> {
        let tcp = change(&mut self.tcp, config.tcp, SocketKind::Tcp, shared).await;
        let udp = change(&mut self.udp, config.udp, SocketKind::Udp, shared).await;
        let failed = |(address, source)| ProtocolListenError { listener: P::NAME, address, source };
        tcp.and(udp).map_err(failed)
    }

    /// Where it listens.
    pub(super) fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        let of = |running: &Option<RunningSocket>| running.as_ref().map(|running| running.address);
        (of(&self.tcp), of(&self.udp))
    }

    /// Takes what has come, and nothing more.
    pub(super) async fn stop(&mut self, limit: Duration) {
        let running = [self.tcp.take(), self.udp.take()].into_iter().flatten();
        join_all(running.map(|running| running.stop(limit))).await;
    }
}

impl SocketKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

impl RunningSocket {
    async fn stop(self, limit: Duration) {
        self.stop.send_replace(Some(Instant::now() + limit));
        // It ends by itself, unless it has failed.
        if let Err(error) = self.task.await {
            tracing::error!("a listener has failed: {error}");
        }
    }
}

/// Listens somewhere else, or nowhere. What listened before goes on until the new is there, and for ever if it cannot be
/// had.
async fn change<P: LineProtocol>(
    running: &mut Option<RunningSocket>,
    to: Option<SocketAddr>,
    over: SocketKind,
    shared: &Arc<LineListenerShared<P>>,
) -> Result<(), (SocketAddr, io::Error)> {
    if running.as_ref().map(|running| running.configured) == to {
        return Ok(());
    }
    let Some(address) = to else {
        if let Some(before) = running.take() {
            before.stop(LEAVE).await;
        }
        return Ok(());
    };
    let error = match start(over, address, shared).await {
        Ok(new) => {
            if let Some(before) = running.replace(new) {
                before.stop(LEAVE).await;
            }
            return Ok(());
        }
        Err(error) => error,
    };
    // The system gives a port for another address only when it is free.
    let Some(before) = running.take_if(|before| before.address.port() == address.port()) else {
        return Err((address, error));
    };
    let back = before.configured;
    before.stop(LEAVE).await;
    match start(over, address, shared).await {
        Ok(new) => {
            *running = Some(new);
            Ok(())
        }
        Err(error) => {
            *running = start(over, back, shared).await.ok();
            Err((address, error))
        }
    }
}

async fn start<P: LineProtocol>(
    over: SocketKind,
    configured: SocketAddr,
    shared: &Arc<LineListenerShared<P>>,
) -> io::Result<RunningSocket> {
    let (stop, stopped) = watch::channel(None);
    let (address, task) = match over {
        SocketKind::Tcp => {
            let socket = TcpListener::bind(configured).await?;
            (socket.local_addr()?, tokio::spawn(tcp::accept(socket, shared.clone(), stopped)))
        }
        SocketKind::Udp => {
            let socket = UdpSocket::bind(configured).await?;
            (socket.local_addr()?, tokio::spawn(udp::run(socket, shared.clone(), stopped)))
        }
    };
    tracing::info!(listener = P::NAME, %address, "listening over {}", over.as_str());
    Ok(RunningSocket { configured, address, stop, task })
}
