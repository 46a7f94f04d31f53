//! The sandbox with real guest components: what misbehaves is ended as what it is and hurts nobody, and nothing is
//! touched that was not granted. The guests are in tests/guests; `make guests` builds them.
#![allow(clippy::unwrap_used, reason = "clippy takes only functions with #[test] for tests, not what they share")]

mod backends;
mod caching;
mod compression;
mod deadlines;
mod denied_by_default;
mod faults;
mod files;
mod folders;
mod limits;
mod neighbours;
mod network;
mod output;
mod processors;
mod state;
mod stuck;
mod support;
mod tls;

/// Every guest, and the module that tests it.
const GUESTS: &[(&str, &str)] = &[
    ("chatter", "output"),
    ("counter", "state"),
    ("dial", "network"),
    ("environment", "denied_by_default"),
    ("fail", "faults"),
    ("fetch", "network"),
    ("figures", "state"),
    ("flood", "limits"),
    ("hoard", "limits"),
    ("judge", "processors"),
    ("miscount", "processors"),
    ("misnamed", "files"),
    ("nosy", "denied_by_default"),
    ("read", "denied_by_default"),
    ("recurse", "limits"),
    ("relapse", "../agent/hostile"),
    ("sink", "backends"),
    ("sleep", "deadlines"),
    ("spin", "deadlines"),
    ("squeeze", "compression"),
    ("steady-1", "neighbours"),
    ("steady-2", "files"),
    ("trap", "faults"),
    ("usage", "denied_by_default"),
    ("write", "folders"),
];

#[test]
fn every_guest_has_a_test_that_names_it() {
    let tests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests");
    let files = std::fs::read_dir(format!("{tests}/guests/examples")).unwrap();
    let mut found: Vec<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter_map(|file| file.strip_suffix(".rs").map(str::to_owned))
        .collect();
    found.sort();
    let known: Vec<_> = GUESTS.iter().map(|(guest, _)| *guest).collect();
    assert_eq!(found, known, "tests/guests/examples on the left, GUESTS in tests/sandbox/main.rs on the right");
    for (guest, module) in GUESTS {
        let source = std::fs::read_to_string(format!("{tests}/sandbox/{module}.rs")).unwrap();
        assert!(source.contains(&format!("\"{guest}\"")), "tests/sandbox/{module}.rs has no test of {guest}");
    }
}
