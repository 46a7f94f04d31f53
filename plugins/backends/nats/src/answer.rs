//! What the answers to messages mean for their points.

use saker_sdk::settings::serde_json::{Value, from_slice};

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MessageOutcome {
    /// A stream has it, perhaps since an earlier time.
    Stored,
    /// No stream takes its subject.
    Nobody,
    /// The stream will never take it: why.
    Rejected(String),
    /// Not now, or not before the operator has mended something: what happened, and what helps.
    Wait(String),
}

/// The status that a server gives where nobody has subscribed.
const NO_RESPONDERS: u16 = 503;

/// Sorts the answer to a message. `stream` is the one that has to take it.
pub(crate) fn answer(status: Option<u16>, payload: &[u8], stream: &str) -> MessageOutcome {
    match status {
        Some(NO_RESPONDERS) => return MessageOutcome::Nobody,
        Some(other) => return MessageOutcome::Wait(format!("status {other}")),
        None => {}
    }
    if is_plain(payload) {
        return MessageOutcome::Stored;
    }
    let Ok(value) = from_slice::<Value>(payload) else {
        return MessageOutcome::Wait(format!("{:?} is no answer of a stream", String::from_utf8_lossy(payload)));
    };
    match error(&value) {
        // Places begin at 1.
        None if value["seq"].as_u64().is_some_and(|place| place > 0) => MessageOutcome::Stored,
        None => MessageOutcome::Wait(format!("{value} is no answer of a stream")),
        // "message size exceeds maximum allowed"
        Some((10054, text)) => MessageOutcome::Rejected(text),
        // "expected stream does not match"
        Some((10060, text)) => MessageOutcome::Wait(format!("{text} (another stream than {stream} takes the subject)")),
        // "maximum messages exceeded", and the like for bytes
        Some((10077, text)) => {
            MessageOutcome::Wait(format!("{text} (stream {stream} is full and keeps what it has; raise its limits)"))
        }
        Some((_, text)) => MessageOutcome::Wait(text),
    }
}

/// Most answers by far: `{"stream":"saker", "seq":1}`, or without the blank. A stream's name holds no quotation mark.
fn is_plain(payload: &[u8]) -> bool {
    let Some(rest) = payload.strip_prefix(b"{\"stream\":\"") else { return false };
    let Some(end) = rest.iter().position(|&byte| byte == b'"') else { return false };
    let rest = rest[end + 1..].strip_prefix(b",").map(<[u8]>::trim_ascii_start);
    let place = rest.and_then(|rest| rest.strip_prefix(b"\"seq\":")).and_then(|place| place.strip_suffix(b"}"));
    place.is_some_and(|place| matches!(place, [b'1'..=b'9', ..]) && place.iter().all(u8::is_ascii_digit))
}

/// The number and the text of an error in an answer of JetStream.
pub(crate) fn error(value: &Value) -> Option<(u64, String)> {
    let error = value.get("error")?;
    let text = error["description"].as_str().unwrap_or("an error without a description");
    Some((error["err_code"].as_u64().unwrap_or(0), text.to_owned()))
}

/// What a server's own words mean: they end the connection, or tell that a message was thrown away.
pub(crate) fn complaint(text: &str) -> String {
    let cure = match text {
        _ if text.starts_with("Authorization") => " (username, password or token are missing or wrong)",
        _ if text.starts_with("Permissions Violation") => " (the user may not do that)",
        _ => "",
    };
    format!("{text}{cure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(payload: &str) -> MessageOutcome {
        answer(None, payload.as_bytes(), "saker")
    }

    fn failed(code: u32, text: &str) -> MessageOutcome {
        sorted(&format!(
            r#"{{"error":{{"code":400,"err_code":{code},"description":"{text}"}},"stream":"saker","seq":0}}"#
        ))
    }

    #[test]
    fn an_answer_with_a_place_in_the_stream_is_an_acknowledgement() {
        assert_eq!(sorted(r#"{"stream":"saker", "seq":1}"#), MessageOutcome::Stored);
        assert_eq!(sorted(r#"{"stream":"saker","seq":1234567890}"#), MessageOutcome::Stored);
        assert_eq!(sorted(r#"{"stream":"saker", "seq":1,"duplicate": true}"#), MessageOutcome::Stored);
        assert_eq!(sorted(r#"{"domain":"hub","seq":9,"stream":"error"}"#), MessageOutcome::Stored);
    }

    #[test]
    fn jetstream_says_an_error_in_its_acknowledgement() {
        assert_eq!(
            failed(10054, "message size exceeds maximum allowed"),
            MessageOutcome::Rejected("message size exceeds maximum allowed".into())
        );
        for (code, text, cure) in [
            (10060, "expected stream does not match", "another stream than saker takes the subject"),
            (10077, "maximum messages exceeded", "stream saker is full"),
            (10023, "insufficient resources", "insufficient"),
        ] {
            let MessageOutcome::Wait(message) = failed(code, text) else { panic!("{text}") };
            assert!(message.starts_with(text) && message.contains(cure), "{message}");
        }
        for payload in [
            "",
            "hello",
            "{}",
            r#"{"stream":"saker","error":{}}"#,
            r#"{"stream":"saker"}"#,
            r#"{"stream":"saker","seq":0}"#,
            r#"{"stream":"saker","seq":null}"#,
            r#"{"stream":"saker","seq":1"#,
            r#"{"stream":"saker","seq":1,"error":{"code":503}}"#,
        ] {
            assert!(matches!(sorted(payload), MessageOutcome::Wait(_)), "{payload}");
        }
        assert_eq!(answer(Some(503), b"", "saker"), MessageOutcome::Nobody);
        assert!(matches!(answer(Some(408), b"", "saker"), MessageOutcome::Wait(_)));
    }

    #[test]
    fn a_servers_complaint_says_what_helps() {
        assert!(complaint("Authorization Violation").ends_with("are missing or wrong)"));
        assert_eq!(complaint("Stale Connection"), "Stale Connection");
    }
}
