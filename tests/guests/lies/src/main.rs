//! Makes a core module with the contract in it of each `.wat` file beside this crate, as a toolchain would: the agent
//! wraps it like any other. `plugins/build.sh OUT --guests` runs this; a file NAME.wat becomes OUT/lie-NAME.wasm, and
//! each of `bombs.rs` OUT/bomb-NAME.wasm. Beside them it makes OUT/long-NAME.wasm: files whose names are as long as the
//! format has them, or longer than anybody needs.

mod bombs;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use wit_component::StringEncoding;
use wit_parser::Resolve;

/// What all of them have in common; it is put before each.
const PRELUDE: &str = "prelude";

fn main() -> anyhow::Result<()> {
    let out = PathBuf::from(std::env::args().nth(1).context("expected a folder to write to")?);
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(here.join("../../../wit/0.1.0"))?;
    let world = resolve.select_world(&[package], Some("collector-plugin"))?;
    let prelude = fs::read_to_string(here.join(format!("{PRELUDE}.wat")))?;
    let put = |name: &str, body: &str| {
        let mut module = wat::parse_str(format!("(module\n{prelude}\n{body})")).with_context(|| name.to_owned())?;
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
        Ok::<_, anyhow::Error>(fs::write(out.join(format!("{name}.wasm")), module)?)
    };
    for entry in fs::read_dir(here)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_none_or(|extension| extension != "wat") || name == PRELUDE {
            continue;
        }
        put(&format!("lie-{name}"), &fs::read_to_string(&path)?)?;
    }
    for (name, text) in long() {
        let bytes = wat::parse_str(&text).with_context(|| format!("long-{name}"))?;
        fs::write(out.join(format!("long-{name}.wasm")), bytes)?;
    }
    let honest = fs::read_to_string(here.join("honest.wat"))?;
    bombs::all().into_iter().try_for_each(|(name, more)| put(&format!("bomb-{name}"), &format!("{honest}\n{more}")))
}

/// Bytes of an export's name: a tenth below the limit of the format.
const NAME_BYTES: usize = 90_000;

/// Files with long names, as text.
fn long() -> [(&'static str, String); 5] {
    let name = "a".repeat(NAME_BYTES);
    let exports: String =
        (0..900).map(|n| format!("(export \"e{n}-{}\" (instance $i))", &name[..NAME_BYTES / 10])).collect();
    [
        ("export", format!("(component (instance $i) (export \"{name}\" (instance $i)))")),
        ("exports", format!("(component (instance $i) {exports})")),
        (
            "import",
            format!(
                "(component (import \"{name}\" (instance (export \"f\" (func)))) (instance $e) (export \"saker:plugin/collector@0.1.0\" (instance $e)))"
            ),
        ),
        (
            "version",
            format!("(component (instance $i) (export \"saker:plugin/collector@0.2.0-{name}\" (instance $i)))"),
        ),
        ("function", format!("(module (func ${} unreachable))", "f".repeat(3 << 20))),
    ]
}
