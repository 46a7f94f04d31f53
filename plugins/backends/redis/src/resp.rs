//! Redis' protocol, version 2: bytes in, bytes out. <https://redis.io/docs/latest/develop/reference/protocol-spec/>
//!
//! Every command is an array of bulk strings. Of the answers only those are read that the commands of this backend can
//! get: strings, numbers and errors, no arrays.

use saker_sdk::encode::push_i64;

/// The longest line of an answer, in bytes: an error quotes what it is about, a key at most.
const LINE_MAX: usize = 64 << 10;
/// What is said where a server answers that there is nothing.
const NOTHING: &str = "nothing was written (the server's answer is nil)";
/// The longest string in an answer, in bytes. The identifier of an entry has at most 41.
const BULK_MAX: usize = 4 << 10;

/// What became of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It was carried out.
    Done,
    /// It was not: the server's words, which begin with a code such as `OOM`.
    Error(String),
}

/// Appends one command.
pub(crate) fn push_command(out: &mut Vec<u8>, words: &[&[u8]]) {
    push_count(out, words.len());
    words.iter().for_each(|word| push_bulk(out, word));
}

/// Appends the beginning of a command with so many words, its name among them.
pub(crate) fn push_count(out: &mut Vec<u8>, words: usize) {
    push_prefix(out, b'*', words);
}

/// Appends one word of a command.
pub(crate) fn push_bulk(out: &mut Vec<u8>, word: &[u8]) {
    push_prefix(out, b'$', word.len());
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

fn push_prefix(out: &mut Vec<u8>, kind: u8, number: usize) {
    out.push(kind);
    push_i64(out, number as i64);
    out.extend_from_slice(b"\r\n");
}

/// Answers, cut out of what has arrived.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    bytes: Vec<u8>,
    read: usize,
}

impl Replies {
    /// Where the next bytes that arrive are to be appended.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.read);
        self.read = 0;
        &mut self.bytes
    }

    /// The next answer, if it is there whole; an error tells what came instead of one.
    pub(crate) fn next(&mut self) -> Result<Option<Reply>, String> {
        let rest = &self.bytes[self.read..];
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else {
            let is_fine = rest.len() <= LINE_MAX && rest.first().is_none_or(|kind| b"+-:$".contains(kind));
            return if is_fine { Ok(None) } else { Err(no_answer(rest)) };
        };
        let mut length = end + 2;
        let text = &rest[1..end];
        let reply = match rest[0] {
            b'+' | b':' => Reply::Done,
            b'-' => Reply::Error(String::from_utf8_lossy(text).into_owned()),
            b'$' => match std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok()) {
                // No command of this backend has this for an answer where it has done something.
                Some(-1) => Reply::Error(NOTHING.into()),
                Some(bytes @ 0..) if bytes as usize <= BULK_MAX => {
                    length += bytes as usize + 2;
                    Reply::Done
                }
                _ => return Err(no_answer(rest)),
            },
            _ => return Err(no_answer(rest)),
        };
        if rest.len() < length {
            return Ok(None);
        }
        self.read += length;
        Ok(Some(reply))
    }
}

fn no_answer(bytes: &[u8]) -> String {
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
    format!("{start:?} is no answer of Redis'; is another server listening there?")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(bytes: &[u8]) -> Replies {
        let mut replies = Replies::default();
        replies.buffer().extend_from_slice(bytes);
        replies
    }

    #[test]
    fn a_command_is_an_array_of_strings_with_their_lengths() {
        let mut out = Vec::new();
        push_command(&mut out, &[b"XADD", "k\u{e9}\r\n".as_bytes(), b""]);
        assert_eq!(out, b"*3\r\n$4\r\nXADD\r\n$5\r\nk\xc3\xa9\r\n\r\n$0\r\n\r\n");
    }

    #[test]
    fn answers_are_cut_out_wherever_they_are_torn() {
        let bytes = b"+OK\r\n$15\r\n1526919030474-0\r\n:3\r\n-OOM command not allowed\r\n$-1\r\n";
        let error = |text: &str| Reply::Error(text.into());
        let expected = [Reply::Done, Reply::Done, Reply::Done, error("OOM command not allowed"), error(NOTHING)];
        for size in 1..bytes.len() {
            let mut replies = Replies::default();
            let mut found = Vec::new();
            for piece in bytes.chunks(size) {
                replies.buffer().extend_from_slice(piece);
                while let Some(reply) = replies.next().unwrap() {
                    found.push(reply);
                }
            }
            assert_eq!(found, expected, "in pieces of {size}");
            assert_eq!(replies.buffer().len(), 0);
        }
    }

    #[test]
    fn what_is_no_answer_of_redis_is_quoted() {
        for bytes in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"HTTP", b"$x\r\n", b"$-2\r\n", b"$99999999\r\n", b"*1\r\n"]
        {
            let error = replies(bytes).next().unwrap_err();
            assert!(error.contains("is no answer of Redis'"), "{error}");
        }
        let mut endless = replies(b"-");
        endless.buffer().resize(LINE_MAX + 2, b'x');
        assert!(endless.next().is_err());
    }
}
