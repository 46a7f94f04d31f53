//! A store that is asked: a running agent's over HTTP, or files, which are answered from as an agent would.

use anyhow::Context;
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, StatusCode};
use saker_store::StoreFolder;
use serde_json::Value;

use crate::args::{ClientArgs, StoreArgs};
use crate::client;

/// The folder in an agent's data folder.
const FOLDER: &str = "store";

/// Where questions go.
pub(super) struct Access {
    client: ClientArgs,
    files: Option<StoreFolder>,
}

impl Access {
    pub(super) fn new(args: &StoreArgs) -> anyhow::Result<Self> {
        let files = args.data_dir.as_ref().map(|dir| StoreFolder::open(&dir.join(FOLDER)));
        let files = files.transpose().context("cannot open the files; without --data-dir a running agent is asked")?;
        Ok(Self { client: args.client.clone(), files })
    }

    /// A running agent's.
    pub(super) fn of_agent(client: &ClientArgs) -> Self {
        Self { client: client.clone(), files: None }
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (status, _, body) = self.ask(Method::GET, path, Bytes::new()).await?;
        client::answer(&self.client, status, &body)
    }

    pub(super) async fn post(&self, path: &str) -> anyhow::Result<Value> {
        self.post_bytes(path, Bytes::new()).await
    }

    pub(super) async fn post_bytes(&self, path: &str, body: Bytes) -> anyhow::Result<Value> {
        let (status, _, body) = self.ask(Method::POST, path, body).await?;
        client::answer(&self.client, status, &body)
    }

    /// An answer that is not JSON, if it is none of a failure.
    pub(super) async fn get_bytes(&self, path: &str) -> anyhow::Result<(HeaderMap, Bytes)> {
        let (status, headers, body) = self.ask(Method::GET, path, Bytes::new()).await?;
        if status != StatusCode::OK {
            client::answer(&self.client, status, &body)?;
        }
        Ok((headers, body))
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
        match &self.files {
            Some(files) => files.ask(method, path, body.to_vec()).await.context("the files give no answer"),
            None => client::raw(&self.client, method, path, body).await,
        }
    }
}
