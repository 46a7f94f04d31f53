//! One HTTP request at a time, with TLS or without, within a time and a size. Follows no redirections by itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long one request may take, its answer included: 32 MiB over a slow line.
const TIME_MAX: Duration = Duration::from_secs(300);
/// How long a connection may take to come about.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// What a server answered.
pub(crate) struct ServerResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl ServerResponse {
    /// A header's value as text.
    pub(crate) fn header(&self, name: header::HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends a request and reads the answer, of at most so many bytes.
///
/// # Errors
/// What went wrong, in words.
pub(crate) async fn send(
    method: Method,
    uri: &Uri,
    headers: &[(header::HeaderName, String)],
    body: Bytes,
    most: usize,
) -> Result<ServerResponse, String> {
    let host = uri.host().ok_or_else(|| format!("{uri} names no host"))?;
    let tls = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut request = Request::builder().method(method).uri(uri.path_and_query().map_or("/", |path| path.as_str()));
    request = request.header(header::HOST, uri.authority().map_or(host, |authority| authority.as_str()));
    request = request.header(header::USER_AGENT, concat!("saker/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request.body(Full::new(body)).map_err(|error| error.to_string())?;
    let exchange = async {
        let stream = connect(bare, port).await?;
        if !tls {
            return speak(stream, request, most).await;
        }
        let name = ServerName::try_from(bare.to_owned()).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::new(tls_config()?));
        let stream = connector.connect(name, stream).await;
        speak(stream.map_err(|error| format!("no trusted TLS connection: {error}"))?, request, most).await
    };
    match tokio::time::timeout(TIME_MAX, exchange).await {
        Ok(answer) => answer.map_err(|error| format!("{host}:{port}: {error}")),
        Err(_) => Err(format!("{host}:{port}: no answer within {TIME_MAX:?}")),
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, String> {
    match tokio::time::timeout(CONNECT_MAX, TcpStream::connect((host, port))).await {
        Ok(stream) => stream.map_err(|error| format!("cannot connect: {error}")),
        Err(_) => Err(format!("cannot connect within {CONNECT_MAX:?}")),
    }
}

fn tls_config() -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

async fn speak<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<ServerResponse, String> {
    let words = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(words)?;
    // Ends with the connection, which ends with this answer.
    let driver = tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(words)?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, most).collect().await;
    driver.abort();
    let body = body.map_err(|error| format!("its answer breaks off or has more than {most} bytes: {error}"))?;
    Ok(ServerResponse { status: parts.status, headers: parts.headers, body: body.to_bytes() })
}
