//! Bodies: counted against a limit and a clock as they arrive, charged to memory before they are kept.

mod arriving;
mod gunzip;

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;

pub use arriving::BodyError;
pub(crate) use arriving::IncomingBody;
pub use gunzip::{GunzipError, gunzip};

use crate::stats::{ReasonLabel, Rejection};
use crate::{ApiError, RequestInfo};

/// Memory for a body before more of it is there.
const FIRST_BYTES_MAX: usize = 64 << 10;
/// When to come again if memory is short.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What a body's memory is charged to, as long as it is kept. It gives back what it holds when it is dropped.
pub trait BodyMeter: Send + 'static {
    /// Charges so many bytes more.
    ///
    /// # Errors
    /// If they are not to be had; then nothing more is read.
    fn grow(&mut self, bytes: usize) -> Result<(), MemoryShortage>;
}

/// Why there is no memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryShortage {
    /// Others use it.
    Now,
    /// There is not so much in all.
    Ever,
}

impl RequestInfo {
    /// The answer to who has no memory.
    #[must_use]
    pub fn no_memory(&self, short: MemoryShortage) -> ApiError {
        match short {
            MemoryShortage::Ever => {
                self.stats.rejected.add(Rejection::TooLarge);
                let message = "the body and what is in it need more than all of the agent's memory for points; send less at once, or raise pipeline.max_in_flight_bytes";
                ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
            }
            MemoryShortage::Now => {
                self.stats.rejected.add(Rejection::NoMemory);
                let message = "the agent's memory for points on their way is in use; try again in 1 s";
                ApiError::new(StatusCode::TOO_MANY_REQUESTS, message)
                    .after(RETRY_AFTER)
                    .because(Rejection::NoMemory.as_str())
            }
        }
    }
}

/// The answer to a body that is larger than bodies may be.
pub(crate) fn too_large(limit: usize) -> ApiError {
    let message = format!("the body has more than {limit} bytes; send less at once, or raise listen.max_body_bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// The whole body, unpacked if it is packed, with the meter that it is charged to.
///
/// # Errors
/// If it is too large, too slow or broken, if it is packed in an unknown way, or if there is no memory for it.
pub async fn read<M: BodyMeter>(
    visit: &RequestInfo,
    headers: &HeaderMap,
    body: Body,
    mut meter: M,
) -> Result<(Bytes, M), ApiError> {
    let encoding = headers.get(header::CONTENT_ENCODING).map_or(&b""[..], |value| value.as_bytes());
    let packed = match encoding {
        b"" | b"identity" => false,
        b"gzip" | b"x-gzip" => true,
        _ => {
            let message = "content-encoding must be gzip or identity";
            return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
        }
    };
    let arrived = whole(visit, body, &mut meter).await?;
    if !packed {
        return Ok((arrived, meter));
    }
    let limit = visit.settings.limits.max_body_bytes;
    let unpacking = tokio::task::spawn_blocking(move || {
        let unpacked = gunzip(&arrived, limit, &mut |bytes| meter.grow(bytes));
        (unpacked, meter)
    });
    let failed = |error: tokio::task::JoinError| ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let (unpacked, meter) = unpacking.await.map_err(failed)?;
    match unpacked {
        Ok(unpacked) => Ok((unpacked.into(), meter)),
        Err(GunzipError::NoMemory(short)) => Err(visit.no_memory(short)),
        Err(error @ GunzipError::TooLarge { .. }) => {
            visit.stats.rejected.add(Rejection::TooLarge);
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))
        }
        Err(error @ GunzipError::Broken(_)) => Err(ApiError::new(StatusCode::BAD_REQUEST, error.to_string())),
    }
}

async fn whole(visit: &RequestInfo, mut body: Body, meter: &mut impl BodyMeter) -> Result<Bytes, ApiError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let (mut first, mut whole) = (Bytes::new(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(in_words)?.into_data() else { continue };
        meter.grow(data.len()).map_err(|short| visit.no_memory(short))?;
        if first.is_empty() && whole.is_empty() {
            // Most bodies come in one piece, and need not be copied.
            first = data;
            continue;
        }
        if whole.is_empty() {
            whole.reserve(announced.min(FIRST_BYTES_MAX));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        whole.extend_from_slice(&data);
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
}

fn in_words(error: axum::Error) -> ApiError {
    let error = error.into_inner();
    match error.downcast_ref::<BodyError>() {
        Some(BodyError::TooLarge { limit }) => too_large(*limit),
        Some(late @ (BodyError::Stalled { .. } | BodyError::Late { .. })) => {
            ApiError::new(StatusCode::REQUEST_TIMEOUT, late.to_string())
        }
        _ => ApiError::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}")),
    }
}

#[cfg(test)]
mod tests;
