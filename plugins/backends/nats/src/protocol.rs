//! What a NATS server says: bytes in, operations out. <https://docs.nats.io/reference/reference-protocols/nats-protocol>

use saker_sdk::settings::serde_json::{Map, Value, from_slice};

/// The longest line that a server sends, in bytes: its greeting lists the cluster's addresses.
const LINE_MAX: usize = 64 << 10;
/// The longest message that a server sends to this backend, in bytes: the answer to a question about a stream.
const MESSAGE_MAX: usize = 1 << 20;

/// One operation of a server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operation {
    /// The greeting, and what follows when the cluster changes.
    Info(Map<String, Value>),
    /// A message to a subject that was subscribed to.
    Message {
        /// What follows the subject's last dot, if it is a number.
        number: Option<u64>,
        /// The status in its headers, such as 503 where nobody listens.
        status: Option<u16>,
        /// What it holds.
        payload: Vec<u8>,
    },
    /// The server wants a `PONG`.
    Ping,
    /// The answer to a `PING`.
    Pong,
    /// What is wrong, in the server's words.
    Error(String),
    /// Nothing that matters.
    Ok,
}

/// Operations, cut out of what has arrived.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    bytes: Vec<u8>,
    read: usize,
}

impl Incoming {
    /// Where the next bytes that arrive are to be appended.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.read);
        self.read = 0;
        &mut self.bytes
    }

    /// The next operation, if it is there whole; an error tells what came instead of one.
    pub(crate) fn next(&mut self) -> Result<Option<Operation>, String> {
        let rest = &self.bytes[self.read..];
        let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
            return if rest.len() <= LINE_MAX { Ok(None) } else { Err(unknown(rest)) };
        };
        let line = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
        let Some((operation, length)) = parse(line, &rest[end + 1..]).ok_or_else(|| unknown(rest))? else {
            return Ok(None);
        };
        self.read += end + 1 + length;
        Ok(Some(operation))
    }
}

/// Reads one operation, and how many bytes of `after` belong to it; `Some(None)` if they are not all there.
fn parse(line: &[u8], after: &[u8]) -> Option<Option<(Operation, usize)>> {
    let line = std::str::from_utf8(line).ok()?;
    let (name, arguments) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let operation = match name {
        "MSG" | "HMSG" => return message(name == "HMSG", arguments, after),
        "INFO" => match from_slice(arguments.as_bytes()).ok()? {
            Value::Object(info) => Operation::Info(info),
            _ => return None,
        },
        "PING" => Operation::Ping,
        "PONG" => Operation::Pong,
        "+OK" => Operation::Ok,
        "-ERR" => Operation::Error(arguments.trim().trim_matches('\'').to_owned()),
        _ => return None,
    };
    Some(Some((operation, 0)))
}

/// `subject sid [reply] [header bytes] bytes`, then the headers and the message, then the end of a line.
fn message(has_headers: bool, arguments: &str, after: &[u8]) -> Option<Option<(Operation, usize)>> {
    let words: Vec<&str> = arguments.split_ascii_whitespace().collect();
    let (subject, sizes) = match (has_headers, words.as_slice()) {
        (false, [subject, _, size] | [subject, _, _, size]) => (subject, ("0", *size)),
        (true, [subject, _, head, size] | [subject, _, _, head, size]) => (subject, (*head, *size)),
        _ => return None,
    };
    let (head, size): (usize, usize) = (sizes.0.parse().ok()?, sizes.1.parse().ok()?);
    if size > MESSAGE_MAX || head > size {
        return None;
    }
    if after.len() < size + 2 {
        return Some(None);
    }
    if &after[size..size + 2] != b"\r\n" {
        return None;
    }
    // `NATS/1.0 503 No Responders`, if the headers have a status.
    let status = after[..head].get(9..12).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
    let number = subject.rsplit_once('.').and_then(|(_, token)| token.parse().ok());
    Some(Some((Operation::Message { number, status, payload: after[head..size].to_vec() }, size + 2)))
}

fn unknown(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    format!("{start:?} is nothing that NATS says; is another server listening there?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Result<Vec<Operation>, String> {
        let mut incoming = Incoming::default();
        let mut found = Vec::new();
        for piece in pieces {
            incoming.buffer().extend_from_slice(piece);
            while let Some(operation) = incoming.next()? {
                found.push(operation);
            }
        }
        Ok(found)
    }

    #[test]
    fn operations_are_cut_out_wherever_they_are_torn() {
        let bytes = b"INFO {\"max_payload\":1048576} \r\nPING\r\nPONG\r\n+OK\r\n-ERR 'Authorization Violation'\r\n\
            MSG _INBOX.a.12 1  27\r\n{\"stream\":\"saker\", \"seq\":1}\r\n\
            HMSG _INBOX.a.2 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n\
            HMSG _INBOX.a.3 1 back 18 20\r\nNATS/1.0\r\nA: b\r\n\r\nhi\r\n";
        let message = |number, status, payload: &[u8]| Operation::Message {
            number: Some(number),
            status,
            payload: payload.into(),
        };
        let mut info = Map::new();
        info.insert("max_payload".into(), 1_048_576.into());
        let expected = [
            Operation::Info(info),
            Operation::Ping,
            Operation::Pong,
            Operation::Ok,
            Operation::Error("Authorization Violation".into()),
            message(12, None, b"{\"stream\":\"saker\", \"seq\":1}"),
            message(2, Some(503), b""),
            message(3, None, b"hi"),
        ];
        for size in 1..bytes.len() {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(all(&pieces).unwrap(), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn what_nats_does_not_say_is_quoted() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"INFO [1]\r\n",
            b"MSG a\r\n",
            b"MSG a 1 x\r\n",
            b"MSG a 1 99999999\r\n",
            b"HMSG a 1 5 4\r\nabcd\r\n",
            b"MSG a 1 1\r\nabc",
            &[b'x'; LINE_MAX + 1],
        ] {
            let error = all(&[bytes]).unwrap_err();
            assert!(error.contains("is nothing that NATS says"), "{error}");
        }
    }
}
