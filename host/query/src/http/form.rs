//! Parameters of a request: of its URL, and of its body if that is a form.

use axum::body::to_bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{Method, header};

/// Bytes of a form: a query of the longest, written with escapes, and a page of selectors.
const FORM_BYTES_MAX: usize = 1 << 20;

/// Names and values; those of the body come first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct QueryForm(Vec<(String, String)>);

/// Why parameters cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FormError {
    /// A `%` without two hexadecimal digits behind it.
    #[error("invalid URL escape {0:?}")]
    Escape(String),
    /// What is escaped is no text.
    #[error("a parameter is not UTF-8")]
    Utf8,
    /// The body has too many bytes, or broke off.
    #[error("the body cannot be read, or has more than {FORM_BYTES_MAX} bytes")]
    Body,
}

impl QueryForm {
    /// Reads `a=1&b=x+y&b=%C3%A9`.
    pub(super) fn parse(text: &[u8]) -> Result<Self, FormError> {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let pair = |pair: &[u8]| {
            let equals = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let value = pair.get(equals + 1..).unwrap_or_default();
            Ok((unescaped(&pair[..equals])?, unescaped(value)?))
        };
        pairs.map(pair).collect::<Result<_, _>>().map(Self)
    }

    /// The first value of a name; empty if there is none, which means the same.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
    }

    /// The value, if there is one and it is not empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }

    /// All values of a name.
    pub(super) fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

fn unescaped(text: &[u8]) -> Result<String, FormError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = text.get(at..at + 2);
                let Some(byte) = digits.and_then(hex) else {
                    let escape = &text[at - 1..text.len().min(at + 2)];
                    return Err(FormError::Escape(String::from_utf8_lossy(escape).into_owned()));
                };
                bytes.push(byte);
                at += 2;
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| FormError::Utf8)
}

fn hex(digits: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    Some((digit(digits[0])? * 16 + digit(digits[1])?) as u8)
}

impl<S: Send + Sync> FromRequest<S> for QueryForm {
    type Rejection = super::prometheus::ApiFailure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let in_url = Self::parse(request.uri().query().unwrap_or_default().as_bytes())?;
        let is_form = request.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
            let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
            essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
        });
        if request.method() != Method::POST || !is_form {
            return Ok(in_url);
        }
        let body = to_bytes(request.into_body(), FORM_BYTES_MAX).await.map_err(|_| FormError::Body)?;
        let mut form = Self::parse(&body)?;
        form.0.extend(in_url.0);
        Ok(form)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameters_are_unescaped_and_the_first_of_a_name_counts() {
        let form =
            QueryForm::parse(b"query=up%7Ba%3D%22%C3%A9%22%7D&match[]=a+b&match%5B%5D=c&empty=&flag&=x").unwrap();
        assert_eq!(form.get("query"), "up{a=\"é\"}");
        assert_eq!(form.all("match[]").collect::<Vec<_>>(), ["a b", "c"]);
        assert_eq!((form.given("empty"), form.given("flag"), form.given("none")), (None, None, None));
    }

    #[test]
    fn a_broken_escape_is_rejected_with_what_was_written() {
        for (text, expected) in [("a=%zz", "%zz"), ("a=1%", "%"), ("a%2=1", "%2"), ("a=%+1", "%+1")] {
            assert_eq!(QueryForm::parse(text.as_bytes()), Err(FormError::Escape(expected.into())), "{text}");
        }
        assert_eq!(QueryForm::parse(b"a=%ff"), Err(FormError::Utf8));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail_otherwise_and_what_is_escaped_comes_back(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            value in ".{0,40}",
        ) {
            let _ = QueryForm::parse(&bytes);
            let escaped: String = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let form = QueryForm::parse(format!("a={escaped}").as_bytes()).unwrap();
            prop_assert_eq!(form.get("a"), value);
        }
    }
}
