//! Asks a peer: one request a connection, the answer whole or not at all.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// What of a peer's rejection is told.
const REASON_BYTES: usize = 300;

/// Why a peer has not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerError {
    /// No answer in time.
    #[error("no answer within {} ms", after.as_millis())]
    Late {
        /// So long.
        after: Duration,
    },
    /// The connection.
    #[error("{0}")]
    Io(String),
    /// It says no.
    #[error("it answers {status}: {reason}")]
    Rejected {
        /// The status.
        status: u16,
        /// Why.
        reason: String,
    },
    /// It says what no agent does.
    #[error("its answer is not that of an agent")]
    Answer,
    /// More than may be held.
    #[error("its answer has more than {most} bytes; ask for less, or raise query.memory_bytes")]
    TooLong {
        /// So many.
        most: usize,
    },
    /// The task that asked it has failed, which is a fault of the agent's.
    #[error("asking it ended without an answer, which is a fault of the agent's")]
    Died,
}

/// Posts a form, and answers the body.
pub(super) async fn post(address: &str, path: &str, form: &str, most: usize) -> Result<Vec<u8>, PeerError> {
    let failed = |error: std::io::Error| PeerError::Io(error.to_string());
    let mut stream = TcpStream::connect(address).await.map_err(failed)?;
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        form.len()
    );
    stream.write_all(head.as_bytes()).await.map_err(failed)?;
    stream.write_all(form.as_bytes()).await.map_err(failed)?;
    let limit = most.saturating_add(HEAD_BYTES_MAX);
    let mut answer = Vec::new();
    stream.take(limit as u64 + 1).read_to_end(&mut answer).await.map_err(failed)?;
    if answer.len() > limit {
        return Err(PeerError::TooLong { most });
    }
    let (status, length, body) = parts(&answer).ok_or(PeerError::Answer)?;
    // An answer that broke off is none.
    if length.is_none_or(|length| length != body.len()) {
        return Err(PeerError::Io("the answer broke off".into()));
    }
    if status != 200 {
        let reason = saker_model::text::clean(&String::from_utf8_lossy(body), REASON_BYTES);
        return Err(PeerError::Rejected { status, reason });
    }
    Ok(body.to_vec())
}

/// Status, length as it was said, and body.
fn parts(answer: &[u8]) -> Option<(u16, Option<usize>, &[u8])> {
    let end = answer.windows(4).take(HEAD_BYTES_MAX).position(|bytes| bytes == b"\r\n\r\n")?;
    let mut lines = std::str::from_utf8(&answer[..end]).ok()?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse().ok() } else { None }
    });
    Some((status, length, &answer[end + 4..]))
}
