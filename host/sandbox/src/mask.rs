//! Blots out secrets in what comes back from where they went.
//!
//! A server may answer with what it was sent: an echo, an error page, a log. The bytes of a secret are looked for as
//! they are and in the forms that text is commonly put into on its way: percent-encoded, as escapes of JSON, HTML and
//! C, letters in another size, hexadecimal, base64 at any offset; and what a secret in base64 stands for. Each byte
//! that is found becomes a `*`, so lengths stay. What a server does beyond that (reverses, packs, translates) cannot be
//! seen here; README says so.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use hyper::body::{Body, Frame, SizeHint};
use wasmtime_wasi_http::{Error, WasiBody};

use forms::{FORM_BYTES_MAX, STANDARD, URL_SAFE, from_base64, length, within_base64};

mod forms;

/// What is shorter cannot be told from other text.
pub(crate) const SECRET_BYTES_MIN: usize = 4;
/// What stands for a byte of a secret.
const BLOT: u8 = b'*';

/// The secrets of one request, in all forms. It has no `Debug`: nothing prints it.
pub(crate) struct Mask {
    /// The longest first: a shorter one may be a part of it.
    patterns: Vec<Vec<u8>>,
    /// The bytes that any form of any pattern can begin with: most bytes of most bodies are none.
    starts: [bool; 256],
    /// Bytes of the longest form of the longest pattern.
    longest: usize,
}

impl Default for Mask {
    fn default() -> Self {
        Self { patterns: Vec::new(), starts: [false; 256], longest: 0 }
    }
}

impl Mask {
    /// Adds a secret.
    pub(crate) fn add(&mut self, secret: &[u8]) {
        self.add_forms(secret);
        // `Basic` and the like: what a server reads is what this stands for.
        if let Some(meant) = from_base64(secret) {
            if let Some(colon) = meant.iter().position(|&byte| byte == b':') {
                self.add_forms(&meant[colon + 1..]);
            }
            self.add_forms(&meant);
        }
    }

    fn add_forms(&mut self, secret: &[u8]) {
        if secret.len() < SECRET_BYTES_MIN {
            return;
        }
        let hex = secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let mut forms = vec![secret.to_vec(), hex.into_bytes()];
        for alphabet in [STANDARD, URL_SAFE] {
            forms.extend((0..3).map(|offset| within_base64(secret, offset, alphabet)));
        }
        forms.retain(|form| form.len() >= SECRET_BYTES_MIN);
        for form in forms {
            for start in [form[0].to_ascii_lowercase(), form[0].to_ascii_uppercase(), b'%', b'\\', b'&', b'+'] {
                self.starts[usize::from(start)] = true;
            }
            self.longest = self.longest.max(form.len() * FORM_BYTES_MAX);
            if !self.patterns.contains(&form) {
                self.patterns.push(form);
            }
        }
        self.patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.len()));
    }

    /// Whether there is nothing to look for.
    pub(crate) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Blots out what is in `bytes`, as far as it can be told from these.
    fn blot(&self, bytes: &mut [u8]) {
        let mut at = 0;
        while at < bytes.len() {
            if !self.starts[usize::from(bytes[at])] {
                at += 1;
                continue;
            }
            let length = self.patterns.iter().find_map(|pattern| length(pattern, &bytes[at..])).unwrap_or(0);
            bytes[at..at + length].fill(BLOT);
            at += length.max(1);
        }
    }

    /// The same of a text that is all there.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        self.blot(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Blots out what is in headers. One whose name holds a secret goes.
    pub(crate) fn headers(&self, headers: &mut HeaderMap) {
        let mut unnamed = Vec::new();
        for (name, value) in headers.iter_mut() {
            if self.text(name.as_str()) != name.as_str() {
                unnamed.push(name.clone());
            }
            let mut bytes = value.as_bytes().to_vec();
            self.blot(&mut bytes);
            if bytes != value.as_bytes() {
                *value = HeaderValue::from_bytes(&bytes).unwrap_or_else(|_| HeaderValue::from_static("*"));
            }
        }
        unnamed.iter().for_each(|name| _ = headers.remove(name));
    }

    /// Blots out what is in a response.
    ///
    /// # Errors
    /// [`Error::HttpResponseContentCoding`] where the body is packed although that was not asked for: nobody can look
    /// through it.
    pub(crate) fn response(self, response: http::Response<WasiBody>) -> Result<http::Response<WasiBody>, Error> {
        let (mut parts, body) = response.into_parts();
        if let Some(coding) = packed(&parts.headers) {
            return Err(Error::HttpResponseContentCoding(Some(self.text(&coding))));
        }
        self.headers(&mut parts.headers);
        // Its words beside the status, and whatever else was noted of the answer.
        parts.extensions.clear();
        let body = Masked { body, mask: self, held: Vec::new(), trailers: None };
        Ok(http::Response::from_parts(parts, http_body_util::BodyExt::boxed_unsync(body)))
    }
}

/// How a body is packed, if it is.
fn packed(headers: &HeaderMap) -> Option<String> {
    let codings =
        |name| headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase());
    let plain = |coding: &str| matches!(coding.trim(), "" | "identity");
    let content = codings(header::CONTENT_ENCODING).find(|all| !all.split(',').all(plain));
    content.or_else(|| {
        codings(header::TRANSFER_ENCODING).find(|all| !all.split(',').all(|one| plain(one) || one.trim() == "chunked"))
    })
}

/// A body that is looked through as it comes. The last bytes are held, always as many as the longest form of a secret
/// has: were they held only where they look like the beginning of one, a guest that has its guesses sent back would see
/// by the delay which are right.
struct Masked {
    body: WasiBody,
    mask: Mask,
    held: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl Body for Masked {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        loop {
            if let Some(trailers) = self.trailers.take() {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(self.rest().map(Ok)),
            };
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    if let Ok(mut trailers) = frame.into_trailers() {
                        self.mask.headers(&mut trailers);
                        self.trailers = Some(trailers);
                    }
                    match self.rest() {
                        Some(frame) => return Poll::Ready(Some(Ok(frame))),
                        None => continue,
                    }
                }
            };
            let this = &mut *self;
            this.held.extend_from_slice(&data);
            // Twice as many, so that a server that sends byte by byte has each looked at twice and not a thousand times.
            if this.held.len() > 2 * this.mask.longest {
                this.mask.blot(&mut this.held);
                let left = this.held.split_off(this.held.len() - this.mask.longest);
                let data = std::mem::replace(&mut this.held, left);
                return Poll::Ready(Some(Ok(Frame::data(data.into()))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.trailers.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // What is held comes as well, and no byte becomes two.
        let mut hint = SizeHint::new();
        hint.set_lower(self.held.len() as u64);
        hint
    }
}

impl Masked {
    /// What is held, when nothing follows.
    fn rest(&mut self) -> Option<Frame<Bytes>> {
        let mut bytes = std::mem::take(&mut self.held);
        self.mask.blot(&mut bytes);
        (!bytes.is_empty()).then(|| Frame::data(bytes.into()))
    }
}

#[cfg(test)]
mod tests;
