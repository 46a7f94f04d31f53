//! A type's name means one thing in the whole workspace: it stands once, or means the same wherever it stands.
//!
//! Tests, benchmarks and guests have names of their own; what they call `Server` nobody takes for another.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where types are looked for.
const ROOMS: &[&str] = &["host", "plugins"];
/// Rooms that came after the others were put in order, and are not held yet.
const LATER: &[&str] =
    &["host/cli", "host/ingest", "host/query", "host/store", "host/web", "collectors/containers", "collectors/machine"];
/// Folders with nothing that ships.
const ASIDE: &[&str] = &["tests", "benches", "examples", "target", "node_modules", "generated"];
const KEYWORDS: &[&str] = &["struct ", "enum ", "trait ", "union "];

/// Names that stand more than once, and the one thing that each of them means.
const SHARED: &[(&str, &str)] = &[
    ("Backend", "a plugin that writes points: as its author writes it, and as the sandbox runs it"),
    ("Call", "a backend's call under way"),
    ("Collector", "a plugin that measures: as its author writes it, and as the sandbox runs it"),
    ("Failures", "what a server has not taken of a call"),
    ("Fd", "a descriptor of a guest"),
    ("Heads", "what is the same in all rows of a series"),
    ("Incoming", "a server's messages, cut out of what has arrived"),
    ("Labels", "names of labels and their values"),
    ("Meaning", "what to do about a server's error"),
    ("MetricNames", "names of metrics that are made once"),
    ("Naming", "which labels a backend adds to a series' tags"),
    ("Open", "a kept file, natively and in a component"),
    ("Point", "one value of a series, by its handle"),
    ("Precision", "the unit of timestamps in line protocol"),
    ("Processor", "a plugin that relabels: as its author writes it, and as the sandbox runs it"),
    ("SeriesState", "what a backend keeps of a series"),
    ("Session", "a connection to a server that has logged in"),
    ("Socket", "a datagram socket, natively and in a component"),
    ("Stream", "a connection, natively and in a component"),
    ("TimeRange", "from one millisecond to another, both included: as the store is asked, and as any reader is"),
];

#[test]
fn a_name_of_a_type_means_one_thing() {
    let types = types(|file| !LATER.iter().any(|room| file.to_string_lossy().contains(&format!("/{room}/"))));
    assert!(types.len() > 600, "there are more than {}", types.len());
    let twice: Vec<_> = types
        .iter()
        .filter(|(name, places)| places.len() > 1 && !SHARED.iter().any(|(shared, _)| shared == name))
        .collect();
    assert!(twice.is_empty(), "{} names of types have two meanings: {twice:#?}", twice.len());
}

#[test]
fn every_shared_name_is_still_shared() {
    let types = types(|_| true);
    for (name, _) in SHARED {
        assert!(types.get(*name).is_some_and(|places| places.len() > 1), "{name} stands once; take it off the list");
    }
}

#[test]
fn types_are_told_from_what_looks_like_them() {
    let text = "pub(crate) struct A<T> {\n    type B = C;\n}\ntype D = u8;\n// struct E;\n#[cfg(test)]\nmod tests {\n    struct F;\n}\n";
    assert_eq!(names(text), ["A", "D"]);
}

/// Every type, and the files that define it.
fn types(rooms: impl Fn(&PathBuf) -> bool) -> BTreeMap<String, Vec<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut types = BTreeMap::<_, Vec<_>>::new();
    for file in ROOMS.iter().flat_map(|room| sources(&root.join(room))).filter(rooms) {
        for name in names(&std::fs::read_to_string(&file).unwrap()) {
            types.entry(name).or_default().push(file.strip_prefix(&root).unwrap().to_owned());
        }
    }
    types
}

/// The sources below a folder.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut all = Vec::new();
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        let is_link = entry.file_type().unwrap().is_symlink();
        if path.is_dir() && !is_link && !ASIDE.contains(&name.as_str()) {
            all.extend(sources(&path));
        } else if name.ends_with(".rs") && name != "tests.rs" {
            all.push(path);
        }
    }
    all
}

/// The types that a file defines, without those of its tests. Types within traits and their implementations are indented.
fn names(text: &str) -> Vec<String> {
    let tests = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..tests].lines().filter_map(name).map(str::to_owned).collect()
}

fn name(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    if let Some(public) = rest.strip_prefix("pub") {
        rest = match public.strip_prefix('(') {
            Some(scope) => scope.split_once(") ")?.1,
            None => public.strip_prefix(' ')?,
        };
    }
    let alias = rest.strip_prefix("type ").filter(|_| !line.starts_with(' '));
    let rest = KEYWORDS.iter().find_map(|word| rest.strip_prefix(word)).or(alias)?;
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    Some(&rest[..end]).filter(|name| name.starts_with(char::is_uppercase))
}
