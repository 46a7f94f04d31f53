//! The kit's own servers: what backends write to when the test is about the backend and not about a storage system.
//!
//! One server listens on a free port of the loopback, by TCP and by UDP. What begins like HTTP is answered as HTTP; any
//! other connection is read and kept. A script says how each exchange goes: a request of HTTP, or a connection of
//! anything else. The last word of the script goes for all that follow.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinHandle;

/// Bytes that are kept of all bodies together; more are counted, and not kept.
const KEPT_BYTES_MAX: usize = 64 << 20;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 16;
/// How long a part of an answer is on its way before the rest is cut off.
const UNTIL_CUT: Duration = Duration::from_millis(50);
/// Bytes of a datagram.
const DATAGRAM_MAX: usize = 65_535;

/// How one exchange goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// What is sent is read to its end and taken, in the way of a dialect.
    Take(HttpDialect),
    /// It is read, and rejected with this status and, if it is given, `Retry-After` in seconds.
    Reject(u16, Option<u32>),
    /// It is read, and the connection closed in the middle of the answer.
    CutAnswer,
    /// The connection is closed when the first bytes have come.
    CutRequest,
    /// It is read, and never answered.
    Hang,
}

/// How an HTTP server says that it has taken everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpDialect {
    /// 204 without a body: InfluxDB, remote write and most others.
    NoContent,
    /// 200 and `{}`: `BigQuery`, OTLP.
    Object,
    /// 200 and an answer of a bulk: Elasticsearch, OpenTSDB.
    Bulk,
}

impl HttpDialect {
    pub(crate) const ALL: [Self; 3] = [Self::NoContent, Self::Object, Self::Bulk];

    fn answer(self) -> (StatusCode, &'static str) {
        match self {
            Self::NoContent => (StatusCode::NO_CONTENT, ""),
            Self::Object => (StatusCode::OK, "{}"),
            Self::Bulk => (StatusCode::OK, r#"{"took":1,"errors":false,"items":[],"failed":0,"success":1}"#),
        }
    }
}

/// How a backend reaches its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Http,
    Tcp,
    Udp,
}

/// A server of the kit's own. Ends when it is dropped.
pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    shared: Arc<TestServerShared>,
    tasks: Vec<JoinHandle<()>>,
    /// Holds the port, and rejects connections, until the server begins.
    closed: Option<TcpSocket>,
}

#[derive(Default)]
struct TestServerShared {
    script: Mutex<Vec<Act>>,
    seen: Mutex<ReceivedTraffic>,
}

/// What has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReceivedTraffic {
    pub(crate) connections: usize,
    pub(crate) channel: Option<Channel>,
    /// Bytes of all bodies, those that were not kept included.
    pub(crate) bytes: usize,
    bodies: Vec<Vec<u8>>,
    kept: usize,
}

impl TestServer {
    /// A server that follows a script.
    pub(crate) async fn start(script: &[Act]) -> io::Result<Self> {
        let mut destination = Self::closed()?;
        destination.begin(script).await?;
        Ok(destination)
    }

    /// A port where nobody listens, until [`begin`](Self::begin).
    pub(crate) fn closed() -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let address = socket.local_addr()?;
        Ok(Self { address, shared: Arc::default(), tasks: Vec::new(), closed: Some(socket) })
    }

    /// Lets a server that was closed begin.
    pub(crate) async fn begin(&mut self, script: &[Act]) -> io::Result<()> {
        self.follow(script);
        let Some(socket) = self.closed.take() else { return Ok(()) };
        let listener = socket.listen(BACKLOG)?;
        self.tasks.push(tokio::spawn(accept(listener, self.shared.clone())));
        let datagrams = UdpSocket::bind(self.address).await?;
        self.tasks.push(tokio::spawn(receive(datagrams, self.shared.clone())));
        Ok(())
    }

    /// Goes on with another script.
    pub(crate) fn follow(&self, script: &[Act]) {
        // Turned round, so that the next is at the end.
        *self.shared.script.lock() = script.iter().rev().copied().collect();
    }

    pub(crate) fn seen(&self) -> ReceivedTraffic {
        self.shared.seen.lock().clone()
    }

    /// Waits until something has come that is so: what a backend has sent may still be on its way.
    pub(crate) async fn until(&self, patience: Duration, is: impl Fn(&ReceivedTraffic) -> bool) -> bool {
        let end = Instant::now() + patience;
        loop {
            if is(&self.shared.seen.lock()) {
                return true;
            }
            if Instant::now() > end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl ReceivedTraffic {
    /// Whether this text has come, in the open or in a compression that the kit knows.
    pub(crate) fn says(&self, text: &str) -> bool {
        let says = |body: &[u8]| body.windows(text.len()).any(|window| window == text.as_bytes());
        self.bodies.iter().any(|body| says(body) || unsnapped(body).is_some_and(|body| says(&body)))
    }

    fn keep(&mut self, body: Vec<u8>, channel: Channel) {
        self.channel = Some(channel);
        self.bytes += body.len();
        if self.kept + body.len() <= KEPT_BYTES_MAX {
            self.kept += body.len();
            self.bodies.push(body);
        }
    }
}

/// What a body of Prometheus' remote write says.
fn unsnapped(body: &[u8]) -> Option<Vec<u8>> {
    let size = snap::raw::decompress_len(body).ok()?;
    if size > KEPT_BYTES_MAX { None } else { snap::raw::Decoder::new().decompress_vec(body).ok() }
}

impl TestServerShared {
    fn next(&self) -> Act {
        let mut script = self.script.lock();
        let act = if script.len() > 1 { script.pop() } else { script.last().copied() };
        act.unwrap_or(Act::Take(HttpDialect::NoContent))
    }
}

async fn accept(listener: TcpListener, shared: Arc<TestServerShared>) {
    // Connections end with the server.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        shared.seen.lock().connections += 1;
        let shared = shared.clone();
        connections.spawn(async move {
            // A peer that has gone has nothing to be told.
            let _ = serve(stream, shared).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<TestServerShared>) -> io::Result<()> {
    let mut first = [0; 5];
    let known = stream.peek(&mut first).await?;
    let is_http = [&b"POST "[..], b"PUT /", b"GET /", b"PATCH", b"HEAD "].contains(&&first[..known]);
    if is_http { serve_http(stream, shared).await } else { serve_bytes(stream, &shared).await }
}

async fn serve_bytes(mut stream: TcpStream, shared: &TestServerShared) -> io::Result<()> {
    let act = shared.next();
    if act == Act::Hang {
        std::future::pending::<()>().await;
    }
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        match act {
            Act::Take(_) => shared.seen.lock().keep(buffer[..count].to_vec(), Channel::Tcp),
            // Nothing was taken, and the peer is told by the end of the connection.
            _ => return Ok(()),
        }
    }
}

async fn receive(socket: UdpSocket, shared: Arc<TestServerShared>) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    while let Ok(count) = socket.recv(&mut buffer).await {
        shared.seen.lock().keep(buffer[..count].to_vec(), Channel::Udp);
    }
}

type ServerReply = Response<UnsyncBoxBody<Bytes, io::Error>>;

async fn serve_http(stream: TcpStream, shared: Arc<TestServerShared>) -> io::Result<()> {
    let service = service_fn(move |request| {
        let shared = shared.clone();
        async move { answer(request, &shared).await }
    });
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    connection.await.map_err(io::Error::other)
}

async fn answer(request: Request<Incoming>, shared: &TestServerShared) -> io::Result<ServerReply> {
    let act = shared.next();
    if act == Act::CutRequest {
        shared.seen.lock().channel = Some(Channel::Http);
        return Err(io::Error::other("told to cut the request"));
    }
    let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
    let full = |status: StatusCode, body: &'static str| {
        let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())).map_err(never).boxed_unsync());
        *response.status_mut() = status;
        response
    };
    match act {
        Act::Take(dialect) => {
            shared.seen.lock().keep(body.to_vec(), Channel::Http);
            let (status, body) = dialect.answer();
            Ok(full(status, body))
        }
        Act::Reject(status, retry_after) => {
            let status = StatusCode::from_u16(status).map_err(io::Error::other)?;
            let mut response = full(status, r#"{"error":"told to reject"}"#);
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            Ok(response)
        }
        Act::CutAnswer => Ok(Response::new(Cut(None).boxed_unsync())),
        Act::Hang => std::future::pending().await,
        Act::CutRequest => Err(io::Error::other("told to cut the request")),
    }
}

fn never(error: Infallible) -> io::Error {
    match error {}
}

/// An answer that begins and does not end. The wait between lets the beginning be sent.
struct Cut(Option<Pin<Box<tokio::time::Sleep>>>);

impl Body for Cut {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(wait) = &mut self.0 {
            return wait.as_mut().poll(cx).map(|()| Some(Err(io::Error::other("told to cut the answer"))));
        }
        self.0 = Some(Box::pin(tokio::time::sleep(UNTIL_CUT)));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{\"took\"")))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(4096)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    async fn post(address: SocketAddr, body: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "POST /kit HTTP/1.1\r\nhost: kit\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        // A cut is an end as well.
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn a_script_is_followed_and_its_last_word_stays() {
        let script = [Act::Reject(429, Some(7)), Act::CutRequest, Act::CutAnswer, Act::Take(HttpDialect::Object)];
        let server = TestServer::start(&script).await.unwrap();
        let rejected = post(server.address, "one").await;
        assert!(rejected.starts_with("HTTP/1.1 429") && rejected.contains("retry-after: 7"), "{rejected}");
        assert_eq!(post(server.address, "two").await, "");
        let cut = post(server.address, "three").await;
        assert!(cut.contains("content-length: 4096") && cut.ends_with("\"took\""), "{cut}");
        for body in ["four", "five"] {
            assert!(post(server.address, body).await.ends_with("{}"));
        }
        let seen = server.seen();
        assert_eq!((seen.connections, seen.channel), (5, Some(Channel::Http)));
        assert!(seen.says("four") && seen.says("five") && !seen.says("one"));
    }

    #[tokio::test]
    async fn a_closed_server_rejects_and_begins_at_the_same_address() {
        let mut server = TestServer::closed().unwrap();
        let rejected = TcpStream::connect(server.address).await.unwrap_err();
        assert_eq!(rejected.kind(), io::ErrorKind::ConnectionRefused);
        server.begin(&[Act::Take(HttpDialect::NoContent)]).await.unwrap();
        assert!(post(server.address, "x").await.starts_with("HTTP/1.1 204"));
    }

    #[tokio::test]
    async fn bytes_and_datagrams_are_kept_and_compression_is_seen_through() {
        let server = TestServer::start(&[Act::Take(HttpDialect::NoContent)]).await.unwrap();
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let packed = snap::raw::Encoder::new().compress_vec("markmarkmarkmark".repeat(9).as_bytes()).unwrap();
        stream.write_all(&packed).await.unwrap();
        assert!(server.until(Duration::from_secs(9), |seen| seen.says("markmarkmarkmark")).await);
        assert_eq!(server.seen().channel, Some(Channel::Tcp));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.send_to(b"datagram", server.address).await.unwrap();
        assert!(server.until(Duration::from_secs(9), |seen| seen.says("datagram")).await);
    }
}
