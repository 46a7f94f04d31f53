//! Where plugins come from.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use saker_plugins::Signature;

use crate::install::FILE_BYTES_MAX;
use crate::install::reference::OciReference;
use crate::install::registry::{RegistryClient, RegistryError};

/// Where a plugin comes from, as the user writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginSource {
    /// `oci://host/name:tag` or `oci://host/name@sha256:…`.
    Image(String),
    /// A file, or a folder whose `.wasm` files are all meant.
    Path(PathBuf),
}

/// A plugin file that was fetched.
#[derive(Clone, Debug)]
pub struct FetchedPlugin {
    /// The name that it would have in the plugin folder, without `.wasm`.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Where it comes from: what to fetch for a newer one.
    pub source: PluginSource,
    /// The digest that a registry keeps it under.
    pub digest: Option<String>,
    /// Its signature, if one came with it.
    pub signature: Option<Signature>,
}

/// Why there is nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, io::Error),
    /// It is too large.
    #[error("{0} has {1} bytes, and {FILE_BYTES_MAX} is the limit")]
    TooLarge(PathBuf, u64),
    /// A folder without plugins.
    #[error("{0} holds no .wasm file")]
    Empty(PathBuf),
    /// A name that no plugin can have.
    #[error("{0} names no plugin: expected NAME.wasm of letters, digits, hyphens and underscores")]
    Name(PathBuf),
    /// The signature beside it.
    #[error("{0}: {1}")]
    Signature(PathBuf, saker_plugins::SignatureError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl From<&str> for PluginSource {
    fn from(text: &str) -> Self {
        if text.starts_with("oci://") { Self::Image(text.into()) } else { Self::Path(text.into()) }
    }
}

impl fmt::Display for PluginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image(reference) => f.write_str(reference),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Fetches what a source has: one plugin, or all of a folder.
///
/// # Errors
/// [`SourceError`]
pub async fn fetch(source: &PluginSource, registry: &RegistryClient) -> Result<Vec<FetchedPlugin>, SourceError> {
    match source {
        PluginSource::Image(reference) => {
            let pulled = registry.pull(reference).await?;
            let repository = OciReference::parse(reference)?.repository;
            let name = repository.rsplit('/').next().unwrap_or(&repository).to_owned();
            let (bytes, digest) = (pulled.bytes, Some(pulled.digest));
            Ok(vec![FetchedPlugin { name, bytes, source: source.clone(), digest, signature: pulled.signature }])
        }
        PluginSource::Path(path) if path.is_dir() => {
            let entries = std::fs::read_dir(path).map_err(|error| SourceError::Read(path.clone(), error))?;
            let mut files: Vec<_> =
                entries.flatten().map(|entry| entry.path()).filter(|path| is_plugin(path)).collect();
            files.sort();
            if files.is_empty() {
                return Err(SourceError::Empty(path.clone()));
            }
            files.iter().map(|file| from_file(file)).collect()
        }
        PluginSource::Path(path) => Ok(vec![from_file(path)?]),
    }
}

fn is_plugin(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    path.extension().is_some_and(|extension| extension == "wasm") && path.is_file() && !hidden
}

fn from_file(path: &Path) -> Result<FetchedPlugin, SourceError> {
    let read = |error| SourceError::Read(path.to_owned(), error);
    let path = std::path::absolute(path).map_err(read)?;
    let size = std::fs::metadata(&path).map_err(read)?.len();
    if size > FILE_BYTES_MAX as u64 {
        return Err(SourceError::TooLarge(path, size));
    }
    let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".wasm")).map(str::to_owned);
    let name = name.filter(|name| is_name(name)).ok_or_else(|| SourceError::Name(path.clone()))?;
    let bytes = std::fs::read(&path).map_err(read)?;
    let beside = path.with_file_name(format!("{name}.wasm.sig"));
    let signature = match std::fs::read_to_string(&beside) {
        Ok(text) => Some(Signature::parse(&text).map_err(|error| SourceError::Signature(beside, error))?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(SourceError::Read(beside, error)),
    };
    Ok(FetchedPlugin { name, bytes, source: PluginSource::Path(path), digest: None, signature })
}

/// Whether a file in the plugin folder can be called so.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.len() <= 64 && name.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        assert!(is_name("disk-io") && !is_name("../cpu") && !is_name("") && !is_name("a b"));
    }

    #[tokio::test]
    async fn files_and_folders_are_read_with_their_signatures() {
        let dir = tempfile::TempDir::new().unwrap();
        let fetch =
            async |path: &Path| super::fetch(&PluginSource::Path(path.into()), &RegistryClient::default()).await;
        assert!(matches!(fetch(dir.path()).await, Err(SourceError::Empty(_))));
        std::fs::write(dir.path().join("a.wasm"), b"1").unwrap();
        std::fs::write(dir.path().join("b.wasm"), b"2").unwrap();
        std::fs::write(dir.path().join("b.wasm.sig"), "AAAA").unwrap();
        std::fs::write(dir.path().join(".c.wasm"), b"3").unwrap();
        let found = fetch(dir.path()).await.unwrap();
        let found: Vec<_> = found.iter().map(|found| (found.name.as_str(), found.signature.is_some())).collect();
        assert_eq!(found, [("a", false), ("b", true)]);
        assert!(matches!(fetch(&dir.path().join("d.wasm")).await, Err(SourceError::Read(..))));
    }
}
