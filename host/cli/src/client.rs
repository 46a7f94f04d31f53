//! Asks a running agent.

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::http::request::Builder;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use saker_model::text::{MESSAGE_BYTES_MAX, clean, is_clean};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::args::ClientArgs;

/// Bytes of an answer: some thousand instances, each with its last failure and log lines, have a tenth.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// Bytes of one text in it.
const TEXT_BYTES_MAX: usize = 8 * MESSAGE_BYTES_MAX;

/// The JSON behind a path of the API.
pub(crate) async fn get(args: &ClientArgs, path: &str) -> anyhow::Result<Value> {
    ask(args, Method::GET, path).await
}

/// Has something done; the JSON that tells what was.
pub(crate) async fn post(args: &ClientArgs, path: &str) -> anyhow::Result<Value> {
    ask(args, Method::POST, path).await
}

/// A name as a part of a path or of a query.
pub(crate) fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).into() } else { format!("%{byte:02X}") }).collect()
}

/// Posts a form; the status, and the body as it came.
pub(crate) async fn post_form(args: &ClientArgs, path: &str, form: String) -> anyhow::Result<(StatusCode, Bytes)> {
    let request = Request::builder().method(Method::POST).uri(path);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let (status, _, body) = send(args, request, Full::from(form)).await?;
    Ok((status, body))
}

/// Asks with a body; status, headers and body of the answer, as they came.
pub(crate) async fn raw(
    args: &ClientArgs,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
    send(args, Request::builder().method(method).uri(path), Full::from(body)).await
}

async fn ask(args: &ClientArgs, method: Method, path: &str) -> anyhow::Result<Value> {
    let (status, _, body) = send(args, Request::builder().method(method).uri(path), Full::default()).await?;
    answer(args, status, &body)
}

/// The JSON of an answer; the failure that it tells of.
pub(crate) fn answer(args: &ClientArgs, status: StatusCode, body: &[u8]) -> anyhow::Result<Value> {
    let address = &args.address;
    let mut value: Value =
        serde_json::from_slice(body).with_context(|| format!("{address} does not answer like an agent"))?;
    // JSON is printed as it is, with escapes.
    if !(args.json && status == StatusCode::OK) {
        clean_all(&mut value);
    }
    match status {
        StatusCode::OK => Ok(value),
        _ => bail!("{}", value["error"].as_str().unwrap_or(status.as_str())),
    }
}

async fn send(
    args: &ClientArgs,
    request: Builder,
    body: Full<Bytes>,
) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
    let address = &args.address;
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("no agent answers at {address}; is it running, and is this its listen.http?"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    // No page of another site can send it, so the agent knows that an operator does.
    let mut request = request.header("host", address).header(saker_http::OPERATOR_HEADER, "1");
    if let Some(path) = &args.token_file {
        request = request.header("authorization", format!("Bearer {}", saker_http::Token::read(path)?.as_str()));
    }
    let response = sender.send_request(request.body(body)?).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    if status == StatusCode::UNAUTHORIZED {
        bail!("the agent at {address} wants a token: --token-file FILE");
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("{address}: its answer breaks off or is too long: {error}"))?;
    Ok((status, headers, body.to_bytes()))
}

/// Takes out of every text what a terminal would act on: whoever answers may be no agent, or one that was told things.
fn clean_all(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > TEXT_BYTES_MAX || !is_clean(text) => *text = clean(text, TEXT_BYTES_MAX),
        Value::Array(items) => items.iter_mut().for_each(clean_all),
        Value::Object(fields) => {
            let all = std::mem::take(fields);
            fields.extend(all.into_iter().map(|(name, mut value)| {
                clean_all(&mut value);
                (clean(&name, TEXT_BYTES_MAX), value)
            }));
        }
        _ => {}
    }
}
