//! A pipeline whose points a test looks at, and a listener into it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use parking_lot::Mutex;
use saker_http::body::{BodyMeter, MemoryShortage};
use saker_http::{HostNames, Server, ServerSettings, Stats};
use saker_model::{Point, Series, SeriesId, SeriesLimits, SeriesTable};
use saker_pipeline::{
    Breach, DurableSink, MemoryBudget, Overload, OverloadPolicy, Pipeline, RejectedPoints, Relabel, RelabelOutcome,
    SeriesBudget, SeriesShares, Sinks, SourceCounts, now_ms,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::batch::Decoder;
use crate::keys::KeyCache;
use crate::reading::Report;
use crate::take::take;
use crate::{AllListenerStats, IngestAdmission, IngestContext, LineListener, LineProtocol, ProtocolListener};

/// A sink that takes everything, unless it is told to reject.
#[derive(Default)]
pub(crate) struct KeepingSink {
    pub(crate) points: Mutex<Vec<Point>>,
    pub(crate) rejection: Mutex<Option<Overload>>,
}

/// No processors.
struct Unchanged;

impl Relabel for Unchanged {
    fn relabel<'a>(&'a self, series: &'a [Arc<Series>], _: &'a SeriesLimits) -> BoxFuture<'a, Vec<RelabelOutcome>> {
        ready(vec![RelabelOutcome::Keep; series.len()]).boxed()
    }
}

impl DurableSink for KeepingSink {
    fn accept<'a>(
        &'a self,
        points: &'a [Point],
        _: OverloadPolicy,
    ) -> BoxFuture<'a, Result<Vec<RejectedPoints>, Overload>> {
        let rejection = self.rejection.lock().clone();
        if rejection.is_none() {
            self.points.lock().extend_from_slice(points);
        }
        ready(rejection.map_or(Ok(Vec::new()), Err)).boxed()
    }

    fn accepted(&self) -> u64 {
        self.points.lock().len() as u64
    }

    fn rejection(&self) -> Option<Overload> {
        self.rejection.lock().clone()
    }

    fn is_open(&self) -> bool {
        true
    }

    fn opened(&self) -> BoxFuture<'_, ()> {
        ready(()).boxed()
    }

    fn forget(&self, _: &[SeriesId]) {}

    fn breaches(&self) -> Vec<Breach> {
        Vec::new()
    }
}

/// A pipeline into a sink.
pub(crate) fn pipeline_into(kept: &Arc<KeepingSink>) -> Arc<Pipeline> {
    let sinks = Sinks { durable: kept.clone(), others: Vec::new() };
    let shares = SeriesShares { collectors: 0.1, listener: 1.0 };
    let (table, memory) = (Arc::new(SeriesTable::new(1_000_000)), Arc::new(MemoryBudget::new(128 << 20)));
    Arc::new(Pipeline::new(table, memory, sinks, Arc::new(Unchanged), shares))
}

/// A pipeline into nothing that anybody looks at.
pub(crate) fn pipeline() -> Arc<Pipeline> {
    pipeline_into(&Arc::default())
}

/// As much memory as anybody wants.
pub(crate) struct Unbounded;

impl BodyMeter for Unbounded {
    fn grow(&mut self, _: usize) -> Result<(), MemoryShortage> {
        Ok(())
    }
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
pub(crate) const NOWHERE_YET: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A protocol that can be sent something.
pub(crate) struct Open<L: ProtocolListener> {
    pub(crate) kept: Arc<KeepingSink>,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) listener: Arc<L>,
    pub(crate) listeners: Arc<AllListenerStats>,
    http: Server,
}

impl<L: ProtocolListener> Open<L> {
    pub(crate) async fn new(config: L::Config) -> Self {
        let kept = Arc::<KeepingSink>::default();
        let pipeline = pipeline_into(&kept);
        let stats = Arc::<Stats>::default();
        let admission = Arc::new(IngestAdmission::new(pipeline.clone(), stats.clone(), 1, || true));
        let listeners = Arc::new(AllListenerStats::new(pipeline.clone()));
        let context = IngestContext { listeners: listeners.clone(), admission };
        let listener = Arc::new(L::build(&context, &config, &"self".into()));
        listener.apply(&config, &"self".into()).await.unwrap();
        let settings = ServerSettings { names: HostNames::of_this_host(&[]), ..ServerSettings::default() };
        let socket = TcpListener::bind(NOWHERE_YET).await.unwrap();
        let http = Server::start(socket, listener.router(), settings, stats).unwrap();
        Self { kept, pipeline, listener, listeners, http }
    }

    /// The points that came since it was last asked, in words.
    pub(crate) fn points(&self) -> Vec<String> {
        let points = std::mem::take(&mut *self.kept.points.lock());
        points.iter().map(|point| self.words(point)).collect()
    }

    fn words(&self, point: &Point) -> String {
        let series = self.pipeline.table().get(point.series).unwrap();
        let age = now_ms() - point.timestamp_ms;
        let when = if (-1000..60_000).contains(&age) { "now".to_owned() } else { point.timestamp_ms.to_string() };
        format!("{series} = {} at {when}", point.value)
    }

    pub(crate) fn counts(&self) -> SourceCounts {
        self.pipeline.sources().iter().map(|(_, counters)| counters.counts()).next().unwrap_or_default()
    }

    /// Waits until so many values were received and counted.
    pub(crate) async fn received(&self, count: u64) {
        let end = Instant::now() + PATIENCE;
        while self.counts().received < count {
            assert!(Instant::now() < end, "waiting for {count}: {:?}", self.counts());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(self.counts().received, count);
    }

    /// Asks over HTTP; answers the status and the body.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        ask_at(self.http.address(), method, path, headers, body.as_ref()).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> (u16, String) {
        self.ask("POST", path, "", body).await
    }
}

impl<P: LineProtocol> Open<LineListener<P>> {
    pub(crate) async fn tcp(&self) -> SocketAddr {
        self.listener.addresses().await.0.unwrap()
    }

    pub(crate) async fn udp(&self) -> SocketAddr {
        self.listener.addresses().await.1.unwrap()
    }

    /// Says something over TCP and closes; answers what is said in return.
    pub(crate) async fn say(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.tcp().await).await.unwrap();
        stream.write_all(bytes.as_ref()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // Who is cut off may hear of it as a reset.
        let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

/// Asks over HTTP at an address.
pub(crate) async fn ask_at(to: SocketAddr, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // Who is turned away at once cannot say it all.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), body.to_owned())
}

/// Bodies near one that is right: each cut short, and each with some other bytes in it.
pub(crate) fn neighbours(seed: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let cuts = (0..seed.len()).map(|end| seed[..end].to_vec());
    let others = [0, b'\n', b' ', b'"', b'\\', b'=', b',', b'{', b'}', b'[', b']', b'-', b'9', 0x80, 0xff];
    let changed = (0..seed.len()).flat_map(move |place| {
        others.into_iter().map(move |byte| {
            let mut bytes = seed.to_vec();
            bytes[place] = byte;
            bytes
        })
    });
    cuts.chain(changed)
}

/// Reads a body twice, when its names are new and when they are known.
pub(crate) async fn read<D: Decoder>(pipeline: &Arc<Pipeline>, decoder: &D, body: &[u8]) -> Report {
    let (session, keys) = (pipeline.session("read", SeriesBudget::Listener), KeyCache::new(1 << 20));
    let mut report = Report::default();
    for _ in 0..2 {
        report = take(&session, &keys, decoder, body.into(), &mut Unbounded, OverloadPolicy::All).await.unwrap();
    }
    report
}
