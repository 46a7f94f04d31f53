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

/// The protocol's headers, the authorization and the operator's own.
pub(crate) fn all(
    more: &BTreeMap<String, String>,
    authorization: Option<String>,
) -> Result<Vec<(String, String)>, OpenError> {
    let mut headers: Vec<(String, String)> =
        PROTOCOL.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    headers.extend(authorization.map(|value| ("authorization".into(), value)));
    header::add(&mut headers, more)?;
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_headers_follow_the_protocols() {
        let more = BTreeMap::from([("X-Scope-OrgID".to_owned(), "team 1".to_owned())]);
        let headers = all(&more, Some("Bearer t".into())).unwrap();
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(&names[..4], PROTOCOL.map(|(name, _)| name));
        assert_eq!(&names[4..], ["authorization", "x-scope-orgid"]);
    }

    #[test]
    fn what_the_protocol_says_cannot_be_set() {
        for name in ["Content-Encoding", "Authorization"] {
            let more = BTreeMap::from([(name.to_owned(), "x".to_owned())]);
            assert!(matches!(all(&more, Some("Basic b".into())), Err(OpenError::Settings(_))), "{name}");
        }
    }
}
