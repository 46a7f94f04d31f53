//! What an answer of `/api/put?details` means for the points of the request.
//!
//! OpenTSDB's `PutDataPointRpc` answers 200 or 400 with `{"success":…,"failed":…,"errors":[{"datapoint":{…},"error":…}]}`:
//! 400 if there are points that it cannot take, 200 also if storing some has failed. Others, such as VictoriaMetrics, answer
//! 204, or 400 in words of their own.

use saker_sdk::http::Response;
use saker_sdk::prelude::*;
use saker_sdk::settings::serde_json::{self, Value};

use crate::put::Placed;

/// Why OpenTSDB could not store a point that it would take another time: its storage is busy, slow or away. Every other
/// error is the point's own.
const FOR_NOW: [&str; 5] =
    ["Storage exception", "Please throttle", "Timeout exception", "Write timedout", "Unexpected exception"];

/// What OpenTSDB 2 answers to a request of more than 8 KiB, or than its `tsd.http.request.max_chunk`.
const TOO_LARGE: [&str; 2] = ["Chunked request not supported", "HTTP content length exceeded"];

#[derive(Debug, PartialEq)]
pub(crate) enum PutAnswer {
    /// All points are taken.
    Stored,
    /// Those at these places of the request are not, the others are.
    Partly {
        /// Never will be.
        rejected: Vec<usize>,
        /// May be the next time.
        failed: Vec<usize>,
        /// The first error.
        why: String,
    },
    /// Some or all of them are not, for this reason.
    Unclear(String),
    /// None of them is: the server takes no such request.
    TooLarge(String),
}

/// Reads an answer. `is_of` says whether a point is the one with this metric, sorted tags and time.
///
/// # Errors
/// [`WriteError::Retry`] if nothing of the request was looked at.
pub(crate) fn read(
    response: &Response,
    body: &[u8],
    points: &[Placed],
    is_of: impl Fn(&Point, &str, &[(&str, &str)], i64) -> bool,
) -> Result<PutAnswer, WriteError> {
    let words = format!("{} {}", response.status, response.body.trim());
    if response.status == 413 || TOO_LARGE.iter().any(|text| response.body.contains(text)) {
        let instead = "lower max_body_bytes, or let the server take more (tsd.http.request.enable_chunked, max_chunk)";
        return Ok(PutAnswer::TooLarge(format!("the request is too large for the server: {words}; {instead}")));
    }
    match response.status {
        200..=299 | 400 => {}
        409 | 415 | 422 => return Ok(PutAnswer::Unclear(words)),
        _ => return response.written().map(|()| PutAnswer::Stored),
    }
    let is_success = response.status != 400;
    // A long answer is cut off, and then cannot be read.
    let details: Option<Value> = serde_json::from_slice(body).ok();
    let Some(failed) = details.as_ref().and_then(not_stored) else {
        return if is_success { without_details(response, details.as_ref()) } else { Ok(PutAnswer::Unclear(words)) };
    };
    if failed == 0 && is_success {
        let stored = details.as_ref().and_then(|details| details["success"].as_u64());
        return match stored.filter(|stored| *stored < points.len() as u64) {
            Some(stored) => Err(response.again(&format!("{stored} of {} points stored: ", points.len()))),
            None => Ok(PutAnswer::Stored),
        };
    }
    let errors = details.as_ref().and_then(|details| details["errors"].as_array()).map_or(&[][..], Vec::as_slice);
    match sort(errors, failed, points, is_of) {
        Some(answer) => Ok(answer),
        // It was the storage that failed, and nothing is wrong with the point.
        None if is_success && points.len() == 1 => Err(response.again("")),
        None => Ok(PutAnswer::Unclear(words)),
    }
}

/// A success of which nothing more can be read: others than OpenTSDB say nothing, and what is JSON ought to be details.
fn without_details(response: &Response, details: Option<&Value>) -> Result<PutAnswer, WriteError> {
    let is_error = match details {
        Some(details) => details.get("error").is_some(),
        None => response.body.trim_start().starts_with(['{', '[']),
    };
    if is_error {
        return Err(response.again("an answer that is none to put: "));
    }
    response.written().map(|()| PutAnswer::Stored)
}

/// How many points an answer says were not stored.
fn not_stored(details: &Value) -> Option<u64> {
    let timeouts = details.get("timeouts").and_then(Value::as_u64).unwrap_or(0);
    Some(details.get("failed")?.as_u64()? + timeouts)
}

/// Finds the points that the errors are about; none if one cannot be found, or if there are fewer errors than failures.
fn sort(
    errors: &[Value],
    count: u64,
    points: &[Placed],
    is_of: impl Fn(&Point, &str, &[(&str, &str)], i64) -> bool,
) -> Option<PutAnswer> {
    if (errors.len() as u64) < count {
        return None;
    }
    let (mut rejected, mut failed, mut why) = (Vec::new(), Vec::new(), String::new());
    for error in errors {
        let text = error["error"].as_str()?;
        let datapoint = &error["datapoint"];
        let (metric, timestamp) = (datapoint["metric"].as_str()?, datapoint["timestamp"].as_i64()?);
        // Sorted by key, as they were sent.
        let tags = datapoint["tags"].as_object()?;
        let mut tags: Vec<_> =
            tags.iter().map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect::<Option<_>>()?;
        tags.sort_unstable();
        let before = rejected.len() + failed.len();
        let list = if FOR_NOW.iter().any(|start| text.starts_with(start)) { &mut failed } else { &mut rejected };
        for (index, (_, point)) in points.iter().enumerate() {
            if is_of(point, metric, &tags, timestamp) {
                list.push(index);
            }
        }
        if rejected.len() + failed.len() == before {
            return None;
        }
        if why.is_empty() {
            why = format!("{metric}: {text}");
        }
    }
    Some(PutAnswer::Partly { rejected, failed, why })
}
