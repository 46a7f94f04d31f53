//! A small HTTP server on this machine, which remembers what it was sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::until;

/// A server that runs as long as the test's runtime.
pub(crate) struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

struct Seen {
    status: u16,
    answer: Bytes,
    connections: AtomicUsize,
    bodies: Mutex<Vec<String>>,
    authorizations: Mutex<Vec<String>>,
}

/// Answers every request with this status and body.
pub(crate) async fn serve(status: u16, answer: &str) -> Server {
    start(status, answer, None).await
}

/// The same over TLS.
pub(crate) async fn serve_tls(acceptor: TlsAcceptor) -> Server {
    start(200, "", Some(acceptor)).await
}

async fn start(status: u16, answer: &str, acceptor: Option<TlsAcceptor>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connections, bodies) = (AtomicUsize::new(0), Mutex::default());
    let seen = Arc::new(Seen {
        status,
        answer: Bytes::copy_from_slice(answer.as_bytes()),
        connections,
        bodies,
        authorizations: Mutex::default(),
    });
    let server = Server { address, seen: seen.clone() };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            seen.connections.fetch_add(1, Ordering::Relaxed);
            let (seen, acceptor) = (seen.clone(), acceptor.clone());
            tokio::spawn(async move {
                match acceptor {
                    None => seen.answer_all(stream).await,
                    Some(acceptor) => {
                        // One that does not trust us ends here.
                        if let Ok(stream) = acceptor.accept(stream).await {
                            seen.answer_all(stream).await;
                        }
                    }
                }
            });
        }
    });
    server
}

impl Seen {
    async fn answer_all(self: Arc<Self>, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let service = service_fn(move |request: Request<Incoming>| {
            let seen = self.clone();
            async move {
                let authorization = request.headers().get("authorization").and_then(|value| value.to_str().ok());
                seen.authorizations.lock().push(authorization.unwrap_or_default().to_owned());
                let body = request.into_body().collect().await?.to_bytes();
                seen.bodies.lock().push(String::from_utf8_lossy(&body).into_owned());
                let answer = Response::builder().status(seen.status).body(Full::new(seen.answer.clone()));
                Ok::<_, hyper::Error>(answer.expect("a status that was given by a test"))
            }
        });
        // A client may leave at any time.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }
}

impl Server {
    /// Its address under another name for this machine.
    pub(crate) fn address(&self, host: &str) -> String {
        format!("{host}:{}", self.address.port())
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("http://{}/", self.address(host))
    }

    /// How often somebody has connected.
    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }

    pub(crate) async fn until_connections(&self, wanted: usize) {
        until("the connections", || self.connections() == wanted).await;
    }

    /// What stood in each request's `authorization`.
    pub(crate) fn authorizations(&self) -> Vec<String> {
        self.seen.authorizations.lock().clone()
    }

    /// What was posted.
    pub(crate) fn bodies(&self) -> Vec<String> {
        self.seen.bodies.lock().clone()
    }
}
