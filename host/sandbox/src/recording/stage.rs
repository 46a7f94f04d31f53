//! The folder with the copies that a guest with a tape reads.

use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, fs, process};

use cap_std::fs::Dir;
use rustix::fs::readlinkat;
use serde_json::{Map, Value, json};

use crate::files::{GrantedRoot, OpenPurpose, OpenRejection};

/// The largest file that is recorded, in bytes.
const FILE_MAX: u64 = 16 << 20;
/// Folders that killed processes of the same number have left, until one is found that is not there.
const TRIES_MAX: u64 = 10_000;

/// A folder that is removed with this value.
pub(crate) struct StagingFolder(PathBuf);

/// Where the copy of something lies: below which root, and where there.
pub(crate) struct StagedPath {
    root: PathBuf,
    below: PathBuf,
}

impl StagedPath {
    /// None for a path that leads upwards or begins anew: WASI rejects it, or finds nothing there.
    pub(crate) fn new(root: PathBuf, path: &str) -> Option<Self> {
        let mut below = PathBuf::new();
        for part in Path::new(path).components() {
            match part {
                Component::Normal(name) => below.push(name),
                Component::CurDir => {}
                _ => return None,
            }
        }
        Some(Self { root, below })
    }

    /// The path below its root; empty for the root itself.
    pub(crate) fn below(&self) -> &Path {
        &self.below
    }

    fn path(&self) -> PathBuf {
        self.root.join(&self.below)
    }
}

impl StagingFolder {
    pub(crate) fn new() -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = env::temp_dir().join(format!("saker-recording-{}-{number}", process::id()));
            match fs::create_dir(&path) {
                // A process of this number was killed, and has left it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < TRIES_MAX => {}
                made => return made.map(|()| Self(path)),
            }
        }
    }

    /// An empty folder that stands for a granted one.
    pub(crate) fn root(&self, guest: &str) -> io::Result<PathBuf> {
        let path = self.0.join(blake3::hash(guest.as_bytes()).to_hex().as_str());
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Puts a file, a folder or nothing into place.
    pub(crate) fn put(&self, place: &StagedPath, answer: &Value) -> Result<(), String> {
        let path = place.path();
        if answer.get("nothing").is_some() {
            return clear(&path).map_err(in_words);
        }
        if answer.get("folder").is_some() {
            return make_folder(&path).map_err(in_words);
        }
        let bytes = match (&answer["text"], &answer["bytes"]) {
            (Value::String(text), _) => text.clone().into_bytes(),
            (_, Value::Array(bytes)) => bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect(),
            _ => return Err("the recording says neither file nor folder nor nothing".into()),
        };
        self.put_file(&path, &bytes).map_err(in_words)
    }

    /// Puts something of the kind into place, unless it is there.
    pub(crate) fn put_kind(&self, place: &StagedPath, answer: &Value) -> Result<(), String> {
        let path = place.path();
        match answer["size"].as_u64() {
            None => self.put(place, answer),
            Some(_) if path.is_file() => Ok(()),
            Some(size) => self
                .put_file(&path, b"")
                .and_then(|()| fs::OpenOptions::new().write(true).open(&path)?.set_len(size))
                .map_err(in_words),
        }
    }

    /// Whoever has the file open that was there before goes on with that one.
    fn put_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        let new = self.0.join("new");
        fs::write(&new, bytes)?;
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        }
        fs::rename(new, path)
    }

    /// Makes a folder hold these names and no others. What the files hold is put there when they are asked for.
    pub(crate) fn put_entries(&self, place: &StagedPath, answer: &Value) -> Result<(), String> {
        let path = place.path();
        let names = answer["names"].as_object().cloned().unwrap_or_default();
        make_folder(&path).map_err(in_words)?;
        for entry in fs::read_dir(&path).map_err(in_words)?.flatten() {
            if !entry.file_name().to_str().is_some_and(|name| names.contains_key(name)) {
                clear(&entry.path()).map_err(in_words)?;
            }
        }
        for (name, kind) in names {
            let path = path.join(name);
            let made = match kind == "folder" {
                true => make_folder(&path),
                false if path.is_file() => Ok(()),
                false => self.put_file(&path, b""),
            };
            made.map_err(in_words)?;
        }
        Ok(())
    }

    /// Puts a link into place, or nothing if there was none.
    pub(crate) fn put_link(&self, place: &StagedPath, answer: &Value) -> Result<(), String> {
        let path = place.path();
        let Some(to) = answer["to"].as_str() else { return Ok(()) };
        clear(&path).map_err(in_words)?;
        path.parent().map_or(Ok(()), make_folder).map_err(in_words)?;
        std::os::unix::fs::symlink(to, path).map_err(in_words)
    }
}

impl Drop for StagingFolder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), "cannot remove the copies of a recording: {error}");
        }
    }
}

/// A folder, in the place of a file if need be.
fn make_folder(path: &Path) -> io::Result<()> {
    if path.is_symlink() || path.is_file() {
        fs::remove_file(path)?;
    }
    fs::create_dir_all(path)
}

fn clear(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn in_words(error: io::Error) -> String {
    format!("cannot make its copy: {error}")
}

/// Whether a path leads to a file or a folder, without leaving the granted one.
pub(super) fn kind(real: &GrantedRoot, below: &str) -> Result<Value, String> {
    Ok(match metadata(real, below) {
        Ok(metadata) if metadata.is_dir() => json!({"folder": true}),
        Ok(metadata) => json!({"size": metadata.len()}),
        Err(error) => json!({"nothing": error.to_string()}),
    })
}

/// What a path leads to, without leaving the granted folder.
pub(super) fn look(real: &GrantedRoot, below: &str) -> Result<Value, String> {
    let found = kind(real, below)?;
    if found.get("size").is_none() {
        return Ok(found);
    }
    if !metadata(real, below).is_ok_and(|metadata| metadata.is_file()) {
        return Err("neither a file nor a folder: it cannot be recorded".into());
    }
    let mut bytes = Vec::new();
    let read = open(real, below, OpenPurpose::Read).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut bytes));
    match read {
        Err(error) => Ok(json!({"nothing": error.to_string()})),
        Ok(_) if bytes.len() as u64 > FILE_MAX => Err(format!("longer than {FILE_MAX} bytes: it cannot be recorded")),
        Ok(_) => Ok(match String::from_utf8(bytes) {
            Ok(text) => json!({"text": text}),
            Err(error) => json!({"bytes": error.into_bytes()}),
        }),
    }
}

/// The names in a folder. Links count as what they lead to.
pub(super) fn list(real: &GrantedRoot, below: &str) -> Result<Value, String> {
    let mut names = Map::new();
    let folder = open(real, below, OpenPurpose::Read).map_err(|error| error.to_string())?;
    let entries = Dir::from_std_file(folder).entries().map_err(|error| error.to_string())?;
    for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        if !real.is_hidden(below, &name) {
            let is_folder = metadata(real, &format!("{below}/{name}")).is_ok_and(|metadata| metadata.is_dir());
            names.insert(name, if is_folder { "folder" } else { "file" }.into());
        }
    }
    Ok(json!({"names": names}))
}

/// Where a link leads.
pub(super) fn link(real: &GrantedRoot, below: &str) -> Result<Value, String> {
    let to = open(real, below, OpenPurpose::LookAtLink).and_then(|link| Ok(readlinkat(link, "", Vec::new())?));
    Ok(match to {
        Ok(to) => json!({"to": to.to_string_lossy()}),
        Err(error) => json!({"nothing": error.to_string()}),
    })
}

fn metadata(real: &GrantedRoot, below: &str) -> io::Result<fs::Metadata> {
    open(real, below, OpenPurpose::Look)?.metadata()
}

/// What is not granted is nothing in a recording.
fn open(real: &GrantedRoot, below: &str, aim: OpenPurpose) -> io::Result<fs::File> {
    real.open(below.trim_start_matches('/'), aim).map(fs::File::from).map_err(|rejection| match rejection {
        OpenRejection::Os(error) => error,
        OpenRejection::Denied(permission) => io::Error::new(io::ErrorKind::PermissionDenied, permission.to_string()),
    })
}
