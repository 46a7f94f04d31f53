//! VictoriaMetrics, and a pass-through before it that counts the bytes which go there.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use saker_load::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::Result;
use crate::process::Process;

/// A server may take so long to start.
const START_MAX: Duration = Duration::from_secs(60);

pub(crate) struct Receiver {
    address: String,
    _process: Process,
    _dir: TempDir,
}

/// A receiver behind a pass-through.
pub(crate) struct Counted {
    pub(crate) receiver: Receiver,
    address: String,
    bytes: Arc<AtomicU64>,
}

impl Receiver {
    fn start() -> Result<Self> {
        let (dir, address) = (TempDir::new()?, nobody()?);
        let arguments = [
            format!("-httpListenAddr={address}"),
            "-storageDataPath=data".into(),
            "-retentionPeriod=1".into(),
            "-search.latencyOffset=0s".into(),
            "-search.disableCache".into(),
        ];
        let mut process = Process::start(Path::new("victoria-metrics"), &arguments, dir.path())?;
        answers(&address, "/health", &mut process, dir.path())?;
        Ok(Self { address, _process: process, _dir: dir })
    }

    /// How many samples it has taken, by its own count.
    pub(crate) fn taken(&self) -> Result<u64> {
        let answer = Client::connect(&self.address)?.get("/metrics")?;
        let text = String::from_utf8(answer.body)?;
        let counts = text.lines().filter_map(|line| line.strip_prefix("vm_rows_inserted_total{"));
        Ok(counts.filter_map(|line| line.split(' ').nth(1)?.parse::<u64>().ok()).sum())
    }

    /// How many samples a query finds.
    pub(crate) fn held(&self) -> Result<u64> {
        let mut client = Client::connect(&self.address)?;
        // What was taken last can be queried after this.
        client.get("/internal/force_flush")?;
        let query = "/api/v1/query?query=sum(count_over_time(%7Bhostname%21=%22%22%7D%5B2d%5D))";
        let answer: Value = serde_json::from_slice(&client.get(query)?.body)?;
        let value = answer["data"]["result"][0]["value"][1].as_str();
        Ok(value.ok_or_else(|| format!("no number: {answer}"))?.parse()?)
    }
}

impl Counted {
    pub(crate) fn start() -> Result<Self> {
        let receiver = Receiver::start()?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let bytes = Arc::new(AtomicU64::new(0));
        let (to, counter) = (receiver.address.clone(), bytes.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect(&to) {
                    pass_through(stream, server, counter.clone());
                }
            }
        });
        Ok(Self { receiver, address, bytes })
    }

    /// Where to send.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// How many bytes have gone to the receiver.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

fn pass_through(client: TcpStream, server: TcpStream, counter: Arc<AtomicU64>) {
    let both = || Some((client.try_clone().ok()?, server.try_clone().ok()?));
    let Some((back_to, back_from)) = both() else { return };
    let count = move |bytes: usize| {
        counter.fetch_add(bytes as u64, Ordering::Relaxed);
    };
    thread::spawn(move || copy(client, server, count));
    thread::spawn(move || copy(back_from, back_to, |_| {}));
}

/// Ends when either side does, and ends the other then.
fn copy(mut from: TcpStream, mut to: TcpStream, count: impl Fn(usize)) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(bytes) = from.read(&mut buffer)
        && bytes > 0
        && to.write_all(&buffer[..bytes]).is_ok()
    {
        count(bytes);
    }
    // The other side may be closed already.
    let _ = to.shutdown(Shutdown::Write);
}

/// An address of loopback where nobody listens.
pub(crate) fn nobody() -> Result<String> {
    let address: SocketAddr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    Ok(address.to_string())
}

/// Waits until a server answers a path with 2xx.
pub(crate) fn answers(address: &str, path: &str, process: &mut Process, dir: &Path) -> Result<()> {
    let end = Instant::now() + START_MAX;
    loop {
        let status = Client::connect(address).and_then(|mut client| client.get(path)).map_or(0, |answer| answer.status);
        if (200..300).contains(&status) {
            return Ok(());
        }
        if process.has_ended()? || Instant::now() > end {
            let log = std::fs::read_to_string(dir.join("log"))?;
            return Err(format!("a server did not start at {address}:\n{log}").into());
        }
        thread::sleep(Duration::from_millis(50));
    }
}
