//! Asks a running agent.

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::cli::ClientArgs;

/// The JSON behind a path of the API.
pub(super) async fn get(args: &ClientArgs, path: &str) -> anyhow::Result<Value> {
    ask(args, Method::GET, path).await
}

/// Has the agent do something.
pub(super) async fn post(args: &ClientArgs, path: &str) -> anyhow::Result<Value> {
    ask(args, Method::POST, path).await
}

async fn ask(args: &ClientArgs, method: Method, path: &str) -> anyhow::Result<Value> {
    let address = &args.address;
    let stream = TcpStream::connect(address)
        .await
        .with_context(|| format!("no agent answers at {address}; is it running, and is this its listen.http?"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", address);
    if let Some(path) = &args.token_file {
        request = request.header("authorization", format!("Bearer {}", crate::api::read_token(path)?));
    }
    let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let value: Value =
        serde_json::from_slice(&body).with_context(|| format!("{address} does not answer like an agent"))?;
    match status {
        StatusCode::OK => Ok(value),
        StatusCode::UNAUTHORIZED => bail!("the agent at {address} wants a token: --token-file FILE"),
        _ => bail!("{}", value["error"].as_str().unwrap_or(status.as_str())),
    }
}
