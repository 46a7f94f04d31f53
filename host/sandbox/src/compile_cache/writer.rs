//! Machine code on its way from the compiler: to the cache where there is one, and into memory where there is none or
//! the disk fails.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use cap_std::fs::File;

use super::key::Mac;
use super::{CompileCache, mac_name};
use crate::plugin::PluginHash;

/// Takes machine code piece by piece, and not too much of it.
pub(crate) struct CodeWriter {
    file: Option<UnfinishedFile>,
    memory: Vec<u8>,
    written: u64,
    most: u64,
}

/// What became of the code.
pub(crate) enum CodeWriteOutcome {
    /// It is in the cache.
    Kept,
    /// Here it is.
    Memory(Vec<u8>),
}

/// Why a piece was not taken.
#[derive(Debug)]
pub(crate) enum CodeWriteError {
    /// It is too much.
    TooLarge { most: u64 },
    /// What the disk had taken cannot be read back.
    Io(io::Error),
}

/// A file that is not in place yet; dropping it removes it.
struct UnfinishedFile {
    cache: Arc<CompileCache>,
    file: File,
    temporary: String,
    name: String,
    mac: Mac,
}

impl CodeWriter {
    /// For the code of a component that has this hash.
    pub(crate) fn new(cache: Option<&Arc<CompileCache>>, hash: PluginHash, most: u64) -> Self {
        let file = cache.and_then(|cache| {
            let begun = UnfinishedFile::begin(cache, hash);
            begun.inspect_err(|error| tracing::warn!(%hash, %error, "cannot keep machine code")).ok()
        });
        Self { file, memory: Vec::new(), written: 0, most }
    }

    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<(), CodeWriteError> {
        let written = self.written + piece.len() as u64;
        if written > self.most {
            return Err(CodeWriteError::TooLarge { most: self.most });
        }
        if let Some(file) = &mut self.file {
            match file.file.write_all(piece) {
                Ok(()) => file.mac.update(piece),
                Err(error) => self.leave_disk(&error).map_err(CodeWriteError::Io)?,
            }
        }
        if self.file.is_none() {
            self.memory.extend_from_slice(piece);
        }
        self.written = written;
        Ok(())
    }

    /// Puts the file in its place.
    pub(crate) fn finish(mut self) -> io::Result<CodeWriteOutcome> {
        if let Some(file) = &mut self.file {
            match file.put_in_place() {
                Ok(()) => return Ok(CodeWriteOutcome::Kept),
                Err(error) => self.leave_disk(&error)?,
            }
        }
        Ok(CodeWriteOutcome::Memory(std::mem::take(&mut self.memory)))
    }

    /// Goes on in memory: a full disk does not keep a plugin from running.
    fn leave_disk(&mut self, error: &io::Error) -> io::Result<()> {
        tracing::warn!(%error, "cannot keep machine code");
        let Some(mut file) = self.file.take() else { return Ok(()) };
        file.file.seek(SeekFrom::Start(0))?;
        (&mut file.file).take(self.written).read_to_end(&mut self.memory)?;
        Ok(())
    }
}

impl UnfinishedFile {
    fn begin(cache: &Arc<CompileCache>, hash: PluginHash) -> io::Result<Self> {
        let name = cache.name(hash);
        let (temporary, file) = cache.begin(&name)?;
        Ok(Self { cache: cache.clone(), file, temporary, mac: cache.key.mac(&name), name })
    }

    /// Code without its own authentication is none, so the order of the two does not matter.
    fn put_in_place(&mut self) -> io::Result<()> {
        // Two files with the same bytes may be compiled at the same time; the pairs must not mix.
        let _alone = self.cache.storing.lock();
        self.cache.put(&mac_name(&self.name), self.mac.text().as_bytes())?;
        self.cache.finish(&self.temporary, &self.name, Ok(()))?;
        self.cache.trim()
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        // Under this name there is nothing any more if it was put in place.
        let _ = self.cache.dir.remove_file(&self.temporary);
    }
}
