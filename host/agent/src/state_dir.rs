//! The saved state of instances, on disk: a small file for each.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use saker_sandbox::StateCell;

/// The folder, and the cells of all names that were asked for.
pub(crate) struct StateDir {
    dir: Dir,
    cells: BTreeMap<String, StateCell>,
}

impl StateDir {
    /// Opens the folder, which is made if it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        Ok(Self { dir: Dir::open_ambient_dir(path, ambient_authority())?, cells: BTreeMap::new() })
    }

    /// The cell of a name, with what was kept under it.
    pub(crate) fn cell(&mut self, name: &str) -> StateCell {
        if let Some(cell) = self.cells.get(name) {
            return cell.clone();
        }
        let cell = StateCell::with(self.dir.read(file_name(name)).ok());
        self.cells.insert(name.to_owned(), cell.clone());
        cell
    }

    /// Writes what has changed. Each file is replaced whole or not at all.
    pub(crate) fn save(&self) {
        for (name, cell) in &self.cells {
            if let Some(bytes) = cell.take_changed()
                && let Err(error) = self.write(name, &bytes)
            {
                tracing::warn!(plugin = name, "cannot keep its state: {error}");
            }
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (name, unfinished) = (file_name(name), format!("{}.new", file_name(name)));
        let mut options = OpenOptions::new();
        let mut file = self.dir.open_with(&unfinished, options.write(true).create(true).truncate(true).mode(0o600))?;
        file.write_all(bytes)?;
        self.dir.rename(&unfinished, &self.dir, name)
    }
}

/// Names are checked when the configuration is read and when a plugin file is found, and hold no `/`.
fn file_name(name: &str) -> String {
    format!("{}.state", name.replace('/', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_there_after_a_restart() {
        let path = std::env::temp_dir().join(format!("saker-state-{}", std::process::id()));
        let mut first = StateDir::open(&path).unwrap();
        let cell = first.cell("cpu");
        assert_eq!(cell.load(), None);
        cell.save(vec![1, 2, 3]);
        first.save();
        let mut second = StateDir::open(&path).unwrap();
        assert_eq!(second.cell("cpu").load().as_deref(), Some(&[1, 2, 3][..]));
        std::fs::remove_dir_all(path).unwrap();
    }
}
