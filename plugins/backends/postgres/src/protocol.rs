//! PostgreSQL's protocol, version 3: bytes in, messages out, and the messages that this backend sends.
//! <https://www.postgresql.org/docs/current/protocol-message-formats.html>

/// The longest message that a server sends to this backend, in bytes: an error with its context.
const MESSAGE_MAX: usize = 1 << 20;

/// One message of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerMessage {
    /// What the server wants for a login: the kind, and what belongs to it.
    Authentication(u32, Vec<u8>),
    /// The columns of one row; none for NULL.
    Row(Vec<Option<Vec<u8>>>),
    /// The server is ready for the rows of a `COPY`.
    CopyIn,
    /// It is ready for the next question; a transaction may still be open.
    Ready {
        /// Whether none is.
        is_idle: bool,
    },
    /// A statement is done: what it calls itself, such as `COMMIT`.
    Done(String),
    /// A question has failed.
    Error(ServerError),
    /// Nothing that matters: notices, settings.
    Other,
}

/// What an error says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServerError {
    /// Five letters and digits that stay the same in every language.
    pub(crate) code: String,
    /// The server's words.
    pub(crate) message: String,
    /// More of them.
    pub(crate) detail: String,
    /// Where it happened, such as `COPY metrics, line 3, column value`.
    pub(crate) context: String,
}

impl ServerError {
    /// Of a transaction that has ended without an error, but not with COMMIT.
    pub(crate) fn not_committed(last: &str) -> Self {
        let message = format!("the transaction was not committed; it ended with {last:?}");
        Self { message, code: "40000".into(), ..Self::default() }
    }
}

/// Messages, cut out of what has arrived.
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

    /// The next message, if it is there whole; an error tells what came instead of one.
    pub(crate) fn next(&mut self) -> Result<Option<ServerMessage>, String> {
        let rest = &self.bytes[self.read..];
        let Some((head, after)) = rest.split_first_chunk::<5>() else { return Ok(None) };
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..=MESSAGE_MAX).contains(&length) {
            return Err(unknown(rest));
        }
        let Some(body) = after.get(..length - 4) else { return Ok(None) };
        let message = parse(head[0], body).ok_or_else(|| unknown(rest))?;
        self.read += length + 1;
        Ok(Some(message))
    }
}

fn parse(kind: u8, body: &[u8]) -> Option<ServerMessage> {
    Some(match kind {
        b'R' => {
            let (kind, rest) = body.split_first_chunk()?;
            ServerMessage::Authentication(u32::from_be_bytes(*kind), rest.to_vec())
        }
        b'D' => ServerMessage::Row(row(body)?),
        b'G' => ServerMessage::CopyIn,
        b'Z' => ServerMessage::Ready { is_idle: body == b"I" },
        b'C' => ServerMessage::Done(String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(body)).into_owned()),
        b'E' => ServerMessage::Error(failure(body)),
        // Settings, the key for cancelling, notices, notifications, columns, an empty question.
        b'S' | b'K' | b'N' | b'A' | b'T' | b'I' | b'v' => ServerMessage::Other,
        _ => return None,
    })
}

fn row(body: &[u8]) -> Option<Vec<Option<Vec<u8>>>> {
    let (count, mut rest) = body.split_first_chunk()?;
    (0..u16::from_be_bytes(*count))
        .map(|_| {
            let (length, after) = rest.split_first_chunk()?;
            let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) else {
                rest = after;
                return Some(None);
            };
            let column = after.get(..length)?;
            rest = &after[length..];
            Some(Some(column.to_vec()))
        })
        .collect()
}

/// Fields, each a letter and a text that a zero ends.
fn failure(body: &[u8]) -> ServerError {
    let mut failure = ServerError::default();
    for field in body.split(|&byte| byte == 0) {
        let Some((&kind, text)) = field.split_first() else { continue };
        let text = String::from_utf8_lossy(text).into_owned();
        match kind {
            b'C' => failure.code = text,
            b'M' => failure.message = text,
            b'D' => failure.detail = text,
            b'W' => failure.context = text,
            _ => {}
        }
    }
    failure
}

fn unknown(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    format!("{start:?} is nothing that PostgreSQL says; is another server listening there?")
}

/// The first message of all: version 3.0, and settings of the session.
pub(crate) fn startup(settings: &[(&str, &str)]) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    for (name, value) in settings {
        push_text(&mut body, name);
        push_text(&mut body, value);
    }
    body.push(0);
    let mut message = (body.len() as u32 + 4).to_be_bytes().to_vec();
    message.extend(body);
    message
}

/// A password, or any part of a login.
pub(crate) fn password(bytes: &[u8]) -> Vec<u8> {
    message(b'p', bytes)
}

/// The first part of a login by SCRAM: which one, and its message.
pub(crate) fn sasl_first(mechanism: &str, first: &str) -> Vec<u8> {
    let mut body = Vec::new();
    push_text(&mut body, mechanism);
    body.extend_from_slice(&(first.len() as u32).to_be_bytes());
    body.extend_from_slice(first.as_bytes());
    message(b'p', &body)
}

/// Statements, one after the other, each of them only if those before went well.
pub(crate) fn query(sql: &str) -> Vec<u8> {
    let mut body = Vec::new();
    push_text(&mut body, sql);
    message(b'Q', &body)
}

/// The end of a `COPY`.
pub(crate) fn copy_done() -> Vec<u8> {
    message(b'c', &[])
}

/// Begins a message with rows of a `COPY`; [`end_copy_data`] says how long it has become.
pub(crate) fn begin_copy_data(out: &mut Vec<u8>) -> usize {
    out.extend_from_slice(b"d\0\0\0\0");
    out.len() - 4
}

/// Ends the message that began there.
pub(crate) fn end_copy_data(out: &mut [u8], began: usize) {
    let length = (out.len() - began) as u32;
    out[began..began + 4].copy_from_slice(&length.to_be_bytes());
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    message.extend_from_slice(body);
    message
}

/// A text that a zero ends. It cannot hold one, which settings and names are checked for.
fn push_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Result<Vec<ServerMessage>, String> {
        let mut incoming = Incoming::default();
        let mut found = Vec::new();
        for piece in pieces {
            incoming.buffer().extend_from_slice(piece);
            while let Some(message) = incoming.next()? {
                found.push(message);
            }
        }
        Ok(found)
    }

    #[test]
    fn messages_are_cut_out_wherever_they_are_torn() {
        let mut bytes = message(b'R', &[0, 0, 0, 5, 1, 2, 3, 4]);
        bytes.extend(message(b'S', b"TimeZone\0UTC\0"));
        bytes.extend(message(b'D', b"\0\x02\0\0\0\x02ab\xff\xff\xff\xff"));
        bytes.extend(message(b'G', &[1, 0, 0]));
        bytes.extend(message(b'E', b"SERROR\0C23505\0Mbad\0DKey\0WCOPY metrics, line 3\0\0"));
        bytes.extend(message(b'C', b"COPY 5\0"));
        bytes.extend(message(b'Z', b"I"));
        bytes.extend(message(b'Z', b"E"));
        let failure = ServerError {
            code: "23505".into(),
            message: "bad".into(),
            detail: "Key".into(),
            context: "COPY metrics, line 3".into(),
        };
        let expected = [
            ServerMessage::Authentication(5, vec![1, 2, 3, 4]),
            ServerMessage::Other,
            ServerMessage::Row(vec![Some(b"ab".to_vec()), None]),
            ServerMessage::CopyIn,
            ServerMessage::Error(failure),
            ServerMessage::Done("COPY 5".into()),
            ServerMessage::Ready { is_idle: true },
            ServerMessage::Ready { is_idle: false },
        ];
        for size in 1..bytes.len() {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(all(&pieces).unwrap(), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn what_postgresql_does_not_say_is_quoted() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"R\0\0\0\x03",
            b"R\0\0\0\x05x",
            b"x\0\0\0\x04",
            b"D\0\0\0\x07\0\x01\0",
            b"D\0\0\0\x0a\0\x01\0\0\0\x09",
        ] {
            let error = all(&[bytes]).unwrap_err();
            assert!(error.contains("is nothing that PostgreSQL says"), "{error}");
        }
    }

    #[test]
    fn what_is_sent_has_its_length_and_its_zeros() {
        assert_eq!(startup(&[("user", "u")]), b"\0\0\0\x10\0\x03\0\0user\0u\0\0");
        assert_eq!(query("BEGIN"), b"Q\0\0\0\x0aBEGIN\0");
        assert_eq!(sasl_first("S", "ab"), b"p\0\0\0\x0cS\0\0\0\0\x02ab");
        assert_eq!(copy_done(), b"c\0\0\0\x04");
        let mut out = b"before".to_vec();
        let began = begin_copy_data(&mut out);
        out.extend_from_slice(b"row");
        end_copy_data(&mut out, began);
        assert_eq!(out, b"befored\0\0\0\x07row");
    }
}
