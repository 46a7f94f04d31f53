//! Lines over UDP. Nobody can be told to wait, so what there is no room for is lost, and counted: by the system, while
//! nothing is read, and by reason afterwards.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BufMut;
use saker_pipeline::OverloadPolicy;
use tokio::net::UdpSocket;
use tokio::time::{Instant, interval, timeout};

use super::kernel::KernelDrops;
use super::stats::Dropped;
use super::{LineListenerShared, LineProtocol, StopSignal, told_to_stop, within};
use crate::reading::FramedMessages;

/// What a datagram can have at most.
const DATAGRAM_BYTES: usize = 64 << 10;
/// Datagrams that are taken at once: what is done once for each time costs little then.
const DATAGRAMS: usize = 1024;
const BATCH_BYTES: usize = 256 << 10;
/// How often the system is asked what it has dropped.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A listener that stops has read all that is here when nothing more comes for so long.
const DRAINED: Duration = Duration::from_millis(50);
/// When the system gives nothing, it is asked again after this pause.
const SYSTEM_PAUSE: Duration = Duration::from_millis(100);

/// Datagrams that were read and not taken yet.
struct Datagrams {
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    /// Who has sent the last.
    from: Option<SocketAddr>,
}

/// Reads until it is told to stop, then what has come.
pub(super) async fn run<P: LineProtocol>(socket: UdpSocket, shared: Arc<LineListenerShared<P>>, mut stop: StopSignal) {
    let memory = within(&mut stop, shared.memory(BATCH_BYTES + DATAGRAM_BYTES)).await;
    let Some(_memory) = memory else { return };
    let mut datagrams = Datagrams {
        bytes: Vec::with_capacity(BATCH_BYTES + DATAGRAM_BYTES),
        ends: Vec::with_capacity(DATAGRAMS),
        from: None,
    };
    let (mut drops, mut looks) = (KernelDrops::of(socket.as_fd()), interval(LOOK_EVERY));
    loop {
        let ready = tokio::select! {
            biased;
            end = told_to_stop(&mut stop) => {
                drain(&socket, &shared, &mut datagrams, &mut stop, end).await;
                count(&shared, &mut drops).await;
                return;
            }
            _ = looks.tick() => {
                count(&shared, &mut drops).await;
                continue;
            }
            ready = socket.readable() => ready,
        };
        if let Err(error) = ready {
            tracing::warn!(listener = P::NAME, "cannot read datagrams: {error}");
            tokio::time::sleep(SYSTEM_PAUSE).await;
        }
        datagrams.read(&socket, &shared);
        datagrams.take(&shared, &mut stop).await;
    }
}

/// Reads all that is there, within the time.
async fn drain<P: LineProtocol>(
    socket: &UdpSocket,
    shared: &LineListenerShared<P>,
    datagrams: &mut Datagrams,
    stop: &mut StopSignal,
    end: Instant,
) {
    while Instant::now() < end && timeout(DRAINED, socket.readable()).await.is_ok() {
        datagrams.read(socket, shared);
        datagrams.take(shared, stop).await;
    }
}

impl Datagrams {
    /// Reads what is there, as far as it is to be taken at once.
    fn read<P: LineProtocol>(&mut self, socket: &UdpSocket, shared: &LineListenerShared<P>) {
        let intake = shared.intake.load();
        let mut looked = 0;
        while self.bytes.len() <= BATCH_BYTES && looked < DATAGRAMS {
            looked += 1;
            let before = self.bytes.len();
            match socket.try_recv_buf_from(&mut (&mut self.bytes).limit(DATAGRAM_BYTES)) {
                Ok((_, from)) if intake.sockets().may_send(from.ip()) => {
                    self.ends.push(self.bytes.len());
                    self.from = Some(from);
                }
                Ok(_) => {
                    self.bytes.truncate(before);
                    shared.stats().dropped.add(Dropped::Sender);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // It says nothing of what comes.
                Err(_) => {}
            }
        }
    }

    /// Takes what was read.
    async fn take<P: LineProtocol>(&mut self, shared: &LineListenerShared<P>, stop: &mut StopSignal) {
        let Some(from) = self.from.take() else { return };
        shared.stats().datagrams.fetch_add(self.ends.len() as u64, Ordering::Relaxed);
        let lines = FramedMessages::new(&self.bytes, &self.ends);
        if shared.take(from, lines, OverloadPolicy::Copies, stop).await.is_none() {
            let lines = self.bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
            shared.lost(lines.count());
        }
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Counts what the system has dropped since the last look.
async fn count<P: LineProtocol>(shared: &LineListenerShared<P>, drops: &mut KernelDrops) {
    let lost = drops.look().await;
    if lost > 0 {
        shared.stats().dropped.add_many(Dropped::Kernel, lost);
        tracing::warn!(
            listener = P::NAME,
            lost,
            "datagrams came faster than they could be read; the system dropped some"
        );
    }
}
