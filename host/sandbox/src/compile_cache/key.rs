//! The key of one cache, and the codes that it makes.

use std::io::{self, Read, Write};
use std::path::Path;

use cap_std::fs::{Dir, MetadataExt, OpenOptions, OpenOptionsExt, PermissionsExt};

const KEY_BYTES: usize = 32;

/// Known to this user's agent only. Losing it costs one compilation of each plugin.
pub(super) struct CodeKey([u8; KEY_BYTES]);

impl CodeKey {
    /// Reads the key, or makes one. A key that others can read, or that is none, is replaced: what was written under it
    /// is compiled anew.
    pub(super) fn read_or_make(dir: &Dir, name: &Path) -> io::Result<Self> {
        match Self::read(dir, name) {
            Ok(Some(key)) => return Ok(key),
            Ok(None) => tracing::warn!("the compile cache's key could be read by others, and is replaced"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Self::make(dir, name)
    }

    /// None, if it cannot be trusted.
    fn read(dir: &Dir, name: &Path) -> io::Result<Option<Self>> {
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
        let mut file = match dir.open_with(name, OpenOptions::new().read(true).custom_flags(flags)) {
            // A link is not followed.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => return Ok(None),
            other => other?,
        };
        let metadata = file.metadata()?;
        let private = metadata.permissions().mode() & 0o077 == 0 && metadata.nlink() == 1;
        let ours = metadata.uid() == rustix::process::geteuid().as_raw();
        if !metadata.is_file() || !private || !ours || metadata.len() != KEY_BYTES as u64 {
            return Ok(None);
        }
        let mut key = [0; KEY_BYTES];
        file.read_exact(&mut key)?;
        Ok(Some(Self(key)))
    }

    fn make(dir: &Dir, name: &Path) -> io::Result<Self> {
        let mut key = [0; KEY_BYTES];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
        let unfinished = format!("{}.{}.new", name.display(), std::process::id());
        // Of an earlier process that was killed here.
        let _ = dir.remove_file(&unfinished);
        let mut file = dir.open_with(&unfinished, OpenOptions::new().write(true).create_new(true).mode(0o600))?;
        file.write_all(&key)?;
        dir.rename(&unfinished, dir, name)?;
        // Of two processes that make one at the same time, both take the one that stands.
        Self::read(dir, name)?.ok_or_else(|| io::Error::other("it is not what was written a moment ago"))
    }

    /// Begins the code of a file, which holds for its name and its bytes together: under another name it is none.
    pub(super) fn mac(&self, name: &str) -> Mac {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(name.as_bytes()).update(&[0]);
        Mac(hasher)
    }
}

/// The code of a file whose bytes come piece by piece.
pub(super) struct Mac(blake3::Hasher);

impl Mac {
    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Its digits.
    pub(super) fn text(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }

    /// Whether these are its digits; takes the same time for all that are not.
    pub(super) fn is(&self, digits: &str) -> bool {
        blake3::Hash::from_hex(digits).is_ok_and(|given| given == self.0.finalize())
    }
}
