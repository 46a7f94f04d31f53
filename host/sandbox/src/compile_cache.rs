//! Machine code on disk, so that a restart compiles nothing.
//!
//! A file is named after the hash of the component's bytes and of everything about the engine that the code depends
//! on. Loading machine code means trusting it, so the folder belongs to the agent alone and is refused if it does not.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt, MetadataExt, OpenOptions, OpenOptionsExt, PermissionsExt};
use parking_lot::Mutex;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::plugin::PluginHash;

/// Bytes of all files together; the oldest go first.
const CACHE_BYTES_MAX: u64 = 1 << 30;

/// Where machine code came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From the cache.
    Cache,
    /// It was compiled just now.
    Compiled,
}

/// How often machine code was found on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
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
}

/// The folder.
pub(crate) struct CompileCache {
    dir: Dir,
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
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            dir,
            engine_key: format!("{:016x}", hasher.finish()),
            storing: Mutex::new(()),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
        })
    }

    /// The component, if its code is here, is what was written, and fits this engine.
    pub(crate) fn load(&self, engine: &Engine, hash: PluginHash) -> Option<Component> {
        let found = self.find(engine, hash);
        let counter = if found.is_some() { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    fn find(&self, engine: &Engine, hash: PluginHash) -> Option<Component> {
        let name = self.name(hash);
        let mut file = self.dir.open(&name).ok()?;
        let written = self.dir.read_to_string(digest_name(&name)).ok();
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut file, &mut hasher).ok()?;
        if written.is_none_or(|written| written.trim() != hasher.finalize().to_hex().as_str()) {
            tracing::warn!(%hash, "the machine code in the cache is not what was written, and is compiled again");
            return None;
        }
        load_code(engine, &file).inspect_err(|error| tracing::warn!(%hash, "stale machine code: {error:#}")).ok()
    }

    /// How often code was found and was not, since the start.
    pub(crate) fn stats(&self) -> CacheStats {
        CacheStats { hits: self.hits.load(Ordering::Relaxed), misses: self.misses.load(Ordering::Relaxed) }
    }

    /// Keeps code and its digest. Each appears whole or not at all, and code without its digest is none.
    pub(crate) fn store(&self, hash: PluginHash, code: &[u8]) -> io::Result<()> {
        let name = self.name(hash);
        // Two files with the same bytes may be loaded at the same time, and one must not write into what the other maps.
        let _alone = self.storing.lock();
        self.put(&digest_name(&name), blake3::hash(code).to_hex().as_bytes())?;
        self.put(&name, code)?;
        self.trim()
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = format!("{name}.{}.new", std::process::id());
        let mut options = OpenOptions::new();
        let mut file = self.dir.open_with(&unfinished, options.write(true).create(true).truncate(true).mode(0o600))?;
        let written = file.write_all(bytes).and_then(|()| self.dir.rename(&unfinished, &self.dir, name));
        if written.is_err() {
            // The first error is the one to report.
            let _ = self.dir.remove_file(&unfinished);
        }
        written
    }

    fn name(&self, hash: PluginHash) -> String {
        format!("{hash}-{}.cwasm", self.engine_key)
    }

    fn trim(&self) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in self.dir.entries()? {
            let entry = entry?;
            let metadata = entry.metadata()?;
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
}

fn digest_name(name: &str) -> String {
    format!("{name}.blake3")
}

#[allow(unsafe_code, reason = "loading machine code is unsafe; the argument is beside it")]
fn load_code(engine: &Engine, file: &cap_std::fs::File) -> wasmtime::Result<Component> {
    // The path of the open descriptor, so that what is mapped is the file that was found in the private folder.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the code must be what wasmtime has produced and must not change. The folder was made by this agent, its
    // owner is this user and nobody else can write to it (checked when it was opened); files in it are written under
    // another name, renamed when they are whole, and never written again. Code of another wasmtime or another
    // configuration is refused by wasmtime itself.
    unsafe { Component::deserialize_file(engine, path) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("saker-compile-cache-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_refused() {
        let root = scratch("private");
        let engine = crate::engine::new_engine().unwrap();
        let path = root.join("compiled");
        CompileCache::open(&path, &engine).unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        mode(0o777);
        let error = CompileCache::open(&path, &engine).err().unwrap().to_string();
        assert!(error.contains("is not private") && error.contains("777"), "{error}");
        mode(0o700);
        assert!(CompileCache::open(&path, &engine).is_ok());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_is_not_there_or_not_code_is_no_component() {
        let root = scratch("stale");
        let engine = crate::engine::new_engine().unwrap();
        let cache = CompileCache::open(&root.join("compiled"), &engine).unwrap();
        let hash = PluginHash::of(b"x");
        assert!(cache.load(&engine, hash).is_none());
        cache.store(hash, b"not code").unwrap();
        assert!(cache.load(&engine, hash).is_none());
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_same_code_can_be_kept_by_many_at_the_same_time() {
        let root = scratch("together");
        let engine = crate::engine::new_engine().unwrap();
        let cache = CompileCache::open(&root.join("compiled"), &engine).unwrap();
        let (hash, code) = (PluginHash::of(b"x"), vec![7; 1 << 20]);
        let together = std::sync::Barrier::new(8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    together.wait();
                    cache.store(hash, &code).unwrap();
                });
            }
        });
        let files: Vec<_> = cache.dir.entries().unwrap().map(|entry| entry.unwrap().file_name()).collect();
        let name = cache.name(hash);
        assert_eq!(BTreeSet::from_iter(files), [name.as_str().into(), digest_name(&name).into()].into());
        assert!(cache.dir.read(cache.name(hash)).unwrap() == code);
        std::fs::remove_dir_all(root).unwrap();
    }
}
