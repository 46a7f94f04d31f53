//! What a point costs in a backend's call, and how many bytes of it go over the wire: batches of 10,000 points as an
//! agent of 4,000 hosts has them, each with ten tags and ten whole numbers, like TSBS' `cpu-only`. `make bench-write`
//! runs it.
//!
//! A server that throws everything away runs in a thread of this process. The processor time is that of the calls alone,
//! compression by the host included; sending is asynchronous and not among it.

use std::io::{BufRead, BufReader, Read, Write};
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

/// The backends, and the settings beside `url` that make a difference.
const ROWS: [(&str, &str, &str); 8] = [
    ("victoria", "gzip", r#""compression": "gzip""#),
    ("victoria", "gzip, level 3", r#""compression": "gzip", "level": 3"#),
    ("victoria", "zstd", r#""compression": "zstd""#),
    ("victoria", "uncompressed", r#""compression": "none""#),
    ("influx", "", r#""database": "d""#),
    ("remote-write", "snappy", ""),
    ("otlp", "gzip", ""),
    ("clickhouse", "gzip", ""),
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let wanted: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    println!("backend                      bytes/point  µs/point");
    for (name, how, settings) in ROWS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            let (bytes, micros) = runtime.block_on(measure(name, settings))?;
            println!("{:<28} {bytes:>11.2} {micros:>9.3}", format!("{name} {how}"));
        }
    }
    Ok(())
}

async fn measure(name: &str, settings: &str) -> Result<(f64, f64), Box<dyn std::error::Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../target/plugins/{name}.wasm"));
    let plugin = std::fs::read(&path).map_err(|error| format!("{}: {error}; run: make plugins", path.display()))?;
    let sandbox = Sandbox::new(SandboxConfig { cache_dir: None, compiler: Compiler::InProcess, ca_file: None })?;
    let plugin = sandbox.load(&plugin).await?;
    let received = Arc::new(AtomicUsize::new(0));
    let address = server(received.clone())?;
    let comma = if settings.is_empty() { "" } else { ", " };
    let spec = InstanceSpec {
        name: name.into(),
        settings: format!(r#"{{"url": "http://{address}"{comma}{settings}}}"#),
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

/// Answers every request as one that went well, and counts the bytes of their bodies. A body that says it is zstd and is
/// not gets 400, as from any server that can read it.
fn server(received: Arc<AtomicUsize>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let received = received.clone();
            std::thread::spawn(move || discard(stream, &received));
        }
    });
    Ok(address)
}

fn discard(stream: TcpStream, received: &AtomicUsize) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let (mut length, mut zstd) = (0, false);
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let lower = line.to_ascii_lowercase();
            zstd |= lower.trim_end() == "content-encoding: zstd";
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        body.clear();
        reader.by_ref().take(length).read_to_end(&mut body)?;
        received.fetch_add(body.len(), Ordering::Relaxed);
        let status = if zstd && !body.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) { "400 Bad Request" } else { "200 OK" };
        write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
    }
}
