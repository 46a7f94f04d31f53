//! The single values of a configuration, and how each is written.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use saker_model::Glob;
use toml::de::DeValue;

/// What is given for a key: a value of the file, or text from elsewhere.
pub enum RawValue<'a> {
    /// Of the file.
    Toml(&'a DeValue<'a>),
    /// From elsewhere.
    Text(Cow<'a, str>),
}

/// A value that can be read.
pub trait FromConfig: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// What was expected, and what was found.
    fn read(given: &RawValue<'_>) -> Result<Self, String>;
}

impl RawValue<'_> {
    /// The value as text, if it is written as such.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Toml(value) => value.as_str(),
            Self::Text(text) => Some(text),
        }
    }

    /// The value as it stands, for a message.
    fn shown(&self) -> String {
        match self {
            Self::Toml(DeValue::String(text)) => format!("{text:?}"),
            Self::Toml(DeValue::Integer(number)) => number.to_string(),
            Self::Toml(DeValue::Float(number)) => number.to_string(),
            Self::Toml(DeValue::Boolean(value)) => value.to_string(),
            Self::Toml(other) => format!("a {}", other.type_str()),
            Self::Text(text) => format!("{text:?}"),
        }
    }

    fn integer(&self) -> Option<i128> {
        match self {
            Self::Toml(DeValue::Integer(number)) => {
                i128::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()
            }
            Self::Toml(_) => None,
            Self::Text(text) => text.trim().parse().ok(),
        }
    }

    /// What is said of a value that is none of what was expected.
    #[must_use]
    pub fn expected(&self, what: &str) -> String {
        format!("expected {what}, found {}", self.shown())
    }
}

impl FromConfig for bool {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        let value = match given {
            RawValue::Toml(value) => value.as_bool(),
            RawValue::Text(text) => text.parse().ok(),
        };
        value.ok_or_else(|| given.expected("true or false"))
    }
}

impl FromConfig for String {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        given.text().map(Self::from).ok_or_else(|| given.expected("text in quotes"))
    }
}

impl FromConfig for PathBuf {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        match given.text() {
            Some(text) if !text.is_empty() => Ok(text.into()),
            _ => Err(given.expected("a path in quotes")),
        }
    }
}

impl FromConfig for usize {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        let number = given.integer().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| given.expected("a whole number"))
    }
}

impl FromConfig for u32 {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        let number = given.integer().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| given.expected("a whole number up to 4294967295"))
    }
}

impl FromConfig for f64 {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        let number = match given {
            RawValue::Toml(DeValue::Float(number)) => number.as_str().replace('_', "").parse().ok(),
            RawValue::Toml(_) => given.integer().map(|number| number as Self),
            RawValue::Text(text) => text.trim().parse().ok(),
        };
        number.ok_or_else(|| given.expected("a number"))
    }
}

impl FromConfig for Duration {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        given
            .text()
            .and_then(parse_duration)
            .ok_or_else(|| given.expected("a duration such as \"500ms\", \"10s\", \"2m\" or \"1h\""))
    }
}

/// A number and a unit.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * seconds).ok()
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub usize);

impl FromConfig for ByteSize {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        let whole = given.integer().and_then(|number| usize::try_from(number).ok());
        whole
            .or_else(|| parse_bytes(given.text()?))
            .map(Self)
            .ok_or_else(|| given.expected("a number of bytes such as \"64KiB\", \"64MiB\" or \"1GiB\""))
    }
}

fn parse_bytes(text: &str) -> Option<usize> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "B" => 1,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(factor)
}

/// Where the HTTP API listens, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenAddress(pub Option<SocketAddr>);

impl FromConfig for ListenAddress {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        match given.text() {
            Some("off") => Ok(Self(None)),
            Some(text) if text.parse::<SocketAddr>().is_ok() => Ok(Self(text.parse().ok())),
            _ => Err(given.expected("an address such as \"127.0.0.1:1988\" or \"[::1]:1988\", or \"off\"")),
        }
    }
}

impl FromConfig for Glob {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        given.text().map(Self::new).ok_or_else(|| given.expected("a pattern in quotes"))
    }
}

/// A list; a single value stands for a list of one, and text from elsewhere is split at commas.
impl<T: FromConfig> FromConfig for Vec<T> {
    fn read(given: &RawValue<'_>) -> Result<Self, String> {
        match given {
            RawValue::Toml(DeValue::Array(items)) => {
                items.iter().map(|item| T::read(&RawValue::Toml(item.get_ref()))).collect()
            }
            RawValue::Toml(_) => Ok(vec![T::read(given)?]),
            RawValue::Text(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(|item| T::read(&RawValue::Text(item.into()))).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: FromConfig>(text: &str) -> Result<T, String> {
        T::read(&RawValue::Text(text.into()))
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(read::<Duration>("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(read::<Duration>("1.5 s"), Ok(Duration::from_millis(1500)));
        assert_eq!(read::<Duration>("2h"), Ok(Duration::from_secs(7200)));
        for text in ["10", "s", "-1s", "1 week", ""] {
            assert!(read::<Duration>(text).unwrap_err().starts_with("expected a duration such as"), "{text}");
        }
    }

    #[test]
    fn bytes_may_have_a_unit() {
        assert_eq!(read::<ByteSize>("64MiB"), Ok(ByteSize(64 << 20)));
        assert_eq!(read::<ByteSize>("10"), Ok(ByteSize(10)));
        assert_eq!(read::<ByteSize>("2 kB"), Ok(ByteSize(2000)));
        assert!(read::<ByteSize>("64M").is_err());
        assert!(read::<ByteSize>("99999999999GiB").is_err());
    }

    #[test]
    fn lists_split_at_commas_outside_the_file() {
        assert_eq!(read::<Vec<String>>("a, b,"), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(read::<Vec<usize>>("1,x"), Err("expected a whole number, found \"x\"".into()));
    }
}
