//! HTTP headers that come from settings, checked when a backend is opened: later, a bad one would fail every request.

use std::collections::BTreeMap;

use super::base64;
use crate::bindings::types::OpenError;

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

/// Adds the headers of the setting `headers`, which are the operator's own, to those of the protocol. Names become lower
/// case.
///
/// # Errors
/// [`OpenError::Settings`], naming the header that cannot be sent, or that is among the protocol's.
pub fn add(headers: &mut Vec<(String, String)>, more: &BTreeMap<String, String>) -> Result<(), OpenError> {
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
        check(&setting, value)?;
        headers.push((lower, value.clone()));
    }
    Ok(())
}

/// A token of RFC 9110, section 5.6.2.
fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// What the header `authorization` says: `scheme token`, or the user name and password of HTTP's basic scheme, or
/// nothing.
///
/// # Errors
/// [`OpenError::Settings`] if both are given, a password without its user, a user with a `:`, or a token that no
/// header can hold.
pub fn authorization(
    scheme: &str,
    token: Option<&str>,
    username: Option<&str>,
    password: Option<&str>,
) -> Result<Option<String>, OpenError> {
    let wrong = |what: &str| Err(OpenError::Settings(what.into()));
    match (token, username, password) {
        (None, None, None) => Ok(None),
        (Some(token), None, None) => {
            check("token", token)?;
            Ok(Some(format!("{scheme} {token}")))
        }
        (Some(_), _, _) => wrong("token: give either it or username and password"),
        (None, None, Some(_)) => wrong("password: give the username too"),
        (None, Some(username), _) if username.contains(':') => wrong("username: a colon cannot be part of it"),
        (None, Some(username), password) => Ok(Some(format!(
            "Basic {}",
            base64::encode(format!("{username}:{}", password.unwrap_or_default()).as_bytes())
        ))),
    }
}

/// Checks that a header can hold `value`. The value may be a secret, so the message does not repeat it.
///
/// # Errors
/// [`OpenError::Settings`], naming the setting.
pub fn check(setting: &str, value: &str) -> Result<(), OpenError> {
    let visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if value.is_empty() || value.trim() != value || !value.bytes().all(visible) {
        let what = "must be visible ASCII characters, not empty, without spaces around them";
        return Err(OpenError::Settings(format!("{setting}: {what}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(more: &[(&str, &str)]) -> Result<Vec<(String, String)>, OpenError> {
        let mut headers = vec![("content-encoding".to_owned(), "gzip".to_owned())];
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        add(&mut headers, &more)?;
        Ok(headers)
    }

    #[test]
    fn the_operators_headers_follow_the_protocols() {
        let headers = with(&[("X-Scope-OrgID", "team 1"), ("Authorization", "Custom x")]).unwrap();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected = [("content-encoding", "gzip"), ("authorization", "Custom x"), ("x-scope-orgid", "team 1")];
        assert_eq!(headers, expected);
    }

    #[test]
    fn a_header_that_cannot_be_sent_is_named() {
        for (name, value) in [
            ("", "v"),
            ("a b", "v"),
            ("é", "v"),
            ("Host", "v"),
            ("Content-Length", "1"),
            ("Content-Encoding", "zstd"),
            ("x-a", "secret\r\n"),
            ("x-a", ""),
        ] {
            let Err(OpenError::Settings(message)) = with(&[(name, value)]) else { panic!("{name}") };
            assert!(message.starts_with(&format!("headers.{name}: ")) && !message.contains("secret"), "{message}");
        }
        assert!(with(&[("X-A", "1"), ("x-a", "2")]).is_err());
    }

    #[test]
    fn a_token_or_a_user_makes_the_header() {
        let header = |token, username, password| authorization("Token", token, username, password).unwrap();
        assert_eq!(header(None, None, None), None);
        assert_eq!(header(Some("t=="), None, None).as_deref(), Some("Token t=="));
        assert_eq!(
            header(None, Some("Aladdin"), Some("open sesame")).as_deref(),
            Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
        );
        assert_eq!(header(None, Some("me"), None).as_deref(), Some("Basic bWU6"));
    }

    #[test]
    fn what_cannot_be_meant_is_named_without_the_secret() {
        for (token, username, password, named) in [
            (Some("secret"), Some("me"), None, "token: give either"),
            (Some("secret"), None, Some("secret"), "token: give either"),
            (None, None, Some("secret"), "password: give the username"),
            (None, Some("m:e"), Some("secret"), "username: a colon"),
            (Some("secret\n"), None, None, "token: must be visible"),
            (Some(""), None, None, "token: must be visible"),
        ] {
            let Err(OpenError::Settings(message)) = authorization("Token", token, username, password) else {
                panic!("{named}")
            };
            assert!(message.starts_with(named) && !message.contains("secret"), "{message}");
        }
    }
}
