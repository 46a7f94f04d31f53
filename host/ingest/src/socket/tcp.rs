//! Messages over TCP, mostly lines. Nothing is read while there is no room for more: the sender is kept waiting, and loses nothing.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::BufMut;
use saker_http::{ConnectionSeat, ReasonLabel, is_kept_back};
use saker_pipeline::OverloadPolicy;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::conversation::{Framer, Reply};
use super::own_http::OwnHttp;
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
/// A message that is longer than a line may take so long to come. With the others of its connection's kind it holds
/// memory that all share.
const LONG_MESSAGE: Duration = Duration::from_secs(30);
/// How long an answer may wait for its reader.
const REPLY_MAX: Duration = Duration::from_secs(30);
/// What is left of a connection's task after its time is only its end.
const LAST_GRACE: Duration = Duration::from_millis(200);

/// Accepts until it is told to stop, then waits for what has come.
pub(super) async fn accept<P: LineProtocol>(socket: TcpListener, shared: Arc<LineListenerShared<P>>, stop: StopSignal) {
    let (mut connections, mut stopping) = (JoinSet::new(), stop.clone());
    let http = OwnHttp::new(&shared).map(Arc::new);
    let end = loop {
        tokio::select! {
            biased;
            end = told_to_stop(&mut stopping) => break end,
            Some(_) = connections.join_next() => {}
            accepted = socket.accept() => match accepted {
                Ok((stream, peer)) => take(stream, peer, &shared, &mut connections, &stop, http.as_ref()),
                Err(error) => {
                    turn_away(&shared, Turned::System, &error.to_string());
                    sleep(SYSTEM_PAUSE).await;
                }
            },
        }
    };
    // Who has connected already may have sent something.
    while let Ok(Ok((stream, peer))) = timeout_at(end.min(Instant::now() + DRAINED), socket.accept()).await {
        take(stream, peer, &shared, &mut connections, &stop, http.as_ref());
    }
    drop(socket);
    if let Some(http) = &http {
        http.stop(end);
    }
    while let Ok(Some(_)) = timeout_at(end + LAST_GRACE, connections.join_next()).await {}
    connections.shutdown().await;
}

fn take<P: LineProtocol>(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<LineListenerShared<P>>,
    connections: &mut JoinSet<()>,
    stop: &StopSignal,
    http: Option<&Arc<OwnHttp<P>>>,
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
            connections.spawn(serve(stream, peer, shared.clone(), seat, stop.clone(), http.cloned()));
        }
        Err(reason) => turn_away(shared, reason, &peer.ip().to_string()),
    }
}

async fn serve<P: LineProtocol>(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<LineListenerShared<P>>,
    seat: ConnectionSeat,
    mut stop: StopSignal,
    http: Option<Arc<OwnHttp<P>>>,
) {
    if let Some(http) = http
        && http.is_wanted(&stream, &mut stop).await
    {
        return http.serve(stream, peer).await;
    }
    SocketConnection::new(stream, peer, shared, seat).serve(stop).await;
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
    framer: Box<dyn Framer>,
    /// Messages that were not taken yet; mostly none, or the beginning of one.
    buffer: Vec<u8>,
    /// What the buffer is charged to, while there is one: a line each.
    memory: Vec<Prepaid>,
    /// Within a line that is too long.
    is_skipping: bool,
    /// Nothing came yet.
    is_new: bool,
    /// When the last whole message came.
    progress: Instant,
    /// When the one that is coming was longer than a line.
    is_long_since: Option<Instant>,
}

impl<P: LineProtocol> SocketConnection<P> {
    fn new(stream: TcpStream, peer: SocketAddr, shared: Arc<LineListenerShared<P>>, seat: ConnectionSeat) -> Self {
        shared.stats().open.fetch_add(1, Ordering::Relaxed);
        Self {
            stream,
            peer,
            shared,
            _seat: seat,
            framer: P::framer(),
            buffer: Vec::new(),
            memory: Vec::new(),
            is_skipping: false,
            is_new: true,
            progress: Instant::now(),
            is_long_since: None,
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
        if !self.framer.is_of_lines() {
            return self.shared.malformed(self.peer, "the connection ended within a message");
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
                let end = self.is_long_since.map_or(self.progress + idle, |since| since + LONG_MESSAGE);
                tokio::select! {
                    biased;
                    _ = told_to_stop(stop) => continue,
                    ready = timeout_at(end, self.stream.readable()) => match ready {
                        Ok(ready) => ready?,
                        Err(_) => return Ok(Some(Ended::Idle)),
                    },
                }
            }
            let Some(has_memory) = within(stop, self.charge()).await else { return Ok(Some(Ended::Stopped)) };
            if !has_memory {
                self.buffer.clear();
                self.shared.malformed(self.peer, "there was no memory for the rest of the message");
                return Ok(Some(Ended::Memory));
            }
            match self.read() {
                Ok(0) => return Ok(None),
                Ok(_) => {
                    if let Some(ended) = self.messages(stop).await {
                        return Ok(Some(ended));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.let_go(),
                Err(error) => return Err(error),
            }
        }
    }

    /// Memory for what is read next: waits for that of the first line; for more there is some, or there is none.
    async fn charge(&mut self) -> bool {
        if self.memory.is_empty() {
            self.memory.push(self.shared.memory(LINE_BYTES_MAX).await);
        }
        while self.buffer.len() + self.room() > self.memory.len() * LINE_BYTES_MAX {
            let Some(memory) = self.shared.admission.prepay(LINE_BYTES_MAX) else { return false };
            self.memory.push(memory);
        }
        true
    }

    /// How much is read at once.
    fn room(&self) -> usize {
        READ_BYTES.min(P::MESSAGE_BYTES_MAX - self.buffer.len())
    }

    /// Reads what is there.
    fn read(&mut self) -> io::Result<usize> {
        let room = self.room();
        self.buffer.reserve(room);
        self.stream.try_read_buf(&mut (&mut self.buffer).limit(room))
    }

    /// Takes whole messages; answers why the connection ends, if it does.
    async fn messages(&mut self, stop: &mut StopSignal) -> Option<Ended> {
        if self.is_skipping {
            let Some(end) = memchr::memchr(b'\n', &self.buffer) else {
                self.buffer.clear();
                return None;
            };
            self.buffer.drain(..=end);
            (self.is_skipping, self.progress) = (false, Instant::now());
        }
        let mut taken = 0;
        let ended = loop {
            match self.framer.whole(&self.buffer[taken..]) {
                Ok(0) => break None,
                Ok(end) => match self.take(taken, taken + end, stop).await {
                    Ok(()) => taken += end,
                    Err((ended, is_taken)) => {
                        taken += if is_taken { end } else { 0 };
                        break Some(ended);
                    }
                },
                Err(what) => {
                    self.shared.malformed(self.peer, what);
                    break Some(Ended::Malformed);
                }
            }
        };
        if matches!(ended, Some(Ended::Malformed | Ended::Done | Ended::Unread | Ended::Http)) {
            self.buffer.clear();
        }
        self.buffer.drain(..taken.min(self.buffer.len()));
        if taken > 0 {
            self.is_long_since = None;
            self.memory.truncate(self.buffer.len().div_ceil(LINE_BYTES_MAX).max(1));
            self.buffer.shrink_to(LINE_BYTES_MAX.max(self.buffer.len()));
        }
        let ended = ended.or_else(|| self.too_long());
        self.let_go();
        ended
    }

    /// Takes what stands between these places, and answers. If that ends the connection: why, and whether it was taken.
    async fn take(&mut self, from: usize, to: usize, stop: &mut StopSignal) -> Result<(), (Ended, bool)> {
        let (messages, began) = (&self.buffer[from..to], Instant::now());
        if std::mem::take(&mut self.is_new) && self.framer.is_of_lines() && is_http(messages) {
            return Err((Ended::Http, true));
        }
        let taken = self.shared.take(self.peer, FramedMessages::from(messages), OverloadPolicy::All, stop).await;
        let Some(taken) = taken else { return Err((Ended::Stopped, false)) };
        self.progress = Instant::now();
        let Reply { text, is_last } = P::reply(&taken.intake.decoder, messages, &taken.report, began.elapsed());
        if !text.is_empty() {
            let said = within(stop, timeout(REPLY_MAX, self.stream.write_all(&text))).await;
            if !matches!(said, Some(Ok(Ok(())))) {
                return Err((Ended::Unread, true));
            }
        }
        if is_last { Err((Ended::Done, true)) } else { Ok(()) }
    }

    /// Looks after the beginning of a message that is long.
    fn too_long(&mut self) -> Option<Ended> {
        if self.buffer.len() >= LINE_BYTES_MAX {
            self.is_long_since.get_or_insert_with(Instant::now);
        }
        if self.buffer.len() < P::MESSAGE_BYTES_MAX {
            return None;
        }
        self.buffer.clear();
        if self.framer.is_of_lines() {
            self.shared.malformed(self.peer, "the line has more than 65536 bytes");
            (self.is_skipping, self.is_long_since) = (true, None);
            return None;
        }
        self.shared.malformed(self.peer, "the message is longer than any may be");
        Some(Ended::Malformed)
    }

    /// An idle connection holds no memory.
    fn let_go(&mut self) {
        if self.buffer.is_empty() {
            (self.buffer, self.memory) = (Vec::new(), Vec::new());
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
