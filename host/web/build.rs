//! Finds the page's files, if it was built: `dist/` has them, packed. Without them the agent has a page of plain HTML.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=dist");
    let dist = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("dist");
    let built = (find(&dist, ".js.gz"), find(&dist, ".css.gz"));
    let text = match built {
        (Some(script), Some(style)) => format!("Some(Built {{ script: {}, style: {} }})", file(&script), file(&style)),
        _ => {
            println!(
                "cargo::warning=the agent is built without its page: run `make page` first, which takes Node.js 20"
            );
            "None".into()
        }
    };
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("built.rs");
    if let Err(error) = std::fs::write(&out, text) {
        panic!("cannot write {}: {error}", out.display());
    }
}

/// The one file with this end. An older build's are removed by the next.
fn find(dist: &Path, end: &str) -> Option<PathBuf> {
    let files = std::fs::read_dir(dist).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files.filter(|path| path.to_string_lossy().ends_with(end)).min()
}

fn file(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy().trim_end_matches(".gz").to_owned();
    let gzip = path.display().to_string();
    let brotli = format!("{}.br", gzip.trim_end_matches(".gz"));
    format!("File {{ name: {name:?}, gzip: include_bytes!({gzip:?}), brotli: include_bytes!({brotli:?}) }}")
}
