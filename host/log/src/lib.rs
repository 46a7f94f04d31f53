//! The lines that the agent writes while it runs: its log on standard error, and its messages on standard output.
//!
//! Either may be a pipe whose reader sleeps. So nobody waits for them: lines are kept in memory up to a bound, and a
//! thread writes them. What finds no room is lost, counted, and told in the log when there is room again.

#![warn(missing_docs)]

mod config;

use std::fmt;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use saker_model::text::{MESSAGE_BYTES_MAX, clean};
use saker_telemetry::{Metrics, Out};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::{EnvFilter, Registry, layer::SubscriberExt, reload, util::SubscriberInitExt};

pub use self::config::{LogConfig, LogFormat};

/// Bytes of lines that wait for their reader: some five thousand lines, a minute of a very talkative agent. As much
/// again is on its way to the system.
const WAITING_BYTES_MAX: usize = 512 << 10;
/// What is kept of that memory when it is empty.
const KEPT_BYTES: usize = 16 << 10;
/// How long the end of the process waits for whoever reads the log.
const END_WAIT: Duration = Duration::from_secs(1);
/// How long a thread that panics waits for that: its panic may be the process's last.
const PANIC_WAIT: Duration = Duration::from_millis(100);
/// How soon a descriptor is tried again that is set not to wait, and is full.
const FULL_RETRY: Duration = Duration::from_millis(20);

/// Lines of the log that found no room, and that could not be written. There is one log in a process.
static LOST: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];
const NO_ROOM: usize = 0;
const UNWRITTEN: usize = 1;

/// How many lines of the log were lost, by reason.
fn lost() -> [(&'static str, u64); 2] {
    [("no_room", NO_ROOM), ("write_failed", UNWRITTEN)].map(|(why, index)| (why, LOST[index].load(Ordering::Relaxed)))
}

/// What is counted of the log.
pub struct LogMetrics;

impl Metrics for LogMetrics {
    fn write(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let lost = lost().map(|(reason, lines)| (vec![("reason", reason.to_owned())], lines as f64));
        out.counter("saker_log_dropped_lines", "Lines of the log that were not written, by reason", lost.into())
    }
}

/// The log does not start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is none.
    #[error("cannot use the log level: {0}")]
    Level(#[from] tracing_subscriber::filter::ParseError),
    /// The system has no thread left to write its lines.
    #[error("cannot start the log's thread: {0}")]
    Thread(#[from] io::Error),
}

/// The log. Dropping it ends it: what waits is written, within a limit of time.
pub struct Log {
    level: Level,
    lines: LineStream,
}

/// The level of the log, which can be changed.
#[derive(Clone)]
pub struct Level(reload::Handle<EnvFilter, Registry>);

impl Log {
    /// Starts the log on standard error. From now on panics are events of it.
    ///
    /// # Errors
    /// If the level is none, or the system has no thread left.
    pub fn start(config: &LogConfig) -> Result<Self, LogError> {
        let filter = EnvFilter::try_new(&config.level)?;
        let (filter, level) = reload::Layer::new(filter);
        let lines = LineStream::start("log", Purpose::Log, io::stderr())?;
        let registry = tracing_subscriber::registry().with(filter);
        let layer = tracing_subscriber::fmt::layer().with_writer(lines.clone());
        match config.format {
            LogFormat::Text => {
                let colours = io::IsTerminal::is_terminal(&io::stderr());
                registry.with(layer.with_ansi(colours).with_target(false)).init();
            }
            LogFormat::Json => registry.with(layer.json()).init(),
        }
        let panics = lines.clone();
        std::panic::set_hook(Box::new(move |panic| {
            tell_panic(panic);
            panics.flush(PANIC_WAIT);
        }));
        Ok(Self { level: Level(level), lines })
    }

    /// Its level.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level.clone()
    }
}

impl Level {
    /// Changes it; a text that is no level changes nothing, and is told.
    pub fn set(&self, level: &str) {
        let set = EnvFilter::try_new(level)
            .map_err(|error| error.to_string())
            .and_then(|filter| self.0.reload(filter).map_err(|error| error.to_string()));
        if let Err(error) = set {
            tracing::error!("cannot change the log level: {error}");
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.lines.flush(END_WAIT);
    }
}

fn tell_panic(panic: &PanicHookInfo<'_>) {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let place = panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    let message = clean(panic.payload_as_str().unwrap_or("no message"), MESSAGE_BYTES_MAX);
    tracing::error!(thread, "panicked{place}: {message}");
}

/// What lines are for, which decides about those that are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// They are counted, and told in the log itself.
    Log,
    /// Whoever has written them looks whether they [arrived](LineStream::arrived).
    Messages,
}

/// A stream of lines with a thread that writes them. Adding one never waits.
#[derive(Clone)]
pub struct LineStream(Arc<LineStreamShared>);

struct LineStreamShared {
    purpose: Purpose,
    state: Mutex<LineStreamState>,
    /// There are lines to write.
    filled: Condvar,
    /// All lines were written.
    emptied: Condvar,
}

#[derive(Default)]
struct LineStreamState {
    waiting: Vec<u8>,
    writing: bool,
    /// Lines that were lost since that was told last.
    untold: u64,
    /// Whether any was ever lost.
    lossy: bool,
}

impl LineStream {
    /// Starts a stream into `sink`. Its thread lasts as long as the process.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(name: &str, purpose: Purpose, sink: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(LineStreamShared {
            purpose,
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        });
        let lines = Self(shared.clone());
        std::thread::Builder::new().name(name.to_owned()).spawn(move || shared.run(sink))?;
        Ok(lines)
    }

    /// Adds whole lines, if there is room for them.
    pub fn push(&self, text: &[u8]) {
        let mut state = self.0.state.lock();
        if state.waiting.len() + text.len() > WAITING_BYTES_MAX {
            return self.0.lose(&mut state, NO_ROOM, 1);
        }
        state.waiting.extend_from_slice(text);
        self.0.filled.notify_one();
    }

    /// Waits until all lines are written, for so long at most. Whether they are.
    pub fn flush(&self, limit: Duration) -> bool {
        let end = Instant::now() + limit;
        let mut state = self.0.state.lock();
        while state.writing || !state.waiting.is_empty() {
            if self.0.emptied.wait_until(&mut state, end).timed_out() {
                return !state.writing && state.waiting.is_empty();
            }
        }
        true
    }

    /// Whether none was lost so far.
    #[must_use]
    pub fn arrived(&self) -> bool {
        !self.0.state.lock().lossy
    }
}

impl LineStreamShared {
    fn run(&self, mut sink: impl Write) {
        let mut chunk = Vec::new();
        loop {
            {
                let mut state = self.state.lock();
                while state.waiting.is_empty() {
                    self.filled.wait(&mut state);
                }
                std::mem::swap(&mut state.waiting, &mut chunk);
                state.writing = true;
            }
            let lost = write(&mut sink, &chunk);
            chunk.clear();
            // A burst is no reason to hold its memory for ever.
            chunk.shrink_to(KEPT_BYTES);
            let untold = {
                let mut state = self.state.lock();
                state.writing = false;
                if lost > 0 {
                    self.lose(&mut state, UNWRITTEN, lost);
                }
                if state.waiting.is_empty() {
                    self.emptied.notify_all();
                }
                // Not before something could be written again.
                if lost == 0 && self.purpose == Purpose::Log { std::mem::take(&mut state.untold) } else { 0 }
            };
            if untold > 0 {
                // A line of this log like any other, in its form.
                tracing::warn!(lines = untold, "lines of this log were lost: they could not be written fast enough");
            }
        }
    }

    fn lose(&self, state: &mut LineStreamState, reason: usize, lines: u64) {
        (state.lossy, state.untold) = (true, state.untold.saturating_add(lines));
        if self.purpose == Purpose::Log {
            LOST[reason].fetch_add(lines, Ordering::Relaxed);
        }
    }
}

/// Writes all of it, however long that takes. How many lines could not be written.
fn write(sink: &mut impl Write, mut text: &[u8]) -> u64 {
    while !text.is_empty() {
        match sink.write(text) {
            Ok(0) => break,
            Ok(written) => text = &text[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(FULL_RETRY),
            Err(_) => break,
        }
    }
    let mut lost = text.iter().filter(|&&byte| byte == b'\n').count() as u64;
    if text.is_empty() && sink.flush().is_err() {
        lost += 1;
    }
    lost
}

impl<'a> MakeWriter<'a> for LineStream {
    type Writer = LogEvent<'a>;

    fn make_writer(&'a self) -> LogEvent<'a> {
        LogEvent(self)
    }
}

/// Takes one event, which the log's formatter writes at once.
pub struct LogEvent<'a>(&'a LineStream);

impl Write for LogEvent<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.push(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A reader that takes what is written when it is told to.
    struct Slow(mpsc::Receiver<io::Result<()>>, Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.recv().unwrap_or(Ok(()))?;
            self.1.lock().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Word = mpsc::Sender<io::Result<()>>;

    fn slow() -> (LineStream, Word, Arc<Mutex<Vec<u8>>>) {
        let (word, told) = mpsc::channel();
        let taken = Arc::<Mutex<Vec<u8>>>::default();
        (LineStream::start("test", Purpose::Messages, Slow(told, taken.clone())).unwrap(), word, taken)
    }

    #[test]
    fn nobody_waits_for_a_reader_that_sleeps() {
        let (lines, word, taken) = slow();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        for _ in 0..10_000 {
            lines.push(&line);
        }
        assert!(!lines.arrived());
        assert!(!lines.flush(Duration::from_millis(10)), "it sleeps");
        drop(word);
        assert!(lines.flush(Duration::from_secs(60)));
        let taken = taken.lock();
        assert!(
            taken.len() >= WAITING_BYTES_MAX - line.len() && taken.len() <= 2 * WAITING_BYTES_MAX,
            "{}",
            taken.len()
        );
        assert!(taken.chunks(line.len()).all(|found| found == line), "lines are kept whole");
    }

    #[test]
    fn what_cannot_be_written_is_lost_and_what_comes_later_is_not() {
        let (lines, word, taken) = slow();
        word.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
        lines.push(b"one\n");
        assert!(lines.flush(Duration::from_secs(60)) && !lines.arrived());
        drop(word);
        lines.push(b"two\n");
        assert!(lines.flush(Duration::from_secs(60)));
        assert_eq!(*taken.lock(), b"two\n");
    }

    #[test]
    fn a_descriptor_that_is_set_not_to_wait_is_waited_for() {
        let (lines, word, taken) = slow();
        word.send(Err(io::ErrorKind::WouldBlock.into())).unwrap();
        word.send(Err(io::ErrorKind::Interrupted.into())).unwrap();
        drop(word);
        lines.push(b"one\n");
        assert!(lines.flush(Duration::from_secs(60)) && lines.arrived());
        assert_eq!(*taken.lock(), b"one\n");
    }
}
