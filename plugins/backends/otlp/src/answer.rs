//! What a server says of a request that it has answered with success: it may have taken only a part of it.
//!
//! The answer is a message in protocol buffers, or, from servers that care less for what they were asked in, in JSON. A
//! gateway from gRPC says how it went in a header or trailer.

use saker_sdk::WriteError;
use saker_sdk::bodies::BodyOutcome;
use saker_sdk::encode::protobuf::{Value, next_field};
use saker_sdk::http::{Response, Rest};
use saker_sdk::settings::serde_json;

/// How it went, to a gateway from gRPC; 0 is well.
const GRPC_STATUS: &str = "grpc-status";
/// The headers that are read.
pub(crate) const HEADERS: &[&str] = &[GRPC_STATUS, "grpc-message"];

/// What an answer means for a request of so many points, and what the log is to have of it.
pub(crate) fn taken(
    response: &Response,
    rest: &Rest,
    points: usize,
) -> Result<(BodyOutcome, Option<String>), WriteError> {
    if let Some(status) = rest.header(GRPC_STATUS).filter(|status| *status != "0") {
        let words = rest.header("grpc-message").unwrap_or_default();
        return Err(response.again(&format!("gRPC status {status} {words}: ")));
    }
    let partial = match serde_json::from_slice(rest.bytes()) {
        Ok(serde_json::Value::Object(answer)) => json(&answer).ok_or_else(|| response.again("an error: "))?,
        _ => protobuf(rest.bytes()),
    };
    Ok(partial.taken(points))
}

/// What of a request was not taken. A number that makes no sense is more than all.
#[derive(Default)]
pub(crate) struct Partial {
    rejected: u64,
    message: String,
}

impl Partial {
    pub(crate) fn taken(self, points: usize) -> (BodyOutcome, Option<String>) {
        let rejected = usize::try_from(self.rejected).unwrap_or(points).min(points);
        let message = self.message;
        let words = (!message.is_empty() || rejected > 0).then(|| format!("{rejected} points rejected: {message}"));
        if rejected == 0 {
            return (BodyOutcome::All, words);
        }
        (BodyOutcome::Some { rejected: Vec::new(), again: Vec::new(), lost: rejected, message }, words)
    }
}

pub(crate) fn protobuf(mut answer: &[u8]) -> Partial {
    let mut partial = Partial::default();
    while let Some((field, value)) = next_field(&mut answer) {
        let (1, Value::Bytes(mut bytes)) = (field, value) else { continue };
        while let Some(field) = next_field(&mut bytes) {
            match field {
                (1, Value::Number(number)) => partial.rejected = number,
                (2, Value::Bytes(text)) => partial.message = String::from_utf8_lossy(text).into_owned(),
                _ => {}
            }
        }
    }
    partial
}

/// None if it is the form of an error. Numbers of 64 bits are texts in this form.
fn json(answer: &serde_json::Map<String, serde_json::Value>) -> Option<Partial> {
    let get = |value: &serde_json::Value, names: [&str; 2]| names.into_iter().find_map(|name| value.get(name).cloned());
    let Some(said) = ["partialSuccess", "partial_success"].into_iter().find_map(|name| answer.get(name)) else {
        return (!answer.contains_key("code") && !answer.contains_key("error")).then(Partial::default);
    };
    let rejected = match get(said, ["rejectedDataPoints", "rejected_data_points"]) {
        None | Some(serde_json::Value::Null) => 0,
        Some(serde_json::Value::String(text)) => text.parse().unwrap_or(u64::MAX),
        Some(number) => number.as_u64().unwrap_or(u64::MAX),
    };
    let message = get(said, ["errorMessage", "error_message"]).and_then(|text| text.as_str().map(str::to_owned));
    Some(Partial { rejected, message: message.unwrap_or_default() })
}
