//! The token that requests must carry.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;

/// A token is at least this long, or it could be guessed.
const BYTES_MIN: usize = 16;
/// So much of its file is read.
const FILE_BYTES_MAX: u64 = 4096;

/// A token. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Its file cannot be read.
    #[error("cannot read the token in {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It could be guessed.
    #[error("the token in {} must have at least {BYTES_MIN} characters", path.display())]
    TooShort {
        /// The file.
        path: PathBuf,
    },
}

impl Token {
    /// The first line of a file.
    ///
    /// # Errors
    /// If it cannot be read, or is too short.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let unreadable = |source| TokenError::Unreadable { path: path.into(), source };
        let mut text = String::new();
        File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text)).map_err(unreadable)?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.len() < BYTES_MIN {
            return Err(TokenError::TooShort { path: path.into() });
        }
        Ok(Self(token.to_owned()))
    }

    /// Its text, for who sends it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request carries it: as `Authorization: Bearer`, or as Influx' clients say it, `Authorization: Token`.
    #[must_use]
    pub fn is_in(&self, headers: &HeaderMap) -> bool {
        let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (scheme, given) = given.split_once(' ').unwrap_or_default();
        let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
        known && bool::from(given.trim().as_bytes().ct_eq(self.0.as_bytes()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Token, TokenError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Token::read(file.path())
    }

    #[test]
    fn the_first_line_is_the_token_if_it_cannot_be_guessed() {
        assert_eq!(read(b" 0123456789abcdef \nmore\n").unwrap().as_str(), "0123456789abcdef");
        assert!(matches!(read(b"0123456789abcde\n"), Err(TokenError::TooShort { .. })));
        assert!(matches!(read(b"\n0123456789abcdef"), Err(TokenError::TooShort { .. })));
        assert!(matches!(read(b"\xff0123456789abcdef"), Err(TokenError::Unreadable { .. })));
        assert!(matches!(Token::read(Path::new("/nowhere")), Err(TokenError::Unreadable { .. })));
        let endless = Token::read(Path::new("/dev/zero")).unwrap();
        assert_eq!(endless.as_str().len(), 4096, "no file is read without end");
    }

    #[test]
    fn it_is_found_in_either_scheme_and_never_printed() {
        let token = read(b"0123456789abcdef").unwrap();
        let carries = |value: &str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
            token.is_in(&headers)
        };
        for right in ["Bearer 0123456789abcdef", "bearer  0123456789abcdef ", "Token 0123456789abcdef"] {
            assert!(carries(right), "{right}");
        }
        for wrong in ["0123456789abcdef", "Bearer 0123456789abcdeg", "Bearer", "Basic 0123456789abcdef", "Bearer "] {
            assert!(!carries(wrong), "{wrong}");
        }
        assert!(!token.is_in(&HeaderMap::new()));
        assert!(!format!("{token:?}").contains("0123"));
    }
}
