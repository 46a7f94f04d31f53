use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::*;
use crate::body::{BodyMeter, MemoryShortage};
use crate::stats::{Ending, Turned};
use crate::{HttpLimits, RequestInfo};

struct Boundless;

impl BodyMeter for Boundless {
    fn grow(&mut self, _: usize) -> Result<(), MemoryShortage> {
        Ok(())
    }
}

async fn take(visit: axum::Extension<RequestInfo>, headers: axum::http::HeaderMap, body: axum::body::Body) -> String {
    match crate::body::read(&visit, &headers, body, Boundless).await {
        Ok((bytes, _)) => format!("{} bytes", bytes.len()),
        Err(error) => error.message().to_owned(),
    }
}

/// A request that is worked on until the test says that it is done.
#[derive(Clone, Default)]
struct Work {
    begun: Arc<Notify>,
    done: Arc<Notify>,
}

impl Work {
    async fn run(self) {
        self.begun.notify_one();
        self.done.notified().await;
    }
}

async fn start(limits: HttpLimits) -> (Server, Arc<Stats>) {
    start_with(limits, Work::default()).await
}

async fn start_with(limits: HttpLimits, work: Work) -> (Server, Arc<Stats>) {
    let stats = Arc::<Stats>::default();
    let router = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/slow", get(move || work.clone().run()))
        .route("/hang", get(|| async { std::future::pending::<()>().await }))
        .route("/large", get(|| async { vec![b'x'; 64 << 20] }))
        .route("/take", post(take));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = ServerSettings { limits, ..ServerSettings::default() };
    (Server::start(socket, router, settings, stats.clone()).unwrap(), stats)
}

async fn connect(server: &Server, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// All that comes until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A connection that is reset has ended as well.
    let _ = stream.read_to_end(&mut text).await;
    String::from_utf8_lossy(&text).into_owned()
}

async fn ask(server: &Server, head: &str) -> String {
    rest(&mut connect(server, head).await).await
}

const GET: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
const SHORT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_head_has_to_come_in_time_as_a_whole() {
    let (server, stats) = start(HttpLimits { head_timeout: SHORT, ..HttpLimits::default() }).await;
    for begun in ["", "GET / HT"] {
        let answer = ask(&server, begun).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
    let mut drip = connect(&server, "GET / HTTP/1.1\r\nhost: localhost\r\na: ").await;
    let begun = Instant::now();
    while drip.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(begun.elapsed() < Duration::from_secs(10), "a byte now and then keeps no connection");
    }
    assert_eq!(stats.ended.get(Ending::HeadTimeout), 3);
    assert!(ask(&server, GET).await.ends_with("hello"));
}

#[tokio::test]
async fn between_requests_a_connection_may_be_idle_for_longer_than_a_head_takes() {
    let (server, stats) = start(HttpLimits { head_timeout: SHORT, ..HttpLimits::default() }).await;
    let mut stream = connect(&server, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    tokio::time::sleep(2 * SHORT).await;
    stream.write_all(GET.as_bytes()).await.unwrap();
    let answers = rest(&mut stream).await;
    assert_eq!(answers.matches("hello").count(), 2, "{answers}");
    assert_eq!(stats.ended.get(Ending::HeadTimeout), 0);

    let (server, stats) = start(HttpLimits { idle_timeout: SHORT, ..HttpLimits::default() }).await;
    let answer = ask(&server, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(answer.ends_with("hello"), "{answer}");
    assert_eq!((stats.ended.get(Ending::Idle), stats.ended.get(Ending::HeadTimeout)), (1, 0));
}

#[tokio::test]
async fn a_head_without_end_is_rejected() {
    let (server, _) = start(HttpLimits { max_head_bytes: 8 << 10, ..HttpLimits::default() }).await;
    let long = format!("GET / HTTP/1.1\r\nhost: localhost\r\na: {}\r\n\r\n", "x".repeat(9 << 10));
    assert!(ask(&server, &long).await.starts_with("HTTP/1.1 431"));
    let many = format!("GET / HTTP/1.1\r\nhost: localhost\r\n{}\r\n", "a: b\r\n".repeat(200));
    assert!(ask(&server, &many).await.starts_with("HTTP/1.1 431"));
    let mut endless = connect(&server, "GET / HTTP/1.1\r\nhost: localhost\r\na: ").await;
    let piece = [b'x'; 1024];
    let mut sent = 0;
    while endless.write_all(&piece).await.is_ok() {
        sent += piece.len();
        tokio::task::yield_now().await;
        assert!(sent < 64 << 20, "it is read without end");
    }
}

#[tokio::test]
async fn a_full_table_turns_connections_away_and_serves_those_that_it_has() {
    let (server, stats) = start(HttpLimits { max_loopback_connections: 3, ..HttpLimits::default() }).await;
    let mut first = connect(&server, "").await;
    let others = [connect(&server, "").await, connect(&server, "").await];
    while stats.open() < 3 {
        tokio::task::yield_now().await;
    }
    let answer = ask(&server, "").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert_eq!(stats.turned.get(Turned::Address), 1);
    first.write_all(GET.as_bytes()).await.unwrap();
    assert!(rest(&mut first).await.ends_with("hello"));
    drop((first, others));
    while stats.open() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(ask(&server, GET).await.ends_with("hello"));
}

#[tokio::test]
async fn who_does_not_read_its_answer_is_not_waited_for() {
    let (server, stats) = start(HttpLimits { response_stall_timeout: SHORT, ..HttpLimits::default() }).await;
    let _silent = connect(&server, "GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    while stats.ended.get(Ending::ResponseStalled) == 0 || stats.open() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_can_never_be_taken_is_rejected_before_it_comes() {
    let (server, _) = start(HttpLimits { max_body_bytes: 1000, ..HttpLimits::default() }).await;
    let announced = "POST /take HTTP/1.1\r\nhost: anything\r\ncontent-length: 99999999\r\n\r\n";
    assert!(ask(&server, announced).await.starts_with("HTTP/1.1 413"));
    let sent = format!("{announced}{}", "x".repeat(1 << 20));
    assert!(ask(&server, &sent).await.starts_with("HTTP/1.1 413"), "though much of it was sent");
    let chunks = format!(
        "POST /take HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{}",
        "ff\r\n".to_owned() + &"x".repeat(255) + "\r\n"
    );
    let chunks = chunks + &("ff\r\n".to_owned() + &"x".repeat(255) + "\r\n").repeat(4) + "0\r\n\r\n";
    assert!(ask(&server, &chunks).await.contains("the body has more than 1000 bytes"));
}

#[tokio::test]
async fn a_body_that_comes_with_its_head_does_not_count_for_the_head() {
    let (server, stats) = start(HttpLimits::default()).await;
    let body = "x".repeat(300_000);
    let request = format!("POST /take HTTP/1.1\r\nhost: localhost\r\ncontent-length: 300000\r\n\r\n{body}");
    let mut stream = connect(&server, "").await;
    for _ in 0..20 {
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = [0; 1024];
        let bytes = stream.read(&mut answer).await.unwrap();
        assert!(String::from_utf8_lossy(&answer[..bytes]).ends_with("300000 bytes"));
    }
    assert_eq!(stats.ended.get(Ending::HeadTooLarge), 0);
}

#[tokio::test]
async fn a_server_that_stops_waits_for_work_and_for_nobody_else() {
    let work = Work::default();
    let (server, stats) = start_with(HttpLimits::default(), work.clone()).await;
    let mut idle = connect(&server, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut head = connect(&server, "GET / HT").await;
    let mut body = connect(&server, "POST /take HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nx").await;
    let mut unread = connect(&server, "GET /large HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let mut slow = connect(&server, "GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    work.begun.notified().await;
    let mut hangs = connect(&server, "GET /hang HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    // Each has come as far as it will.
    let mut first = [0];
    idle.read_exact(&mut first).await.unwrap();
    unread.read_exact(&mut first).await.unwrap();
    while stats.open() < 6 {
        tokio::task::yield_now().await;
    }
    let address = server.address();
    let stopping = tokio::spawn(server.stop(StopTimes { peers: 10 * SHORT, work: 20 * SHORT }));
    assert!(rest(&mut idle).await.ends_with("hello"));
    rest(&mut head).await;
    while stats.open() > 4 {
        tokio::task::yield_now().await;
    }
    assert!(!stopping.is_finished(), "what waits for its peer ends at once, and the rest is waited for");
    assert!(TcpStream::connect(address).await.is_err(), "the address is free");
    work.done.notify_one();
    assert!(rest(&mut slow).await.starts_with("HTTP/1.1 200"), "what is worked on is answered");
    rest(&mut body).await;
    assert_eq!(rest(&mut hangs).await, "");
    stopping.await.unwrap();
    drop(rest(&mut unread).await);
    assert_eq!(stats.open(), 0);
}

#[tokio::test]
async fn other_settings_hold_from_the_next_request_on() {
    let (server, _) = start(HttpLimits::default()).await;
    let foreign = "GET / HTTP/1.1\r\nhost: metrics.example\r\nconnection: close\r\n\r\n";
    assert!(ask(&server, foreign).await.starts_with("HTTP/1.1 403"));
    let names = crate::HostNames::of_this_host(&["metrics.example".into()]);
    server.set(ServerSettings { names, ..ServerSettings::default() });
    assert!(ask(&server, foreign).await.ends_with("hello"));
}
