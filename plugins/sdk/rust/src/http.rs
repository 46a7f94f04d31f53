//! Posting to a granted address through the agent, which pools connections, speaks TLS and checks the grant.

use std::num::NonZeroU16;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::backend::WriteError;
use crate::bindings::types::OpenError;

#[cfg(not(target_arch = "wasm32"))]
use crate::testing::http as transport;

/// How much of an answer is kept where it is only shown, in bytes.
const REASON_MAX: usize = 4096;

/// What is percent-encoded in the value of a query: all but what RFC 3986 calls unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Status, what `Retry-After` said, and the rest.
pub(crate) type HttpAnswer = (u16, Option<u32>, Rest);

/// Where requests go: a parsed `http://` or `https://` address, or a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The Unix socket that leads there, if one does.
    pub socket: Option<String>,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// `host` or `host:port`, as written; of a Unix socket its path in hexadecimal digits.
    pub authority: String,
    /// The path with its query, beginning with `/`.
    pub path: String,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// What `Retry-After` said, in seconds.
    pub retry_after_s: Option<u32>,
    /// The first bytes of the body, as text.
    pub body: String,
}

/// What an answer says beside its status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// The headers and trailers that were asked for, with small letters, the trailers last.
    pub(crate) headers: Vec<(String, String)>,
    /// The beginning of the body, as it is.
    pub(crate) bytes: Vec<u8>,
    /// Why the body has not come whole, if it has not.
    pub(crate) broke_off: Option<String>,
}

/// Why there was no answer, or none that is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpError {
    /// The address is not granted: `host:port`.
    Denied(String),
    /// The destination is away or broke off.
    Unavailable(String),
}

impl Target {
    /// Parses an address such as `http://127.0.0.1:8086/write?db=metrics`.
    ///
    /// # Errors
    /// [`OpenError::Settings`], saying what is wrong with it.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        // What stands in the address may be a secret: the message does not repeat it.
        let wrong = |what: &str| OpenError::Settings(format!("url: {what}; write http://host:port/path"));
        if !url.bytes().all(|byte| byte.is_ascii_graphic()) || url.contains('#') {
            return Err(wrong("a character that must be percent-encoded"));
        }
        let (tls, rest) = match url.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(wrong("neither http:// nor https://")),
        };
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) if rest[at..].starts_with('?') => (&rest[..at], format!("/{}", &rest[at..])),
            Some(at) => (&rest[..at], rest[at..].to_owned()),
            None => (rest, "/".to_owned()),
        };
        if let Some(what) = unusable(authority) {
            return Err(wrong(what));
        }
        Ok(Self { socket: None, tls, authority: authority.into(), path })
    }

    /// What a server serves over a Unix socket. `path` begins with `/`; it may have a query.
    #[must_use]
    pub fn unix(socket: &str, path: &str) -> Self {
        let authority = socket.bytes().flat_map(|byte| [byte >> 4, byte & 15]);
        let authority = authority.map(|digit| char::from_digit(digit.into(), 16).unwrap_or_default()).collect();
        Self { socket: Some(socket.into()), tls: false, authority, path: path.into() }
    }

    /// `host:port`, with the scheme's port where none is written: what a grant names. Of a Unix socket, its path.
    #[must_use]
    pub fn address(&self) -> String {
        if let Some(socket) = &self.socket {
            return socket.clone();
        }
        let bare_v6 = self.authority.ends_with(']');
        if self.authority.contains(':') && !bare_v6 {
            self.authority.clone()
        } else {
            format!("{}:{}", self.authority, if self.tls { 443 } else { 80 })
        }
    }

    /// The same target with `name=value` added to its query, the value percent-encoded.
    #[must_use]
    pub fn with_query(mut self, name: &str, value: &str) -> Self {
        self.path.push(if self.path.contains('?') { '&' } else { '?' });
        self.path.push_str(name);
        self.path.push('=');
        self.path.extend(utf8_percent_encode(value, ENCODED));
        self
    }

    /// Asks for what is there and waits for the answer. Keeps up to `most` bytes of it, as they are.
    ///
    /// # Errors
    /// As [`post`](Target::post).
    pub fn get(&self, headers: &[(&str, &str)], most: usize) -> Result<(Response, Rest), HttpError> {
        self.request("GET", headers, &[], most, &[])
    }

    /// Sends a request of any method and waits for the answer. Keeps what is enough of it for the server's reason.
    ///
    /// # Errors
    /// As [`post`](Target::post).
    pub fn send(&self, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response, HttpError> {
        self.request(method, headers, body, REASON_MAX, &[]).map(|(response, _)| response)
    }

    /// Posts `body` and waits for the answer. `headers` are name and value. Keeps what is enough of it for the server's
    /// reason.
    ///
    /// # Errors
    /// [`HttpError::Denied`] if the address is not granted, [`HttpError::Unavailable`] if there was no answer, or if it
    /// broke off that would have been the last word about what was sent.
    pub fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Result<Response, HttpError> {
        self.exchange(headers, body, REASON_MAX, &[]).map(|(response, _)| response)
    }

    /// As [`post`](Target::post), for an answer that is to be read: keeps up to `most` bytes of it, as they are, and the
    /// headers and trailers of these names, which are written with small letters. They come beside a response whose body
    /// is the beginning of the bytes as text.
    ///
    /// # Errors
    /// As [`post`](Target::post).
    pub fn exchange(
        &self,
        headers: &[(&str, &str)],
        body: &[u8],
        most: usize,
        names: &[&str],
    ) -> Result<(Response, Rest), HttpError> {
        self.request("POST", headers, body, most, names)
    }

    fn request(
        &self,
        method: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        most: usize,
        names: &[&str],
    ) -> Result<(Response, Rest), HttpError> {
        let (status, retry_after_s, rest) = transport::send(self, method, headers, body, most, names)?;
        let text = String::from_utf8_lossy(&rest.bytes[..rest.bytes.len().min(REASON_MAX)]).into_owned();
        let response = Response { status, retry_after_s, body: text };
        match &rest.broke_off {
            Some(why) if response.is_final() => {
                Err(HttpError::Unavailable(format!("{}: the answer broke off: {why}", response.words())))
            }
            _ => Ok((response, rest)),
        }
    }
}

impl Rest {
    /// What a header says, or a trailer of the same name, which has the last word.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().rev().find(|(there, _)| there == name).map(|(_, value)| value.as_str())
    }

    /// The beginning of the body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Response {
    /// What the answer means for the points that were sent: taken, to be tried again, or rejected for good.
    ///
    /// Rejected are 400, 409, 413, 415 and 422: the same bytes will never be taken. Everything else is worth another
    /// try, a missing password or database included, because an operator can mend that and lose nothing. So is a web
    /// page in place of an answer, whatever its status: a login or a proxy stands between.
    ///
    /// # Errors
    /// [`WriteError::Retry`] or [`WriteError::Reject`] with the status and the server's words.
    pub fn written(&self) -> Result<(), WriteError> {
        match self.status {
            200..=299 if self.is_page() => Err(self.again("a web page in place of an answer: ")),
            200..=299 => Ok(()),
            400 | 409 | 413 | 415 | 422 => Err(WriteError::reject(self.words())),
            _ => Err(self.again("")),
        }
    }

    /// To be tried again, when the server says: why, and the server's words.
    #[must_use]
    pub fn again(&self, why: &str) -> WriteError {
        let after_ms = self.retry_after_s.map(|seconds| seconds.saturating_mul(1000));
        WriteError::retry(format!("{why}{}", self.words()), after_ms)
    }

    /// The status and the server's words.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{} {}", self.status, self.body.trim()).trim_end().to_owned()
    }

    /// Whether what was sent is not sent again after this status. One that says "too large" is not among them: less is
    /// sent then, whatever else it says.
    fn is_final(&self) -> bool {
        matches!(self.status, 200..=299 | 400 | 409 | 415 | 422)
    }

    fn is_page(&self) -> bool {
        let start = self.body.trim_start_matches(|char: char| char.is_whitespace() || char == '\u{feff}');
        ["<!doctype html", "<html"]
            .iter()
            .any(|tag| start.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag)))
    }
}

/// What is wrong with `host` or `host:port`, if anything is.
fn unusable(authority: &str) -> Option<&'static str> {
    if authority.contains('@') {
        return Some("a user name");
    }
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return Some("no host");
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Some("an IPv6 address without brackets");
    }
    port.is_some_and(|port| port.parse::<NonZeroU16>().is_err()).then_some("no valid port")
}

impl From<HttpError> for WriteError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(address) => Self::denied(address),
            HttpError::Unavailable(message) => Self::retry(message, None),
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod transport {
    use wasip2::http::outgoing_handler;
    use wasip2::http::types::{
        ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions,
        Scheme,
    };
    use wasip2::io::streams::StreamError;

    use super::{HttpAnswer, HttpError, REASON_MAX, Rest, Target};

    /// How much of a response's body is read at once, in bytes.
    const READ_MAX: u64 = 64 << 10;

    /// The scheme of requests over a Unix socket.
    const OVER_UNIX: &str = "http+unix";

    pub(super) fn send(
        target: &Target,
        method: &str,
        headers: &[(&str, &str)],
        body: &[u8],
        most: usize,
        names: &[&str],
    ) -> Result<HttpAnswer, HttpError> {
        let request = request(target, method, headers, body.len())?;
        let outgoing = request.body().map_err(|()| lost("the request has no body"))?;
        // The agent ends every wait, for the head and for the body, shortly before the call has to end.
        let answer = outgoing_handler::handle(request, None::<RequestOptions>).map_err(|code| failed(target, &code))?;
        // A server may answer before it has read everything, and then close: its answer counts, not the broken pipe.
        let sent = send_body(&outgoing, body);
        let finished = sent.and_then(|()| OutgoingBody::finish(outgoing, None).map_err(|code| failed(target, &code)));
        answer.subscribe().block();
        let response = match answer.get() {
            Some(Ok(Ok(response))) => response,
            Some(Ok(Err(code))) => return Err(failed(target, &code)),
            _ => return Err(finished.err().unwrap_or_else(|| lost("no answer"))),
        };
        Ok(read(&response, most, names))
    }

    fn request(
        target: &Target,
        method: &str,
        headers: &[(&str, &str)],
        length: usize,
    ) -> Result<OutgoingRequest, HttpError> {
        let fields = Fields::new();
        for (name, value) in headers {
            fields.append(name, value.as_bytes()).map_err(|error| lost(&format!("header {name}: {error:?}")))?;
        }
        fields
            .append("content-length", length.to_string().as_bytes())
            .map_err(|error| lost(&format!("header content-length: {error:?}")))?;
        let request = OutgoingRequest::new(fields);
        let scheme = match (&target.socket, target.tls) {
            (Some(_), _) => Scheme::Other(OVER_UNIX.into()),
            (None, true) => Scheme::Https,
            (None, false) => Scheme::Http,
        };
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            other => Method::Other(other.into()),
        };
        request
            .set_method(&method)
            .and_then(|()| request.set_scheme(Some(&scheme)))
            .and_then(|()| request.set_authority(Some(&target.authority)))
            .and_then(|()| request.set_path_with_query(Some(&target.path)))
            .map_err(|()| lost("the address is not valid"))?;
        Ok(request)
    }

    fn send_body(outgoing: &OutgoingBody, mut body: &[u8]) -> Result<(), HttpError> {
        let stream = outgoing.write().map_err(|()| lost("the body cannot be written"))?;
        let ready = stream.subscribe();
        while !body.is_empty() {
            let room = stream.check_write().map_err(broken)?;
            if room == 0 {
                ready.block();
                continue;
            }
            let (now, later) = body.split_at(body.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            stream.write(now).map_err(broken)?;
            body = later;
        }
        stream.flush().map_err(broken)
    }

    fn read(response: &IncomingResponse, most: usize, names: &[&str]) -> HttpAnswer {
        let status = response.status();
        let retry_after_s = response
            .headers()
            .get("retry-after")
            .first()
            .and_then(|value| std::str::from_utf8(value).ok())
            .and_then(|value| value.trim().parse().ok());
        let mut rest = Rest::default();
        if !names.is_empty() {
            keep(&response.headers(), names, &mut rest);
        }
        if let Ok(incoming) = response.consume() {
            if let Err(why) = read_body(&incoming, most, &mut rest.bytes) {
                rest.broke_off = Some(why);
            } else if !names.is_empty() {
                read_trailers(incoming, names, &mut rest);
            }
        }
        (status, retry_after_s, rest)
    }

    /// Reads to the end, so that the connection can be used again, and keeps only the beginning. The agent bounds it all.
    fn read_body(incoming: &IncomingBody, most: usize, body: &mut Vec<u8>) -> Result<(), String> {
        let Ok(stream) = incoming.stream() else { return Ok(()) };
        loop {
            match stream.blocking_read(READ_MAX) {
                Ok(chunk) => {
                    let room = most - body.len();
                    body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                }
                Err(StreamError::Closed) => return Ok(()),
                Err(StreamError::LastOperationFailed(error)) => return Err(error.to_debug_string()),
            }
        }
    }

    fn read_trailers(incoming: IncomingBody, names: &[&str], rest: &mut Rest) {
        let trailers = IncomingBody::finish(incoming);
        trailers.subscribe().block();
        match trailers.get() {
            Some(Ok(Ok(Some(fields)))) => keep(&fields, names, rest),
            Some(Ok(Err(code))) => rest.broke_off = Some(format!("{code:?}")),
            _ => {}
        }
    }

    fn keep(fields: &Fields, names: &[&str], rest: &mut Rest) {
        for name in names {
            for value in fields.get(name) {
                let value = String::from_utf8_lossy(&value[..value.len().min(REASON_MAX)]).trim().to_owned();
                rest.headers.push(((*name).to_owned(), value));
            }
        }
    }

    fn failed(target: &Target, code: &ErrorCode) -> HttpError {
        match code {
            ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => HttpError::Denied(target.address()),
            ErrorCode::InternalError(Some(text)) => lost(text),
            other => lost(&format!("{other:?}")),
        }
    }

    fn broken(error: StreamError) -> HttpError {
        match error {
            StreamError::Closed => lost("the connection was closed while sending"),
            StreamError::LastOperationFailed(error) => lost(&error.to_debug_string()),
        }
    }

    fn lost(what: &str) -> HttpError {
        HttpError::Unavailable(what.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{answer_cut, answer_with};

    #[test]
    fn an_address_is_taken_apart() {
        let target = Target::parse("http://127.0.0.1:8086/write?db=x").unwrap();
        assert_eq!(
            target,
            Target { socket: None, tls: false, authority: "127.0.0.1:8086".into(), path: "/write?db=x".into() }
        );
        assert_eq!(Target::parse("https://h").unwrap().address(), "h:443");
        assert_eq!(Target::parse("http://[::1]/x").unwrap().address(), "[::1]:80");
        assert_eq!(Target::parse("http://[::1]:81/x").unwrap().address(), "[::1]:81");
        assert_eq!(Target::parse("http://h?a=b").unwrap().path, "/?a=b");
        assert_eq!(Target::parse("http://h/w").unwrap().with_query("db", "a b&c").path, "/w?db=a%20b%26c");
    }

    #[test]
    fn an_unusable_address_says_what_to_write() {
        for (url, what) in [
            ("127.0.0.1:8086", "neither http:// nor https://"),
            ("http:///write", "no host"),
            ("http://:80/", "no host"),
            ("http://me:secret@h/", "a user name"),
            ("http://h:/", "no valid port"),
            ("http://h:99999/", "no valid port"),
            ("http://h:secret", "no valid port"),
            ("http://[::1]:x/", "no valid port"),
            ("http://fe80::1/", "an IPv6 address without brackets"),
            ("http://h/a b", "a character"),
            ("http://h/#a", "a character"),
            ("http://h\n/", "a character"),
        ] {
            let Err(OpenError::Settings(message)) = Target::parse(url) else { panic!("{url}") };
            assert!(message.contains(what) && message.contains("http://host:port/path"), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn a_unix_socket_is_named_by_its_path_in_hexadecimal_digits() {
        let target = Target::unix("/run/docker.sock", "/info");
        assert_eq!(target.authority, "2f72756e2f646f636b65722e736f636b");
        assert_eq!((target.address().as_str(), target.path.as_str()), ("/run/docker.sock", "/info"));
    }

    fn target() -> Target {
        Target::parse("http://h:1/x").unwrap()
    }

    #[test]
    fn an_answer_that_breaks_off_is_the_last_word_about_nothing() {
        let says = |status, retry_after_s| {
            answer_cut(Response { status, retry_after_s, body: "half a".into() });
            target().post(&[], b"body").map(|response| response.written())
        };
        for status in [200, 204, 400, 409, 415, 422] {
            let Err(HttpError::Unavailable(message)) = says(status, None) else { panic!("{status}") };
            assert!(message.starts_with(&format!("{status} half a: the answer broke off: ")), "{message}");
        }
        let Ok(Err(WriteError::Retry(retry))) = says(503, Some(7)) else { panic!("not a retry") };
        assert_eq!((retry.after_ms, retry.message.as_str()), (Some(7000), "503 half a"));
        assert!(matches!(says(413, None), Ok(Err(WriteError::Reject(_)))), "less is sent, whatever the words are");
    }

    #[test]
    fn headers_are_kept_by_name_and_a_trailer_has_the_last_word() {
        let response = Response { status: 200, retry_after_s: None, body: String::new() };
        answer_with(response, &[("x-a", "1"), ("x-b", "2"), ("x-a", "3")]);
        let (_, rest) = target().exchange(&[], b"", 10, &["x-a", "x-c"]).unwrap();
        assert_eq!((rest.header("x-a"), rest.header("x-b"), rest.header("x-c")), (Some("3"), None, None));
    }

    #[test]
    fn a_web_page_is_no_answer_whatever_its_status_is() {
        for body in ["<!DOCTYPE html><title>Sign in", " \n<html lang=en>", "\u{feff}<!doctype HTML>"] {
            let response = Response { status: 200, retry_after_s: None, body: body.into() };
            let Err(WriteError::Retry(retry)) = response.written() else { panic!("{body}") };
            assert!(retry.message.starts_with("a web page in place of an answer: 200 "), "{}", retry.message);
        }
        for body in ["", "<", "<h", "ok", "{\"html\":1}", "<xml>", "\u{e9}\u{e9}\u{e9}"] {
            assert!(Response { status: 200, retry_after_s: None, body: body.into() }.written().is_ok(), "{body}");
        }
    }

    #[test]
    fn a_status_decides_between_taken_again_and_never() {
        let answer = |status, retry_after_s| Response { status, retry_after_s, body: "why\n".into() }.written();
        assert!(answer(204, None).is_ok());
        for status in [400, 409, 413, 415, 422] {
            assert!(matches!(answer(status, None), Err(WriteError::Reject(_))), "{status}");
        }
        for status in [302, 401, 403, 404, 408, 429, 500, 503] {
            assert!(matches!(answer(status, None), Err(WriteError::Retry(_))), "{status}");
        }
        let Err(WriteError::Retry(retry)) = answer(429, Some(3)) else { panic!("not a retry") };
        assert_eq!((retry.after_ms, retry.message.as_str()), (Some(3000), "429 why"));
    }
}
