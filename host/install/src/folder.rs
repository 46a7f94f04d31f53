//! The plugin folder as an installer sees it: the files, their signatures, and the lock file that says what they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::keys::{Keys, SignatureError};
use crate::source::{Fetched, is_name};

/// The file in the plugin folder that pins what was installed.
const LOCK: &str = "plugins.lock";
/// The file that two installers take turns by.
const GUARD: &str = ".plugins.lock.guard";
/// What the lock file begins with.
const HEAD: &str = "# What `saker plugin install` has put here. Written by it, and best left to it.\n\n";

/// A plugin folder, held against other installers until it is dropped.
pub struct Folder {
    dir: PathBuf,
    pins: BTreeMap<String, Pin>,
    /// None for whoever only looks.
    _guard: Option<File>,
}

/// What was installed under a name.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Where it came from: a reference or a path.
    pub source: String,
    /// The BLAKE3 hash of the file.
    pub hash: String,
    /// The digest that the registry keeps it under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The key that had signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LockFile {
    #[serde(default)]
    plugin: BTreeMap<String, Pin>,
}

/// How a file in the folder stands to its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drift {
    /// It is what was installed.
    None,
    /// It is not there.
    Missing,
    /// It is another.
    Changed,
}

/// Why the folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system has refused.
    #[error("cannot {0} {1}: {2}")]
    Io(&'static str, PathBuf, io::Error),
    /// The lock file cannot be read.
    #[error("{0} makes no sense: {1}")]
    Lock(PathBuf, String),
    /// Nothing of this name was installed.
    #[error("{0} was not installed here; there is {1}")]
    Unknown(String, String),
    /// A file that nobody has installed has this name.
    #[error("{0} is there already, and was not installed by this command; move it away")]
    Foreign(PathBuf),
    /// Somebody has put another file in the place of one that was installed.
    #[error("{0} is not what was installed any more; move it away, and it is installed anew")]
    Changed(PathBuf),
    /// No plugin can be called so.
    #[error("{0:?} is no name: expected letters, digits, hyphens and underscores")]
    Name(String),
    /// The signature does not hold.
    #[error("{0}: {1}")]
    Signature(String, SignatureError),
}

impl Folder {
    /// Opens a folder, and makes it if it is not there. Waits for another installer.
    ///
    /// # Errors
    /// [`FolderError`]
    pub fn open(dir: &Path) -> Result<Self, FolderError> {
        std::fs::create_dir_all(dir).map_err(|error| FolderError::Io("make", dir.into(), error))?;
        let path = dir.join(GUARD);
        let guard = File::create(&path).map_err(|error| FolderError::Io("make", path.clone(), error))?;
        guard.lock().map_err(|error| FolderError::Io("lock", path, error))?;
        Ok(Self { _guard: Some(guard), ..Self::look(dir)? })
    }

    /// Looks into a folder, to change nothing.
    ///
    /// # Errors
    /// [`FolderError`]
    pub fn look(dir: &Path) -> Result<Self, FolderError> {
        let path = dir.join(LOCK);
        let pins = match std::fs::read_to_string(&path) {
            Ok(text) => {
                toml::from_str::<LockFile>(&text).map_err(|error| FolderError::Lock(path, error.to_string()))?.plugin
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(FolderError::Io("read", path, error)),
        };
        Ok(Self { dir: dir.to_owned(), pins, _guard: None })
    }

    /// What was installed, by name.
    #[must_use]
    pub fn pins(&self) -> &BTreeMap<String, Pin> {
        &self.pins
    }

    /// What was installed under a name.
    ///
    /// # Errors
    /// [`FolderError::Unknown`]
    pub fn pin(&self, name: &str) -> Result<&Pin, FolderError> {
        self.pins.get(name).ok_or_else(|| {
            let names: Vec<_> = self.pins.keys().map(String::as_str).collect();
            let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            FolderError::Unknown(name.to_owned(), names)
        })
    }

    /// Where the file of a name is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.wasm"))
    }

    /// Whether the file of a name is still what was installed.
    ///
    /// # Errors
    /// [`FolderError`]
    pub fn drift(&self, name: &str) -> Result<Drift, FolderError> {
        let pin = self.pin(name)?;
        match std::fs::read(self.path(name)) {
            Ok(bytes) if blake3::hash(&bytes).to_string() == pin.hash => Ok(Drift::None),
            Ok(_) => Ok(Drift::Changed),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Drift::Missing),
            Err(error) => Err(FolderError::Io("read", self.path(name), error)),
        }
    }

    /// Checks the signature, puts the file in place, and pins it. The signature goes first and the file last, each whole
    /// or not at all: an agent may be watching.
    ///
    /// # Errors
    /// [`FolderError`]; then the file is as it was.
    pub fn install(&mut self, fetched: &Fetched, keys: &Keys, required: bool) -> Result<&Pin, FolderError> {
        let name = &fetched.name;
        if !is_name(name) {
            return Err(FolderError::Name(name.clone()));
        }
        let file = format!("{name}.wasm");
        if !self.pins.contains_key(name) && self.path(name).exists() {
            return Err(FolderError::Foreign(self.path(name)));
        }
        if self.pins.contains_key(name) && self.drift(name)? == Drift::Changed {
            return Err(FolderError::Changed(self.path(name)));
        }
        let signed_by = keys
            .check(&fetched.bytes, fetched.signature.as_ref(), required, &format!("{file}.sig"))
            .map_err(|error| FolderError::Signature(name.clone(), error))?
            .map(|key| key.display().to_string());
        let signature = format!("{file}.sig");
        match &fetched.signature {
            Some(found) => self.put(&signature, found.to_text().as_bytes())?,
            None => self.take_away(&signature)?,
        }
        self.put(&file, &fetched.bytes)?;
        let pin = Pin {
            source: fetched.source.to_string(),
            hash: blake3::hash(&fetched.bytes).to_string(),
            digest: fetched.digest.clone(),
            signed_by,
        };
        self.pins.insert(name.clone(), pin);
        self.write_lock()?;
        self.pin(name)
    }

    /// Takes a plugin away, with its signature and its pin.
    ///
    /// # Errors
    /// [`FolderError`]
    pub fn remove(&mut self, name: &str) -> Result<(), FolderError> {
        self.pin(name)?;
        self.take_away(&format!("{name}.wasm"))?;
        self.take_away(&format!("{name}.wasm.sig"))?;
        self.pins.remove(name);
        self.write_lock()
    }

    fn write_lock(&self) -> Result<(), FolderError> {
        let lock = LockFile { plugin: self.pins.clone() };
        let text = toml::to_string(&lock).map_err(|error| FolderError::Lock(self.dir.join(LOCK), error.to_string()))?;
        self.put(LOCK, format!("{HEAD}{text}").as_bytes())
    }

    fn put(&self, file: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let (unfinished, path) = (self.dir.join(format!(".{file}.new")), self.dir.join(file));
        let write = || {
            let mut file = File::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&unfinished, &path)
        };
        write().map_err(|error| FolderError::Io("write", path.clone(), error))
    }

    fn take_away(&self, file: &str) -> Result<(), FolderError> {
        let path = self.dir.join(file);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FolderError::Io("remove", path, error)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::source::Source;

    fn fetched(name: &str, bytes: &[u8]) -> Fetched {
        let source = Source::Path("/from/here.wasm".into());
        Fetched { name: name.into(), bytes: bytes.into(), source, digest: None, signature: None }
    }

    #[test]
    fn what_is_installed_is_pinned_and_drift_is_seen() {
        let dir = TempDir::new().unwrap();
        let mut folder = Folder::open(dir.path()).unwrap();
        folder.install(&fetched("a", b"one"), &Keys::default(), false).unwrap();
        drop(folder);
        let mut folder = Folder::open(dir.path()).unwrap();
        assert_eq!(folder.pin("a").unwrap().source, "/from/here.wasm");
        assert_eq!(folder.drift("a").unwrap(), Drift::None);
        std::fs::write(folder.path("a"), b"other").unwrap();
        assert_eq!(folder.drift("a").unwrap(), Drift::Changed);
        let refused = folder.install(&fetched("a", b"another"), &Keys::default(), false).unwrap_err();
        assert!(matches!(refused, FolderError::Changed(_)), "somebody's change is not overwritten");
        std::fs::remove_file(folder.path("a")).unwrap();
        folder.install(&fetched("a", b"two"), &Keys::default(), false).unwrap();
        assert_eq!(std::fs::read(folder.path("a")).unwrap(), b"two");
        folder.remove("a").unwrap();
        assert!(!folder.path("a").exists() && folder.pins().is_empty());
        assert_eq!(folder.remove("a").unwrap_err().to_string(), "a was not installed here; there is nothing");
    }

    #[test]
    fn nothing_of_others_is_overwritten_and_nothing_lands_elsewhere() {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("mine.wasm"), b"mine").unwrap();
        let mut folder = Folder::open(dir.path()).unwrap();
        let refused = folder.install(&fetched("mine", b"theirs"), &Keys::default(), false).unwrap_err();
        assert!(matches!(refused, FolderError::Foreign(_)));
        assert_eq!(std::fs::read(dir.path().join("mine.wasm")).unwrap(), b"mine");
        let refused = folder.install(&fetched("../out", b"x"), &Keys::default(), false).unwrap_err();
        assert!(matches!(refused, FolderError::Name(_)));
        let refused = folder.install(&fetched("b", b"x"), &Keys::default(), true).unwrap_err();
        assert_eq!(refused.to_string(), "b: it is not signed: there is no b.wasm.sig beside it");
        assert!(!folder.path("b").exists());
    }

    #[test]
    fn a_lock_file_that_makes_no_sense_is_not_overwritten() {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join(LOCK), "[plugin.a]\nhash = 7\n").unwrap();
        assert!(matches!(Folder::open(dir.path()), Err(FolderError::Lock(..))));
    }
}
