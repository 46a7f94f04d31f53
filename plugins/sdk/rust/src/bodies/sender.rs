//! Where bodies go, and what goes with all of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::BodyOutcome;
use crate::backend::WriteError;
use crate::bindings::types::OpenError;
use crate::compress::{self, CompressError};
use crate::encode::header;
use crate::http::{Response, Rest, Target};

/// A good half of what the highest level saves, for a fifth of its time.
const GZIP_LEVEL: u8 = 2;

crate::settings! {
    /// How bodies are compressed.
    pub enum Compression {
        /// What every server reads.
        Gzip = "gzip",
        /// Not at all.
        None = "none",
    }
}

/// An address, and the headers of every request to it.
#[derive(Clone, Debug)]
pub struct HttpSender {
    target: Target,
    headers: Vec<(String, String)>,
    compression: Compression,
    /// Names of headers of answers.
    names: &'static [&'static str],
}

impl HttpSender {
    /// Posts to `target`, with `more` headers of the operator's own.
    ///
    /// # Errors
    /// [`OpenError::Settings`], naming the header that cannot be sent.
    pub fn new(
        target: Target,
        content_type: &str,
        authorization: Option<String>,
        more: &BTreeMap<String, String>,
        compression: Compression,
    ) -> Result<Self, OpenError> {
        let mut headers = vec![
            ("content-type".to_owned(), content_type.to_owned()),
            ("user-agent".to_owned(), concat!("saker/", env!("CARGO_PKG_VERSION")).to_owned()),
        ];
        if compression == Compression::Gzip {
            headers.push(("content-encoding".into(), "gzip".into()));
        }
        headers.extend(authorization.map(|value| ("authorization".into(), value)));
        header::add(&mut headers, more)?;
        Ok(Self { target, headers, compression, names: &[] })
    }

    /// The same, for a server that says more in headers or trailers of these names, which are written with small letters.
    #[must_use]
    pub fn reading(self, names: &'static [&'static str]) -> Self {
        Self { names, ..self }
    }

    /// Posts a body, and has the answer judged, with up to `most` bytes of what it says: see [`Response::taken`].
    ///
    /// # Errors
    /// As [`Target::post`] where there is no answer, and those of `judge`.
    pub fn post(
        &self,
        body: &[u8],
        most: usize,
        judge: impl FnOnce(&Response, &Rest) -> Result<BodyOutcome, WriteError>,
    ) -> Result<BodyOutcome, WriteError> {
        let body = match self.compression {
            Compression::None => Cow::Borrowed(body),
            Compression::Gzip => match compress::gzip(body, GZIP_LEVEL) {
                Ok(body) => Cow::Owned(body),
                Err(error) => return not_compressed(&error),
            },
        };
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (response, rest) = self.target.exchange(&headers, &body, most, self.names)?;
        judge(&response, &rest)
    }
}

/// What becomes of a body that could not be compressed.
///
/// # Errors
/// [`WriteError::Broken`] if a smaller one would not do either.
pub fn not_compressed(error: &CompressError) -> Result<BodyOutcome, WriteError> {
    match error {
        CompressError::TooLarge { .. } => Ok(BodyOutcome::TooLarge(error.to_string())),
        _ => Err(WriteError::Broken(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::http::HttpError;
    use crate::testing::{answer, posted};

    fn sender(compression: Compression) -> HttpSender {
        let more = BTreeMap::from([("X-Team".to_owned(), "a".to_owned())]);
        let target = Target::parse("http://h:1/x").unwrap();
        HttpSender::new(target, "text/plain", Some("Bearer t".into()), &more, compression).unwrap()
    }

    #[test]
    fn every_body_goes_with_its_headers_compressed_or_not() {
        let all = |_: &Response, _: &Rest| Ok(BodyOutcome::All);
        assert_eq!(sender(Compression::None).post(b"body", 10, all).unwrap(), BodyOutcome::All);
        assert_eq!(sender(Compression::Gzip).post(b"body", 10, all).unwrap(), BodyOutcome::All);
        let [plain, gzip] = &posted()[..] else { panic!("not two") };
        let names =
            |posted: &crate::testing::Posted| posted.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(
            (names(plain), &plain.body[..]),
            (vec!["content-type".into(), "user-agent".into(), "authorization".into(), "x-team".into()], &b"body"[..])
        );
        assert!(gzip.headers.contains(&("content-encoding".into(), "gzip".into())));
        let mut back = String::new();
        flate2::read::GzDecoder::new(&gzip.body[..]).read_to_string(&mut back).unwrap();
        assert_eq!(back, "body");
    }

    #[test]
    fn an_answer_is_judged_with_so_many_bytes() {
        let sender = sender(Compression::None);
        answer(Ok(Response { status: 503, retry_after_s: None, body: "0123456789".into() }));
        let judged =
            sender.post(b"", 4, |said, rest| Err(WriteError::Broken(format!("{} {:?}", said.status, rest.bytes()))));
        assert!(matches!(judged, Err(WriteError::Broken(text)) if text == "503 [48, 49, 50, 51]"));
        answer(Err(HttpError::Unavailable("away".into())));
        assert!(matches!(sender.post(b"", 4, |_, _| unreachable!()), Err(WriteError::Retry(_))));
    }

    #[test]
    fn more_than_can_be_compressed_at_once_is_too_large() {
        assert!(matches!(not_compressed(&CompressError::TooLarge { limit: 1 }), Ok(BodyOutcome::TooLarge(_))));
        assert!(matches!(
            not_compressed(&CompressError::NoLevel { lowest: 1, highest: 9 }),
            Err(WriteError::Broken(_))
        ));
    }
}
