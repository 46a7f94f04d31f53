//! What a point costs on its way through the agent: a million points of 40,000 series, through the `influx` backend, to a
//! server in another process that throws them away. `make bench-pipeline` runs it.
//!
//! Three figures, each processor time of this process per point: from points in the forwarder, from samples at the
//! pipeline's front door, and, to compare with, the same lines written by native code to the same server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{BoxFuture, ready};
use rustix::time::{ClockId, clock_gettime};
use saker_cache::{Cache, CacheLimits};
use saker_forward::{
    DeliveryConfig, Destination, Durability, Forwarder, HashKind, OnUnavailable, QueueConfig, Route, RouteMatcher,
    Topology, WhenFull,
};
use saker_model::{BackoffConfig, MetricType, Point, Sample, Series, SeriesId, SeriesLimits, SeriesTable};
use saker_pipeline::{
    MemoryBudget, OverloadPolicy, Pipeline, Relabel, RelabelOutcome, SeriesBudget, SeriesShares, Sinks,
};
use saker_plugins::{BackendSlot, Deployment, Status};
use saker_sandbox::{Compiler, CustomMetrics, Grants, InstanceSpec, LogTail, Meters, Sandbox, SandboxConfig};

const SERIES: usize = 40_000;
const ROUNDS: usize = 25;
const POINTS: usize = SERIES * ROUNDS;

/// What the server answers to every request that brings lines.
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// One listener may fill the table.
const SHARES: SeriesShares = SeriesShares { collectors: 0.0, listener: 1.0 };
const SENDING: DeliveryConfig = DeliveryConfig {
    queue: QueueConfig {
        durability: Durability::Memory,
        bytes: 1 << 30,
        when_full: WhenFull::DropOldest,
        backlog_share: 0.5,
        replay_window: Duration::ZERO,
        max_dead_letter_bytes: 0,
        points: 4 * POINTS,
        age: Duration::from_secs(600),
        batch_points: 10_000,
        batch_age: Duration::from_millis(100),
    },
    backoff: BackoffConfig { min: Duration::from_millis(500), max: Duration::from_secs(30) },
    stale_markers: false,
};

/// No processors.
struct Unchanged;

impl Relabel for Unchanged {
    fn relabel<'a>(&'a self, series: &'a [Arc<Series>], _: &'a SeriesLimits) -> BoxFuture<'a, Vec<RelabelOutcome>> {
        Box::pin(ready(vec![RelabelOutcome::Keep; series.len()]))
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().any(|argument| argument == "--receiver") {
        return receive();
    }
    let receiver = Receiver::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("{POINTS} points of {SERIES} series, influx line protocol, processor time per point");
    let forwarded = runtime.block_on(through_agent(receiver.address, false))?;
    println!("from points in the forwarder        {forwarded:.3} µs");
    let piped = runtime.block_on(through_agent(receiver.address, true))?;
    println!("from samples in the pipeline  {piped:.3} µs");
    let native = natively(receiver.address)?;
    println!("native code, lines formatted anew   {native:.3} µs");
    // Each of the first two has also sent every series once beforehand.
    let (lines, expected) = (receiver.lines()?, 3 * POINTS + 2 * SERIES);
    if lines != expected { Err(format!("the server has {lines} lines instead of {expected}").into()) } else { Ok(()) }
}

/// Processor time of this process.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn micros_per_point(cpu: Duration) -> f64 {
    cpu.as_secs_f64() * 1e6 / POINTS as f64
}

fn value(series: usize, round: usize) -> Sample {
    Sample {
        endpoint: format!("host-{}", series / 100).into(),
        metric: format!("app.requests.{}", series % 100),
        tags: vec![("code".into(), "200".into()), ("zone".into(), "eu-west-1".into())],
        metric_type: MetricType::Gauge,
        value: (series * 31 + round * 7) as f64 / 8.0,
        timestamp_ms: 1_700_000_000_000 + round as i64 * 10_000,
        step_s: 10,
    }
}

async fn through_agent(address: SocketAddr, from_values: bool) -> Result<f64, Box<dyn std::error::Error>> {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/plugins/influx.wasm");
    let bytes = std::fs::read(&plugin).map_err(|error| format!("{}: {error}; run: make plugins", plugin.display()))?;
    let sandbox = Sandbox::new(SandboxConfig { cache_dir: None, compiler: Compiler::InProcess, ca_file: None })?;
    let plugin = sandbox.load(&bytes).await?;
    let (meters, custom_metrics, log_tail) =
        (Arc::new(Meters::default()), CustomMetrics::default(), LogTail::default());
    let status = Status::new("destination bench", meters.clone(), custom_metrics.clone(), log_tail.clone());
    let slot = Arc::new(BackendSlot::new(sandbox, Arc::new(status)));
    let spec = InstanceSpec {
        name: "destination bench".into(),
        section: "destination.bench".into(),
        settings: format!("{{\"url\": \"http://{address}/write\"}}"),
        grants: Grants { connect: vec![address.to_string().parse()?], ..Grants::default() },
        meters: meters.clone(),
        ..InstanceSpec::default()
    };
    slot.deploy(Arc::new(Deployment { file: "influx.wasm".into(), plugin, spec, schedule: None }));
    let table = Arc::new(SeriesTable::new(1_000_000));
    let memory = Arc::new(MemoryBudget::new(1 << 30));
    let forwarder = Arc::new(Forwarder::new(table.clone(), memory.clone(), None, 1));
    let destination = forwarder.destination("bench", slot.backend(), SENDING);
    let route = Route {
        matcher: RouteMatcher::default(),
        destinations: vec!["bench".into()],
        hash: HashKind::Rendezvous,
        replicas: 1,
        go_on: false,
        on_unavailable: OnUnavailable::Spool,
    };
    forwarder.set_topology(Topology::new(vec![destination.clone()], vec![route]));
    let cache = Cache::new(CacheLimits { age_ms: 120_000, items: 1000, bytes: 64 << 20 });
    let sinks = Sinks { durable: forwarder.clone(), others: vec![Arc::new(cache)] };
    let pipeline = Arc::new(Pipeline::new(table.clone(), memory, sinks, Arc::new(Unchanged), SHARES));
    let session = pipeline.session("bench", SeriesBudget::Listener);

    // Series are named, defined and sent once before the clock starts: what is measured is the steady state.
    let first: Vec<_> = (0..SERIES).map(|series| value(series, 0)).collect();
    let ids: Vec<SeriesId> = first.iter().map(|value| table.intern(value, 0)).collect::<Result<_, _>>()?;
    session.accept(first).await?;
    delivered(&destination, SERIES).await;
    let rounds: Vec<Vec<Sample>> = match from_values {
        true => (1..=ROUNDS).map(|round| (0..SERIES).map(|series| value(series, round)).collect()).collect(),
        false => Vec::new(),
    };
    let (start, guest) = (cpu(), meters.cpu());
    let wall = Instant::now();
    if from_values {
        for values in rounds {
            session.accept(values).await?;
        }
    } else {
        for round in 1..=ROUNDS {
            let points: Vec<_> = ids
                .iter()
                .enumerate()
                .map(|(series, &id)| Point {
                    series: id,
                    timestamp_ms: 1_700_000_000_000 + round as i64 * 10_000,
                    value: (series * 31 + round * 7) as f64 / 8.0,
                })
                .collect();
            forwarder.accept(&points, OverloadPolicy::All).await?;
        }
    }
    delivered(&destination, SERIES + POINTS).await;
    let spent = cpu() - start;
    eprintln!(
        "  of it in backend calls {:.3} µs; {:.2} s of real time",
        micros_per_point(meters.cpu() - guest),
        wall.elapsed().as_secs_f64()
    );
    forwarder.drain(Duration::from_secs(5)).await;
    Ok(micros_per_point(spent))
}

async fn delivered(destination: &Destination, points: usize) {
    while destination.stats().delivered < points as u64 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same lines without sandbox, queue or routing: the text that stands for a series is built anew for each point.
fn natively(address: SocketAddr) -> Result<f64, Box<dyn std::error::Error>> {
    let mut stream = TcpStream::connect(address)?;
    let values: Vec<_> = (0..SERIES).map(|series| value(series, 0)).collect();
    let start = cpu();
    for round in 1..=ROUNDS {
        for chunk in values.chunks(10_000) {
            let mut body = String::new();
            for value in chunk {
                use std::fmt::Write as _;
                body.push_str(&value.metric);
                for (key, tag) in &value.tags {
                    write!(body, ",{key}={tag}")?;
                }
                writeln!(
                    body,
                    ",endpoint={} value={} {}",
                    value.endpoint,
                    value.value,
                    value.timestamp_ms + round as i64
                )?;
            }
            write!(stream, "POST /write HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n", body.len())?;
            stream.write_all(body.as_bytes())?;
            stream.read_exact(&mut [0; ANSWER.len()])?;
        }
    }
    Ok(micros_per_point(cpu() - start))
}

/// The server's process.
struct Receiver {
    address: SocketAddr,
    child: Child,
}

impl Receiver {
    #[expect(clippy::disallowed_methods, reason = "a benchmark starts the server that it talks to")]
    fn start() -> Result<Self, Box<dyn std::error::Error>> {
        let mut child = Command::new(std::env::current_exe()?).arg("--receiver").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { address: line.trim().parse()?, child })
    }

    /// How many lines have arrived.
    fn lines(&self) -> Result<usize, Box<dyn std::error::Error>> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.write_all(b"GET /lines HTTP/1.1\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.rsplit('\n').next().unwrap_or_default().parse()?)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn receive() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    let lines = Arc::new(AtomicUsize::new(0));
    for stream in listener.incoming() {
        let (stream, lines) = (stream?, lines.clone());
        std::thread::spawn(move || discard(stream, &lines));
    }
    Ok(())
}

/// Reads requests to their ends, counts their lines and answers each 204; a GET is answered with the count.
fn discard(stream: TcpStream, lines: &AtomicUsize) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(1 << 20, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let (mut length, mut asked) = (0, false);
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            asked |= line.starts_with("GET ");
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        if asked {
            let count = lines.load(Ordering::Relaxed);
            return write!(writer, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{count}");
        }
        body.clear();
        reader.by_ref().take(length).read_to_end(&mut body)?;
        lines.fetch_add(body.iter().filter(|&&byte| byte == b'\n').count(), Ordering::Relaxed);
        writer.write_all(ANSWER)?;
    }
}
