//! The headers of every request.

use std::collections::BTreeMap;

use saker_sdk::OpenError;
use saker_sdk::encode::header;

/// What the protocol demands.
const PROTOCOL: [(&str, &str); 4] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
    ("user-agent", concat!("saker/", env!("CARGO_PKG_VERSION"))),
];

/// What belongs to the connection: the agent's to say, or nobody's.
const CONNECTION: [&str; 10] = [
    "connection",
    "content-length",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// The protocol's headers, the authorization and the operator's own.
pub(crate) fn all(
    more: &BTreeMap<String, String>,
    authorization: Option<String>,
) -> Result<Vec<(String, String)>, OpenError> {
    let mut headers: Vec<(String, String)> =
        PROTOCOL.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    headers.extend(authorization.map(|value| ("authorization".into(), value)));
    for (name, value) in more {
        let setting = format!("headers.{name}");
        let lower = name.to_ascii_lowercase();
        if !is_token(name) {
            return Err(OpenError::Settings(format!("{setting}: not the name of a header")));
        }
        if CONNECTION.contains(&lower.as_str()) || headers.iter().any(|(there, _)| *there == lower) {
            return Err(OpenError::Settings(format!(
                "{setting}: cannot be set here, it is set already or not allowed"
            )));
        }
        header::check(&setting, value)?;
        headers.push((lower, value.clone()));
    }
    Ok(headers)
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn more(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn the_operators_headers_follow_the_protocols() {
        let headers = all(&more("X-Scope-OrgID", "team 1"), Some("Bearer t".into())).unwrap();
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(&names[..4], PROTOCOL.map(|(name, _)| name));
        assert_eq!(&names[4..], ["authorization", "x-scope-orgid"]);
        assert_eq!(headers[5].1, "team 1");
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_named() {
        for (name, value) in [
            ("", "v"),
            ("a b", "v"),
            ("é", "v"),
            ("Host", "v"),
            ("Content-Length", "1"),
            ("content-encoding", "gzip"),
            ("Authorization", "v"),
            ("x-a", "secret\r\n"),
            ("x-a", ""),
        ] {
            let Err(OpenError::Settings(message)) = all(&more(name, value), Some("Basic b".into())) else {
                panic!("{name}")
            };
            assert!(message.starts_with(&format!("headers.{name}: ")) && !message.contains("secret"), "{message}");
        }
        let twice = BTreeMap::from([("X-A".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())]);
        assert!(all(&twice, None).is_err());
        assert!(all(&more("Authorization", "Custom x"), None).is_ok());
    }
}
