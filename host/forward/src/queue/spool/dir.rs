//! The folder that holds the queues on disk, one folder a node, named by the node.
//!
//! Folders that belong to no node are kept and listed: a node that was renamed by mistake finds its points again.

use std::io;
use std::path::Path;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, DirBuilder, DirBuilderExt};

/// The journal of a node's queue, in its folder.
pub(super) const QUEUE: &str = "queue";
/// The journal of what its backend has rejected.
pub(super) const DEAD: &str = "dead";

/// The folder of all queues on disk.
#[derive(Clone)]
pub struct SpoolDir(Arc<Dir>);

/// A node's folder.
pub struct SpoolFolder {
    /// The node's name.
    pub node: String,
    /// Bytes of all files in it.
    pub bytes: u64,
    /// The time of its newest file, in milliseconds since 1970-01-01 UTC.
    pub changed_ms: i64,
}

impl SpoolDir {
    /// Opens it, and makes it if it is not there; others may not enter it.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700);
        builder.create(path)?;
        Ok(Self(Arc::new(Dir::open_ambient_dir(path, ambient_authority())?)))
    }

    /// A journal's folder of a node; it is made if it is not there.
    pub(super) fn journal(&self, node: &str, which: &str) -> io::Result<Dir> {
        let node = self.make(&self.0, &folder_name(node))?;
        self.make(&node, which)
    }

    /// Whether a node has a journal of that kind.
    pub(super) fn has(&self, node: &str, which: &str) -> bool {
        self.0.exists(Path::new(&folder_name(node)).join(which))
    }

    /// Whether a node has a folder.
    pub(crate) fn has_node(&self, node: &str) -> bool {
        self.0.is_dir(folder_name(node))
    }

    /// Removes one of a node's journals.
    pub(super) fn remove_journal(&self, node: &str, which: &str) -> io::Result<()> {
        self.0.remove_dir_all(Path::new(&folder_name(node)).join(which))
    }

    /// Removes a node's folder with all that is in it.
    pub(super) fn remove(&self, node: &str) -> io::Result<()> {
        self.0.remove_dir_all(folder_name(node))
    }

    fn make(&self, parent: &Dir, name: &str) -> io::Result<Dir> {
        let mut builder = DirBuilder::new();
        builder.mode(0o700);
        match parent.create_dir_with(name, &builder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => parent.open_dir(name),
        }
    }

    /// All folders, those of nodes that are not configured any more included.
    ///
    /// # Errors
    /// What the system says.
    pub fn folders(&self) -> io::Result<Vec<SpoolFolder>> {
        let mut folders = Vec::new();
        for entry in self.0.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let (Some(node), true) = (name.to_str().and_then(node_name), entry.file_type()?.is_dir()) else { continue };
            let mut folder = SpoolFolder { node, bytes: 0, changed_ms: 0 };
            measure(&entry.open_dir()?, &mut folder)?;
            folders.push(folder);
        }
        folders.sort_by(|a, b| a.node.cmp(&b.node));
        Ok(folders)
    }
}

fn measure(dir: &Dir, folder: &mut SpoolFolder) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            measure(&entry.open_dir()?, folder)?;
            continue;
        }
        // A segment may be given back while we look.
        let Ok(metadata) = entry.metadata() else { continue };
        folder.bytes += metadata.len();
        let changed = metadata.modified().ok().map(|time| time.into_std());
        let changed = changed.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let changed = changed.and_then(|since| i64::try_from(since.as_millis()).ok()).unwrap_or(0);
        folder.changed_ms = folder.changed_ms.max(changed);
    }
    Ok(())
}

/// A node's name as that of a folder: whatever could mean something to the system is percent-encoded.
fn folder_name(node: &str) -> String {
    let mut name = String::with_capacity(node.len());
    for (index, byte) in node.bytes().enumerate() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' || (byte == b'.' && index > 0) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

fn node_name(folder: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(folder.len());
    let mut rest = folder.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let code = std::str::from_utf8(after.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(code, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    let node = String::from_utf8(bytes).ok()?;
    // Only what we would have made is ours.
    (folder_name(&node) == folder).then_some(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_makes_a_folder_of_its_own_that_tells_it_again() {
        for node in ["a", "vm-1.eu", "../etc", ".hidden", "a/b", "Ü %41", "..."] {
            let folder = folder_name(node);
            assert!(!folder.contains('/') && !folder.starts_with('.'), "{folder}");
            assert_eq!(node_name(&folder).as_deref(), Some(node));
        }
        assert_eq!(node_name("%zz"), None);
        assert_eq!(node_name("a b"), None, "a folder that somebody else has made");
    }

    #[test]
    fn folders_are_listed_whether_or_not_a_node_uses_them() {
        let path = tempfile::tempdir().unwrap();
        let dir = SpoolDir::open(path.path()).unwrap();
        dir.journal("a/b", QUEUE).unwrap().write("x", [0; 10]).unwrap();
        std::fs::create_dir(path.path().join("not ours")).unwrap();
        let folders = dir.folders().unwrap();
        assert_eq!((folders.len(), folders[0].node.as_str(), folders[0].bytes), (1, "a/b", 10));
        assert!(folders[0].changed_ms > 0 && dir.has("a/b", QUEUE) && !dir.has("a/b", DEAD));
        dir.remove("a/b").unwrap();
        assert!(dir.folders().unwrap().is_empty());
    }
}
