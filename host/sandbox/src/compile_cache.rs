//! Machine code on disk, so that a restart compiles nothing.
//!
//! A file is named after the hash of the component's bytes and of everything about the engine that the code depends
//! on. Loading machine code means trusting it, so the folder belongs to the agent alone, and each file carries a code
//! that only a holder of this folder's key can make: whoever gets to write here has gained nothing.

mod failures;
mod key;
mod writer;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, File, MetadataExt, OpenOptions, OpenOptionsExt, PermissionsExt};
use parking_lot::Mutex;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::plugin::PluginHash;
use key::CodeKey;
pub(crate) use writer::{CodeWriteError, CodeWriteOutcome, CodeWriter};

/// Bytes of all files together; the oldest go first.
const CACHE_BYTES_MAX: u64 = 1 << 30;
/// What a process that was killed has left half written is removed after this time: nothing is written for so long.
const UNFINISHED_AGE: Duration = Duration::from_secs(3600);
/// Bytes of a file that authenticates another.
const MAC_BYTES_MAX: u64 = 100;
/// How much of a file is read at a time.
const PIECE_BYTES: usize = 64 << 10;

/// Where machine code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOrigin {
    /// From the cache.
    Cache,
    /// It was compiled just now.
    Compiled,
}

/// How often machine code was found on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompileCacheStats {
    /// It was.
    pub hits: u64,
    /// It was not, or was not what had been written.
    pub misses: u64,
}

/// Why a folder cannot be the cache.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It cannot be made or opened.
    #[error(
        "cannot open the compile cache {path}; it is in the agent's data_dir, which must be this user's to write to"
    )]
    Open {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others can write to it.
    #[error(
        "the compile cache {path} is not private: it has mode {mode:o} and owner {owner}; remove it, or give it to user {us} with mode 700"
    )]
    NotPrivate {
        /// The folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Its owner.
        owner: u32,
        /// Who we are.
        us: u32,
    },
    /// The key of its files cannot be read or made.
    #[error("cannot read or make the compile cache's key {path}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The folder.
pub(crate) struct CompileCache {
    dir: Dir,
    key: CodeKey,
    engine_key: String,
    storing: Mutex<()>,
    hits: AtomicU64,
    misses: AtomicU64,
}

impl CompileCache {
    pub(crate) fn open(path: &Path, engine: &Engine) -> Result<Self, CacheError> {
        let failed = |source| CacheError::Open { path: path.into(), source };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(failed)?;
        }
        let root =
            Dir::open_ambient_dir(path.parent().unwrap_or(Path::new(".")), ambient_authority()).map_err(failed)?;
        let name = path.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        match root.create_dir_with(name, DirBuilder::new().mode(0o700)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(failed(error)),
            _ => {}
        }
        let dir = root.open_dir(name).map_err(failed)?;
        let metadata = dir.dir_metadata().map_err(failed)?;
        let (mode, owner, us) =
            (metadata.permissions().mode() & 0o777, metadata.uid(), rustix::process::geteuid().as_raw());
        if mode & 0o022 != 0 || owner != us {
            return Err(CacheError::NotPrivate { path: path.into(), mode, owner, us });
        }
        // Beside the folder, so that writing in it is not yet reading the key.
        let key_path = path.with_extension("key");
        let key_name = key_path.file_name().unwrap_or(name);
        let key = CodeKey::read_or_make(&root, Path::new(key_name))
            .map_err(|source| CacheError::Key { path: key_path.clone(), source })?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let cache = Self {
            dir,
            key,
            engine_key: format!("{:016x}", hasher.finish()),
            storing: Mutex::new(()),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        };
        cache.remove_unfinished().map_err(failed)?;
        Ok(cache)
    }

    /// The component, if its code is here, is what was written, and fits this engine. Reads the whole file.
    pub(crate) fn load(&self, engine: &Engine, hash: PluginHash) -> Option<Component> {
        let found = self.find(engine, hash);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn find(&self, engine: &Engine, hash: PluginHash) -> Option<Component> {
        let name = self.name(hash);
        // Opened once: what is checked is what is mapped, whatever is put under the name meanwhile.
        let mut file = self.open_own(&name).ok()?;
        let written = self.read_mac(&name).ok();
        let mut mac = self.key.mac(&name);
        copy_into(&mut file, &mut mac).ok()?;
        if written.is_none_or(|written| !mac.is(written.trim())) {
            tracing::warn!(%hash, "the machine code in the cache is not what was written, and is compiled again");
            return None;
        }
        load_code(engine, &file).inspect_err(|error| tracing::warn!(%hash, "stale machine code: {error:#}")).ok()
    }

    fn read_mac(&self, name: &str) -> io::Result<String> {
        let mut text = String::new();
        self.open_own(&mac_name(name))?.take(MAC_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    }

    /// A plain file of ours that has no other name: through one it could be changed after it was checked.
    fn open_own(&self, name: &str) -> io::Result<File> {
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
        let file = self.dir.open_with(name, OpenOptions::new().read(true).custom_flags(flags))?;
        let metadata = file.metadata()?;
        let private = metadata.permissions().mode() & 0o022 == 0 && metadata.nlink() == 1;
        if !metadata.is_file() || !private || metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(file)
    }

    /// How often code was found and was not, since the start.
    pub(crate) fn stats(&self) -> CompileCacheStats {
        CompileCacheStats { hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }

    /// Puts a small file in place, whole or not at all.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (unfinished, mut file) = self.begin(name)?;
        self.finish(&unfinished, name, file.write_all(bytes))
    }

    /// A file that is to become `name`, and what it is called until then.
    fn begin(&self, name: &str) -> io::Result<(String, File)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let unfinished = format!("{name}.{}.{number}.new", std::process::id());
        let mut options = OpenOptions::new();
        // Whatever an earlier process of this number has left under the name is not written into.
        let _ = self.dir.remove_file(&unfinished);
        let file = self.dir.open_with(&unfinished, options.read(true).write(true).create_new(true).mode(0o600))?;
        Ok((unfinished, file))
    }

    fn finish(&self, unfinished: &str, name: &str, written: io::Result<()>) -> io::Result<()> {
        let finished = written.and_then(|()| self.dir.rename(unfinished, &self.dir, name));
        if finished.is_err() {
            // The first error is the one to report.
            let _ = self.dir.remove_file(unfinished);
        }
        finished
    }

    fn name(&self, hash: PluginHash) -> String {
        format!("{hash}-{}.cwasm", self.engine_key)
    }

    fn trim(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in self.dir.entries()? {
            let entry = entry?;
            // One that has gone since is another's to trim.
            let Ok(metadata) = entry.metadata() else { continue };
            files.push((metadata.mtime(), metadata.len(), entry.file_name()));
        }
        files.sort();
        let mut total: u64 = files.iter().map(|file| file.1).sum();
        for (_, bytes, name) in files {
            if total <= CACHE_BYTES_MAX {
                break;
            }
            self.dir.remove_file(name)?;
            total -= bytes;
        }
        Ok(())
    }

    fn remove_unfinished(&self) -> io::Result<()> {
        for entry in self.dir.entries()? {
            let entry = entry?;
            let modified = entry.metadata().and_then(|metadata| metadata.modified()).map(|time| time.into_std());
            let old = modified.is_ok_and(|time| age(time) > UNFINISHED_AGE);
            if old && entry.file_name().to_string_lossy().ends_with(".new") {
                // Another process may have done so.
                let _ = self.dir.remove_file(entry.file_name());
            }
        }
        Ok(())
    }
}

fn mac_name(name: &str) -> String {
    format!("{name}.mac")
}

/// How long ago that was; nothing, if it is still to come.
fn age(time: SystemTime) -> Duration {
    SystemTime::now().duration_since(time).unwrap_or_default()
}

fn copy_into(file: &mut File, mac: &mut key::Mac) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            read => mac.update(&piece[..read]),
        }
    }
}

#[allow(unsafe_code, reason = "loading machine code is unsafe; the argument is beside it")]
fn load_code(engine: &Engine, file: &File) -> wasmtime::Result<Component> {
    // The path of the open descriptor, so that what is mapped is the file that was checked.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the code must be what wasmtime has produced and must not change. This very file carries the code that only
    // a holder of the key can make, and the key is written nowhere but beside the folder, for this user alone. The
    // folder's owner is this user and nobody else can write to it (checked when it was opened); the file has no other
    // name; files here are written under another name, renamed when they are whole, and never written again. Code of
    // another wasmtime or another configuration is rejected by wasmtime itself.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(test)]
mod tests;
