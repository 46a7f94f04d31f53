//! HTTP headers that come from settings, checked when a backend is opened: later, a bad one would fail every request.

use super::base64;
use crate::bindings::types::OpenError;

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
