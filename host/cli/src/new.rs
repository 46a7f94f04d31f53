//! `saker plugin new`: a project that builds, tests and runs as it is. It is the smallest plugin of its kind and language
//! in `examples/` under another name, with the kit of the language beside it.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use toml::{Table, Value};

use crate::args::{KindChoice, Language, NewArgs};
use crate::say;

/// Paths below the repository, and what the files hold.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/kits.rs"));
/// What the manifests of the Rust kit inherit.
const WORKSPACE: &str = include_str!("../../../Cargo.toml");
/// The longest name, in bytes.
const NAME_MAX: usize = 64;
/// Words that compilers know as something else: crates, and Rust's keywords.
const TAKEN: &str = "alloc as async await break const continue core crate dyn else enum extern false fn for gen if impl \
    in let loop match mod move mut proc-macro pub ref return saker-sdk self static std struct super test \
    trait true type unsafe use where while saker-names wit-bindgen wasip2 serde-json";
/// Where a project has the kit of its language.
const KIT: &str = "sdk";

pub(crate) fn new(args: &NewArgs) -> anyhow::Result<()> {
    let NewArgs { name, kind, language } = args;
    check(name)?;
    let folder = PathBuf::from(name);
    let (example, kit) = (example(*kind, *language), format!("plugins/sdk/{language}/"));
    // Made here and nowhere else: what stands there already is somebody's.
    match std::fs::create_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{name}: it is there already; choose another name, or remove what is there");
        }
        made => made.with_context(|| format!("cannot make the folder {name} here"))?,
    }
    for (path, bytes) in FILES {
        if let Some(path) = path.strip_prefix(&example) {
            write(&folder.join(renamed(path, args).as_ref()), renamed(text(path, bytes)?, args).as_bytes())?;
        } else if let Some(path) = path.strip_prefix(&kit) {
            let bytes = if is_manifest(path) { Cow::Owned(alone(text(path, bytes)?)?.into()) } else { (*bytes).into() };
            write(&folder.join(KIT).join(path), &bytes)?;
        }
    }
    say!("{name}/README.md says how to build, test and run it. Begin with: cd {name}")?;
    Ok(())
}

/// Where the smallest plugin of this kind and language lies.
fn example(kind: KindChoice, language: Language) -> String {
    format!("examples/{language}/{kind}/")
}

/// A plugin's name: what the contract allows, and what is a name in every language.
fn check(name: &str) -> anyhow::Result<()> {
    let starts = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    let fits = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !starts || !fits || name.ends_with('-') || name.contains("--") || name.len() > NAME_MAX {
        bail!(
            "{name:?} is no name for a plugin: write up to {NAME_MAX} lower-case letters, digits and single `-`, \
             beginning with a letter"
        );
    }
    if TAKEN.split_ascii_whitespace().any(|taken| taken == name) {
        bail!("{name:?} means something else to a compiler: choose another name, such as \"my-{name}\"");
    }
    Ok(())
}

fn text<'a>(path: &str, bytes: &'a [u8]) -> anyhow::Result<&'a str> {
    std::str::from_utf8(bytes).with_context(|| format!("{path}: it holds more than text"))
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("{}", folder.display()))?;
    let file = std::fs::File::create_new(path).and_then(|mut file| file.write_all(bytes));
    file.with_context(|| format!("{}", path.display()))
}

/// The text of an example under the plugin's own name, and with the kit where the project has it.
fn renamed<'a>(text: &'a str, args: &NewArgs) -> Cow<'a, str> {
    let NewArgs { name, kind, language } = args;
    // With its kind at the end a name is no other of those that the code uses: `run` becomes `RunCollector`.
    let kind = kind.to_string();
    let camel = |name: &str| {
        let end = (!name.ends_with(&format!("-{kind}"))).then_some(kind.as_str());
        let parts = name.split('-').chain(end).map(|part| part[..1].to_uppercase() + &part[1..]);
        parts.collect::<String>()
    };
    let example = format!("smallest-{kind}");
    let mut text = Cow::Borrowed(text);
    for (from, to) in [
        (format!("../../../plugins/sdk/{language}"), KIT.to_owned()),
        (example.replace('-', "_"), name.replace('-', "_")),
        (camel(&example), camel(name)),
        (example, name.clone()),
    ] {
        if text.contains(&from) {
            text = text.replace(&from, &to).into();
        }
    }
    text
}

/// Whether a file of a kit is the manifest of one of the Rust kit's crates.
fn is_manifest(path: &str) -> bool {
    path.rsplit('/').next() == Some("Cargo.toml")
}

/// A manifest of the Rust kit without a workspace to inherit from.
fn alone(manifest: &str) -> anyhow::Result<String> {
    let workspace: Table = WORKSPACE.parse()?;
    let workspace = &workspace["workspace"];
    let mut manifest: Table = manifest.parse()?;
    // How this repository is checked is no concern of others.
    manifest.remove("lints");
    manifest.remove("dev-dependencies");
    inherit(&mut manifest, "package", &workspace["package"]);
    inherit(&mut manifest, "dependencies", &workspace["dependencies"]);
    if let Some(targets) = manifest.get_mut("target").and_then(Value::as_table_mut) {
        for target in targets.iter_mut().filter_map(|(_, target)| target.as_table_mut()) {
            inherit(target, "dependencies", &workspace["dependencies"]);
        }
    }
    Ok(manifest.to_string())
}

/// Puts what the workspace says in the place of each `KEY.workspace = true` of a section.
fn inherit(manifest: &mut Table, section: &str, workspace: &Value) {
    let entries = manifest.get_mut(section).and_then(Value::as_table_mut);
    for (key, value) in entries.into_iter().flat_map(Table::iter_mut) {
        if value.get("workspace").is_some() {
            *value = workspace[key.as_str()].clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_name_is_one_in_every_language() {
        for name in ["a", "file-nr", "x2-y3"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["self", "saker-sdk", "", "A", "2x", "-a", "a-", "a--b", "a_b", "a/b", "..", "größe", "a b"] {
            assert!(check(name).is_err(), "{name}");
        }
    }

    #[test]
    fn every_spelling_of_an_example_becomes_the_plugins() {
        let args = NewArgs { name: "file-nr".into(), kind: KindChoice::Collector, language: Language::Rust };
        let text = "smallest-collector smallest_collector SmallestCollector ../../../plugins/sdk/rust smallest-backend";
        assert_eq!(renamed(text, &args), "file-nr file_nr FileNrCollector sdk smallest-backend");
    }

    #[test]
    fn the_rust_kit_inherits_nothing_from_this_repository() {
        let manifests = rust_manifests();
        for (path, manifest) in &manifests {
            assert!(!manifest.to_string().contains("workspace"), "{path}: {manifest}");
            assert_eq!(manifest["package"]["version"].as_str(), Some(env!("CARGO_PKG_VERSION")), "{path}");
        }
        assert!(manifests["Cargo.toml"]["dependencies"]["wit-bindgen"]["version"].is_str());
    }

    #[test]
    fn all_crates_of_the_rust_kit_are_in_its_folder() {
        let manifests = rust_manifests();
        for (path, manifest) in &manifests {
            let folder = path.strip_suffix("Cargo.toml").unwrap();
            let dependencies = manifest.get("dependencies").and_then(Value::as_table).into_iter().flatten();
            for of in dependencies.filter_map(|(_, dependency)| dependency.get("path").and_then(Value::as_str)) {
                assert!(manifests.contains_key(&format!("{folder}{of}/Cargo.toml")), "{path} wants {of}");
            }
        }
        assert!(manifests.len() > 1);
    }

    /// As a project gets them, by their paths in the kit.
    fn rust_manifests() -> BTreeMap<String, Table> {
        let kit = FILES.iter().filter_map(|(path, bytes)| Some((path.strip_prefix("plugins/sdk/rust/")?, bytes)));
        kit.filter(|(path, _)| is_manifest(path))
            .map(|(path, bytes)| (path.to_owned(), alone(text(path, bytes).unwrap()).unwrap().parse().unwrap()))
            .collect()
    }

    #[test]
    fn there_is_an_example_of_every_kind_in_every_language() {
        for language in [Language::Rust, Language::Python, Language::Javascript, Language::C] {
            for kind in [KindChoice::Collector, KindChoice::Processor, KindChoice::Backend] {
                let readme = example(kind, language) + "README.md";
                assert!(FILES.iter().any(|(path, _)| *path == readme), "{readme}");
            }
        }
    }
}
