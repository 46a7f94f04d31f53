//! The labels in a Pushgateway's path: `job/NAME/label/value…`, percent-encoded, or in base64 where the label's name ends
//! with `@base64`.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

/// What is wrong with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum What {
    #[error("the path must begin with /metrics/job/NAME, and NAME must not be empty")]
    NoJob,
    #[error("the path must be pairs of a label's name and its value")]
    Odd,
    #[error("a label's name must not be empty")]
    NoName,
    #[error("the value of a label with @base64 must be base64 for URLs")]
    BadBase64,
    #[error("labels must be UTF-8")]
    NotUtf8,
}

/// With padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const SUFFIX: &str = "@base64";

/// The labels of a path, from the job on.
pub(super) fn read(path: &str) -> Result<Vec<(String, String)>, What> {
    let parts: Vec<_> = path.split('/').collect();
    let (pairs, rest) = parts.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(What::Odd);
    }
    let labels: Vec<_> = pairs.iter().map(|[name, value]| label(name, value)).collect::<Result<_, _>>()?;
    match labels.first() {
        Some((name, value)) if name == "job" && !value.is_empty() => Ok(labels),
        _ => Err(What::NoJob),
    }
}

fn label(name: &str, value: &str) -> Result<(String, String), What> {
    let (name, value) = (decoded(name)?, decoded(value)?);
    let (name, value) = match name.strip_suffix(SUFFIX) {
        // One sign of padding alone is how an empty value is written, which a path could not hold otherwise.
        Some(name) if value == "=" => (name.to_owned(), String::new()),
        Some(name) => {
            let bytes = BASE64.decode(&value).map_err(|_| What::BadBase64)?;
            (name.to_owned(), String::from_utf8(bytes).map_err(|_| What::NotUtf8)?)
        }
        None => (name, value),
    };
    if name.is_empty() { Err(What::NoName) } else { Ok((name, value)) }
}

/// A part of a path without its percent signs; one that stands for nothing stays.
fn decoded(part: &str) -> Result<String, What> {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, behind @ ..] = rest {
        let digits = behind.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).map_err(|_| What::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &[(&str, &str)]) {
        let labels = read(path).unwrap();
        assert_eq!(labels.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), expected, "{path}");
    }

    #[test]
    fn a_path_is_pairs_of_names_and_values() {
        check("job/backup", &[("job", "backup")]);
        check("job/a%20b/instance/web-1", &[("job", "a b"), ("instance", "web-1")]);
        check("job/titan/path@base64/L3Zhci90bXA", &[("job", "titan"), ("path", "/var/tmp")]);
        check("job@base64/L3Zhci90bXA=/n@base64/=", &[("job", "/var/tmp"), ("n", "")]);
        check("job/titan/name/%CE%A0%CF%81%CE%BF", &[("job", "titan"), ("name", "Προ")]);
        check("job/100%/x/%zz", &[("job", "100%"), ("x", "%zz")]);
    }

    #[test]
    fn what_is_no_such_path_is_told() {
        for (path, expected) in [
            ("job", What::Odd),
            ("job/", What::NoJob),
            ("job@base64/=", What::NoJob),
            ("instance/a", What::NoJob),
            ("job/a/b", What::Odd),
            ("job/a//b", What::NoName),
            ("job/a/b@base64/%%%", What::BadBase64),
            ("job/a/b@base64/_w", What::NotUtf8),
            ("job/%ff", What::NotUtf8),
        ] {
            assert_eq!(read(path).unwrap_err(), expected, "{path}");
        }
    }
}
