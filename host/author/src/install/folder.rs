//! The plugin folder as an installer sees it: the files, their signatures, and the lock file that says what they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use saker_plugins::{ExposedPath, SignatureError, TrustedKeys};
use serde::{Deserialize, Serialize};

use crate::install::source::{FetchedPlugin, is_name};
use crate::install::version;

/// The file in the plugin folder that pins what was installed.
const LOCK: &str = "plugins.lock";
/// The file that two installers take turns by.
const GUARD: &str = ".plugins.lock.guard";
/// What the lock file begins with.
const HEAD: &str = "# What `saker plugin install` has put here. Written by it, and best left to it.\n\n";

/// A plugin folder, held against other installers until it is dropped.
pub struct InstallFolder {
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
    /// What the plugin called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The version that it called itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What a plugin calls itself. Both stand in its file, so a signature covers them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginIdentity {
    /// Its name.
    pub plugin: String,
    /// Its version.
    pub version: String,
}

/// What the operator has said yes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent {
    /// An older version in the place of a newer one.
    pub downgrade: bool,
    /// A name in the folder that is not the plugin's own.
    pub other_name: bool,
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
    /// The system returned an error.
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
    /// What was installed was signed, and this is not.
    #[error("{0} was signed when it was installed, and what takes its place is not; remove it first if that is meant")]
    Unsigned(String),
    /// Another plugin than the one that it takes the place of, or than its name in the folder says.
    #[error("{file} is to be {expected}, and what is signed calls itself {found}; {cure}")]
    OtherPlugin {
        /// Its name in the folder.
        file: String,
        /// What it should call itself.
        expected: String,
        /// What it calls itself.
        found: String,
        /// What to do if that is meant.
        cure: String,
    },
    /// An older version.
    #[error("{name} {found} is older than {installed}, which is installed; if that is meant: --downgrade")]
    Older {
        /// Its name in the folder.
        name: String,
        /// The version that was to be put in place.
        found: String,
        /// The one that is.
        installed: String,
    },
    /// Others can write to the folder.
    #[error(transparent)]
    Exposed(#[from] ExposedPath),
    /// The signature does not hold.
    #[error("{0}: {1}")]
    Signature(String, SignatureError),
}

impl InstallFolder {
    /// Opens a folder, and makes it if it is not there. Waits for another installer.
    ///
    /// # Errors
    /// [`FolderError`]
    pub fn open(dir: &Path) -> Result<Self, FolderError> {
        let make = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(dir);
        make.map_err(|error| FolderError::Io("make", dir.into(), error))?;
        let metadata = std::fs::metadata(dir).map_err(|error| FolderError::Io("look at", dir.into(), error))?;
        ExposedPath::check_mode(dir, &metadata)?;
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

    /// Checks the signature and what it covers, puts the file in place, and pins it. The signature goes first and the file last, each whole
    /// or not at all: an agent may be watching.
    ///
    /// # Errors
    /// [`FolderError`]; then the file is as it was.
    pub fn install(
        &mut self,
        fetched: &FetchedPlugin,
        named: &PluginIdentity,
        keys: &TrustedKeys,
        required: bool,
        consent: Consent,
    ) -> Result<&Pin, FolderError> {
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
        self.check_place(name, named, signed_by.is_some(), consent)?;
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
            plugin: Some(named.plugin.clone()),
            version: Some(named.version.clone()),
        };
        self.pins.insert(name.clone(), pin);
        self.write_lock()?;
        self.pin(name)
    }

    /// Whether a plugin may take this place. Whoever hands plugins out can hand out any that was ever signed: another one
    /// under this name, or an old one with a mistake that is mended since.
    fn check_place(
        &self,
        name: &str,
        named: &PluginIdentity,
        signed: bool,
        consent: Consent,
    ) -> Result<(), FolderError> {
        let other = |expected: &str, cure: String| FolderError::OtherPlugin {
            file: name.to_owned(),
            expected: expected.to_owned(),
            found: named.plugin.clone(),
            cure,
        };
        let Some(pin) = self.pins.get(name) else {
            return if !signed || consent.other_name || named.plugin == name {
                Ok(())
            } else {
                Err(other(name, format!("if that is meant: --name {name}")))
            };
        };
        if pin.signed_by.is_some() && !signed {
            return Err(FolderError::Unsigned(name.to_owned()));
        }
        if let Some(plugin) = pin.plugin.as_ref().filter(|&plugin| signed && *plugin != named.plugin) {
            return Err(other(plugin, "remove it first if that is meant".into()));
        }
        match &pin.version {
            Some(installed) if !consent.downgrade && version::compare(&named.version, installed).is_lt() => {
                Err(FolderError::Older {
                    name: name.to_owned(),
                    found: named.version.clone(),
                    installed: installed.clone(),
                })
            }
            _ => Ok(()),
        }
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
            // What an earlier attempt has left goes first, so that nothing is written through a link.
            match std::fs::remove_file(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            // The agent loads nothing that others can write to, whatever this process may hand on by its umask.
            let mut file = File::options().write(true).create_new(true).mode(0o644).open(&unfinished)?;
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
    use crate::install::source::PluginSource;

    fn fetched(name: &str, bytes: &[u8]) -> FetchedPlugin {
        let source = PluginSource::Path("/from/here.wasm".into());
        FetchedPlugin { name: name.into(), bytes: bytes.into(), source, digest: None, signature: None }
    }

    fn put(folder: &mut InstallFolder, fetched: &FetchedPlugin, required: bool) -> Result<Pin, FolderError> {
        put_version(folder, fetched, &TrustedKeys::default(), required, (&fetched.name, "1.0.0"), Consent::default())
    }

    fn put_version(
        folder: &mut InstallFolder,
        fetched: &FetchedPlugin,
        keys: &TrustedKeys,
        required: bool,
        (plugin, version): (&str, &str),
        consent: Consent,
    ) -> Result<Pin, FolderError> {
        let named = PluginIdentity { plugin: plugin.into(), version: version.into() };
        folder.install(fetched, &named, keys, required, consent).cloned()
    }

    #[test]
    fn what_was_signed_keeps_its_name_and_goes_back_only_if_that_is_meant() {
        let dir = TempDir::new().unwrap();
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let public = dir.path().join("key.pub");
        std::fs::write(&public, pair.public_key_pem()).unwrap();
        let keys = TrustedKeys::read(&[public]).unwrap();
        let signed = |name: &str, bytes: &[u8]| {
            let signature = crate::install::sign(&pair.serialize_pem(), bytes).unwrap();
            FetchedPlugin { signature: Some(saker_plugins::Signature::Plain(signature)), ..fetched(name, bytes) }
        };
        let mut folder = InstallFolder::open(&dir.path().join("plugins")).unwrap();
        let mut put = |fetched: &FetchedPlugin, plugin: &str, version: &str, consent: Consent| {
            put_version(&mut folder, fetched, &keys, false, (plugin, version), consent)
                .map_err(|error| error.to_string())
        };
        let (no, meant) = (Consent::default(), Consent { downgrade: true, other_name: true });
        let error = put(&signed("cpu", b"kafka"), "kafka", "1.0.0", no).unwrap_err();
        assert_eq!(error, "cpu is to be cpu, and what is signed calls itself kafka; if that is meant: --name cpu");
        put(&signed("cpu", b"one"), "cpu", "1.9.0", no).unwrap();
        put(&signed("cpu", b"two"), "cpu", "1.10.0", no).unwrap();
        let error = put(&signed("cpu", b"one"), "cpu", "1.9.0", no).unwrap_err();
        assert_eq!(error, "cpu 1.9.0 is older than 1.10.0, which is installed; if that is meant: --downgrade");
        let error = put(&signed("cpu", b"three"), "load", "2.0.0", meant).unwrap_err();
        assert!(error.contains("is to be cpu, and what is signed calls itself load; remove it first"), "{error}");
        let error = put(&fetched("cpu", b"three"), "cpu", "2.0.0", meant).unwrap_err();
        assert!(error.contains("was signed when it was installed"), "{error}");
        put(&signed("cpu", b"one"), "cpu", "1.9.0", meant).unwrap();
        put(&signed("other", b"one"), "cpu", "1.9.0", meant).unwrap();
        assert_eq!(std::fs::read(folder.path("cpu")).unwrap(), b"one");
        assert_eq!(folder.pin("other").unwrap().plugin.as_deref(), Some("cpu"));
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_installed_into() {
        use std::os::unix::fs::PermissionsExt;
        let dir = TempDir::new().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(InstallFolder::open(dir.path()), Err(FolderError::Exposed(_))));
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut folder = InstallFolder::open(dir.path()).unwrap();
        put(&mut folder, &fetched("a", b"one"), false).unwrap();
        let mode = std::fs::metadata(folder.path("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o022, 0, "{mode:o}");
    }

    #[test]
    fn what_is_installed_is_pinned_and_drift_is_seen() {
        let dir = TempDir::new().unwrap();
        let mut folder = InstallFolder::open(dir.path()).unwrap();
        put(&mut folder, &fetched("a", b"one"), false).unwrap();
        drop(folder);
        let mut folder = InstallFolder::open(dir.path()).unwrap();
        assert_eq!(folder.pin("a").unwrap().source, "/from/here.wasm");
        assert_eq!(folder.drift("a").unwrap(), Drift::None);
        std::fs::write(folder.path("a"), b"other").unwrap();
        assert_eq!(folder.drift("a").unwrap(), Drift::Changed);
        let rejected = put(&mut folder, &fetched("a", b"another"), false).unwrap_err();
        assert!(matches!(rejected, FolderError::Changed(_)), "somebody's change is not overwritten");
        std::fs::remove_file(folder.path("a")).unwrap();
        put(&mut folder, &fetched("a", b"two"), false).unwrap();
        assert_eq!(std::fs::read(folder.path("a")).unwrap(), b"two");
        folder.remove("a").unwrap();
        assert!(!folder.path("a").exists() && folder.pins().is_empty());
        assert_eq!(folder.remove("a").unwrap_err().to_string(), "a was not installed here; there is nothing");
    }

    #[test]
    fn nothing_of_others_is_overwritten_and_nothing_lands_elsewhere() {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("mine.wasm"), b"mine").unwrap();
        let mut folder = InstallFolder::open(dir.path()).unwrap();
        let rejected = put(&mut folder, &fetched("mine", b"theirs"), false).unwrap_err();
        assert!(matches!(rejected, FolderError::Foreign(_)));
        assert_eq!(std::fs::read(dir.path().join("mine.wasm")).unwrap(), b"mine");
        let rejected = put(&mut folder, &fetched("../out", b"x"), false).unwrap_err();
        assert!(matches!(rejected, FolderError::Name(_)));
        let rejected = put(&mut folder, &fetched("b", b"x"), true).unwrap_err();
        assert_eq!(rejected.to_string(), "b: it is not signed: there is no b.wasm.sig beside it");
        assert!(!folder.path("b").exists());
    }

    #[test]
    fn a_lock_file_that_makes_no_sense_is_not_overwritten() {
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join(LOCK), "[plugin.a]\nhash = 7\n").unwrap();
        assert!(matches!(InstallFolder::open(dir.path()), Err(FolderError::Lock(..))));
    }
}
