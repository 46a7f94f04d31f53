//! Secrets that the agent puts into a guest's requests: the guest never holds them, and they go nowhere else.
//!
//! A secret is read from its file for each request, so that one that was renewed is used at once. It is put into requests
//! to exactly the destination that it is granted for, in the place of whatever the guest has set there; such a request is
//! plain (`request.rs`), and what comes back is looked through (`mask.rs`).

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::header::{HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{Request, Uri};
use wasmtime_wasi_http::Error;

use crate::mask::{Mask, SECRET_BYTES_MIN};
use crate::request;

/// Bytes of a secret.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// A secret, and where it is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretGrant {
    /// Its name in the configuration.
    pub name: String,
    /// The file that holds it; white space around it does not count.
    pub file: PathBuf,
    /// The destination that may learn it.
    pub to: HttpOrigin,
    /// The header that it is put into.
    pub header: HeaderName,
    /// What stands before it in the header, such as `Bearer `.
    pub prefix: String,
}

/// A destination: `scheme://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOrigin {
    tls: bool,
    host: String,
    port: u16,
}

/// A destination that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no destination; write scheme://host:port, such as \"https://db.example:443\"")]
pub struct HttpOriginError {
    text: String,
}

impl FromStr for HttpOrigin {
    type Err = HttpOriginError;

    fn from_str(text: &str) -> Result<Self, HttpOriginError> {
        let wrong = || HttpOriginError { text: text.into() };
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let bare = uri.path_and_query().is_none_or(|path| path.as_str() == "/")
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        Self::of(&uri).filter(|_| bare).ok_or_else(wrong)
    }
}

impl HttpOrigin {
    fn of(uri: &Uri) -> Option<Self> {
        let tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return None,
        };
        let host = uri.host()?.trim_end_matches('.').to_ascii_lowercase();
        Some(Self { tls, host, port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }) })
    }
}

impl fmt::Display for HttpOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }
}

/// The secrets of an instance.
pub(crate) struct Secrets(Vec<SecretGrant>);

impl Secrets {
    pub(crate) fn new(granted: Vec<SecretGrant>) -> Self {
        Self(granted)
    }

    /// Puts into a request what is granted for where it goes. Answers what is to be blotted out of the answer.
    pub(crate) fn put_into<B>(&self, request: &mut Request<B>) -> Result<Mask, Error> {
        let mut mask = Mask::default();
        let Some(destination) = HttpOrigin::of(request.uri()) else { return Ok(mask) };
        for secret in self.0.iter().filter(|secret| secret.to == destination) {
            if mask.is_empty() {
                request::make_plain(request)?;
            }
            let value = read(secret, &mut mask).map_err(|error| Error::InternalError(Some(error)))?;
            request.headers_mut().insert(secret.header.clone(), value);
        }
        Ok(mask)
    }
}

/// The header's value; the mask learns it. An error names the secret and its file, and nothing of what is in it.
fn read(secret: &SecretGrant, mask: &mut Mask) -> Result<HeaderValue, String> {
    let SecretGrant { name, file, prefix, .. } = secret;
    let failed = |what: &dyn fmt::Display| format!("the secret {name} cannot be used: {}: {what}", file.display());
    let size = std::fs::metadata(file).map_err(|error| failed(&error))?.len();
    if size > SECRET_BYTES_MAX {
        return Err(failed(&format_args!("it is longer than {SECRET_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| failed(&error))?;
    if text.trim().is_empty() {
        return Err(failed(&"it is empty"));
    }
    if text.trim().len() < SECRET_BYTES_MIN {
        return Err(failed(&format_args!(
            "it has fewer than {SECRET_BYTES_MIN} bytes, and cannot be told from other text"
        )));
    }
    mask.add(text.trim().as_bytes());
    let value = HeaderValue::from_str(&format!("{prefix}{}", text.trim()));
    let mut value = value.map_err(|_| failed(&"it holds what no header may hold, such as a line break"))?;
    // Whatever shows headers while looking for a mistake leaves this one out.
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_scheme_a_host_and_a_port_and_nothing_else() {
        for (text, shown) in [
            ("https://db.example", "https://db.example:443"),
            ("http://DB.example:8086/", "http://db.example:8086"),
            ("https://[::1]:9", "https://[::1]:9"),
        ] {
            assert_eq!(text.parse::<HttpOrigin>().unwrap().to_string(), shown);
        }
        for text in ["db.example:443", "ftp://db.example", "https://u:p@db.example", "https://db.example/path", ""] {
            let error = text.parse::<HttpOrigin>().unwrap_err().to_string();
            assert!(error.contains("write scheme://host:port"), "{text}: {error}");
        }
    }

    #[test]
    fn a_secret_goes_to_its_destination_only_and_is_never_printed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, " sesame\n").unwrap();
        let to = "https://db.example:8086".parse().unwrap();
        let header = http::header::AUTHORIZATION;
        let grant = SecretGrant { name: "t".into(), file: file.clone(), to, header, prefix: "Token ".into() };
        let secrets = Secrets::new(vec![grant]);
        let put = |method: &str, uri: &str| {
            let mut request =
                Request::builder().method(method).uri(uri).header("authorization", "guess").body(()).unwrap();
            request.headers_mut().append("authorization", HeaderValue::from_static("another"));
            secrets.put_into(&mut request).map(|mask| (request, mask))
        };
        let (request, mask) = put("GET", "https://db.example:8086/write?x=y").unwrap();
        assert_eq!(mask.text("you said sesame"), "you said ******");
        assert_eq!(request.headers().get_all("authorization").iter().collect::<Vec<_>>(), ["Token sesame"]);
        assert!(!format!("{request:?}").contains("sesame"));
        for elsewhere in ["http://db.example:8086/", "https://db.example/", "https://a.db.example:8086/"] {
            let (request, mask) = put("GET", elsewhere).unwrap();
            assert!(request.headers()["authorization"] == "guess" && mask.is_empty(), "{elsewhere}");
        }
        for method in ["TRACE", "trace", "PROPFIND", "OTHER"] {
            assert!(put(method, "https://db.example:8086/").is_err(), "{method}");
        }
        assert!(put("GET", "https://DB.example.:8086/").unwrap().0.headers()["authorization"] == "Token sesame");
        std::fs::write(&file, "ses\name").unwrap();
        let error = format!("{:?}", put("GET", "https://db.example:8086/").err().unwrap());
        assert!(error.contains("the secret t cannot be used") && !error.contains("ses\\name"), "{error}");
        std::fs::write(&file, "abc").unwrap();
        let error = format!("{:?}", put("GET", "https://db.example:8086/").err().unwrap());
        assert!(error.contains("fewer than 4 bytes") && !error.contains("abc"), "{error}");
    }
}
