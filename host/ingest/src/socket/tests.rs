//! Graphite's lines over real sockets, from senders that mean well and from others.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use saker_http::Stats;
use saker_pipeline::{Overload, OverloadCause, Pipeline, SourceCounts};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::Instant;

use super::*;
use crate::AllListenerStats;
use crate::graphite::{GraphiteConfig, GraphiteProtocol};
use crate::testing::{KeepingSink, pipeline_into};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);
const NOWHERE_YET: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct World {
    kept: Arc<KeepingSink>,
    pipeline: Arc<Pipeline>,
    config: GraphiteConfig,
    listener: LineListener<GraphiteProtocol>,
    tcp: SocketAddr,
    udp: SocketAddr,
}

impl World {
    async fn new(set: impl FnOnce(&mut SocketConfig)) -> Self {
        let kept = Arc::<KeepingSink>::default();
        let pipeline = pipeline_into(&kept);
        let admission = IngestAdmission::new(pipeline.clone(), Arc::<Stats>::default(), 1, || true);
        let listeners = AllListenerStats::new(pipeline.clone());
        let context = IngestContext { listeners: Arc::new(listeners), admission: Arc::new(admission) };
        let mut config = GraphiteConfig::default();
        (config.sockets.tcp, config.sockets.udp) = (Some(NOWHERE_YET), Some(NOWHERE_YET));
        set(&mut config.sockets);
        let listener = LineListener::<GraphiteProtocol>::build(&context, &config, &"self".into());
        listener.apply(&config, &"self".into()).await.unwrap();
        let (tcp, udp) = listener.addresses().await;
        let world = Self { kept, pipeline, config, listener, tcp: tcp.unwrap(), udp: udp.unwrap() };
        world.until("datagrams have their memory", || world.pipeline.memory().used() > 0).await;
        world
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.tcp).await.unwrap()
    }

    /// Sends something and closes.
    async fn send(&self, text: &[u8]) {
        self.connect().await.write_all(text).await.unwrap();
    }

    fn counts(&self) -> SourceCounts {
        let sources = self.pipeline.sources();
        sources
            .iter()
            .find(|(name, _)| &**name == "graphite")
            .map(|(_, counters)| counters.counts())
            .unwrap_or_default()
    }

    /// The values that were kept.
    fn values(&self) -> Vec<f64> {
        self.kept.points.lock().iter().map(|point| point.value).collect()
    }

    fn stats(&self) -> &SocketStats {
        self.listener.shared.stats()
    }

    /// Waits until so much was received and counted.
    async fn received(&self, count: u64) {
        self.until("values were received", || self.counts().received >= count).await;
        assert_eq!(self.counts().received, count);
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) {
        let end = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < end, "waiting until {what}: {:?}, {:?}", self.counts(), self.stats());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn full() -> Option<Overload> {
    let retry_after = Duration::from_millis(10);
    Some(Overload { destination: "a".into(), reason: "full".into(), retry_after, cause: OverloadCause::Full })
}

#[tokio::test]
async fn lines_over_tcp_are_taken_and_a_half_one_at_the_close_is_rejected() {
    let world = World::new(|_| {}).await;
    world.send(b"a 1 1700000000\nb 2 1700000000\r\nnot a line\nc 12").await;
    world.received(4).await;
    let counts = world.counts();
    assert_eq!((counts.accepted, counts.rejected.malformed_count()), (2, 2), "12 may have been the beginning of 1234");
    assert_eq!(world.values(), [1.0, 2.0]);
    world.until("the connection is over", || world.stats().open() == 0).await;
}

#[tokio::test]
async fn a_line_may_come_byte_by_byte() {
    let world = World::new(|_| {}).await;
    let mut stream = world.connect().await;
    stream.set_nodelay(true).unwrap();
    for byte in b"a 1 1700000000\nb 2 1700000000\n" {
        stream.write_all(&[*byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    world.received(2).await;
    assert_eq!(world.values(), [1.0, 2.0]);
}

#[tokio::test]
async fn a_datagram_holds_lines_and_its_last_one_needs_no_end() {
    let world = World::new(|_| {}).await;
    let socket = UdpSocket::bind(NOWHERE_YET).await.unwrap();
    for datagram in ["a 1 1700000000\nbad\nb 2 1700000000", "c 3 1700000000\n", "", "half"] {
        socket.send_to(datagram.as_bytes(), world.udp).await.unwrap();
    }
    world.received(5).await;
    let counts = world.counts();
    assert_eq!((counts.accepted, counts.rejected.malformed_count()), (3, 2));
    assert_eq!(world.values(), [1.0, 2.0, 3.0]);
    world.until("all were counted", || world.stats().datagrams() == 4).await;
}

#[tokio::test]
async fn an_endless_line_costs_itself_and_the_memory_of_one() {
    let world = World::new(|_| {}).await;
    let mut stream = world.connect().await;
    let used = world.pipeline.memory().used();
    for _ in 0..64 {
        stream.write_all(&[b'x'; 64 << 10]).await.unwrap();
        assert!(world.pipeline.memory().used() - used <= LINE_BYTES_MAX);
    }
    stream.write_all(b" 1 1700000000\ngood 1 1700000000\n").await.unwrap();
    world.received(2).await;
    assert_eq!((world.values(), world.counts().rejected.malformed_count()), (vec![1.0], 1));
    // Exactly as long as it may be, it is a line, though no name may be so long.
    let longest = format!("{} 1\n", "x".repeat(LINE_BYTES_MAX - 3));
    stream.write_all(longest.as_bytes()).await.unwrap();
    world.received(3).await;
    assert_eq!(world.counts().rejected.of(RejectReason::BadMetric), 1);
    world.until("no memory is held", || world.pipeline.memory().used() == used).await;
}

#[tokio::test]
async fn a_connection_that_brings_no_whole_line_ends() {
    let world = World::new(|sockets| sockets.idle_timeout = Duration::from_millis(300)).await;
    let (mut silent, mut slow) = (world.connect().await, world.connect().await);
    let began = Instant::now();
    let trickle = async {
        while slow.write_all(b"x").await.is_ok() && began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    trickle.await;
    assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    assert!(began.elapsed() < PATIENCE, "a byte now and then is no line");
    world.until("both are counted", || world.stats().ended.get(stats::Ended::Idle) == 2).await;
    world.received(1).await;
}

#[tokio::test]
async fn while_a_queue_is_full_senders_wait_and_lose_nothing() {
    let world = World::new(|_| {}).await;
    *world.kept.rejection.lock() = full();
    let mut stream = world.connect().await;
    let line = b"a 1 1700000000\n";
    // More than all buffers on the way hold.
    let sending = tokio::spawn(async move {
        for _ in 0..1_000_000 {
            stream.write_all(line).await.unwrap();
        }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!sending.is_finished(), "15 MB find no room in a socket");
    assert_eq!((world.values().len(), world.counts().received), (0, 0), "nothing is taken, and nothing rejected");
    *world.kept.rejection.lock() = None;
    sending.await.unwrap();
    world.received(1_000_000).await;
    assert_eq!(world.counts().accepted, 1_000_000);
}

#[tokio::test]
async fn what_a_browser_sends_is_not_read() {
    let world = World::new(|_| {}).await;
    let mut stream = world.connect().await;
    stream.write_all(b"POST /x HTTP/1.1\r\nHost: a\r\n\r\nevil 1 1700000000\n").await.unwrap();
    // It may hear of the end as a reset, for not all that it sent was read.
    let _ = stream.read(&mut [0]).await;
    world.until("it is counted", || world.stats().ended.get(stats::Ended::Http) == 1).await;
    assert_eq!((world.values().len(), world.counts().received), (0, 0));
}

#[tokio::test]
async fn connections_are_bounded_and_those_that_are_there_go_on() {
    let world = World::new(|sockets| sockets.max_loopback_connections = 2).await;
    let (mut first, _second) = (world.connect().await, world.connect().await);
    let mut third = world.connect().await;
    assert!(matches!(third.read(&mut [0]).await, Ok(0) | Err(_)), "it is closed");
    assert_eq!(world.stats().turned.get(stats::Turned::Address), 1);
    first.write_all(b"a 1 1700000000\n").await.unwrap();
    world.received(1).await;
}

#[tokio::test]
async fn what_has_come_before_the_end_is_taken() {
    let world = World::new(|_| {}).await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = world.connect().await;
        stream.write_all(b"a 1 1700000000\n").await.unwrap();
        streams.push(stream);
    }
    let socket = UdpSocket::bind(NOWHERE_YET).await.unwrap();
    for _ in 0..20 {
        socket.send_to(b"b 1 1700000000", world.udp).await.unwrap();
    }
    world.listener.stop(PATIENCE).await;
    assert_eq!(world.counts().accepted, 40);
    assert!(TcpStream::connect(world.tcp).await.is_err());
}

#[tokio::test]
async fn what_finds_no_room_before_the_end_is_counted() {
    let world = World::new(|_| {}).await;
    *world.kept.rejection.lock() = full();
    let mut stream = world.connect().await;
    stream.write_all(b"a 1 1700000000\nb 1 1700000000\nhalf").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.listener.stop(Duration::from_millis(100)).await;
    let counts = world.counts();
    assert_eq!(
        (counts.received, counts.rejected.of(RejectReason::NoRoom), counts.rejected.malformed_count()),
        (3, 2, 1)
    );
}

#[tokio::test]
async fn a_reload_moves_what_differs_and_keeps_what_it_cannot_have() {
    let mut world = World::new(|_| {}).await;
    let mut stream = world.connect().await;
    let (taken, endpoint) = (StdListener::bind(NOWHERE_YET).unwrap(), "self".into());
    world.config.sockets.tcp = Some(taken.local_addr().unwrap());
    let error = world.listener.apply(&world.config, &endpoint).await.unwrap_err().to_string();
    assert!(error.contains("cannot listen on 127.0.0.1:") && error.contains("for graphite"), "{error}");
    stream.write_all(b"a 1 1700000000\n").await.unwrap();
    world.received(1).await;
    drop(taken);
    world.listener.apply(&world.config, &endpoint).await.unwrap();
    let (tcp, udp) = world.listener.addresses().await;
    assert_eq!((tcp, udp), (world.config.sockets.tcp, Some(world.udp)));
    // The same port at another address is free only when the old socket has gone.
    world.config.sockets.tcp = Some((Ipv4Addr::UNSPECIFIED, tcp.unwrap().port()).into());
    world.listener.apply(&world.config, &endpoint).await.unwrap();
    assert_eq!(world.listener.addresses().await.0, world.config.sockets.tcp);
    world.tcp = tcp.unwrap();
    world.send(b"b 2 1700000000\n").await;
    world.received(2).await;
    (world.config.sockets.tcp, world.config.sockets.udp) = (None, None);
    world.listener.apply(&world.config, &endpoint).await.unwrap();
    assert!(TcpStream::connect(world.tcp).await.is_err());
}

#[tokio::test]
async fn a_flood_of_names_stays_within_the_memory_of_names() {
    let world = World::new(|sockets| sockets.key_cache_bytes = 1 << 20).await;
    let mut stream = world.connect().await;
    let mut text = String::new();
    for name in 0..100_000 {
        text.push_str(&format!("some.name.that.is.made.up.{name} 1 1700000000\n"));
    }
    stream.write_all(text.as_bytes()).await.unwrap();
    world.received(100_000).await;
    let keys = world.listener.shared.intake.load().keys.stats();
    assert!(keys.bytes <= 1 << 20 && keys.evicted > 50_000, "{keys:?}");
}

#[test]
fn only_this_machine_and_those_who_are_named_may_send() {
    let config = SocketConfig { senders: vec!["10.0.0.0/8".parse().unwrap()], ..SocketConfig::default() };
    let may = |address: &str| config.may_send(address.parse().unwrap());
    assert!(may("127.0.0.1") && may("::1") && may("10.1.2.3") && may("::ffff:10.1.2.3"));
    assert!(!may("11.0.0.1") && !may("2001:db8::1"));
}
