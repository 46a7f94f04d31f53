//! Requests that guests send: to granted addresses, over pooled connections, within the call's deadline.
//!
//! A name is resolved here and the connection goes to the very address that was checked, so that a second answer of a
//! name server cannot lead elsewhere. This takes the place of wasmtime's own handler, which opens a connection per
//! request, waits ten minutes and checks nothing.

mod over_unix;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use http::Uri;
use http::uri::Scheme;
use http_body_util::{BodyExt, Limited};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::ctx::Denials;
use crate::grants::{Grants, Permission};
use crate::instance::InstanceSpec;
use crate::lookups::Resolver;
use crate::request;
use crate::retry_after;
use crate::secrets::Secrets;
use crate::timed::{Stop, Timed};
use crate::unix;
use over_unix::{Gate, SocketError, Sockets};

/// How long a connection may take to come about; the call's deadline may be shorter.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The part of a call's remaining time that a guest has after a request has timed out: a tenth.
const TIME_TO_SAY_SO: u32 = 10;
/// How long a connection is kept that nobody uses.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Connections that are kept to one destination.
const IDLE_MAX: usize = 4;

/// The authorities that servers are checked by: the system's, and those of an extra file.
#[derive(Debug, Default)]
pub(crate) struct Tls {
    extra: Vec<CertificateDer<'static>>,
    config: OnceLock<Arc<rustls::ClientConfig>>,
}

impl Tls {
    /// Reads an extra file of PEM certificates.
    pub(crate) fn new(ca_file: Option<&std::path::Path>) -> Result<Self, String> {
        let mut extra = Vec::new();
        if let Some(path) = ca_file {
            let certificates = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
            for certificate in certificates {
                extra.push(certificate.map_err(|error| error.to_string())?);
            }
            if extra.is_empty() {
                return Err("it holds no certificate in PEM form".into());
            }
        }
        Ok(Self { extra, config: OnceLock::new() })
    }

    /// The configuration, made when the first connection needs it: the system's store has hundreds of certificates.
    fn config(&self) -> Arc<rustls::ClientConfig> {
        let make = || {
            let mut roots = rustls::RootCertStore::empty();
            let system = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(system.certs.into_iter().chain(self.extra.iter().cloned()));
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .expect("ring has the default protocol versions")
                .with_root_certificates(roots)
                .with_no_client_auth();
            Arc::new(config)
        };
        self.config.get_or_init(make).clone()
    }
}

/// An instance's way out.
pub(crate) struct Outgoing {
    client: Client<Connector, WasiBody>,
    /// For Unix sockets: a connection for each request, to the socket that was looked for then.
    unix_client: Client<Connector, WasiBody>,
    unix: Gate,
    slots: Arc<Semaphore>,
    max_response_bytes: usize,
    secrets: Secrets,
    ends: Instant,
    /// When bodies that have not come are told to be late.
    stop: Stop,
}

impl Outgoing {
    pub(crate) fn new(tls: Arc<Tls>, spec: &InstanceSpec, denials: Denials, resolver: Resolver) -> Self {
        let (grants, limits) = (Arc::new(spec.grants.clone()), &spec.limits);
        let secrets = Secrets::new(grants.secret.clone());
        let sockets = Arc::new(Sockets::new(spec.held.clone()));
        let unix = Gate { grants: grants.clone(), denials: denials.clone(), sockets: sockets.clone() };
        let connector = Connector { tls, grants, denials, resolver, sockets };
        let unix_client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector.clone());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            .build(connector);
        Self {
            client,
            unix_client,
            unix,
            slots: Arc::new(Semaphore::new(limits.max_connections)),
            max_response_bytes: limits.max_response_bytes,
            secrets,
            ends: Instant::now(),
            stop: Stop::default(),
        }
    }

    /// Sets when a call ends that begins now: no request outlives it.
    pub(crate) fn call_begins(&mut self, now: Instant, deadline: Duration) {
        self.ends = now + deadline;
        self.stop.set(now + in_time_to_say_so(deadline));
    }
}

type SentRequest = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Outgoing {
    fn is_supported_scheme(&mut self, scheme: &Scheme) -> bool {
        [&Scheme::HTTP, &Scheme::HTTPS].contains(&scheme) || scheme.as_str() == unix::SCHEME
    }

    fn send_request(
        &mut self,
        mut request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = SentRequest> + Send> {
        let left = in_time_to_say_so(self.ends.saturating_duration_since(Instant::now()));
        let wanted = options.and_then(|options| options.first_byte_timeout);
        let timeout = wanted.map_or(left, |wanted| wanted.min(left));
        let checked = request::check(&mut request).and_then(|()| self.unix.check(&mut request));
        let mask = match checked.and_then(|()| self.secrets.put_into(&mut request)) {
            Ok(mask) => mask,
            Err(error) => return Box::new(std::future::ready(Err(error))),
        };
        let client = if unix::is_unix(request.uri()) { &self.unix_client } else { &self.client };
        let (client, slots, most) = (client.clone(), self.slots.clone(), self.max_response_bytes);
        let stop = self.stop.clone();
        Box::new(async move {
            let answer = async {
                let _slot = slots.acquire().await.map_err(|_| Error::ConnectionLimitReached)?;
                client.request(request).await.map_err(|error| match classify(&error) {
                    Error::InternalError(Some(words)) => Error::InternalError(Some(mask.text(&words))),
                    other => other,
                })
            };
            let response = tokio::time::timeout(timeout, answer).await.map_err(|_| Error::HttpResponseTimeout)??;
            let mut response = response;
            retry_after::in_seconds(response.headers_mut(), SystemTime::now());
            let response = response.map(|body| {
                let body = Limited::new(body, most).map_err(move |error| match error.downcast::<hyper::Error>() {
                    Ok(error) => Error::Hyper(*error),
                    Err(_) => Error::HttpResponseBodySize(Some(most as u64)),
                });
                Timed::new(body, stop).boxed_unsync()
            });
            let nothing_more: Box<dyn Future<Output = Result<(), Error>> + Send> = Box::new(std::future::ready(Ok(())));
            let response = if mask.is_empty() { response } else { mask.response(response)? };
            Ok((response, nothing_more))
        })
    }
}

/// A guest that learns of a silent server in time can say "retry"; one that is killed with its call cannot.
fn in_time_to_say_so(left: Duration) -> Duration {
    left - left / TIME_TO_SAY_SO
}

/// Finds the reason in a chain of errors, so that a guest can tell "not allowed" from "not there".
fn classify(error: &hyper_util::client::legacy::Error) -> Error {
    let mut source = std::error::Error::source(error);
    let mut text = error.to_string();
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<ConnectError>() {
            return match error {
                ConnectError::Denied => Error::HttpRequestDenied,
                other => Error::InternalError(Some(other.to_string())),
            };
        }
        text = inner.to_string();
        source = inner.source();
    }
    Error::InternalError(Some(text))
}

#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("the address is not granted")]
    Denied,
    #[error("the address has no host")]
    NoHost,
    #[error("cannot resolve {0}: {1}")]
    Resolve(String, io::Error),
    #[error("cannot connect to {0}: {1}")]
    Connect(SocketAddr, io::Error),
    #[error("cannot connect to {0} within {CONNECT_TIMEOUT:?}")]
    Timeout(SocketAddr),
    #[error("no trusted TLS connection to {0}: {1}")]
    Tls(String, io::Error),
    #[error(transparent)]
    Socket(#[from] SocketError),
}

#[derive(Clone)]
struct Connector {
    tls: Arc<Tls>,
    grants: Arc<Grants>,
    denials: Denials,
    resolver: Resolver,
    sockets: Arc<Sockets>,
}

impl tower_service::Service<Uri> for Connector {
    type Response = HttpStream;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpStream, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.connect(&uri).await })
    }
}

impl Connector {
    async fn connect(&self, uri: &Uri) -> Result<HttpStream, ConnectError> {
        if unix::is_unix(uri) {
            return Ok(HttpStream(TokioIo::new(Box::new(self.sockets.connect(uri).await?))));
        }
        let tls = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or(ConnectError::NoHost)?;
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = first_to_answer(&self.addresses(bare, port).await?).await?;
        if !tls {
            return Ok(HttpStream(TokioIo::new(Box::new(stream))));
        }
        let failed = |error| ConnectError::Tls(format!("{host}:{port}"), error);
        let name = ServerName::try_from(bare.to_owned()).map_err(|error| failed(io::Error::other(error)))?;
        let stream = TlsConnector::from(self.tls.config()).connect(name, stream).await.map_err(failed)?;
        Ok(HttpStream(TokioIo::new(Box::new(stream))))
    }

    /// The granted addresses behind a host: at least one.
    async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
        let denied = |missing| {
            self.denials.note(missing);
            ConnectError::Denied
        };
        if let Ok(ip) = host.parse::<IpAddr>() {
            let address = SocketAddr::new(ip, port);
            return self.grants.check_connect(None, address).map(|()| vec![address]).map_err(denied);
        }
        // A look-up carries data out by itself, so no other names are looked up.
        if !self.grants.allows_name(host, port) {
            return Err(denied(Permission::Connect(format!("{host}:{port}"))));
        }
        let found = self.resolver.addresses(host).await;
        let found = found.map_err(|error| ConnectError::Resolve(host.to_owned(), error.into()))?;
        let mut missing = None;
        let mut granted = Vec::new();
        for address in found.iter().map(|&ip| SocketAddr::new(ip, port)) {
            match self.grants.check_connect(Some(host), address) {
                Ok(()) => granted.push(address),
                Err(permission) => missing = missing.or(Some(permission)),
            }
        }
        match missing {
            Some(missing) if granted.is_empty() => Err(denied(missing)),
            _ => Ok(granted),
        }
    }
}

async fn first_to_answer(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
    let mut last = ConnectError::NoHost;
    for &address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Batches are written whole; waiting for more to send only delays the last piece.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%address, %error, "cannot switch off Nagle's algorithm");
                }
                return Ok(stream);
            }
            Ok(Err(error)) => last = ConnectError::Connect(address, error),
            Err(_) => last = ConnectError::Timeout(address),
        }
    }
    Err(last)
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection, with TLS or without.
struct HttpStream(TokioIo<Box<dyn Duplex>>);

impl Connection for HttpStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for HttpStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for HttpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}
