//! A socket that gives up on its peer: on heads that do not come, on idleness, on answers that are not read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{ConnectionState, Phase};
use crate::HttpLimits;
use crate::stats::{Ending, Stats};

/// After the last answer what still comes is read and thrown away for so long: a socket that is closed with something
/// unread takes back what its peer has not read yet, which may be the very answer that says why.
const GOODBYE_TIME: Duration = Duration::from_secs(2);
/// And so much of it.
const GOODBYE_BYTES: usize = 8 << 20;
/// Said to who takes too long to ask for anything.
const TOO_SLOW: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A socket with deadlines. See [`HttpLimits`] for each.
pub(crate) struct TimedSocket {
    stream: TcpStream,
    state: Arc<ConnectionState>,
    limits: HttpLimits,
    stats: Arc<Stats>,
    /// The phase that `deadline` is meant for.
    seen: Phase,
    deadline: Option<Instant>,
    read_timer: Pin<Box<Sleep>>,
    /// Bytes of the head that is coming, with whatever came in the same piece.
    max_head_bytes: usize,
    write: WriteTimer,
    goodbye: Option<LingeringClose>,
}

/// How long the peer has let this side wait with its answers.
struct WriteTimer {
    has_begun: bool,
    /// The request whose answer `blocked` is for.
    request: u64,
    since: Option<Instant>,
    blocked: Duration,
    timer: Pin<Box<Sleep>>,
}

struct LingeringClose {
    end: Instant,
    left: usize,
}

impl TimedSocket {
    pub(crate) fn new(stream: TcpStream, state: Arc<ConnectionState>, limits: HttpLimits, stats: Arc<Stats>) -> Self {
        let now = Instant::now();
        let deadline = Some(now + limits.head_timeout);
        let timer = || Box::pin(sleep_until(now));
        let write = WriteTimer { has_begun: false, request: 0, since: None, blocked: Duration::ZERO, timer: timer() };
        let (read_timer, seen) = (timer(), Phase::Head);
        Self { stream, state, limits, stats, seen, deadline, read_timer, max_head_bytes: 0, write, goodbye: None }
    }

    /// The phase as it is now, with its deadline set when it begins.
    fn phase(&mut self) -> Phase {
        let phase = self.state.get();
        if phase != self.seen {
            self.seen = phase;
            self.deadline = match phase {
                Phase::Head => Some(Instant::now() + self.limits.head_timeout),
                Phase::Idle => Some(Instant::now() + self.limits.idle_timeout),
                _ => None,
            };
            self.max_head_bytes = 0;
        }
        phase
    }

    /// Ends the connection as if the peer had done so.
    fn end(&self, ending: Ending) -> Poll<io::Result<()>> {
        self.stats.ended.add(ending);
        if ending == Ending::HeadTimeout && !self.write.has_begun {
            // If it cannot be said, there is nobody to hear it.
            let _ = self.stream.try_write(TOO_SLOW);
        }
        Poll::Ready(Ok(()))
    }

    fn ending(phase: Phase) -> Ending {
        if phase == Phase::Idle { Ending::Idle } else { Ending::HeadTimeout }
    }

    /// What a write came to, in time or too late.
    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let write = &mut self.write;
        match result {
            Poll::Ready(_) => {
                write.has_begun = true;
                if let Some(since) = write.since.take() {
                    write.blocked += since.elapsed();
                }
                result
            }
            Poll::Pending => {
                if write.request != self.state.requests() {
                    (write.request, write.blocked) = (self.state.requests(), Duration::ZERO);
                }
                let since = *write.since.get_or_insert_with(Instant::now);
                let left = self.limits.body_timeout.saturating_sub(write.blocked);
                let end = since + self.limits.response_stall_timeout.min(left);
                ready!(expired(&mut write.timer, end, cx));
                self.stats.ended.add(Ending::ResponseStalled);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

/// Ready when the time has come.
fn expired(timer: &mut Pin<Box<Sleep>>, end: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if timer.deadline() != end {
        timer.as_mut().reset(end);
    }
    timer.as_mut().poll(cx)
}

impl AsyncRead for TimedSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let phase = this.phase();
        if phase == Phase::Head && this.max_head_bytes > this.limits.max_head_bytes {
            // Whoever reads on has not found its end.
            return this.end(Ending::HeadTooLarge);
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        let bytes = buffer.filled().len() - before;
        if bytes > 0 && phase == Phase::Idle {
            this.state.set(Phase::Head);
            this.phase();
        }
        this.max_head_bytes += bytes;
        let Some(deadline) = this.deadline else {
            if read.is_pending() {
                this.state.wait(cx.waker());
            }
            return read;
        };
        match read {
            // A head that comes byte by byte is never waited for long.
            Poll::Ready(Ok(())) if bytes > 0 && Instant::now() >= deadline => {
                buffer.set_filled(before);
                this.end(Self::ending(phase))
            }
            Poll::Ready(_) => read,
            Poll::Pending => {
                ready!(expired(&mut this.read_timer, deadline, cx));
                this.end(Self::ending(phase))
            }
        }
    }
}

impl AsyncWrite for TimedSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.state.set(Phase::Closing);
        if this.goodbye.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        let now = Instant::now();
        let goodbye = this.goodbye.get_or_insert(LingeringClose { end: now + GOODBYE_TIME, left: GOODBYE_BYTES });
        let mut space = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut this.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() && goodbye.left > 0 => {
                    goodbye.left = goodbye.left.saturating_sub(buffer.filled().len());
                }
                // It has gone, or talks on for ever.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => {
                    ready!(expired(&mut this.read_timer, goodbye.end, cx));
                    return Poll::Ready(Ok(()));
                }
            }
            if now >= goodbye.end {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
