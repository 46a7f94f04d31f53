//! A store as an agent sees it over HTTP: it writes down what it takes, and misbehaves when it is told to.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::decode;
use super::ledger::Ledger;

/// How a receiver behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It takes everything.
    Well,
    /// Nobody listens, and connections are cut off.
    Gone,
    /// It reads a request, and never answers.
    Hung,
    /// 503.
    Rejecting,
    /// 429, with a time to wait.
    Throttling,
    /// It takes the points, and dies before it has said so: they are to come again.
    Forgetful,
    /// It announces an answer, and half of it comes.
    HalfAnswer,
    /// It takes its time.
    Slow,
}

/// All that are not well.
pub(crate) const TROUBLES: [Mode; 7] =
    [Mode::Gone, Mode::Hung, Mode::Rejecting, Mode::Throttling, Mode::Forgetful, Mode::HalfAnswer, Mode::Slow];

/// Between two looks at whether something has changed.
const LOOK: Duration = Duration::from_millis(10);
/// How long one that is slow takes to answer.
const SLOW: Duration = Duration::from_millis(300);
/// The largest body that is read.
const BODY_MAX: usize = 64 << 20;

pub(crate) struct Receiver {
    address: String,
    shared: Arc<Shared>,
}

struct Shared {
    ledger: Arc<Ledger>,
    mode: Mutex<Mode>,
    connections: Mutex<Vec<TcpStream>>,
    ended: AtomicBool,
    taken: AtomicU64,
    /// Bodies that could not be read.
    strange: AtomicU64,
}

struct Request {
    encoding: String,
    body: Vec<u8>,
}

impl Receiver {
    /// One that is well, on a free port of loopback.
    pub(crate) fn start(ledger: Arc<Ledger>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let shared = Arc::new(Shared {
            ledger,
            mode: Mutex::new(Mode::Well),
            connections: Mutex::default(),
            ended: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            strange: AtomicU64::new(0),
        });
        let (same, own) = (shared.clone(), address.clone());
        thread::spawn(move || same.listen(listener, &own));
        Ok(Self { address, shared })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.shared.mode.lock() = mode;
        if mode == Mode::Gone {
            for connection in self.shared.connections.lock().drain(..) {
                // It may have ended by itself.
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }

    /// How many points it has taken.
    pub(crate) fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::Relaxed)
    }

    /// How many bodies it could not read.
    pub(crate) fn strange(&self) -> u64 {
        self.shared.strange.load(Ordering::Relaxed)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.set(Mode::Gone);
    }
}

impl Shared {
    fn mode(&self) -> Mode {
        *self.mode.lock()
    }

    fn listen(self: Arc<Self>, listener: TcpListener, address: &str) {
        let mut listener = Some(listener);
        while !self.ended.load(Ordering::Relaxed) {
            if self.mode() == Mode::Gone {
                listener = None;
            } else if listener.is_none() {
                // Another process may have taken the port for a moment.
                listener = TcpListener::bind(address).ok();
            }
            let accepted = listener.as_ref().and_then(|listener| {
                listener.set_nonblocking(true).ok()?;
                listener.accept().ok()
            });
            match accepted {
                Some((stream, _)) => self.clone().serve(stream),
                None => thread::sleep(LOOK),
            }
        }
    }

    fn serve(self: Arc<Self>, stream: TcpStream) {
        let prepared = stream.set_nonblocking(false).and_then(|()| stream.set_nodelay(true));
        let Ok(other) = prepared.and_then(|()| stream.try_clone()) else { return };
        self.connections.lock().push(other);
        thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            while let Ok(Some(request)) = read(&mut reader)
                && let Ok(true) = self.answer(request, reader.get_mut())
            {}
            // The other handle to it keeps it open.
            let _ = reader.get_ref().shutdown(Shutdown::Both);
        });
    }

    /// Answers whether the connection goes on.
    fn answer(&self, request: Request, stream: &mut TcpStream) -> Result<bool> {
        let Some(values) = decode::values(&request.body, &request.encoding) else {
            self.strange.fetch_add(1, Ordering::Relaxed);
            stream.write_all(b"HTTP/1.1 415 what is this\r\ncontent-length: 0\r\n\r\n")?;
            return Ok(true);
        };
        let mode = self.mode();
        match mode {
            Mode::Well | Mode::Slow => {
                let due = Instant::now() + if mode == Mode::Slow { SLOW } else { Duration::ZERO };
                while Instant::now() < due {
                    thread::sleep(LOOK);
                }
                // Written down first: whoever reads the answer may look at once.
                self.ledger.arrived(&values);
                self.taken.fetch_add(values.len() as u64, Ordering::Relaxed);
                stream.write_all(b"HTTP/1.1 204 taken\r\n\r\n")?;
                Ok(true)
            }
            Mode::Rejecting => {
                stream.write_all(b"HTTP/1.1 503 not now\r\ncontent-length: 0\r\n\r\n")?;
                Ok(true)
            }
            Mode::Throttling => {
                stream.write_all(b"HTTP/1.1 429 slow down\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n")?;
                Ok(true)
            }
            Mode::HalfAnswer => {
                stream.write_all(b"HTTP/1.1 503 not now\r\ncontent-length: 1000\r\n\r\nhalf of")?;
                self.until_other_than(mode);
                Ok(false)
            }
            Mode::Hung => {
                self.until_other_than(mode);
                Ok(false)
            }
            Mode::Forgetful | Mode::Gone => Ok(false),
        }
    }

    fn until_other_than(&self, mode: Mode) {
        while self.mode() == mode && !self.ended.load(Ordering::Relaxed) {
            thread::sleep(LOOK);
        }
    }
}

/// The next request of a connection; none if it has ended.
fn read(reader: &mut BufReader<TcpStream>) -> Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let (mut length, mut chunked, mut expects, mut encoding) = (0, false, false, String::new());
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        match header.split_once(':').map(|(name, value)| (name, value.trim())) {
            Some(("content-length", value)) => length = value.parse().unwrap_or(0),
            Some(("transfer-encoding", value)) => chunked = value.contains("chunked"),
            Some(("content-encoding", value)) => encoding = value.to_owned(),
            Some(("expect", _)) => expects = true,
            Some(_) => {}
            None => break,
        }
    }
    if expects {
        reader.get_mut().write_all(b"HTTP/1.1 100 go on\r\n\r\n")?;
    }
    let mut body = Vec::new();
    loop {
        if chunked {
            line.clear();
            reader.read_line(&mut line)?;
            length = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        }
        let start = body.len();
        body.resize((start + length).min(BODY_MAX), 0);
        reader.read_exact(&mut body[start..])?;
        if chunked {
            line.clear();
            reader.read_line(&mut line)?;
        }
        if !chunked || length == 0 {
            return Ok(Some(Request { encoding, body }));
        }
    }
}
