//! `/api/v1.3`.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use saker_pipeline::reader::ReadError;

use super::ask::{Failure, Source, ask, respond};
use super::options::{Options, absolute};
use crate::cadvisor::{self, CadvisorError, Wanted};
use crate::http::Shared;

type Name = Option<Path<String>>;

fn name(name: Name) -> String {
    name.map_or_else(String::new, |Path(name)| name)
}

/// How several containers are written.
#[derive(Clone, Copy)]
enum Shape {
    One,
    List,
    ByPath,
}

pub(super) async fn containers(State(shared): State<Shared>, path: Name, request: Request) -> Response {
    let wanted = Wanted::Path(absolute(&name(path)));
    let answer = infos(&shared, wanted, Shape::One, request).await;
    respond(&shared, answer)
}

pub(super) async fn subcontainers(State(shared): State<Shared>, path: Name, request: Request) -> Response {
    let wanted = Wanted::Below(absolute(&name(path)));
    let answer = infos(&shared, wanted, Shape::List, request).await;
    respond(&shared, answer)
}

pub(super) async fn docker(State(shared): State<Shared>, path: Name, request: Request) -> Response {
    let name = name(path);
    let wanted = match name.trim_matches('/') {
        "" => Wanted::Namespace("docker"),
        name => Wanted::Named("docker", name.to_owned()),
    };
    let answer = infos(&shared, wanted, Shape::ByPath, request).await;
    respond(&shared, answer)
}

async fn infos(shared: &Shared, wanted: Wanted, shape: Shape, request: Request) -> Result<String, Failure> {
    let query = request.uri().path().to_owned();
    let Options { endpoint, range, count, .. } = Options::one(shared, request).await?;
    let work = move |source: Source<'_>| {
        let Source { reader, series_max, budget } = source;
        let found = cadvisor::find(reader, &wanted, endpoint.as_deref(), range, series_max)?;
        let (open, close) = match shape {
            Shape::One => ("", ""),
            Shape::List => ("[", "]"),
            Shape::ByPath => ("{", "}"),
        };
        let mut out = open.to_owned();
        for container in &found.containers {
            if out.len() > open.len() {
                out.push(',');
            }
            if matches!(shape, Shape::ByPath) {
                out.push_str(&serde_json::Value::from(container.path.as_str()).to_string());
                out.push(':');
            }
            out.push_str(&cadvisor::info(reader, &found, container, (range, count), budget)?.to_string());
            fits(out.len(), budget.limits().memory_bytes)?;
        }
        out.push_str(close);
        Ok(out)
    };
    ask(shared, query, range, false, work).await
}

/// Whether an answer may have so many bytes.
pub(super) fn fits(bytes: usize, limit: u64) -> Result<(), CadvisorError> {
    if bytes as u64 > limit { Err(ReadError::Memory { wanted: bytes as u64, limit }.into()) } else { Ok(()) }
}

pub(super) async fn machine(State(shared): State<Shared>, request: Request) -> Response {
    let query = request.uri().path().to_owned();
    let answer = async {
        let Options { endpoint, range, .. } = Options::one(&shared, request).await?;
        ask(&shared, query, range, false, move |Source { reader, series_max, budget }| {
            Ok(cadvisor::machine(reader, endpoint.as_deref(), range, series_max, budget)?.to_string())
        })
        .await
    };
    let answer = answer.await;
    respond(&shared, answer)
}
