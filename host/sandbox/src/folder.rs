//! An instance's own folder: made when it is first needed, private to the agent's user, bounded in bytes.
//!
//! The bound is looked at before an instance is opened and after each of its calls; within one call it is the deadline
//! that bounds what can be written.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use crate::failure::{CallError, Kill};

/// Where a guest sees it.
pub(crate) const GUEST_PATH: &str = "/folder";
/// Files and folders that are looked at. More of them count as too many bytes: each takes room that no size tells.
const ENTRIES_MAX: usize = 10_000;
/// Folders within folders.
const DEPTH_MAX: usize = 32;

/// Makes the folder if it is not there.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Whether what the folder holds is within its limit.
pub(crate) fn check(path: &Path, limit: u64) -> Result<(), CallError> {
    let over = || Kill::Folder { path: path.into(), limit }.into();
    match size(path) {
        Ok(Some(bytes)) if bytes <= limit => Ok(()),
        Ok(_) => Err(over()),
        Err(error) => Err(CallError::Host(format!("cannot look through the folder {}: {error}", path.display()))),
    }
}

/// Bytes of all files; none if there are more of them than can be looked at.
fn size(path: &Path) -> io::Result<Option<u64>> {
    let (mut bytes, mut entries) = (0_u64, 0);
    // Opened as a capability: no link that a guest has made leads out.
    let mut folders = vec![(Dir::open_ambient_dir(path, ambient_authority())?, 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in folder.entries()? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            entries += 1;
            if entries > ENTRIES_MAX || depth > DEPTH_MAX {
                return Ok(None);
            }
            if metadata.is_dir() {
                folders.push((entry.open_dir()?, depth + 1));
            } else {
                bytes = bytes.saturating_add(metadata.len());
            }
        }
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_is_private_and_all_that_is_in_it_counts() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("folders/a");
        make(&path).unwrap();
        make(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::create_dir(path.join("b")).unwrap();
        std::fs::write(path.join("b/c"), [0; 60]).unwrap();
        std::fs::write(path.join("d"), [0; 40]).unwrap();
        std::os::unix::fs::symlink("/", path.join("out")).unwrap();
        assert_eq!(size(&path).unwrap(), Some(101), "a link counts as its own byte and is not followed");
        assert!(check(&path, 101).is_ok());
        let error = check(&path, 100).unwrap_err().to_string();
        assert!(error.contains("limit of 100 bytes") && error.contains("folders/a"), "{error}");
    }
}
