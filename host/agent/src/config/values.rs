//! The single values of a configuration, and how each is written.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use saker_forward::HashKind;
use saker_model::Glob;
use saker_sandbox::{Address, Destination};
use serde_json::{Map, Value};
use toml::de::DeValue;

/// What is given for a key: a value of the file, or text from elsewhere.
pub(crate) enum Given<'a> {
    Toml(&'a DeValue<'a>),
    Text(Cow<'a, str>),
}

/// A value that can be read.
pub(crate) trait Read: Sized {
    /// Reads it, or says what was expected.
    fn read(given: &Given<'_>) -> Result<Self, String>;
}

impl Given<'_> {
    /// The value as text, if it is written as such.
    fn text(&self) -> Option<&str> {
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

    fn expected(&self, what: &str) -> String {
        format!("expected {what}, found {}", self.shown())
    }
}

impl Read for bool {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let value = match given {
            Given::Toml(value) => value.as_bool(),
            Given::Text(text) => text.parse().ok(),
        };
        value.ok_or_else(|| given.expected("true or false"))
    }
}

impl Read for String {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        given.text().map(Self::from).ok_or_else(|| given.expected("text in quotes"))
    }
}

impl Read for PathBuf {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given.text() {
            Some(text) if !text.is_empty() => Ok(text.into()),
            _ => Err(given.expected("a path in quotes")),
        }
    }
}

impl Read for usize {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let number = given.integer().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| given.expected("a whole number"))
    }
}

impl Read for u32 {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let number = given.integer().and_then(|number| Self::try_from(number).ok());
        number.ok_or_else(|| given.expected("a whole number up to 4294967295"))
    }
}

impl Read for f64 {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let number = match given {
            Given::Toml(DeValue::Float(number)) => number.as_str().replace('_', "").parse().ok(),
            Given::Toml(_) => given.integer().map(|number| number as Self),
            Given::Text(text) => text.trim().parse().ok(),
        };
        number.ok_or_else(|| given.expected("a number"))
    }
}

impl Read for Duration {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        given
            .text()
            .and_then(parse_duration)
            .ok_or_else(|| given.expected("a duration such as \"500ms\", \"10s\", \"2m\" or \"1h\""))
    }
}

/// A number and a unit.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
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
pub(crate) struct Bytes(pub(crate) usize);

impl Read for Bytes {
    fn read(given: &Given<'_>) -> Result<Self, String> {
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
pub(crate) struct Listen(pub(crate) Option<SocketAddr>);

impl Read for Listen {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given.text() {
            Some("off") => Ok(Self(None)),
            Some(text) if text.parse::<SocketAddr>().is_ok() => Ok(Self(text.parse().ok())),
            _ => Err(given.expected("an address such as \"127.0.0.1:1988\" or \"[::1]:1988\", or \"off\"")),
        }
    }
}

impl Read for Address {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let text = given.text().ok_or_else(|| given.expected("an address in quotes"))?;
        text.parse().map_err(|error: saker_sandbox::GrantError| error.to_string())
    }
}

impl Read for saker_http::Network {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let text = given.text().ok_or_else(|| given.expected("an address or a network in quotes"))?;
        text.parse().map_err(|error: saker_http::NetworkError| error.to_string())
    }
}

impl Read for Destination {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let text = given.text().ok_or_else(|| given.expected("a destination in quotes"))?;
        text.parse().map_err(|error: saker_sandbox::DestinationError| error.to_string())
    }
}

impl Read for Glob {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        given.text().map(Self::new).ok_or_else(|| given.expected("a pattern in quotes"))
    }
}

impl Read for HashKind {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given.text() {
            Some("rendezvous") => Ok(Self::Rendezvous),
            Some("jump") => Ok(Self::Jump),
            Some("falcon") => Ok(Self::Falcon),
            _ => Err(given.expected("\"rendezvous\", \"jump\" or \"falcon\"")),
        }
    }
}

/// A list; a single value stands for a list of one, and text from elsewhere is split at commas.
impl<T: Read> Read for Vec<T> {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        match given {
            Given::Toml(DeValue::Array(items)) => {
                items.iter().map(|item| T::read(&Given::Toml(item.get_ref()))).collect()
            }
            Given::Toml(_) => Ok(vec![T::read(given)?]),
            Given::Text(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                items.map(|item| T::read(&Given::Text(item.into()))).collect()
            }
        }
    }
}

/// A plugin's settings: a table, as the JSON that the plugin gets.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct SettingsTable(pub(crate) Map<String, Value>);

impl Read for SettingsTable {
    fn read(given: &Given<'_>) -> Result<Self, String> {
        let value = match given {
            Given::Toml(value) => to_json(value),
            Given::Text(text) => {
                serde_json::from_str(text).map_err(|error| format!("expected a JSON object: {error}"))?
            }
        };
        match value {
            Value::Object(fields) => Ok(Self(fields)),
            // What stands there may be a secret.
            other => Err(format!("expected a table, found {}", type_of(&other))),
        }
    }
}

/// The type of a setting's value, for messages: the value itself may be a secret, whatever its name is.
pub(crate) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a fraction",
        Value::Number(_) => "a whole number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn to_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).map_or_else(|_| Value::from(digits), Value::from)
        }
        DeValue::Float(number) => number.as_str().replace('_', "").parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(value) => Value::from(*value),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| to_json(item.get_ref())).collect(),
        DeValue::Table(table) => table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), to_json(value.get_ref())))
            .collect::<Map<_, _>>()
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Read>(text: &str) -> Result<T, String> {
        T::read(&Given::Text(text.into()))
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
        assert_eq!(read::<Bytes>("64MiB"), Ok(Bytes(64 << 20)));
        assert_eq!(read::<Bytes>("10"), Ok(Bytes(10)));
        assert_eq!(read::<Bytes>("2 kB"), Ok(Bytes(2000)));
        assert!(read::<Bytes>("64M").is_err());
        assert!(read::<Bytes>("99999999999GiB").is_err());
    }

    #[test]
    fn lists_split_at_commas_outside_the_file() {
        assert_eq!(read::<Vec<String>>("a, b,"), Ok(vec!["a".into(), "b".into()]));
        assert_eq!(read::<Vec<usize>>("1,x"), Err("expected a whole number, found \"x\"".into()));
    }

    #[test]
    fn settings_become_json() {
        let toml = DeValue::parse("{ a = 1_000, b = [0x10, 1.5], c = { d = \"x\" }, e = true }").unwrap();
        let SettingsTable(fields) = SettingsTable::read(&Given::Toml(toml.get_ref())).unwrap();
        assert_eq!(Value::from(fields), serde_json::json!({"a": 1000, "b": [16, 1.5], "c": {"d": "x"}, "e": true}));
    }
}
