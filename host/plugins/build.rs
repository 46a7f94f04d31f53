//! Puts the hashes of the collectors that ship into the program: only to those does a name bring grants.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../..").canonicalize()?;
    let out = PathBuf::from(env::var("OUT_DIR").map_err(io::Error::other)?);
    fs::write(out.join("shipped.rs"), shipped(&root)?)
}

/// A table of (name, hash) of the collectors of this repository that are built, in `target/plugins`, where `make plugins`
/// puts them. Without them the agent is built as well, and grants nothing by name.
fn shipped(root: &Path) -> io::Result<String> {
    let built = root.join("target/plugins");
    // A folder that is not there would count as changed at every build.
    fs::create_dir_all(&built)?;
    println!("cargo::rerun-if-changed={}", built.display());
    let mut names = fs::read_dir(root.join("plugins/collectors"))?
        .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<_>, _>>()?;
    names.sort();
    let mut table = String::from("&[\n");
    for name in names {
        let path = built.join(format!("{name}.wasm"));
        match fs::read(path) {
            Ok(bytes) => {
                let hash = blake3::hash(&bytes).to_hex();
                writeln!(table, "    ({name:?}, {:?}),", hash.as_str()).map_err(io::Error::other)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    table.push(']');
    Ok(table)
}
