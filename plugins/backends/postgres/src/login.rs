//! Answers to what a server wants for a login.

use saker_sdk::scram::{Exchange, ScramHash};

use crate::protocol::{password, sasl_first};

/// The only way of SCRAM that PostgreSQL has, apart from the one that needs TLS.
const MECHANISM: &str = "SCRAM-SHA-256";

/// A login that is under way.
pub(crate) struct Login<'s> {
    username: &'s str,
    password: Option<&'s str>,
    exchange: Option<Exchange>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LoginStep {
    /// Say this.
    Say(Vec<u8>),
    /// Wait for more.
    Wait,
    /// It is done.
    Done,
}

impl<'s> Login<'s> {
    pub(crate) fn new(username: &'s str, password: Option<&'s str>) -> Self {
        Self { username, password, exchange: None }
    }

    /// What to do about one message of the server. An error says what cannot be done, or who is not who he says.
    pub(crate) fn step(&mut self, kind: u32, body: &[u8]) -> Result<LoginStep, String> {
        if kind == 0 {
            // A server that has begun to prove that it knows the password must not leave it at that.
            return if self.exchange.is_some() {
                Err("the server has not proved itself".into())
            } else {
                Ok(LoginStep::Done)
            };
        }
        let secret = self.password.ok_or("the server wants a password; give it")?;
        match kind {
            3 => Ok(LoginStep::Say(password(&with_zero(secret)))),
            5 => Ok(LoginStep::Say(password(&with_zero(&md5(self.username, secret, body))))),
            10 => {
                if !body.split(|&byte| byte == 0).any(|name| name == MECHANISM.as_bytes()) {
                    return Err(format!("the server offers no {MECHANISM}"));
                }
                // The name stands in the first message of the connection already.
                let exchange = Exchange::new(ScramHash::Sha256, "", secret);
                let first = sasl_first(MECHANISM, &exchange.first());
                self.exchange = Some(exchange);
                Ok(LoginStep::Say(first))
            }
            11 | 12 => {
                let text = std::str::from_utf8(body).map_err(|_| "the server's message is no text")?;
                let exchange = self.exchange.as_mut().ok_or("the server answers what was not asked")?;
                if kind == 11 {
                    return Ok(LoginStep::Say(password(exchange.second(text)?.as_bytes())));
                }
                exchange.verify(text)?;
                self.exchange = None;
                Ok(LoginStep::Wait)
            }
            other => Err(format!("the server wants a login of kind {other}, not by a password")),
        }
    }
}

fn with_zero(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// `md5` and the hash of (the hash of password and name) and salt.
fn md5(username: &str, password: &str, salt: &[u8]) -> String {
    let inner = hex(&[password.as_bytes(), username.as_bytes()]);
    format!("md5{}", hex(&[inner.as_bytes(), salt]))
}

fn hex(parts: &[&[u8]]) -> String {
    let mut hash = md5::Context::new();
    parts.iter().for_each(|part| hash.consume(part));
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_sent_as_the_server_wants_it() {
        let mut login = Login::new("me", Some("secret"));
        assert_eq!(login.step(3, &[]), Ok(LoginStep::Say(b"p\0\0\0\x0bsecret\0".to_vec())));
        let Ok(LoginStep::Say(message)) = login.step(5, &[1, 2, 3, 4]) else { panic!("nothing to say") };
        assert_eq!(&message[5..], b"md58322d584bf59f0253d58346307bb6ba3\0");
        assert_eq!(login.step(0, &[]), Ok(LoginStep::Done));
    }

    #[test]
    fn by_scram_the_server_has_to_prove_itself_too() {
        let mut login = Login::new("me", Some("secret"));
        let Ok(LoginStep::Say(first)) = login.step(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0") else {
            panic!("nothing to say")
        };
        let first = String::from_utf8(first[5..].to_vec()).unwrap();
        let nonce = first.split("r=").nth(1).unwrap();
        assert!(login.step(0, &[]).unwrap_err().contains("has not proved itself"));
        let server = format!("r={nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        assert!(matches!(login.step(11, server.as_bytes()), Ok(LoginStep::Say(_))));
        assert!(login.step(12, b"v=AAAA").unwrap_err().contains("does not know the password itself"));
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        assert_eq!(Login::new("me", None).step(0, &[]), Ok(LoginStep::Done));
        assert!(Login::new("me", None).step(3, &[]).unwrap_err().contains("wants a password"));
        let mut login = Login::new("me", Some("s"));
        assert!(login.step(7, &[]).unwrap_err().contains("a login of kind 7"));
        assert!(login.step(10, b"SCRAM-SHA-512\0\0").unwrap_err().contains("offers no SCRAM-SHA-256"));
        assert!(login.step(11, b"x").unwrap_err().contains("what was not asked"));
    }
}
