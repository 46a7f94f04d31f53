//! Puts the kits for authors of plugins and the smallest plugins of `examples/` into the binary: `saker plugin new` makes
//! projects of them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The languages that plugins can be written in: the names of the folders.
const LANGUAGES: [&str; 4] = ["c", "javascript", "python", "rust"];
/// What is built, installed or only for this repository.
const NOT_FOLDERS: [&str; 5] = ["tests", "target", "node_modules", "__pycache__", ".venv"];
const NOT_FILES: [&str; 4] = ["wasm", "pyc", "lock", "tmp"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../..").canonicalize()?;
    let mut table = String::from("&[\n");
    for language in LANGUAGES {
        for folder in [format!("plugins/sdk/{language}"), format!("examples/{language}")] {
            embed(&root, Path::new(&folder), &mut table)?;
        }
    }
    table.push(']');
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("kits.rs"), table)
}

/// Adds the files of a folder, in the order of their names, to the table of (path below the repository, bytes).
fn embed(root: &Path, folder: &Path, table: &mut String) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", root.join(folder).display());
    let mut entries = fs::read_dir(root.join(folder))?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let path = folder.join(&name);
        // Follows symbolic links: the kits share the contract in `wit/`.
        if fs::metadata(entry.path())?.is_dir() {
            if !NOT_FOLDERS.iter().any(|not| name == *not) {
                embed(root, &path, table)?;
            }
        } else if !NOT_FILES.iter().any(|not| path.extension().is_some_and(|is| is == *not)) {
            writeln!(table, "    ({path:?}, include_bytes!({:?})),", root.join(&path)).map_err(io::Error::other)?;
        }
    }
    Ok(())
}
