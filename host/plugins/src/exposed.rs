//! Whether others can write to what the agent trusts: the plugin folder, and the files in it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The superuser, who can write everywhere in any case.
const ROOT: u32 = 0;
/// The bits of a mode that let the group and all others write.
const OTHERS_WRITE: u32 = 0o022;

/// Others can write to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExposedPath {
    /// Its mode says so.
    #[error("others can write to {path} (mode {mode:04o}), so nothing in it is trusted; chmod go-w {path}")]
    Mode {
        /// The folder or file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is another's.
    #[error(
        "{path} belongs to user {owner}, and plugins are trusted only from the superuser and from the agent's own user {us}; \
         chown {us} {path}"
    )]
    Owner {
        /// The folder or file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who we are.
        us: u32,
    },
}

impl ExposedPath {
    /// Looks at a folder or a file that is open.
    ///
    /// # Errors
    /// [`ExposedPath`]
    pub fn check(path: &Path, metadata: &Metadata) -> Result<(), Self> {
        let (owner, us) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != ROOT && owner != us {
            return Err(Self::Owner { path: path.into(), owner, us });
        }
        Self::check_mode(path, metadata)
    }

    /// The same for whoever installs, and may be another user than the agent that owns the folder.
    ///
    /// # Errors
    /// [`ExposedPath::Mode`]
    pub fn check_mode(path: &Path, metadata: &Metadata) -> Result<(), Self> {
        let mode = metadata.mode() & 0o7777;
        if mode & OTHERS_WRITE != 0 {
            return Err(Self::Mode { path: path.into(), mode });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_the_group_or_all_others_can_write_to_is_exposed() {
        let dir = tempfile::TempDir::new().unwrap();
        for (mode, exposed) in [(0o700, false), (0o755, false), (0o775, true), (0o757, true), (0o1777, true)] {
            std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
            let checked = ExposedPath::check(dir.path(), &std::fs::metadata(dir.path()).unwrap());
            assert_eq!(checked.is_err(), exposed, "{mode:o}");
            if let Err(error) = checked {
                assert!(error.to_string().contains(&format!("chmod go-w {}", dir.path().display())), "{error}");
            }
        }
    }
}
