//! Lines over TCP. Nothing is read while there is no room for more: the sender is kept waiting, and loses nothing.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BufMut;
use saker_http::{ConnectionSeat, ReasonLabel, is_kept_back};
use saker_pipeline::OverloadPolicy;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::stats::{Ended, Turned};
use super::{LINE_BYTES_MAX, LineListenerShared, LineProtocol, StopSignal, told_to_stop, within};
use crate::admission::Prepaid;
use crate::reading::FramedMessages;

/// So much is read at once: less than a millisecond of parsing.
const READ_BYTES: usize = 32 << 10;
/// When the system gives no descriptor, it is asked again after this pause, not at once and for ever.
const SYSTEM_PAUSE: Duration = Duration::from_millis(100);
/// Of a reason why connections are turned away, the first is logged, and each of so many.
const LOG_EVERY: u64 = 1000;
/// A connection of a listener that stops has brought all that is here when nothing more comes for so long.
const DRAINED: Duration = Duration::from_millis(50);
/// What is left of a connection's task after its time is only its end.
const LAST_GRACE: Duration = Duration::from_millis(200);

/// Accepts until it is told to stop, then waits for what has come.
pub(super) async fn accept<P: LineProtocol>(socket: TcpListener, shared: Arc<LineListenerShared<P>>, stop: StopSignal) {
    let (mut connections, mut stopping) = (JoinSet::new(), stop.clone());
    let end = loop {
        tokio::select! {
            biased;
            end = told_to_stop(&mut stopping) => break end,
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
    // Who has connected already may have sent something.
    while let Ok(Ok((stream, peer))) = timeout_at(end.min(Instant::now() + DRAINED), socket.accept()).await {
        take(stream, peer, &shared, &mut connections, &stop);
    }
    drop(socket);
    while let Ok(Some(_)) = timeout_at(end + LAST_GRACE, connections.join_next()).await {}
    connections.shutdown().await;
}

fn take<P: LineProtocol>(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<LineListenerShared<P>>,
    connections: &mut JoinSet<()>,
    stop: &StopSignal,
) {
    let intake = shared.intake.load();
    let seat = if !intake.sockets().may_send(peer.ip()) {
        Err(Turned::Sender)
    } else if is_kept_back(stream.as_raw_fd()) {
        Err(Turned::Descriptors)
    } else {
        let seat = shared.connections.seat(peer.ip(), false, &intake.sockets().limits());
        seat.map_err(|turned| if turned == saker_http::Turned::Address { Turned::Address } else { Turned::Full })
    };
    match seat {
        Ok(seat) => {
            shared.stats().taken.fetch_add(1, Ordering::Relaxed);
            connections.spawn(SocketConnection::new(stream, peer, shared.clone(), seat).serve(stop.clone()));
        }
        Err(reason) => turn_away(shared, reason, &peer.ip().to_string()),
    }
}

fn turn_away<P: LineProtocol>(shared: &LineListenerShared<P>, reason: Turned, detail: &str) {
    let before = shared.stats().turned.add(reason);
    if before.is_multiple_of(LOG_EVERY) {
        let (listener, reason) = (P::NAME, reason.as_str());
        tracing::warn!(listener, reason, detail, before, "a connection was turned away");
    }
}

/// One connection.
struct SocketConnection<P: LineProtocol> {
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<LineListenerShared<P>>,
    _seat: ConnectionSeat,
    /// Lines that were not taken yet; mostly none, or the beginning of one.
    buffer: Vec<u8>,
    /// What the buffer is charged to, while there is one.
    memory: Option<Prepaid>,
    /// Within a line that is too long.
    is_skipping: bool,
    /// Nothing came yet.
    is_new: bool,
    /// When the last whole line came.
    progress: Instant,
}

impl<P: LineProtocol> SocketConnection<P> {
    fn new(stream: TcpStream, peer: SocketAddr, shared: Arc<LineListenerShared<P>>, seat: ConnectionSeat) -> Self {
        shared.stats().open.fetch_add(1, Ordering::Relaxed);
        Self {
            stream,
            peer,
            shared,
            _seat: seat,
            buffer: Vec::new(),
            memory: None,
            is_skipping: false,
            is_new: true,
            progress: Instant::now(),
        }
    }

    /// Reads to the end. What is left then is counted: a line without its end may have lost digits of its number.
    async fn serve(mut self, mut stop: StopSignal) {
        // What a peer does wrong, or its going away, is its own affair.
        if let Ok(Some(ended)) = self.run(&mut stop).await {
            self.shared.stats().ended.add(ended);
        }
        if self.buffer.is_empty() || self.is_skipping {
            return;
        }
        let lines = memchr::memchr_iter(b'\n', &self.buffer).count();
        self.shared.lost(lines);
        if self.buffer.last() != Some(&b'\n') {
            self.shared.malformed(self.peer, "the connection ended within a line");
        }
    }

    /// Reads until the peer closes; or answers why this side does.
    async fn run(&mut self, stop: &mut StopSignal) -> io::Result<Option<Ended>> {
        loop {
            let is_stopping = stop.borrow().is_some();
            if is_stopping {
                if timeout(DRAINED, self.stream.readable()).await.is_err() {
                    return Ok(Some(Ended::Stopped));
                }
            } else {
                let idle = self.shared.intake.load().sockets().idle_timeout;
                tokio::select! {
                    biased;
                    _ = told_to_stop(stop) => continue,
                    ready = timeout_at(self.progress + idle, self.stream.readable()) => match ready {
                        Ok(ready) => ready?,
                        Err(_) => return Ok(Some(Ended::Idle)),
                    },
                }
            }
            let Some(read) = within(stop, self.read()).await else { return Ok(Some(Ended::Stopped)) };
            match read {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    if let Some(ended) = self.lines(stop).await {
                        return Ok(Some(ended));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.let_go(),
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads what is there, once there is memory for it.
    async fn read(&mut self) -> io::Result<usize> {
        if self.memory.is_none() {
            self.memory = Some(self.shared.memory(LINE_BYTES_MAX).await);
        }
        let room = READ_BYTES.min(LINE_BYTES_MAX - self.buffer.len());
        self.buffer.reserve(room);
        self.stream.try_read_buf(&mut (&mut self.buffer).limit(room))
    }

    /// Takes whole lines; answers why the connection ends, if it does.
    async fn lines(&mut self, stop: &mut StopSignal) -> Option<Ended> {
        if self.is_skipping {
            let Some(end) = memchr::memchr(b'\n', &self.buffer) else {
                self.buffer.clear();
                return None;
            };
            self.buffer.drain(..=end);
            (self.is_skipping, self.progress) = (false, Instant::now());
        }
        if let Some(end) = memchr::memrchr(b'\n', &self.buffer) {
            if std::mem::take(&mut self.is_new) && is_http(&self.buffer) {
                self.buffer.clear();
                return Some(Ended::Http);
            }
            let lines = FramedMessages::from(&self.buffer[..=end]);
            if !self.shared.take(self.peer, lines, OverloadPolicy::All, stop).await {
                return Some(Ended::Stopped);
            }
            self.buffer.drain(..=end);
            self.progress = Instant::now();
        } else if self.buffer.len() >= LINE_BYTES_MAX {
            self.shared.malformed(self.peer, "the line has more than 65536 bytes");
            self.buffer.clear();
            self.is_skipping = true;
        }
        self.let_go();
        None
    }

    /// An idle connection holds no memory.
    fn let_go(&mut self) {
        if self.buffer.is_empty() {
            (self.buffer, self.memory) = (Vec::new(), None);
        }
    }
}

impl<P: LineProtocol> Drop for SocketConnection<P> {
    fn drop(&mut self) {
        self.shared.stats().open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether what begins so is HTTP. A page in a browser can have any machine's ports asked, and what it puts into a body
/// would be read as lines.
fn is_http(text: &[u8]) -> bool {
    let line = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")
}
