//! Other agents that hold series too: what a question needs of theirs is read over HTTP before it is evaluated, so that
//! the answer is that of one store which has all of it. Copies of a series are one, sample by sample; a peer that does not
//! answer is named in `warnings`, for what only it has is missing.

mod client;
mod fetched;
mod spans;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::ast::Expr;

pub(crate) use client::PeerError;
pub(crate) use fetched::{Fetched, Union};
pub(crate) use spans::Asked;
pub(crate) use wire::{encode, read};

/// The path at which agents ask each other.
pub(crate) const SAMPLES: &str = "/saker/v1/samples";
/// Beyond a few agents the answer is an engine of its own, for every question goes to every peer.
pub const PEERS_MAX: usize = 16;
/// Of the time that a question may take: the rest is for evaluating it.
const TIME_SHARE: u32 = 2;
/// Bytes of an answer for a byte of the samples in it, as long as those are.
const TEXT_FACTOR: u64 = 4;

/// Another agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// `HOST:PORT`
    address: Arc<str>,
}

impl Peer {
    /// The agent at `http://HOST:PORT`; nothing if that is another thing.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let address = url.strip_prefix("http://")?.trim_end_matches('/');
        let (host, port) = address.rsplit_once(':')?;
        let is_host =
            !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#@".contains(c));
        (is_host && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| Self { address: address.into() })
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.address)
    }
}

/// What peers have of what a question reads, and who of them is missing.
pub(crate) async fn fetch(
    peers: &[Peer],
    expr: &Expr,
    asked: Asked,
    time: Duration,
    memory_bytes: u64,
) -> (Fetched, Vec<String>) {
    let mut fetched = Fetched::default();
    let spans = if peers.is_empty() { Vec::new() } else { spans::spans(expr, asked) };
    if spans.is_empty() {
        return (fetched, Vec::new());
    }
    let form: Arc<str> = spans::form(&spans).into();
    let most = usize::try_from(memory_bytes.saturating_mul(TEXT_FACTOR)).unwrap_or(usize::MAX);
    let mut asking = JoinSet::new();
    for (place, peer) in peers.iter().cloned().enumerate() {
        let form = form.clone();
        asking.spawn(async move {
            let answer =
                tokio::time::timeout(time / TIME_SHARE, client::post(&peer.address, SAMPLES, &form, most)).await;
            let answer = answer.unwrap_or(Err(PeerError::Late { after: time / TIME_SHARE }));
            (place, answer.and_then(|body| wire::decode(&body)))
        });
    }
    let mut answers: Vec<_> = peers.iter().map(|_| Err(PeerError::Died)).collect();
    while let Some(answered) = asking.join_next().await {
        if let Ok((place, answer)) = answered {
            answers[place] = answer;
        }
    }
    let mut missing = Vec::new();
    // In the order of peers, so that of copies always the same one counts.
    for (peer, answer) in peers.iter().zip(answers) {
        match answer {
            Ok(series) => fetched.add(series),
            Err(error) => missing.push(format!("the answer is partial: {peer} is missing: {error}")),
        }
    }
    (fetched, missing)
}

#[cfg(test)]
mod tests;
