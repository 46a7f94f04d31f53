//! What a point costs in a backend's call, and how many bytes of it go over the wire: batches of 10,000 points as an
//! agent of 4,000 hosts has them, each with ten tags and ten whole numbers, like TSBS' `cpu-only`. `make bench-write`
//! runs it.
//!
//! A server that throws everything away and answers at once runs in a thread of this process. The processor time is
//! that of the calls alone, compression by the host included. HTTP is sent asynchronously and not among it; what the
//! kernel takes to send over a socket of the plugin's own is.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use saker_model::{MetricType, Point, Series, SeriesId};
use saker_sandbox::{Backend, Compiler, Grants, InstanceSpec, Sandbox, SandboxConfig};

const HOSTS: u32 = 4000;
const FIELDS: [&str; 10] = [
    "usage_user",
    "usage_system",
    "usage_idle",
    "usage_nice",
    "usage_iowait",
    "usage_irq",
    "usage_softirq",
    "usage_steal",
    "usage_guest",
    "usage_guest_nice",
];
const BATCH: usize = 10_000;
const TICKS: usize = 10;

/// Plays a server on one connection, until that ends.
type Serve = fn(&mut Peer) -> io::Result<()>;
/// A backend, what makes a difference, the server that it wants, and its settings: `ADDRESS` stands for the server's.
type Row = (&'static str, &'static str, Serve, &'static str);

const ROWS: [Row; 16] = [
    ("victoria", "gzip", http, r#""url": "http://ADDRESS", "compression": "gzip""#),
    ("victoria", "gzip, level 3", http, r#""url": "http://ADDRESS", "compression": "gzip", "level": 3"#),
    ("victoria", "zstd", http, r#""url": "http://ADDRESS", "compression": "zstd""#),
    ("victoria", "uncompressed", http, r#""url": "http://ADDRESS", "compression": "none""#),
    ("influx", "", http, r#""url": "http://ADDRESS", "database": "d""#),
    ("remote-write", "snappy", http, r#""url": "http://ADDRESS""#),
    ("otlp", "gzip", http, r#""url": "http://ADDRESS""#),
    ("clickhouse", "gzip", http, r#""url": "http://ADDRESS""#),
    ("redis", "stream", redis, r#""address": "ADDRESS""#),
    ("redis", "list", redis, r#""address": "ADDRESS", "shape": "list""#),
    ("redis", "cadvisor", redis, r#""address": "ADDRESS", "shape": "cadvisor", "container_tag": "hostname""#),
    ("nats", "JetStream", nats, r#""address": "ADDRESS""#),
    ("nats", "", nats, r#""address": "ADDRESS", "jetstream": false"#),
    ("kafka", "uncompressed", kafka, r#""brokers": ["ADDRESS"]"#),
    ("kafka", "zstd", kafka, r#""brokers": ["ADDRESS"], "compression": "zstd""#),
    ("postgres", "", postgres, r#""address": "ADDRESS", "username": "u""#),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!("backend                      bytes/point  µs/point");
    for row in ROWS {
        let (name, how, ..) = row;
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            let (bytes, micros) = runtime.block_on(measure(row))?;
            println!("{:<28} {bytes:>11.2} {micros:>9.3}", format!("{name} {how}"));
        }
    }
    Ok(())
}

async fn measure((name, _, serve, settings): Row) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/plugins/{name}.wasm"));
    let plugin = std::fs::read(&path).map_err(|error| format!("{}: {error}; run: make plugins", path.display()))?;
    let sandbox = Sandbox::new(SandboxConfig { cache_dir: None, compiler: Compiler::InProcess, ca_file: None })?;
    let plugin = sandbox.load(&plugin).await?;
    let received = Arc::new(AtomicUsize::new(0));
    let address = server(serve, received.clone())?;
    let spec = InstanceSpec {
        name: name.into(),
        settings: format!("{{{}}}", settings.replace("ADDRESS", &address.to_string())),
        grants: Grants { connect: vec![address.to_string().parse()?], ..Grants::default() },
        ..InstanceSpec::default()
    };
    let mut backend = Backend::open(&sandbox, &plugin, &spec).await?;
    let define: Vec<_> = (0..).map(SeriesId).zip(series()).collect();
    let mut values = Walk::new();
    let mut start = (Duration::ZERO, 0);
    // The first tick defines all series, and grows what there is to grow.
    for tick in 0..=TICKS {
        if tick == 1 {
            start = (spec.meters.cpu(), received.load(Ordering::Relaxed));
        }
        let points = values.tick(1_700_000_000_000 + 10_000 * tick as i64);
        for (number, batch) in points.chunks(BATCH).enumerate() {
            let define = if tick == 0 { &define[number * BATCH..][..BATCH] } else { &[] };
            backend.write(Vec::new(), define, batch).await.map_err(|error| format!("{name}: {error:?}"))?;
        }
    }
    let points = (TICKS * HOSTS as usize * FIELDS.len()) as f64;
    let (cpu, bytes) = (spec.meters.cpu() - start.0, received.load(Ordering::Relaxed) - start.1);
    Ok((bytes as f64 / points, cpu.as_secs_f64() * 1e6 / points))
}

fn series() -> Vec<Arc<Series>> {
    let pick = |host: u32, salt: u32, of: &[&str]| {
        of[(host.wrapping_mul(2_654_435_761).rotate_left(salt) % of.len() as u32) as usize].to_owned()
    };
    let tags = |host: u32| {
        let region = pick(host, 3, &["eu-central-1", "us-west-2", "us-east-1", "ap-southeast-1", "sa-east-1"]);
        let tags = [
            ("arch", pick(host, 5, &["x64", "x86"])),
            ("datacenter", format!("{region}{}", pick(host, 7, &["a", "b", "c"]))),
            ("hostname", format!("host_{host}")),
            ("os", pick(host, 9, &["Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"])),
            ("rack", (host.wrapping_mul(40_503) % 100).to_string()),
            ("region", region),
            ("service", (host.wrapping_mul(9973) % 20).to_string()),
            ("service_environment", pick(host, 11, &["production", "staging", "test"])),
            ("service_version", (host % 2).to_string()),
            ("team", pick(host, 13, &["SF", "NYC", "LON", "CHI"])),
        ];
        tags.map(|(key, value)| (key.into(), value.into())).to_vec()
    };
    let one = |host, field: &str| Series {
        endpoint: "agent".into(),
        metric: field.into(),
        tags: tags(host).into(),
        metric_type: MetricType::Gauge,
        step_s: 10,
    };
    (0..HOSTS).flat_map(|host| FIELDS.map(|field| Arc::new(one(host, field)))).collect()
}

/// Shares of a processor, each moving by a few hundredths a tick, written as whole numbers: TSBS' way.
struct Walk {
    random: u64,
    values: Vec<f64>,
}

impl Walk {
    fn new() -> Self {
        let mut walk = Self { random: 0x9E37_79B9_7F4A_7C15, values: Vec::new() };
        walk.values = (0..HOSTS as usize * FIELDS.len()).map(|_| walk.uniform() * 100.0).collect();
        walk
    }

    fn uniform(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Near enough to the normal distribution with a deviation of one.
    fn step(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    fn tick(&mut self, timestamp_ms: i64) -> Vec<Point> {
        (0..self.values.len())
            .map(|place| {
                let moved = self.values[place] + self.step();
                self.values[place] = moved.clamp(0.0, 100.0);
                Point { series: SeriesId(place as u32), timestamp_ms, value: self.values[place].trunc() }
            })
            .collect()
    }
}

/// Serves every connection in a thread of its own, and counts the bytes that arrive.
fn server(serve: Serve, received: Arc<AtomicUsize>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let received = received.clone();
            std::thread::spawn(move || serve(&mut Peer::new(stream, received)?));
        }
    });
    Ok(address)
}

/// The other side of a connection.
struct Peer {
    reader: BufReader<TcpStream>,
    /// Answers that go out when everything that has arrived was read.
    answers: Vec<u8>,
    line: String,
    block: Vec<u8>,
    received: Arc<AtomicUsize>,
}

impl Peer {
    fn new(stream: TcpStream, received: Arc<AtomicUsize>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        let reader = BufReader::with_capacity(1 << 20, stream);
        Ok(Self { reader, answers: Vec::new(), line: String::new(), block: Vec::new(), received })
    }

    fn answer(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.answers.extend_from_slice(bytes);
        if self.reader.buffer().is_empty() {
            self.reader.get_mut().write_all(&self.answers)?;
            self.answers.clear();
        }
        Ok(())
    }

    /// The next line, without its end.
    fn line(&mut self) -> io::Result<&str> {
        self.line.clear();
        if self.reader.read_line(&mut self.line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.received.fetch_add(self.line.len(), Ordering::Relaxed);
        Ok(self.line.trim_end())
    }

    /// The next so many bytes.
    fn block(&mut self, length: usize) -> io::Result<&[u8]> {
        self.block.resize(length, 0);
        self.reader.read_exact(&mut self.block)?;
        self.received.fetch_add(length, Ordering::Relaxed);
        Ok(&self.block)
    }

    fn number(&mut self) -> io::Result<usize> {
        let bytes = self.block(4)?.try_into().expect("four bytes were asked for");
        Ok(u32::from_be_bytes(bytes) as usize)
    }
}

/// Takes every request. A body that says it is zstd and is not gets 400, as from any server that can read it.
fn http(peer: &mut Peer) -> io::Result<()> {
    loop {
        let (mut length, mut zstd) = (0, false);
        loop {
            let line = peer.line()?.to_ascii_lowercase();
            zstd |= line == "content-encoding: zstd";
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line.is_empty() {
                break;
            }
        }
        let is_zstd = peer.block(length)?.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]);
        let status = if zstd && !is_zstd { "400 Bad Request" } else { "200 OK" };
        peer.answer(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes())?;
    }
}

/// Carries out every command.
fn redis(peer: &mut Peer) -> io::Result<()> {
    let length = |peer: &mut Peer| peer.line().map(|line| line[1..].parse::<usize>().unwrap_or(0));
    loop {
        for _ in 0..length(peer)? {
            let bytes = length(peer)?;
            peer.block(bytes + 2)?;
        }
        peer.answer(b":1\r\n")?;
    }
}

/// Stores every message.
fn nats(peer: &mut Peer) -> io::Result<()> {
    peer.answer(b"INFO {\"headers\":true,\"max_payload\":1048576}\r\n")?;
    loop {
        let line = peer.line()?.to_owned();
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["PING"] => peer.answer(b"PONG\r\n")?,
            ["HPUB" | "PUB", _, .., length] => {
                peer.block(length.parse::<usize>().unwrap_or(0) + 2)?;
                if let ["HPUB", _, reply, ..] = words[..] {
                    let answer = r#"{"stream":"saker", "seq":1}"#;
                    peer.answer(format!("MSG {reply} 1 {}\r\n{answer}\r\n", answer.len()).as_bytes())?;
                }
            }
            _ => {}
        }
    }
}

/// A broker that leads a topic's one partition. It speaks version 1 of `Metadata` and 3 of `Produce`.
fn kafka(peer: &mut Peer) -> io::Result<()> {
    let port = peer.reader.get_ref().local_addr()?.port();
    loop {
        let length = peer.number()?;
        let request = peer.block(length)?;
        let (api, correlation) = (request[1], request[4..8].to_vec());
        let answer = match api {
            // Which versions of which requests it understands.
            18 => b"\0\0\0\0\0\x02\0\0\0\x03\0\x03\0\x03\0\x01\0\x01".to_vec(),
            3 => {
                let broker = [&b"\0\0\0\x01\0\0\0\0\0\x09127.0.0.1\0\0"[..], &port.to_be_bytes(), b"\xff\xff"];
                let topic = [&b"\0\0\0\0\0\0\0\x01\0\0\0\x05saker\0\0\0\0\x01"[..], &[0; 18]];
                [broker.concat(), topic.concat()].concat()
            }
            _ => [&b"\0\0\0\x01\0\x05saker\0\0\0\x01"[..], &[0; 22]].concat(),
        };
        peer.answer(&(answer.len() as u32 + 4).to_be_bytes())?;
        peer.answer(&correlation)?;
        peer.answer(&answer)?;
    }
}

/// Lets everybody in, and commits every transaction.
fn postgres(peer: &mut Peer) -> io::Result<()> {
    let length = peer.number()?;
    peer.block(length - 4)?;
    peer.answer(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I")?;
    loop {
        let kind = peer.block(1)?[0];
        let length = peer.number()?;
        peer.block(length - 4)?;
        match kind {
            // The transaction's number, and that rows may come.
            b'Q' => peer.answer(b"D\0\0\0\x0b\0\x01\0\0\0\x017G\0\0\0\x04")?,
            b'c' => peer.answer(b"Z\0\0\0\x05I")?,
            _ => {}
        }
    }
}
