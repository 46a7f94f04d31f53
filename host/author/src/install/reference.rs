//! The name of an image: `oci://host[:port]/repository[:tag|@digest]`.

use std::fmt;

use crate::install::registry::RegistryError;

/// A reference, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OciReference {
    /// `host` or `host:port`.
    pub(crate) registry: String,
    pub(crate) repository: String,
    /// A tag, or `sha256:` and 64 digits.
    pub(crate) version: String,
}

impl OciReference {
    pub(crate) fn parse(text: &str) -> Result<Self, RegistryError> {
        let wrong = |why| RegistryError::Reference(text.to_owned(), why);
        let bare = text.strip_prefix("oci://").ok_or_else(|| wrong("it does not begin with oci://"))?;
        let (registry, rest) = bare.split_once('/').ok_or_else(|| wrong("it has no repository"))?;
        let (repository, version) = match rest.split_once('@') {
            Some((repository, digest)) => (repository, digest),
            None => rest.split_once(':').unwrap_or((rest, "latest")),
        };
        let part = |text: &str| {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
            !text.is_empty() && text.chars().all(plain) && !text.starts_with('.')
        };
        if !repository.split('/').all(part) {
            return Err(wrong("its repository has a part that is not of lower-case letters, digits and . _ -"));
        }
        let tag = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let digest = version.strip_prefix("sha256:");
        let is_digest = digest.is_some_and(|hex| hex.len() == 64 && hex.chars().all(|c| c.is_ascii_hexdigit()));
        let is_tag = !version.is_empty() && version.len() <= 128 && version.chars().all(tag);
        if !is_digest && (!is_tag || rest.contains('@')) {
            return Err(wrong("neither a tag nor a sha256 digest"));
        }
        let host = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if registry.is_empty() || !registry.chars().all(host) {
            return Err(wrong("it has no host"));
        }
        let own = str::to_owned;
        Ok(Self { registry: own(registry), repository: own(repository), version: own(version) })
    }
}

impl fmt::Display for OciReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.version.starts_with("sha256:") { '@' } else { ':' };
        write!(f, "oci://{}/{}{sign}{}", self.registry, self.repository, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_taken_apart_and_put_together() {
        let digest = format!("oci://h/a/b@sha256:{}", "0a".repeat(32));
        for text in ["oci://127.0.0.1:5000/team/cpu:1.2-x", "oci://h/cpu:latest", &digest] {
            assert_eq!(OciReference::parse(text).unwrap().to_string(), text);
        }
        let latest = OciReference::parse("oci://h/cpu").unwrap();
        assert_eq!((latest.repository.as_str(), latest.version.as_str()), ("cpu", "latest"));
    }

    #[test]
    fn what_is_no_reference_is_rejected() {
        for text in [
            "h/cpu",
            "oci://cpu",
            "oci:///cpu",
            "oci://h/../x",
            "oci://h/A",
            "oci://h/a:",
            "oci://h/a@latest",
            "oci://h/a@sha256:00",
            "oci://me@h/a",
            "oci://h/a b",
        ] {
            assert!(matches!(OciReference::parse(text), Err(RegistryError::Reference(..))), "{text}");
        }
    }
}
