//! What plugins print, as lines of the agent's log: cut, counted and limited in rate.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use saker_model::{Rate, text};
use tokio::io::AsyncWrite;
use tracing::Level;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::custom_metrics::Meters;

/// How many lines are kept for a report.
const TAIL_LINES: usize = 20;
/// A burst may be this many times the lines of a second.
const BURST: u32 = 4;

/// The last lines that an instance has logged.
#[derive(Clone, Debug, Default)]
pub struct LogTail(Arc<Mutex<VecDeque<String>>>);

impl LogTail {
    /// The lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().iter().cloned().collect()
    }

    fn push(&self, line: String) {
        let mut lines = self.0.lock();
        if lines.len() == TAIL_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}

/// Where an instance's lines go.
#[derive(Clone)]
pub(crate) struct LogSink(Arc<LineSink>);

struct LineSink {
    name: String,
    line_bytes: usize,
    rate: Mutex<Rate>,
    tail: LogTail,
    meters: Arc<Meters>,
}

impl LogSink {
    pub(crate) fn new(name: &str, lines_per_s: u32, line_bytes: usize, tail: LogTail, meters: Arc<Meters>) -> Self {
        let every = Duration::from_secs_f64(f64::from(lines_per_s.max(1)).recip());
        let rate = Mutex::new(Rate::new(lines_per_s.saturating_mul(BURST), every));
        Self(Arc::new(LineSink { name: name.into(), line_bytes, rate, tail, meters }))
    }

    /// Logs one line, if the rate allows it.
    pub(crate) fn log(&self, level: Level, message: &str) {
        let Some(dropped) = self.0.rate.lock().take(Instant::now()) else {
            self.0.meters.drop_log_line();
            return;
        };
        let line = text::clean(message, self.0.line_bytes);
        let plugin = self.0.name.as_str();
        if dropped > 0 {
            tracing::warn!(target: "plugin", plugin, dropped, "log lines dropped, they came too fast");
        }
        match level {
            Level::ERROR => tracing::error!(target: "plugin", plugin, "{line}"),
            Level::WARN => tracing::warn!(target: "plugin", plugin, "{line}"),
            Level::INFO => tracing::info!(target: "plugin", plugin, "{line}"),
            _ => tracing::debug!(target: "plugin", plugin, "{line}"),
        }
        self.0.tail.push(line);
    }
}

/// A guest's standard output or standard error as log lines.
#[derive(Clone)]
pub(crate) struct LogLines {
    sink: LogSink,
    level: Level,
    partial: Arc<Mutex<Vec<u8>>>,
}

impl LogLines {
    pub(crate) fn new(sink: LogSink, level: Level) -> Self {
        Self { sink, level, partial: Arc::default() }
    }

    fn push(&self, bytes: &[u8]) {
        let mut partial = self.partial.lock();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            // What is beyond the line's length is never kept, however long the line grows.
            let room = (self.sink.0.line_bytes + 1).saturating_sub(partial.len());
            partial.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.sink.log(self.level, &String::from_utf8_lossy(&partial));
                partial.clear();
            }
        }
    }

    /// Logs what is left without an end of line.
    pub(crate) fn flush_line(&self) {
        let mut partial = self.partial.lock();
        if !partial.is_empty() {
            self.sink.log(self.level, &String::from_utf8_lossy(&partial));
            partial.clear();
        }
    }
}

/// A guest's standard output as the agent's own, for those who are granted it.
#[derive(Clone, Copy)]
pub(crate) struct RealStdout;

/// Where the bytes of a stream go; writing is immediate.
pub(crate) trait ByteSink: Clone + Send + Sync + 'static {
    fn put(&self, bytes: &[u8]) -> io::Result<()>;
}

impl ByteSink for LogLines {
    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        self.push(bytes);
        Ok(())
    }
}

impl ByteSink for RealStdout {
    fn put(&self, bytes: &[u8]) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        stdout.flush()
    }
}

/// A stream that is always ready. Guests run on threads of their own, where a write may wait.
#[derive(Clone)]
pub(crate) struct Immediate<S>(pub(crate) S);

/// Bytes of one write.
const WRITE_MAX: usize = 64 << 10;

impl<S: ByteSink> IsTerminal for Immediate<S> {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl<S: ByteSink> StdoutStream for Immediate<S> {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl<S: ByteSink> Pollable for Immediate<S> {
    async fn ready(&mut self) {}
}

impl<S: ByteSink> OutputStream for Immediate<S> {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.put(&bytes).map_err(|error| StreamError::LastOperationFailed(error.into()))
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_MAX)
    }
}

impl<S: ByteSink> AsyncWrite for Immediate<S> {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.put(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(rate: u32) -> (LogLines, LogTail, Arc<Meters>) {
        let (tail, meters) = (LogTail::default(), Arc::new(Meters::default()));
        let sink = LogSink::new("p", rate, 16, tail.clone(), meters.clone());
        (LogLines::new(sink, Level::INFO), tail, meters)
    }

    #[test]
    fn pieces_become_lines_and_long_ones_are_cut() {
        let (lines, tail, _) = lines(50);
        lines.push(b"one\ntw");
        lines.push(b"o\n");
        lines.push(&[b'x'; 100]);
        lines.push(b"yz\nlast");
        lines.flush_line();
        assert_eq!(tail.lines(), ["one", "two", &format!("{}…", "x".repeat(16)), "last"]);
    }

    #[test]
    fn control_characters_and_broken_text_cannot_pass() {
        let (lines, tail, _) = lines(50);
        lines.push(b"a\x1b[2Jb\xff\n");
        assert_eq!(tail.lines(), ["a [2Jb\u{fffd}"]);
    }

    #[test]
    fn a_flood_is_dropped_and_counted_and_the_tail_stays_short() {
        let (lines, tail, meters) = lines(10);
        for number in 0..1000 {
            lines.push(format!("{number}\n").as_bytes());
        }
        assert_eq!(tail.lines().len(), TAIL_LINES);
        assert!((950..=960).contains(&meters.log_lines_dropped()), "{}", meters.log_lines_dropped());
    }
}
